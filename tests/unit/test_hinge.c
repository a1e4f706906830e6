/* fit/hinge: the loss and its gradient by hand, with the corner and rounded; the gradient against
 * differences of the loss. */
#include "unit.h"

#include <math.h>

#include "base/rng.h"
#include "fit/hinge.h"

/* Three rows of two features; the pair's hinge at w is 1 + w * (phi(worse) - phi(better)). */
static struct pairs three_rows(void)
{
    static double features[] = {1, 0, 0, 1, 0.5, 0.25}, base[] = {0, 0, 0};
    static struct pair items[] = {{0, 1, 1}, {0, 2, 1}};
    return (struct pairs){.n_features = 2,
                          .n_rows = 3,
                          .features = features,
                          .base = base,
                          .items = items,
                          .n = 2,
                          .n_train = 2};
}

static double loss_at(const struct pairs *p, double w0, double w1, double width, double *gradient)
{
    struct hinge h;
    const double w[2] = {w0, w1};
    hinge_init(&h, p);
    double loss = hinge_loss(&h, w, width, gradient);
    hinge_done(&h);
    return loss;
}

static void test_the_corner(void **state)
{
    const struct pairs p = three_rows();
    double g[2];
    assert_true(loss_at(&p, 0, 0, 0, g) == 1);
    assert_true(g[0] == (-1 - 0.5) / 2 && g[1] == (1 + 0.25) / 2);
    /* w = (1, 0): the first hinge is exactly 0 and pulls no more, the second is 0.5. */
    assert_true(loss_at(&p, 1, 0, 0, g) == 0.25);
    assert_true(g[0] == -0.25 && g[1] == 0.125);
    (void)state;
}

static void test_the_rounded_corner(void **state)
{
    const struct pairs p = three_rows();
    double g[2];
    /* Hinges 0 and 0.5, width 1: 0.5^2 / 2, half the slope. */
    assert_true(loss_at(&p, 1, 0, 1, g) == 0.125 / 2);
    assert_true(g[0] == -0.125 && g[1] == 0.0625);
    /* Both hinges 1, width 0.5: past the rounding, which costs half the width. */
    assert_true(loss_at(&p, 0, 0, 0.5, g) == 0.75);
    assert_true(g[0] == -0.75 && g[1] == 0.625);
    (void)state;
}

static void test_only_the_training_pairs_count(void **state)
{
    struct pairs p = three_rows();
    double g[2];
    p.n_train = 1;
    assert_true(loss_at(&p, 0.5, 0, 0, g) == 0.5);
    assert_true(g[0] == -1 && g[1] == 1);
    (void)state;
}

static void test_the_gradient_is_the_slope_of_the_loss(void **state)
{
    const struct pairs p = three_rows();
    const double h = 1e-6;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 200; i++) {
        double x = 4 * rng_unit(&rng) - 2, y = 4 * rng_unit(&rng) - 2, g[2];
        double width = 0.05 + rng_unit(&rng);
        (void)loss_at(&p, x, y, width, g);
        double dx = loss_at(&p, x + h, y, width, NULL) - loss_at(&p, x - h, y, width, NULL);
        double dy = loss_at(&p, x, y + h, width, NULL) - loss_at(&p, x, y - h, width, NULL);
        assert_true(fabs(dx / (2 * h) - g[0]) < 1e-4 && fabs(dy / (2 * h) - g[1]) < 1e-4);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_corner),
        cmocka_unit_test(test_the_rounded_corner),
        cmocka_unit_test(test_only_the_training_pairs_count),
        cmocka_unit_test(test_the_gradient_is_the_slope_of_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
