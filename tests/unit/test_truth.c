/* policy/truth: tables of random rules, bit by bit against the rules read as they are written. */
#include "random_policy.h"

static void tables_agree_with_the_rules(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 400; run++) {
        struct random_policy r;
        struct truth t;
        random_policy(&rng, &r, 9);
        struct policy *p = policies_good(r.text.p);
        const struct response_type *type = &p->response_types[0];
        assert_true(truth_init(&t, p, type));
        assert_true(t.n <= p->n_propositions);
        assert_int_equal(t.words, t.n > 6 ? 1 << (t.n - 6) : 1);
        for (size_t i = 0; i < (size_t)1 << t.n; i++) {
            uint64_t assignment = 0;
            bool any = false;
            for (size_t v = 0; v < t.n; v++)
                assignment |= (uint64_t)(i >> v & 1) << t.propositions[v];
            for (size_t c = 0; c + 1 < p->n_classes; c++) {
                bool holds = policies_holds(p, &type->rules[c], assignment);
                any = any || holds;
                if (truth_bit(t.classes[c], i) != holds)
                    fail_msg("class %zu, assignment %zu of\n%s", c, i, r.text.p);
            }
            assert_int_equal(truth_bit(t.classes[p->n_classes - 1], i), !any); /* otherwise */
        }
        truth_done(&t, p);
        policy_free(p);
        buf_done(&r.text);
    }
}

static void only_used_propositions_are_variables(void **state RBR_UNUSED)
{
    struct truth t;
    struct policy *p =
        policies_good(TEMPLATE ORDER "simple_propositions: {x: {prompt: q}, y: {prompt: q}, "
                                     "z: {prompt: q}}\n"
                                     "derived_propositions: {d: {x: true}, e: {z: true}}\n"
                                     "completion_classes: {good: {t: {e: true}}, "
                                     "bad: {t: {e: false}}}\n");
    assert_true(truth_init(&t, p, &p->response_types[0]));
    assert_int_equal(t.n, 1);
    assert_int_equal(t.propositions[0], 2);
    assert_false(truth_bit(t.classes[0], 0));
    assert_true(truth_bit(t.classes[0], 1));
    truth_done(&t, p);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_agree_with_the_rules),
        cmocka_unit_test(only_used_propositions_are_variables),
    };
    return cmocka_run_group_tests_name("truth", tests, NULL, NULL);
}
