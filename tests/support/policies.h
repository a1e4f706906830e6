/* Policies from text in tests, and the smallest one in pieces. Header only. */
#ifndef RBR_TESTS_POLICIES_H
#define RBR_TESTS_POLICIES_H

#include "unit.h"

#include "policy/loader.h"

#define TEMPLATE    "prompt_template: '{response} {question}'\n"
#define ORDER       "completion_class_order: [good, bad]\n"
#define CLASSES     "completion_classes: {good: {t: {kind: true}}, bad: {t: {kind: false}}}\n"
#define PROPOSITION "simple_propositions: {kind: {prompt: Is it kind?}}\n"
#define MINIMAL     TEMPLATE ORDER CLASSES PROPOSITION

static inline struct policy *policies_load(struct findings *f, const char *one, const char *two)
{
    struct policy_file files[2] = {{STR("one.yaml"), str_z(one)}, {STR("two.yaml"), {0}}};
    if (two != NULL)
        files[1].text = str_z(two);
    findings_init(f);
    return policy_load(files, two != NULL ? 2 : 1, f);
}

/* Without errors; the caller frees it. */
static inline struct policy *policies_overlaid(const char *one, const char *two)
{
    struct findings f;
    struct policy *p = policies_load(&f, one, two);
    for (size_t i = 0; f.errors > 0 && i < f.n; i++)
        print_error("%zu:%zu: %.*s\n", f.items[i].line, f.items[i].column,
                    STR_ARGS(f.items[i].text));
    assert_non_null(p);
    findings_done(&f);
    return p;
}

static inline struct policy *policies_good(const char *text)
{
    return policies_overlaid(text, NULL);
}

/* What a rule says of one assignment; bit i is proposition i. */
static inline bool policies_holds(const struct policy *p, const struct rule *r, uint64_t assignment)
{
    bool all = true, any = false;
    if (r->op == RULE_LITERAL)
        return r->want == (r->ref_kind == REF_PROPOSITION
                               ? (assignment >> r->ref & 1) != 0
                               : policies_holds(p, &p->derived[r->ref].rule, assignment));
    for (size_t i = 0; i < r->n_kids; i++) {
        bool kid = policies_holds(p, &r->kids[i], assignment);
        all = all && kid;
        any = any || kid;
    }
    return r->op == RULE_ALL ? all : r->op == RULE_ANY ? any : !any;
}

#endif
