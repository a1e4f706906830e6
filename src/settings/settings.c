#include "settings/settings.h"

#include <stdio.h>

#include "base/mem.h"
#include "settings/loading.h"

enum {
    SETTINGS_MEMORY_MAX = 16 * 1024 * 1024,
    YAML_MEMORY_MAX = 128 * 1024 * 1024,
    PATH_LENGTH_MAX = 128,
    GRADERS_MAX = 1, /* the worker asks one */
};

/* ---- keys -------------------------------------------------------------------------------------
 */

static struct str join(struct str section, struct str key, char out[PATH_LENGTH_MAX])
{
    int n = snprintf(out, PATH_LENGTH_MAX, "%.*s%s%.*s", STR_ARGS(section),
                     section.n > 0 ? "." : "", STR_ARGS(key));
    return (struct str){out, (size_t)n < PATH_LENGTH_MAX ? (size_t)n : 0};
}

/* The key of this section that is nearest; n == 0 when none is near. */
static struct str nearest_key(struct str section, struct str key)
{
    enum { FAR = 3 };
    struct str best = {0};
    size_t least = FAR;
    for (size_t i = 0; i < n_fields; i++) {
        if (!field_below(&fields[i], section))
            continue;
        struct str candidate = field_key_below(&fields[i], section);
        size_t d = str_distance(key, candidate, FAR);
        if (d < least && d < key.n) {
            least = d;
            best = candidate;
        }
    }
    return best;
}

/* Where a key of this name is at home; NULL when nowhere else. */
static const struct field *elsewhere(struct str key)
{
    for (size_t i = 0; i < n_fields; i++)
        if (str_eq(field_key(&fields[i]), key))
            return &fields[i];
    return NULL;
}

static void list_keys(struct str section, char out[256])
{
    size_t n = 0;
    struct str last = {0};
    out[0] = '\0';
    for (size_t i = 0; i < n_fields && n < 200; i++) {
        if (!field_below(&fields[i], section))
            continue;
        struct str key = field_key_below(&fields[i], section);
        if (str_eq(key, last))
            continue;
        n += (size_t)snprintf(out + n, 256 - n, "%s%.*s", n > 0 ? ", " : "", STR_ARGS(key));
        last = key;
    }
}

/* graders[].timeouts is graders.0.timeouts in messages. */
static void label_of(const struct loading *l, struct str section, char out[FIELD_LABEL_MAX])
{
    struct str graders = STR(GRADERS);
    if (str_has_prefix(section, graders))
        (void)snprintf(out, FIELD_LABEL_MAX, "graders.%zu%.*s", l->grader,
                       STR_ARGS(str_sub(section, graders.n, section.n)));
    else
        (void)snprintf(out, FIELD_LABEL_MAX, "%.*s", STR_ARGS(section));
}

static void refuse_key(struct loading *l, struct str section, const struct yaml *y)
{
    char key[SHOWN_MAX], label[FIELD_LABEL_MAX], in[FIELD_LABEL_MAX + 4] = "", text[256];
    struct str near = nearest_key(section, y->key);
    const struct field *home = elsewhere(y->key);
    label_of(l, section, label);
    if (section.n > 0)
        (void)snprintf(in, sizeof(in), " in %s", label);
    (void)shown(y->key, key);
    if (str_eq(y->key, STR("api_key"))) {
        problem_at_key(
            l, y, "unknown key 'api_key'%s; put the key in a file and name that in api_key_file",
            in);
    } else if (near.n > 0) {
        problem_at_key(l, y, "unknown key '%s'%s; did you mean '%.*s'?", key, in, STR_ARGS(near));
    } else if (home != NULL) {
        problem_at_key(l, y, "unknown key '%s'%s; did you mean %s?", key, in,
                       field_label(home, 0, label));
    } else {
        list_keys(section, text);
        problem_at_key(l, y, "unknown key '%s'%s; the keys there are %s", key, in, text);
    }
}

/* ---- the walk ---------------------------------------------------------------------------------
 */

static void read_section(struct loading *l, const struct yaml *map, struct str section, void *base);

static void read_grader(struct loading *l, const struct yaml *y, struct settings_grader *g)
{
    struct str section = STR(GRADERS);
    for (size_t i = 0; i < n_fields; i++)
        if (field_below(&fields[i], section))
            l->given[i] = NULL;
    value_defaults(l, section, g);
    if (y->kind != YAML_MAP) {
        problem(l, y,
                "graders.%zu: is not a map; write '- endpoints: [http://HOST:PORT]' and the "
                "other keys below it",
                l->grader);
        return;
    }
    read_section(l, y, section, g);
    for (size_t i = 0; i < n_fields; i++)
        if (field_below(&fields[i], section) && fields[i].required != 0 && l->given[i] == NULL)
            problem_of(l, &fields[i], y->line > 0 ? y : l->root, "is missing; add it");
    consistency_check_grader(l, g);
}

static void read_graders(struct loading *l, const struct yaml *list)
{
    struct settings *s = l->settings;
    if (list->kind != YAML_LIST) {
        problem(l, list, "graders: is not a list; begin the grader's first line with '- '");
        return;
    }
    s->graders = loading_array(l, &s->arena, list->count, sizeof(*s->graders));
    if (s->graders == NULL)
        return;
    for (const struct yaml *y = list->child; y != NULL; y = y->next) {
        if (s->n_graders == GRADERS_MAX) {
            problem(l, y, "graders: there are %zu, and the worker asks one; remove this one",
                    list->count);
            return;
        }
        l->grader = s->n_graders;
        read_grader(l, y, &s->graders[s->n_graders++]);
    }
}

