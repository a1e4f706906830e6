/* fit/measured: rewards by label and ranking errors of a few rows, by hand. */
#include "unit.h"

#include <math.h>

#include "fit_fixture.h"

#include "fit/measured.h"

#define ORDERINGS                                                                                  \
    "orderings: {t: {good: [fair, poor], fair: [poor], rare: [poor]}, u: {good: [poor]}}\n"

/* Of two prompts, the second held out in the test of the split. R = 0.5 R_rm + w * phi, phi the
 * probabilities of kind, good (the same) and bad (1 - kind). */
struct test {
    struct policy *policy;
    struct orderings orderings;
    struct rows rows;
    struct fit fit;
    struct fitted fitted;
    struct measured measured;
};

static void begin(struct test *t, const char *policy, bool reward_model)
{
    struct err err = {0};
    struct pairs pairs;
    *t = (struct test){.policy = policies_good(policy)};
    if (orderings_load(&t->orderings, t->policy, STR("o.yaml"), STR(ORDERINGS), &err) != ERR_OK)
        fail_msg("%s", err.msg);
    rows_init(&t->rows, t->policy);
    fit_row(&t->rows, "p", "good", 1, 2);
    fit_row(&t->rows, "p", "fair", 0.5, 4);
    fit_row(&t->rows, "p", "poor", 0, 0);
    fit_row(&t->rows, "q", "good", 0, 0);
    fit_row(&t->rows, "q", "poor", 1, 8);
    t->fit = (struct fit){.policy = t->policy,
                          .orderings = &t->orderings,
                          .pairs = {.reward_model = reward_model, .split = SPLIT_PROMPT}};
    if (pairs_make(&t->rows, &t->orderings, 0, &t->fit.pairs, &pairs, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    fitted_init(&t->fitted, &pairs);
    t->fitted.weights[0] = 3; /* kind; the classes have 0 */
    measured_init(&t->measured, &t->fit, &t->fitted);
}

static void end(struct test *t)
{
    measured_done(&t->measured);
    fitted_done(&t->fitted);
    rows_done(&t->rows);
    orderings_done(&t->orderings);
    policy_free(t->policy);
}

static void rewards_by_label(void **state RBR_UNUSED)
{
    static const struct {
        const char *name;
        size_t n;
        double mean[MEASURED_REWARDS];
    } want[] = {
        {"good", 2, {0.5, NAN, 1.5, 2}}, /* RM 1 0, RBR 3 0 */
        {"fair", 1, {2, NAN, 1.5, 3.5}},
        {"poor", 2, {2, NAN, 1.5, 3.5}}, /* RM 0 4, RBR 0 3 */
        {"rare", 0, {NAN, NAN, NAN, NAN}},
    };
    struct test t;
    begin(&t, FIT_POLICY, true);
    assert_int_equal(t.measured.n_labels, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct measured_label *got = &t.measured.labels[i];
        assert_strs(got->name, str_z(want[i].name));
        assert_int_equal(got->n, want[i].n);
        for (size_t r = 0; r < MEASURED_REWARDS; r++) {
            assert_int_equal(isnan(got->mean[r]), isnan(want[i].mean[r]));
            if (!isnan(want[i].mean[r]))
                assert_float_equal(got->mean[r], want[i].mean[r], 1e-12);
        }
    }
    end(&t);
}

static void histograms_by_label(void **state RBR_UNUSED)
{
    struct test t;
    begin(&t, FIT_POLICY, true);
    const struct measured *m = &t.measured;
    assert_float_equal(m->low[MEASURED_AFTER], 0, 0);
    assert_float_equal(m->high[MEASURED_AFTER], 7, 0);
    assert_int_equal(m->labels[0].bins[MEASURED_AFTER][0], 1); /* good: 4, 0 */
    assert_int_equal(m->labels[0].bins[MEASURED_AFTER][4 * MEASURED_BINS / 7], 1);
    assert_int_equal(m->labels[2].bins[MEASURED_AFTER][0], 1); /* poor: 0, 7 */
    assert_int_equal(m->labels[2].bins[MEASURED_AFTER][MEASURED_BINS - 1], 1);
    for (size_t i = 0; i < m->n_labels; i++)
        for (size_t r = 0; r < MEASURED_REWARDS; r++) {
            uint64_t sum = 0;
            for (size_t bin = 0; bin < MEASURED_BINS; bin++)
                sum += m->labels[i].bins[r][bin];
            assert_int_equal(sum, m->has[r] ? m->labels[i].n : 0);
        }
    end(&t);
}

static void ranking_errors_by_pair_of_labels(void **state RBR_UNUSED)
{
    static const struct {
        const char *better, *worse;
        size_t n, wrong[MEASURED_REWARDS];
    } want[] = {
        {"good", "fair", 1, {1, 0, 0, 0}}, /* RM 1 2, RBR 3 1.5 */
        {"good", "poor", 2, {1, 0, 1, 1}}, /* right for p, wrong for q */
        {"fair", "poor", 1, {0, 0, 0, 0}},
        {"rare", "poor", 0, {0, 0, 0, 0}},
    };
    struct test t;
    begin(&t, FIT_POLICY, true);
    assert_int_equal(t.measured.n_pairs, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct measured_pairs *got = &t.measured.pairs[i];
        assert_strs(got->better, str_z(want[i].better));
        assert_strs(got->worse, str_z(want[i].worse));
        assert_int_equal(got->n, want[i].n);
        assert_memory_equal(got->wrong, want[i].wrong, sizeof(got->wrong));
    }
    assert_float_equal(measured_error(&t.measured, &t.measured.pairs[1], MEASURED_AFTER), 0.5, 0);
    assert_true(isnan(measured_error(&t.measured, &t.measured.pairs[3], MEASURED_AFTER)));
    assert_true(isnan(measured_error(&t.measured, &t.measured.trained, MEASURED_BEFORE)));
    assert_int_equal(t.measured.trained.n, 4);
    assert_int_equal(t.measured.held_out.n, 0);
    assert_float_equal(t.measured.trained_loss.mean, 8.5 / 4, 1e-12); /* 0.5 0 8 0 */
    end(&t);
}

static void what_is_not_there_is_no_reward(void **state RBR_UNUSED)
{
    struct test t;
    begin(&t, FIT_POLICY, false);
    const bool *has = t.measured.has;
    assert_false(has[MEASURED_RM] || has[MEASURED_BEFORE]);
    assert_true(has[MEASURED_RBR] && has[MEASURED_AFTER]);
    end(&t);
    begin(&t, FIT_POLICY "weights: {t: {kind: -1, good: 0, bad: 0}}\n", true);
    assert_true(t.measured.has[MEASURED_BEFORE]);
    assert_float_equal(t.measured.labels[1].mean[MEASURED_BEFORE], 1.5, 1e-12); /* 2 - 0.5 */
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewards_by_label),
        cmocka_unit_test(histograms_by_label),
        cmocka_unit_test(ranking_errors_by_pair_of_labels),
        cmocka_unit_test(what_is_not_there_is_no_reward),
    };
    return cmocka_run_group_tests_name("measured", tests, NULL, NULL);
}
