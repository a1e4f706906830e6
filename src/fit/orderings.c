#include "fit/orderings.h"

#include "base/mem.h"
#include "base/num.h"
#include "yaml/yaml.h"

enum { MEMORY_MAX = 64 << 20 };

static void orderings_init(struct orderings *o, const struct policy *policy)
{
    arena_init(&o->arena, MEMORY_MAX);
    o->types = mem_array(policy->n_response_types, sizeof(*o->types));
    for (size_t t = 0; t < policy->n_response_types; t++)
        for (size_t i = 0; i < ORDERING_LABELS_MAX; i++)
            o->types[t].margin[i] = 1;
}

void orderings_done(struct orderings *o)
{
    mem_free(o->types);
    arena_done(&o->arena);
}

size_t ordering_find(const struct ordering *o, struct str label)
{
    for (size_t i = 0; i < o->n; i++)
        if (str_eq(o->labels[i], label))
            return i;
    return SIZE_MAX;
}

void orderings_of_classes(struct orderings *o, const struct policy *policy)
{
    _Static_assert((int)ORDERING_LABELS_MAX >= (int)POLICY_CLASSES_MAX, "room for each class");
    orderings_init(o, policy);
    for (size_t t = 0; t < policy->n_response_types; t++) {
        struct ordering *of = &o->types[t];
        of->n = policy->n_classes;
        for (size_t i = 0; i < of->n; i++) {
            of->labels[i] = policy->classes[i];
            for (size_t j = i + 1; j < of->n; j++)
                of->above[i][j] = true;
        }
    }
}

/* ---- a file -----------------------------------------------------------------------------------
 */

static enum err_code wrong(const struct yaml *at, struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "%.*s:%zu: '%.*s': %s", STR_ARGS(at->file->name), at->line,
                   STR_ARGS(at->key.n > 0 ? at->key : at->text), what);
}

/* Index of a label, added when it is new; SIZE_MAX when there is no room. The arena holds the whole
 * tree, so texts stay. */
static size_t label_index(struct ordering *o, struct str label)
{
    size_t i = ordering_find(o, label);
    if (i != SIZE_MAX || o->n == ORDERING_LABELS_MAX)
        return i;
    o->labels[o->n] = label;
    return o->n++;
}

/* A label that ranks above itself, by way of others perhaps; SIZE_MAX when none does. */
static size_t find_circle(const struct ordering *o)
{
    bool reaches[ORDERING_LABELS_MAX][ORDERING_LABELS_MAX];
    memcpy(reaches, o->above, sizeof(reaches));
    for (size_t via = 0; via < o->n; via++)
        for (size_t i = 0; i < o->n; i++)
            for (size_t j = 0; j < o->n; j++)
                reaches[i][j] = reaches[i][j] || (reaches[i][via] && reaches[via][j]);
    for (size_t i = 0; i < o->n; i++)
        if (reaches[i][i])
            return i;
    return SIZE_MAX;
}

static enum err_code read_ordering(struct ordering *o, const struct yaml *y, struct err *err)
{
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        size_t better = label_index(o, m->key);
        if (m->kind != YAML_LIST)
            return wrong(m, err, "list the labels below it in [ ]");
        for (const struct yaml *k = m->child; k != NULL; k = k->next) {
            size_t worse = k->kind == YAML_SCALAR ? label_index(o, k->text) : SIZE_MAX;
            if (better == SIZE_MAX || worse == SIZE_MAX)
                return wrong(m, err, "labels are words, at most 64 of them");
            o->above[better][worse] = true;
        }
    }
    size_t circle = find_circle(o);
    if (circle != SIZE_MAX)
        return err_set(err, ERR_INVALID,
                       "%.*s:%zu: '%.*s' ranks above itself, by way of the labels below it; remove "
                       "one of the steps",
                       STR_ARGS(y->file->name), y->line, STR_ARGS(o->labels[circle]));
    return ERR_OK;
}

static enum err_code read_margins(struct ordering *o, const struct yaml *y, struct err *err)
{
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        size_t better = ordering_find(o, m->key);
        double margin;
        if (better == SIZE_MAX)
            return wrong(m, err, "no such label in the orderings of this response type");
        if (m->kind != YAML_SCALAR || !num_parse_f64(m->text, &margin) || margin <= 0 ||
            margin > 1e6)
            return wrong(m, err, "a margin is a number above 0, at most 1e6");
        o->margin[better] = margin;
    }
    return ERR_OK;
}

static enum err_code read_section(struct orderings *o, const struct policy *policy,
                                  const struct yaml *section, struct err *err,
                                  enum err_code (*read)(struct ordering *o, const struct yaml *y,
                                                        struct err *err))
{
    if (section == NULL)
        return ERR_OK;
    if (section->kind != YAML_MAP)
        return wrong(section, err, "must be a map of response types");
    for (const struct yaml *m = section->child; m != NULL; m = m->next) {
        size_t type = policy_route(policy, m->key, STR(""));
        if (type == SIZE_MAX)
            return wrong(m, err, "no such response type in the policy");
        if (m->kind != YAML_MAP)
            return wrong(m, err, "must be a map of labels");
        enum err_code code = read(&o->types[type], m, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static enum err_code check_keys(const struct yaml *root, struct err *err)
{
    for (const struct yaml *m = root->child; m != NULL; m = m->next)
        if (!str_eq(m->key, STR("orderings")) && !str_eq(m->key, STR("margins")))
            return wrong(m, err, "a file of orderings has only the sections orderings and margins");
    return ERR_OK;
}

enum err_code orderings_load(struct orderings *o, const struct policy *policy, struct str name,
                             struct str text, struct err *err)
{
    struct yaml_fault fault;
    enum err_code code;
    orderings_init(o, policy);
    struct yaml_file *file = arena_alloc(&o->arena, sizeof(*file));
    if (file == NULL)
        return err_set(err, ERR_LIMIT, "%.*s: too large", STR_ARGS(name));
    *file = (struct yaml_file){name, text};
    if (text.p == NULL && (code = yaml_read(&o->arena, name, &file->text, err)) != ERR_OK)
        return code;
    const struct yaml *root = yaml_parse(&o->arena, file, &fault);
    if (root == NULL)
        return err_set(err, ERR_INVALID, "%.*s:%zu: %s", STR_ARGS(name), fault.line, fault.text);
    if (root->kind != YAML_MAP || yaml_get(root, STR("orderings")) == NULL)
        return err_set(err, ERR_INVALID, "%.*s: no section 'orderings'", STR_ARGS(name));
    if ((code = check_keys(root, err)) != ERR_OK ||
        (code = read_section(o, policy, yaml_get(root, STR("orderings")), err, read_ordering)) !=
            ERR_OK)
        return code;
    return read_section(o, policy, yaml_get(root, STR("margins")), err, read_margins);
}
