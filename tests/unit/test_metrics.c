/* fit/metrics: figures worked by hand; what has no value is NAN; ties, edges of bins. Many random
 * answers against scikit-learn: tests/process/test_eval.py. */
#include "unit.h"

#include <math.h>

#include "fit/metrics.h"

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12))
        fail_msg("%.17g is not %.17g", got, want);
}

static void test_by_hand(void **state)
{
    struct labelled a[] = {{0.9, true}, {0.2, false}, {0.6, false}, {0.4, true}, {0.1, false}};
    struct metrics m;
    metrics_compute(a, ARRAY_LEN(a), 0.5, &m);
    assert_int_equal(m.n, 5);
    assert_int_equal(m.positives, 2);
    assert_true(m.true_yes == 1 && m.false_yes == 1 && m.true_no == 2 && m.false_no == 1);
    near(m.accuracy, 3.0 / 5);
    near(m.precision, 0.5);
    near(m.recall, 0.5);
    near(m.f1, 0.5);
    near(m.auc, 5.0 / 6); /* of 2 x 3 pairs only (0.4, 0.6) is wrong */
    near(m.brier, (0.01 + 0.04 + 0.36 + 0.36 + 0.01) / 5);
    near(m.best_f1, 0.8); /* yes from 0.4 up: two right, one wrong */
    near(m.best_threshold, 0.3);
    near(m.calibration_error, (0.1 + 0.2 + 0.6 + 0.6 + 0.1) / 5); /* each in a bin of its own */
    (void)state;
}

static void test_ties_count_half(void **state)
{
    struct labelled a[] = {{0.5, true}, {0.5, false}, {0.5, false}, {0.7, true}};
    struct metrics m;
    metrics_compute(a, ARRAY_LEN(a), 0.5, &m);
    near(m.auc, 3.0 / 4); /* of 4 pairs two are ties */
    near(m.accuracy, 0.5); /* an answer at the threshold is a yes */
    near(m.best_threshold, 0.6);
    near(m.best_f1, 2.0 / 3);
    (void)state;
}

static void test_all_counted_as_yes_can_be_best(void **state)
{
    struct labelled a[] = {{0.2, true}, {0.3, true}};
    struct metrics m;
    metrics_compute(a, ARRAY_LEN(a), 0.5, &m);
    assert_true(m.best_threshold == 0 && m.best_f1 == 1);
    assert_true(isnan(m.precision) && m.recall == 0 && m.f1 == 0);
    (void)state;
}

static void test_what_has_no_value_is_nan(void **state)
{
    struct labelled negatives[] = {{0.2, false}, {0.8, false}};
    struct metrics m;
    metrics_compute(negatives, ARRAY_LEN(negatives), 0.5, &m);
    near(m.accuracy, 0.5);
    assert_true(m.precision == 0);
    assert_true(isnan(m.recall) && isnan(m.f1) && isnan(m.auc));
    assert_true(isnan(m.best_f1) && isnan(m.best_threshold));
    metrics_compute(negatives, 0, 0.5, &m);
    assert_true(isnan(m.accuracy) && isnan(m.brier) && isnan(m.calibration_error));
    (void)state;
}

static void test_edges_of_bins(void **state)
{
    const struct labelled a[] = {{0, false}, {0.1, true}, {0.1000001, true}, {1, true}};
    struct metrics_bin bins[METRICS_BINS];
    metrics_bins(a, ARRAY_LEN(a), bins);
    assert_true(bins[0].n == 2 && bins[0].positives == 1);
    near(bins[0].mean, 0.05);
    assert_true(bins[1].n == 1 && bins[METRICS_BINS - 1].n == 1);
    assert_true(bins[2].n == 0 && isnan(bins[2].mean));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_ties_count_half),
        cmocka_unit_test(test_all_counted_as_yes_can_be_best),
        cmocka_unit_test(test_what_has_no_value_is_nan),
        cmocka_unit_test(test_edges_of_bins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
