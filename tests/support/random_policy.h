/* Policies by dice: propositions p0.., derived ones over them, classes c0.. for the type t. The
 * last class is what the others leave, so every one of them loads with `exact`. Header only. */
#ifndef RBR_TESTS_RANDOM_POLICY_H
#define RBR_TESTS_RANDOM_POLICY_H

#include "policies.h"

#include "base/rng.h"

struct random_policy {
    size_t n_propositions, n_derived, n_classes;
    struct buf text;
};

static inline void random_rule(struct rng *rng, struct buf *b, size_t n, size_t n_derived,
                               unsigned depth)
{
    static const char *const words[] = {"false", "true"};
    size_t dice = depth > 2 ? 0 : rng_below(rng, 6), kids = 1 + rng_below(rng, 3);
    if (dice == 5) {
        (void)buf_append_z(b, "{not: ");
        random_rule(rng, b, n, n_derived, depth + 1);
        (void)buf_append_z(b, "}");
    } else if (dice >= 3) {
        (void)buf_append_z(b, dice == 3 ? "{any: [" : "{all: [");
        for (size_t i = 0; i < kids; i++) {
            (void)buf_append_z(b, i > 0 ? ", " : "");
            random_rule(rng, b, n, n_derived, depth + 1);
        }
        (void)buf_append_z(b, "]}");
    } else { /* different names, or the map has a key twice */
        size_t at = rng_below(rng, n + n_derived), step = kids;
        (void)buf_append_z(b, "{");
        for (size_t i = 0; at < n + n_derived && i < kids; i++, at += step)
            (void)buf_printf(b, "%s%c%zu: %s", i > 0 ? ", " : "", at < n ? 'p' : 'd',
                             at < n ? at : at - n, words[rng_below(rng, 2)]);
        (void)buf_append_z(b, "}");
    }
}

/* Text of a policy; end it with buf_done(&r->text). */
static inline void random_policy(struct rng *rng, struct random_policy *r, size_t most)
{
    struct buf *b = &r->text;
    r->n_propositions = 1 + rng_below(rng, most);
    r->n_derived = rng_below(rng, 4);
    r->n_classes = 1 + rng_below(rng, 4);
    buf_init(b, 1u << 20);
    (void)buf_append_z(b, TEMPLATE "class_probability: exact\nsimple_propositions:\n");
    for (size_t i = 0; i < r->n_propositions; i++)
        (void)buf_printf(b, "  p%zu: {prompt: q}\n", i);
    (void)buf_append_z(b, r->n_derived > 0 ? "derived_propositions:\n" : "");
    for (size_t i = 0; i < r->n_derived; i++) {
        (void)buf_printf(b, "  d%zu: ", i);
        random_rule(rng, b, r->n_propositions, i, 0);
        (void)buf_append_z(b, "\n");
    }
    (void)buf_append_z(b, "completion_class_order: [");
    for (size_t i = 0; i < r->n_classes; i++)
        (void)buf_printf(b, "%sc%zu", i > 0 ? ", " : "", i);
    (void)buf_append_z(b, "]\ncompletion_classes:\n");
    for (size_t i = 0; i < r->n_classes; i++) {
        (void)buf_printf(b, "  c%zu: {t: ", i);
        if (i + 1 < r->n_classes)
            random_rule(rng, b, r->n_propositions, r->n_derived, 0);
        else
            (void)buf_append_z(b, "{otherwise: true}");
        (void)buf_append_z(b, "}\n");
    }
    (void)buf_append(b, "", 1); /* as a C string */
}

/* The first class that holds, by the rules' own words. */
static inline size_t random_policy_class(const struct policy *p, uint64_t assignment)
{
    const struct response_type *t = &p->response_types[0];
    for (size_t c = 0; c + 1 < p->n_classes; c++)
        if (policies_holds(p, &t->rules[c], assignment))
            return c;
    return p->n_classes - 1;
}

#endif
