/* fit/platt: a known distortion is found again; the least log loss is the least; who is left out.
 */
#include "unit.h"

#include <math.h>

#include "base/rng.h"
#include "fit/platt.h"
#include "reward/features.h"

enum { MANY = 20000 };

/* A grader that is right about P' = sigmoid(a logit(P) + b), and says P. */
static void distorted(struct labelled *out, size_t n, double a, double b)
{
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t i = 0; i < n; i++) {
        out[i].p = 0.01 + 0.98 * rng_unit(&rng);
        out[i].truth = rng_unit(&rng) < calibrate(out[i].p, a, b);
    }
}

static void test_a_known_distortion_is_found(void **state)
{
    static const double known[][2] = {{1, 0}, {0.4, -1}, {2.5, 0.7}};
    struct labelled *answers = mem_array(MANY, sizeof(*answers));
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct platt p;
        distorted(answers, MANY, known[i][0], known[i][1]);
        platt_fit(answers, MANY, &p);
        assert_true(fabs(p.a - known[i][0]) < 0.1 && fabs(p.b - known[i][1]) < 0.1);
        if (i > 0) {
            assert_int_equal(p.verdict, PLATT_HELPS);
            assert_true(p.brier_after < p.brier_before && p.loss_after < p.loss_before);
        }
    }
    mem_free(answers);
    (void)state;
}

static double log_loss(const struct labelled *answers, size_t n, double a, double b)
{
    size_t positives = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        positives += answers[i].truth;
    const double yes = ((double)positives + 1) / ((double)positives + 2);
    const double no = 1 / ((double)(n - positives) + 2);
    for (size_t i = 0; i < n; i++) {
        double q = calibrate(answers[i].p, a, b), t = answers[i].truth ? yes : no;
        sum -= t * log(q) + (1 - t) * log(1 - q);
    }
    return sum;
}

static void test_no_other_line_has_less_loss(void **state)
{
    struct labelled answers[60];
    struct platt p;
    distorted(answers, ARRAY_LEN(answers), 0.5, 0.5);
    platt_fit(answers, ARRAY_LEN(answers), &p);
    double least = log_loss(answers, ARRAY_LEN(answers), p.a, p.b);
    for (int da = -1; da <= 1; da++)
        for (int db = -1; db <= 1; db++)
            assert_true(log_loss(answers, ARRAY_LEN(answers), p.a + 1e-3 * da, p.b + 1e-3 * db) >=
                        least);
    (void)state;
}

/* A perfect grader's line stays finite, and is no worse. */
static void test_a_perfect_grader(void **state)
{
    struct labelled answers[40];
    struct platt p;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        answers[i] = (struct labelled){i % 2 == 0 ? 1 : 0, i % 2 == 0};
    platt_fit(answers, ARRAY_LEN(answers), &p);
    assert_true(isfinite(p.a) && isfinite(p.b) && p.a > 0);
    assert_int_equal(p.verdict, PLATT_NO_GAIN);
    (void)state;
}

static void test_who_is_left_out(void **state)
{
    struct labelled answers[40];
    struct platt p;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        answers[i] = (struct labelled){0.5 + (double)(i % 7) / 20, i < 9};
    platt_fit(answers, ARRAY_LEN(answers), &p);
    assert_int_equal(p.verdict, PLATT_TOO_FEW);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        answers[i] = (struct labelled){i % 2 == 0 ? 0.2 : 0.8, i % 2 == 0};
    platt_fit(answers, ARRAY_LEN(answers), &p);
    assert_int_equal(p.verdict, PLATT_BACKWARDS);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        answers[i] = (struct labelled){i % 2 == 0 ? 0.5001 : 0.5, i % 2 == 0};
    platt_fit(answers, ARRAY_LEN(answers), &p);
    assert_int_equal(p.verdict, PLATT_TOO_FLAT);
    platt_fit(answers, 0, &p);
    assert_int_equal(p.verdict, PLATT_TOO_FEW);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_known_distortion_is_found),
        cmocka_unit_test(test_no_other_line_has_less_loss),
        cmocka_unit_test(test_a_perfect_grader),
        cmocka_unit_test(test_who_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
