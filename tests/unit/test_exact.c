/* fit/exact: the least loss, known or below that of many AdamW steps; the true direction; bounds.
 */
#include "unit.h"

#include <math.h>

#include "base/rng.h"
#include "fit/adamw.h"
#include "fit/exact.h"

enum { ROWS = 4000, FEATURES = 12, PAIRS = ROWS / 2 };

static double lower[FEATURES], upper[FEATURES], truth[FEATURES];

/* 2,000 pairs of random rows, ranked by the true weights and `noise` of their spread. */
static void make(struct pairs *p, double noise)
{
    struct rng rng;
    rng_init(&rng, 5);
    *p = (struct pairs){.n_features = FEATURES, .n_rows = ROWS, .n = PAIRS, .n_train = PAIRS};
    p->features = mem_array((size_t)ROWS * FEATURES, sizeof(*p->features));
    p->base = mem_array(ROWS, sizeof(*p->base));
    p->items = mem_array(PAIRS, sizeof(*p->items));
    for (size_t f = 0; f < FEATURES; f++) {
        truth[f] = 10 * rng_unit(&rng) - 3;
        lower[f] = -1e6;
        upper[f] = 1e6;
    }
    for (size_t i = 0; i < PAIRS; i++) {
        double score[2] = {0, 0};
        for (size_t side = 0; side < 2; side++) {
            double *phi = p->features + (2 * i + side) * FEATURES;
            for (size_t f = 0; f < FEATURES; f++) {
                phi[f] = rng_unit(&rng);
                score[side] += truth[f] * phi[f];
            }
            score[side] += noise * 10 * (rng_unit(&rng) - 0.5);
        }
        uint32_t first = (uint32_t)(2 * i), worse = score[0] < score[1] ? first : first + 1;
        p->items[i] = (struct pair){.better = 2 * first + 1 - worse, .worse = worse, .margin = 1};
    }
}

static double cosine(const double *a, const double *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t f = 0; f < FEATURES; f++) {
        ab += a[f] * b[f];
        aa += a[f] * a[f];
        bb += b[f] * b[f];
    }
    return ab / sqrt(aa * bb);
}

static struct exact_result fit(const struct pairs *p, double decay, double *w)
{
    const struct exact_options o = {.lower = lower, .upper = upper, .decay = decay};
    struct exact_result r;
    exact_fit(p, &o, w, &r);
    assert_true(r.converged);
    return r;
}

static void test_the_true_direction_and_no_more_loss_than_adamw(void **state)
{
    static const double noises[] = {0.02, 0.2};
    struct adamw_options steps = {.steps = 20000, .learning_rate = 0.01, .decay = 0};
    double *curve = mem_array(steps.steps + 1, sizeof(*curve));
    double w[FEATURES], by_steps[FEATURES];
    const bool ignored[FEATURES] = {false};
    for (size_t i = 0; i < ARRAY_LEN(noises); i++) {
        struct pairs p;
        make(&p, noises[i]);
        struct exact_result r = fit(&p, 0, w);
        adamw_fit(&p, ignored, &steps, by_steps, curve, NULL);
        print_message("noise %.2f: loss %.6f, AdamW's %.6f; cosine %.4f; %zu evaluations\n",
                      noises[i], r.last, curve[steps.steps], cosine(w, truth), r.evaluations);
        assert_true(r.first == 1 && r.last <= curve[steps.steps]);
        assert_true(cosine(w, truth) >= 0.99);
        pairs_done(&p);
    }
    mem_free(curve);
    (void)state;
}

static void test_weights_stay_within_their_bounds(void **state)
{
    struct pairs p;
    double free_w[FEATURES], w[FEATURES];
    make(&p, 0.1);
    struct exact_result free_r = fit(&p, 0, free_w);
    lower[0] = upper[0] = 0; /* ignored */
    lower[1] = 2;
    upper[2] = -2;
    for (size_t f = 3; f < FEATURES; f++) {
        lower[f] = -1;
        upper[f] = 1;
    }
    struct exact_result r = fit(&p, 0, w);
    assert_true(w[0] == 0 && w[1] >= 2 && w[2] <= -2);
    for (size_t f = 3; f < FEATURES; f++)
        assert_true(fabs(w[f]) <= 1);
    assert_true(r.last >= free_r.last);
    pairs_done(&p);
    (void)state;
}

/* One feature, hinges 1 - w and 1 + w / 2, both halved by the mean: least at w = 1, a corner. */
static void test_a_corner_is_found(void **state)
{
    double features[] = {1, 0, 0, 0.5}, base[4] = {0}, w[1];
    struct pair items[] = {{0, 1, 1}, {2, 3, 1}};
    const struct pairs p = {.n_features = 1,
                            .n_rows = 4,
                            .features = features,
                            .base = base,
                            .items = items,
                            .n = 2,
                            .n_train = 2};
    lower[0] = -1e6;
    upper[0] = 1e6;
    struct exact_result r = fit(&p, 0, w);
    assert_true(fabs(w[0] - 1) < 1e-3 && fabs(r.last - 0.75) < 1e-4);
    /* With decay 1 the least of (1 - w + 1 + w / 2) / 2 + w^2 / 2 is at w = 1/4. */
    (void)fit(&p, 1, w);
    assert_true(fabs(w[0] - 0.25) < 1e-6);
    upper[0] = 0; /* everything at its bound: nothing to search */
    lower[0] = 0;
    r = fit(&p, 0, w);
    assert_true(w[0] == 0 && r.last == 1);
    (void)state;
}

static void test_the_same_pairs_give_the_same_weights(void **state)
{
    struct pairs p;
    double a[FEATURES], b[FEATURES];
    make(&p, 0.1);
    (void)fit(&p, 0, a);
    (void)fit(&p, 0, b);
    assert_memory_equal(a, b, sizeof(a));
    pairs_done(&p);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_true_direction_and_no_more_loss_than_adamw),
        cmocka_unit_test(test_weights_stay_within_their_bounds),
        cmocka_unit_test(test_a_corner_is_found),
        cmocka_unit_test(test_the_same_pairs_give_the_same_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