static void read_member(struct loading *l, const struct yaml *y, struct str section, void *base)
{
    char buffer[PATH_LENGTH_MAX], label[FIELD_LABEL_MAX];
    struct str path = join(section, y->key, buffer);
    bool dotted = str_find(y->key, STR("."), 0) != SIZE_MAX;
    const struct field *f = dotted ? NULL : field_find(path);
    if (f != NULL) {
        if (y->kind == YAML_SCALAR && y->null && !environment_failed(y))
            return; /* as if it were not there */
        l->given[f - fields] = y;
        if (!environment_failed(y))
            value_read(l, f, y, field_at(f, base));
    } else if (str_eq(path, STR("graders"))) {
        if (y->kind != YAML_SCALAR || !y->null)
            read_graders(l, y);
    } else if (path.n > 0 && !dotted && field_is_section(path)) {
        label_of(l, path, label);
        if (y->kind == YAML_MAP)
            read_section(l, y, path, base);
        else if (y->kind == YAML_LIST || !y->null)
            problem(l, y, "%s: is not a section; write its keys below it, indented", label);
    } else {
        refuse_key(l, section, y);
    }
}

static void read_section(struct loading *l, const struct yaml *map, struct str section, void *base)
{
    for (const struct yaml *y = map->child; y != NULL; y = y->next)
        read_member(l, y, section, base);
}

static void check_required(struct loading *l)
{
    for (size_t i = 0; i < n_fields; i++) {
        const struct field *f = &fields[i];
        if ((f->required & l->needs) != 0 && l->given[i] == NULL)
            problem_of(l, f, l->root, "is missing; add it");
    }
    const struct yaml *graders = yaml_get(l->root, STR("graders"));
    bool none = graders == NULL || (graders->kind == YAML_SCALAR && graders->null) ||
                (graders->kind == YAML_LIST && graders->count == 0);
    if ((l->needs & SETTINGS_NEED_GRADER) != 0 && none)
        problem(l, l->root, "graders: there is none; add one with endpoints and model");
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static bool parse(struct loading *l, const struct str *text)
{
    struct err err;
    struct yaml_fault fault;
    struct yaml nowhere = {.file = &l->file};
    if (text != NULL) {
        l->file.text = *text;
    } else if (yaml_read(&l->arena, l->file.name, &l->file.text, &err) != ERR_OK) {
        struct str why = str_z(err.msg);
        why = str_sub(why, l->file.name.n + 2, why.n);
        problem(l, &nowhere, "%.*s; name a settings file with -c FILE", STR_ARGS(why));
        return false;
    }
    l->root = yaml_parse(&l->arena, &l->file, &fault);
    if (l->root == NULL) {
        nowhere.line = fault.line;
        nowhere.column = fault.column;
        problem(l, &nowhere, "%s%s", fault.text,
                strchr(fault.text, ';') != NULL ? "" : "; correct it");
        return false;
    }
    if (l->root->kind != YAML_MAP) {
        problem(l, l->root, "a settings file is a map of sections; write 'kafka:', 'policy:', ...");
        return false;
    }
    if (l->root->line == 0)
        l->root->line = l->root->column = 1;
    if (yaml_get(l->root, STR("simple_propositions")) != NULL ||
        yaml_get(l->root, STR("completion_classes")) != NULL) {
        problem(l, l->root,
                "this is a policy, not settings; name it in policy.files, or with --policy FILE");
        return false;
    }
    return true;
}

static struct str folder_of(struct str file)
{
    size_t n = file.n;
    while (n > 0 && file.p[n - 1] != '/')
        n--;
    return str_sub(file, 0, n);
}

static void load(struct loading *l, const struct str *text, const struct str *overrides, size_t n)
{
    value_defaults(l, (struct str){0}, l->settings);
    if (!parse(l, text))
        return;
    overrides_apply(l, overrides, n);
    properties_refuse_arguments(l);
    environment_replace(l, l->root);
    read_section(l, l->root, (struct str){0}, l->settings);
    check_required(l);
    consistency_check(l);
}

struct settings *settings_load(struct str file, const struct str *text, const struct str *overrides,
                               size_t n_overrides, unsigned needs,
                               struct settings_problems *problems)
{
    struct settings *s = mem_alloc(sizeof(*s));
    size_t before = problems->n;
    struct loading l = {.settings = s, .problems = problems, .needs = needs};
    arena_init(&s->arena, SETTINGS_MEMORY_MAX);
    arena_init(&l.arena, YAML_MEMORY_MAX);
    l.given = mem_array(n_fields, sizeof(*l.given));
    s->file = loading_copy(&l, &s->arena, file);
    l.file.name = s->file;
    l.folder = folder_of(s->file);
    load(&l, text, overrides, n_overrides);
    mem_free(l.given);
    arena_done(&l.arena);
    if (problems->n == before)
        return s;
    settings_free(s);
    return NULL;
}

void settings_free(struct settings *s)
{
    if (s == NULL)
        return;
    arena_done(&s->arena);
    mem_free(s);
}
