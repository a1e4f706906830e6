/* Rules as truth tables: bit i of a table is the rule's truth under assignment i, in which variable
 * v is bit v of i. With 20 variables a table is 128 KiB, and every rule is a few passes over such
 * tables. */
#include "base/mem.h"
#include "policy/loader.h"

struct tables {
    const struct policy *policy;
    const struct truth *truth;
    size_t variable[POLICY_PROPOSITIONS_MAX]; /* of a proposition */
    uint64_t **derived; /* filled in order */
};

bool truth_bit(const uint64_t *table, size_t assignment)
{
    return (table[assignment / 64] >> (assignment % 64) & 1) != 0;
}

static void fill_variable(uint64_t *table, size_t words, size_t v)
{
    static const uint64_t patterns[] = {0xaaaaaaaaaaaaaaaau, 0xccccccccccccccccu,
                                        0xf0f0f0f0f0f0f0f0u, 0xff00ff00ff00ff00u,
                                        0xffff0000ffff0000u, 0xffffffff00000000u};
    for (size_t w = 0; w < words; w++)
        table[w] = v < 6 ? patterns[v] : (w >> (v - 6) & 1) != 0 ? UINT64_MAX : 0;
}

static void fill(const struct tables *t, const struct rule *r, uint64_t *out);

static void fill_literal(const struct tables *t, const struct rule *r, uint64_t *out)
{
    size_t words = t->truth->words;
    if (r->ref_kind == REF_PROPOSITION)
        fill_variable(out, words, t->variable[r->ref]);
    else
        memcpy(out, t->derived[r->ref], words * sizeof(*out));
    for (size_t w = 0; !r->want && w < words; w++)
        out[w] = ~out[w];
}

static void fill(const struct tables *t, const struct rule *r, uint64_t *out)
{
    size_t words = t->truth->words;
    if (r->op == RULE_LITERAL) {
        fill_literal(t, r, out);
        return;
    }
    memset(out, r->op == RULE_ALL ? 0xff : 0, words * sizeof(*out));
    uint64_t *kid = mem_array(words, sizeof(*kid));
    for (size_t i = 0; i < r->n_kids; i++) {
        fill(t, &r->kids[i], kid);
        for (size_t w = 0; w < words; w++)
            out[w] = r->op == RULE_ALL   ? out[w] & kid[w]
                     : r->op == RULE_ANY ? out[w] | kid[w]
                                         : ~kid[w];
    }
    mem_free(kid);
}

/* OTHERWISE: what no other class of the type has. */
static void fill_otherwise(const struct truth *t, const struct policy *p,
                           const struct response_type *type)
{
    for (size_t c = 0; c < p->n_classes; c++) {
        if (!type->has_rule[c] || type->rules[c].op != RULE_OTHERWISE)
            continue;
        memset(t->classes[c], 0xff, t->words * sizeof(uint64_t));
        for (size_t other = 0; other < p->n_classes; other++)
            for (size_t w = 0; other != c && w < t->words; w++)
                t->classes[c][w] &= ~t->classes[other][w];
    }
}

bool truth_init(struct truth *t, const struct policy *p, const struct response_type *type)
{
    struct tables tables = {.policy = p, .truth = t};
    bool used[POLICY_PROPOSITIONS_MAX] = {false};
    *t = (struct truth){.propositions = mem_array(POLICY_PROPOSITIONS_MAX, sizeof(size_t))};
    for (size_t c = 0; c < p->n_classes; c++)
        if (type->has_rule[c])
            policy_mark(p, &type->rules[c], used);
    for (size_t i = 0; i < p->n_propositions; i++)
        if (used[i]) {
            tables.variable[i] = t->n;
            t->propositions[t->n++] = i;
        }
    if (t->n > POLICY_EXACT_MAX) {
        truth_done(t, p);
        return false;
    }
    t->words = t->n > 6 ? (size_t)1 << (t->n - 6) : 1;
    tables.derived = mem_array(p->n_derived, sizeof(uint64_t *));
    for (size_t i = 0; i < p->n_derived; i++) {
        tables.derived[i] = mem_array(t->words, sizeof(uint64_t));
        fill(&tables, &p->derived[i].rule, tables.derived[i]);
    }
    t->classes = mem_array(p->n_classes, sizeof(uint64_t *));
    for (size_t c = 0; c < p->n_classes; c++) {
        t->classes[c] = mem_array(t->words, sizeof(uint64_t));
        if (type->has_rule[c] && type->rules[c].op != RULE_OTHERWISE)
            fill(&tables, &type->rules[c], t->classes[c]);
    }
    fill_otherwise(t, p, type);
    for (size_t i = 0; i < p->n_derived; i++)
        mem_free(tables.derived[i]);
    mem_free(tables.derived);
    return true;
}

void truth_done(struct truth *t, const struct policy *p)
{
    for (size_t c = 0; t->classes != NULL && c < p->n_classes; c++)
        mem_free(t->classes[c]);
    mem_free(t->classes);
    mem_free(t->propositions);
    *t = (struct truth){0};
}
