/* What a policy may say and still be wrong: classes that are no partition, propositions nothing
 * uses, classes that a response type lacks. Runs on a policy whose rules are all readable. */
#include <stdio.h>

#include "base/mem.h"
#include "policy/loader.h"

enum { EXAMPLE_MAX = 480 };

/* "a, not b, c": the assignment in words, only as much as fits. */
static void describe(const struct policy *p, const struct truth *t, size_t assignment,
                     char out[EXAMPLE_MAX])
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t v = 0; v < t->n && n + 80 < EXAMPLE_MAX; v++)
        n += (size_t)snprintf(out + n, EXAMPLE_MAX - n, "%s%s%.60s", n > 0 ? ", " : "",
                              (assignment >> v & 1) != 0 ? "" : "not ",
                              p->propositions[t->propositions[v]].name.p);
}

static const struct yaml *where(struct loader *l, const struct response_type *type)
{
    const struct yaml *classes = yaml_get(l->root, STR("completion_classes"));
    for (const struct yaml *c = classes->child; c != NULL; c = c->next)
        for (const struct yaml *t = c->kind == YAML_MAP ? c->child : NULL; t != NULL; t = t->next)
            if (str_eq_folded(t->key, type->name))
                return t;
    return classes;
}

/* Position of the first bit that is set in `table`, among the assignments; SIZE_MAX when none. */
static size_t first_bit(const uint64_t *table, const struct truth *t)
{
    size_t assignments = (size_t)1 << t->n;
    for (size_t w = 0; w < t->words; w++)
        if (table[w] != 0) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(table[w]);
            return i < assignments ? i : SIZE_MAX;
        }
    return SIZE_MAX;
}

static bool has_otherwise(const struct policy *p, const struct response_type *type)
{
    for (size_t c = 0; c < p->n_classes; c++)
        if (type->has_rule[c] && type->rules[c].op == RULE_OTHERWISE)
            return true;
    return false;
}

static void check_gap(struct loader *l, const struct truth *t, const struct response_type *type)
{
    const struct policy *p = l->policy;
    char example[EXAMPLE_MAX];
    uint64_t *none = mem_array(t->words, sizeof(*none));
    memset(none, 0xff, t->words * sizeof(*none));
    for (size_t c = 0; c < p->n_classes; c++)
        for (size_t w = 0; w < t->words; w++)
            none[w] &= ~t->classes[c][w];
    size_t at = first_bit(none, t);
    if (at != SIZE_MAX) {
        describe(p, t, at, example);
        loader_key_error(l, where(l, type), "%.*s: no class holds for: %s", STR_ARGS(type->name),
                         example);
    }
    mem_free(none);
}

/* With `product` two classes at once are a mistake; with `exact` the better one wins. */
static void check_overlap(struct loader *l, const struct truth *t, const struct response_type *type)
{
    const struct policy *p = l->policy;
    char example[EXAMPLE_MAX];
    uint64_t *both = mem_array(t->words, sizeof(*both));
    for (size_t a = 0; a < p->n_classes; a++)
        for (size_t b = a + 1; b < p->n_classes; b++) {
            for (size_t w = 0; w < t->words; w++)
                both[w] = t->classes[a][w] & t->classes[b][w];
            size_t at = first_bit(both, t);
            if (at == SIZE_MAX)
                continue;
            describe(p, t, at, example);
            if (p->class_probability == CLASS_PRODUCT)
                loader_key_error(l, where(l, type),
                                 "%.*s: two classes, %.*s and %.*s, hold for: %s",
                                 STR_ARGS(type->name), STR_ARGS(p->classes[a]),
                                 STR_ARGS(p->classes[b]), example);
            else
                loader_warning(l, where(l, type),
                               "%.*s: %.*s and %.*s both hold for: %s; the first counts",
                               STR_ARGS(type->name), STR_ARGS(p->classes[a]),
                               STR_ARGS(p->classes[b]), example);
            mem_free(both);
            return;
        }
    mem_free(both);
}

static void check_type(struct loader *l, struct response_type *type)
{
    struct policy *p = l->policy;
    struct truth t;
    if (p->class_probability == CLASS_PRODUCT && has_otherwise(p, type)) {
        loader_key_error(l, where(l, type), "%.*s: 'otherwise' needs class_probability: exact",
                         STR_ARGS(type->name));
        return;
    }
    for (size_t c = 0; c < p->n_classes; c++)
        if (!type->has_rule[c])
            loader_warning(l, where(l, type),
                           "%.*s has no rule for class %.*s; it can never be in it",
                           STR_ARGS(type->name), STR_ARGS(p->classes[c]));
    if (!truth_init(&t, p, type)) {
        if (p->class_probability == CLASS_EXACT)
            loader_key_error(l, where(l, type),
                             "%.*s: class_probability: exact takes at most %d propositions",
                             STR_ARGS(type->name), POLICY_EXACT_MAX);
        else
            loader_warning(l, where(l, type),
                           "%.*s uses more than %d propositions: not checked whether its classes "
                           "overlap or leave gaps",
                           STR_ARGS(type->name), POLICY_EXACT_MAX);
        return;
    }
    check_gap(l, &t, type);
    check_overlap(l, &t, type);
    if (p->class_probability == CLASS_EXACT)
        diagram_build(l, &t, type);
    truth_done(&t, p);
}

static void check_reachable(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = yaml_get(l->root, STR("simple_propositions"));
    for (size_t i = 0; i < p->n_propositions; i++) {
        bool used = false;
        for (size_t t = 0; t < p->n_response_types; t++)
            used = used || p->response_types[t].asked[i];
        if (!used)
            loader_warning(l, yaml_get(y, p->propositions[i].name),
                           "proposition '%.*s' is in no rule and no feature; it is never asked",
                           STR_ARGS(p->propositions[i].name));
    }
}

void lint(struct loader *l)
{
    for (size_t i = 0; i < l->policy->n_response_types; i++)
        check_type(l, &l->policy->response_types[i]);
    check_reachable(l);
}
