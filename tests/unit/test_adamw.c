/* fit/adamw: steps worked by hand; at the margin nothing pulls; ignored features stay. The whole
 * procedure against an independent one: tests/process/test_fit.py. */
#include "unit.h"

#include <math.h>

#include "fit/adamw.h"

/* One pair of two features: better (1, 0), worse (0, 1). */
static struct pairs one_pair(double margin)
{
    static double features[] = {1, 0, 0, 1}, base[] = {0, 0};
    static struct pair pair;
    pair = (struct pair){.better = 0, .worse = 1, .margin = margin};
    return (struct pairs){.n_features = 2,
                          .n_rows = 2,
                          .features = features,
                          .base = base,
                          .items = &pair,
                          .n = 1,
                          .n_train = 1};
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12))
        fail_msg("%.17g is not %.17g", got, want);
}

/* The first step is the learning rate against the gradient's sign; in the second, with the same
 * gradient, the decay takes its share first. */
static void test_two_steps_by_hand(void **state)
{
    const bool ignored[2] = {false, false};
    const struct adamw_options o = {.steps = 2, .learning_rate = 0.1, .decay = 0.5};
    const struct pairs p = one_pair(1);
    const double step = 0.1 / (1 + 1e-8);
    double w[2], curve[3];
    adamw_fit(&p, ignored, &o, w, curve, NULL);
    near(w[0], step * (1 - 0.1 * 0.5) + step);
    near(w[1], -w[0]);
    near(curve[0], 1);
    near(curve[1], 1 - 2 * step);
    near(curve[2], 1 - 2 * w[0]);
    (void)state;
}

static void test_at_the_margin_nothing_pulls(void **state)
{
    const bool ignored[2] = {false, false};
    const struct adamw_options o = {.steps = 5, .learning_rate = 0.1, .decay = 0};
    const struct pairs p = one_pair(0); /* the hinge is exactly 0 at w = 0 */
    double w[2], curve[6];
    adamw_fit(&p, ignored, &o, w, curve, NULL);
    assert_true(w[0] == 0 && w[1] == 0 && curve[5] == 0);
    (void)state;
}

static void test_an_ignored_feature_keeps_weight_0(void **state)
{
    const bool ignored[2] = {false, true};
    const struct adamw_options o = {.steps = 3, .learning_rate = 0.1, .decay = 0.5};
    const struct pairs p = one_pair(1);
    double w[2], curve[4];
    adamw_fit(&p, ignored, &o, w, curve, NULL);
    assert_true(w[0] > 0.2 && w[1] == 0);
    (void)state;
}

/* Held-out pairs are not trained on. */
static void test_only_the_training_pairs_count(void **state)
{
    const bool ignored[2] = {false, false};
    struct pairs p = one_pair(1);
    struct pair two[2] = {p.items[0], {.better = 1, .worse = 0, .margin = 100}};
    const struct adamw_options o = {.steps = 3, .learning_rate = 0.1, .decay = 0};
    double alone[2], w[2], curve[4], held_out[4];
    adamw_fit(&p, ignored, &o, alone, curve, held_out);
    assert_true(held_out[0] == 0 && held_out[3] == 0);
    p.items = two;
    p.n = 2;
    adamw_fit(&p, ignored, &o, w, curve, held_out);
    assert_memory_equal(alone, w, sizeof(w));
    for (size_t t = 0; t <= o.steps; t++)
        near(held_out[t], 100 + (1 - curve[t])); /* the other way round */
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_steps_by_hand),
        cmocka_unit_test(test_at_the_margin_nothing_pulls),
        cmocka_unit_test(test_an_ignored_feature_keeps_weight_0),
        cmocka_unit_test(test_only_the_training_pairs_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
