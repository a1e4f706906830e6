/* policy/diagram: decision diagrams of random policies equal the enumeration: the class of every
 * assignment, and the probability of every class. */
#include "random_policy.h"

#include <math.h>

static size_t class_of(const struct response_type *t, uint64_t assignment)
{
    if (t->n_decisions == 0)
        return t->only;
    for (size_t i = 0;;) {
        const struct decision *d = &t->decisions[i];
        int32_t next = (assignment >> d->proposition & 1) != 0 ? d->when_true : d->when_false;
        if (next < 0)
            return (size_t)(-1 - next);
        assert_true((size_t)next > i && (size_t)next < t->n_decisions); /* a later node */
        i = (size_t)next;
    }
}

static void spread(const struct response_type *t, const double *p, double *classes)
{
    double *mass = mem_array(t->n_decisions, sizeof(double));
    if (t->n_decisions == 0)
        classes[t->only] = 1;
    else
        mass[0] = 1;
    for (size_t i = 0; i < t->n_decisions; i++) {
        const struct decision *d = &t->decisions[i];
        double yes = mass[i] * p[d->proposition], no = mass[i] * (1 - p[d->proposition]);
        *(d->when_true < 0 ? &classes[-1 - d->when_true] : &mass[d->when_true]) += yes;
        *(d->when_false < 0 ? &classes[-1 - d->when_false] : &mass[d->when_false]) += no;
    }
    mem_free(mass);
}

static void enumerate(const struct policy *policy, const double *p, double *classes)
{
    for (uint64_t a = 0; a < (uint64_t)1 << policy->n_propositions; a++) {
        double mass = 1;
        for (size_t i = 0; i < policy->n_propositions; i++)
            mass *= (a >> i & 1) != 0 ? p[i] : 1 - p[i];
        classes[random_policy_class(policy, a)] += mass;
    }
}

static void diagrams_equal_the_enumeration(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 400; run++) {
        struct random_policy r;
        random_policy(&rng, &r, 9);
        struct policy *p = policies_good(r.text.p);
        const struct response_type *t = &p->response_types[0];
        double chance[16], by_diagram[8] = {0}, by_sum[8] = {0};
        for (uint64_t a = 0; a < (uint64_t)1 << p->n_propositions; a++)
            if (class_of(t, a) != random_policy_class(p, a))
                fail_msg("assignment %llu of\n%s", (unsigned long long)a, r.text.p);
        for (size_t i = 0; i < p->n_propositions; i++)
            chance[i] = rng_below(&rng, 4) == 0 ? (double)rng_below(&rng, 2) : rng_unit(&rng);
        spread(t, chance, by_diagram);
        enumerate(p, chance, by_sum);
        for (size_t c = 0; c < p->n_classes; c++)
            assert_true(fabs(by_diagram[c] - by_sum[c]) < 1e-12);
        policy_free(p);
        buf_done(&r.text);
    }
}

static void a_diagram_is_reduced(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < 2; i++) {
        struct buf b;
        buf_init(&b, 1u << 20);
        (void)buf_append_z(&b, TEMPLATE ORDER "class_probability: exact\nsimple_propositions:\n");
        for (int k = 0; k < 20; k++)
            (void)buf_printf(&b, "  p%d: {prompt: q}\n", k);
        (void)buf_append_z(&b,
                           "completion_classes: {bad: {t: {otherwise: true}}, good: {t: {any: [");
        for (int k = 0; k < 20; k += 2)
            (void)buf_printf(&b, "%s{p%d: true, p%d: %s}", k > 0 ? ", " : "", k, k + 1,
                             i == 0 ? "true" : "false");
        (void)buf_append(&b, "]}}}\n", 6);
        struct policy *p = policies_good(b.p);
        assert_int_equal(p->response_types[0].n_decisions, 20); /* not 2^20 */
        policy_free(p);
        buf_done(&b);
    }
}

static void one_class_for_everything_needs_no_node(void **state RBR_UNUSED)
{
    struct policy *p = policies_good(TEMPLATE ORDER PROPOSITION
                                     "class_probability: exact\n"
                                     "completion_classes: {bad: {t: {any: [{kind: true}, "
                                     "{kind: false}]}}}\n");
    assert_int_equal(p->response_types[0].n_decisions, 0);
    assert_int_equal(p->response_types[0].only, 1);
    policy_free(p);
}

/* Parity of n propositions has 2 nodes a level: more nodes than the first table of the builder
 * holds come from rules without such order, here a comparison of two numbers, bit against bit. */
static void large_diagrams_are_built(void **state RBR_UNUSED)
{
    struct buf b;
    enum { BITS = 9 };
    buf_init(&b, 1u << 20);
    (void)buf_append_z(&b, TEMPLATE ORDER "class_probability: exact\nsimple_propositions:\n");
    for (int k = 0; k < 2 * BITS; k++) /* x0.. and then y0..: the worst order */
        (void)buf_printf(&b, "  p%d: {prompt: q}\n", k);
    (void)buf_append_z(&b, "completion_classes: {bad: {t: {otherwise: true}}, good: {t: {all: [");
    for (int k = 0; k < BITS; k++)
        (void)buf_printf(&b, "%s{any: [{p%d: true, p%d: true}, {p%d: false, p%d: false}]}",
                         k > 0 ? ", " : "", k, k + BITS, k, k + BITS);
    (void)buf_append(&b, "]}}}\n", 6);
    struct policy *p = policies_good(b.p);
    const struct response_type *t = &p->response_types[0];
    assert_true(t->n_decisions > 1000);
    for (uint64_t a = 0; a < 1u << 2 * BITS; a += 7)
        assert_int_equal(class_of(t, a), (a & ((1u << BITS) - 1)) == a >> BITS ? 0 : 1);
    policy_free(p);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diagrams_equal_the_enumeration),
        cmocka_unit_test(a_diagram_is_reduced),
        cmocka_unit_test(one_class_for_everything_needs_no_node),
        cmocka_unit_test(large_diagrams_are_built),
    };
    return cmocka_run_group_tests_name("diagram", tests, NULL, NULL);
}
