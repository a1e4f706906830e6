#include <stdio.h>

#include "base/mem.h"
#include "policy/loader.h"

enum { POLICY_MEMORY_MAX = 64 * 1024 * 1024, YAML_MEMORY_MAX = 128 * 1024 * 1024 };

/* ---- overlays ---------------------------------------------------------------------------------
 */

/* Puts `y` into the map: over the member of the same key, in its place, or at the end. */
static void put(struct yaml *map, struct yaml *y)
{
    struct yaml **at = &map->child;
    while (*at != NULL && !str_eq((*at)->key, y->key))
        at = &(*at)->next;
    if (*at != NULL)
        y->next = (*at)->next;
    else {
        y->next = NULL;
        map->count++;
    }
    *at = y;
}

/* A later file replaces top-level keys, or, where both are maps, single entries of them. */
static void overlay(struct yaml *under, struct yaml *over)
{
    struct yaml *next;
    for (struct yaml *y = over->child; y != NULL; y = next) {
        next = y->next;
        struct yaml *old = yaml_get(under, y->key);
        if (old == NULL || old->kind != YAML_MAP || y->kind != YAML_MAP) {
            put(under, y);
            continue;
        }
        struct yaml *entry_next;
        for (struct yaml *entry = y->child; entry != NULL; entry = entry_next) {
            entry_next = entry->next;
            put(old, entry);
        }
    }
}

static struct yaml *read_file(struct loader *l, const struct policy_file *in)
{
    struct err err;
    struct yaml_fault fault;
    struct yaml_file *file = arena_array(&l->arena, 1, sizeof(*file));
    *file = (struct yaml_file){in->name, in->text};
    if (in->text.p == NULL && yaml_read(&l->arena, in->name, &file->text, &err) != ERR_OK) {
        struct str why = str_z(err.msg); /* it begins with the name */
        findings_add(l->findings, SEVERITY_ERROR, in->name, "%s",
                     str_sub(why, in->name.n + 2, why.n).p);
        return NULL;
    }
    struct yaml *y = yaml_parse(&l->arena, file, &fault);
    if (y == NULL) {
        struct yaml at = {.file = file, .line = fault.line, .column = fault.column};
        loader_error(l, &at, "%s", fault.text);
    } else if (y->kind != YAML_MAP) {
        loader_error(l, y, "a policy file is a map of sections");
        return NULL;
    } else if (yaml_get(y, STR("kafka")) != NULL || yaml_get(y, STR("graders")) != NULL) {
        loader_error(l, y, "these are a worker's settings, not a policy; name them with -c FILE");
        return NULL;
    }
    return y;
}

static bool read_files(struct loader *l, const struct policy_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct yaml *y = read_file(l, &files[i]);
        if (y == NULL)
            return false;
        if (l->root == NULL)
            l->root = y;
        else
            overlay(l->root, y);
    }
    if (l->root == NULL)
        findings_add(l->findings, SEVERITY_ERROR, STR("policy"), "no policy file is named");
    return l->root != NULL;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static void load_sections(struct loader *l, struct str first_file)
{
    static const char *const keys[] = {"policy",
                                       "prompt_template",
                                       "completion_class_order",
                                       "completion_classes",
                                       "derived_propositions",
                                       "simple_propositions",
                                       "response_types",
                                       "class_probability",
                                       "features",
                                       "weights",
                                       "calibration",
                                       "grading",
                                       "reward"};
    read_known_keys(l, l->root, keys, ARRAY_LEN(keys));
    load_identity(l, first_file);
    load_propositions(l);
    load_derived(l);
    load_template(l);
    load_options(l);
    load_classes(l);
    if (l->findings->errors > l->errors_before)
        return; /* what follows would only repeat them */
    load_routes(l);
    load_features(l);
    load_weights(l);
    if (l->findings->errors == l->errors_before)
        lint(l);
}

static void set_version(struct policy *p)
{
    policy_digest(p);
    if (p->version.n == 0)
        p->version = (struct str){p->hash_hex, 12};
}

struct policy *policy_load(const struct policy_file *files, size_t n, struct findings *findings)
{
    const size_t before = findings->errors; /* of other policies */
    struct loader l = {.findings = findings, .errors_before = before};
    l.policy = mem_alloc(sizeof(*l.policy));
    arena_init(&l.policy->arena, POLICY_MEMORY_MAX);
    arena_init(&l.arena, YAML_MEMORY_MAX);
    if (read_files(&l, files, n))
        load_sections(&l, files[0].name);
    if (findings->errors == before)
        set_version(l.policy);
    arena_done(&l.arena);
    if (findings->errors == before)
        return l.policy;
    policy_free(l.policy);
    return NULL;
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_propositions; i++)
        check_free(p->propositions[i].check);
    arena_done(&p->arena);
    mem_free(p);
}

void policy_require_weights(const struct policy *p, struct findings *findings)
{
    for (size_t i = 0; !p->classify_only && i < p->n_response_types; i++)
        if (!p->response_types[i].has_weights)
            findings_add(findings, SEVERITY_ERROR, p->id,
                         "response type %.*s has no weights, so no reward can be made; add them "
                         "under 'weights', fit "
                         "them, or say reward: {classify_only: true}",
                         STR_ARGS(p->response_types[i].name));
}
