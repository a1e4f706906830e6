/* replay/statistics: closed forms, and what must hold for any numbers. */
#include "unit.h"

#include <float.h>
#include <math.h>

#include "base/rng.h"
#include "replay/statistics.h"

enum { N_MAX = 60 };

static void quantiles_by_definition_7(void **state RBR_UNUSED)
{
    static const double one[] = {7}, four[] = {1, 2, 4, 8};
    static const struct {
        const double *sorted;
        size_t n;
        double p, want;
    } cases[] = {
        {one, 1, 0, 7},    {one, 1, 0.95, 7},     {four, 4, 0, 1},    {four, 4, 1, 8},
        {four, 4, 0.5, 3}, {four, 4, 0.25, 1.75}, {four, 4, 0.75, 5}, {four, 4, 0.1, 1.3},
        {four, 3, 0.5, 2}, {four, 2, 0.05, 1.05},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_float_equal(statistics_quantile(cases[i].sorted, cases[i].n, cases[i].p),
                           cases[i].want, 1e-12);
}

static void mean_and_order(void **state RBR_UNUSED)
{
    double v[] = {3, -1, 2, -1};
    assert_float_equal(statistics_mean(v, 4), 0.75, 0);
    statistics_sort(v, 4);
    assert_memory_equal(v, ((double[]){-1, -1, 2, 3}), sizeof(v));
}

static void tau_of_known_orders(void **state RBR_UNUSED)
{
    static const struct {
        double a[5], b[5];
        size_t n;
        uint64_t concordant, discordant;
        double tau;
    } cases[] = {
        {{1, 2, 3}, {10, 20, 30}, 3, 3, 0, 1},
        {{3, 1, 2}, {-3, -1, -2}, 3, 0, 3, -1},
        {{1, 2, 3, 4}, {1, 2, 4, 3}, 4, 5, 1, 4.0 / 6},
        {{1, 1, 2}, {1, 2, 3}, 3, 2, 0, 2 / 2.449489742783178}, /* one tie of three: sqrt(2 * 3) */
        {{1, 1, 2, 2}, {5, 5, 5, 6}, 4, 2, 0, 2 / 3.4641016151377544}, /* sqrt(4 * 3) */
        {{1, 2, 3}, {0, -0.0, 0}, 3, 0, 0, NAN}, /* all tied in b */
        {{4, 4}, {1, 2}, 2, 0, 0, NAN},
        {{4}, {1}, 1, 0, 0, NAN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct statistics_pair pairs[5], scratch[5];
        struct statistics_ranks r;
        for (size_t k = 0; k < cases[i].n; k++)
            pairs[k] = (struct statistics_pair){cases[i].a[k], cases[i].b[k]};
        statistics_tau(pairs, cases[i].n, scratch, &r);
        assert_int_equal(r.concordant, cases[i].concordant);
        assert_int_equal(r.discordant, cases[i].discordant);
        if (isnan(cases[i].tau))
            assert_true(isnan(r.tau));
        else
            assert_float_equal(r.tau, cases[i].tau, 1e-15);
    }
}

static int sign(double v)
{
    return (v > 0) - (v < 0);
}

/* Pair by pair, from the definition. */
static struct statistics_ranks tau_by_definition(const struct statistics_pair *p, size_t n)
{
    struct statistics_ranks r = {.tau = NAN};
    double in_a = 0, in_b = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            int a = sign(p[i].a - p[k].a), b = sign(p[i].b - p[k].b);
            r.concordant += a * b > 0;
            r.discordant += a * b < 0;
            in_a += a != 0;
            in_b += b != 0;
        }
    if (in_a > 0 && in_b > 0)
        r.tau = ((double)r.concordant - (double)r.discordant) / sqrt(in_a * in_b);
    return r;
}

static void tau_is_its_definition(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < 2000; round++) {
        struct statistics_pair pairs[N_MAX], scratch[N_MAX];
        struct statistics_ranks got;
        size_t n = rng_below(&rng, N_MAX + 1);
        uint64_t values = 1 + rng_below(&rng, 40); /* few: many ties */
        for (size_t i = 0; i < n; i++)
            pairs[i] = (struct statistics_pair){(double)rng_below(&rng, values) - 3,
                                                (double)rng_below(&rng, values) / 8};
        struct statistics_ranks want = tau_by_definition(pairs, n);
        statistics_tau(pairs, n, scratch, &got);
        assert_int_equal(got.concordant, want.concordant);
        assert_int_equal(got.discordant, want.discordant);
        assert_int_equal(isnan(got.tau), isnan(want.tau));
        if (!isnan(want.tau))
            assert_float_equal(got.tau, want.tau, 1e-15);
    }
}

static void bins_have_their_lower_end(void **state RBR_UNUSED)
{
    static const double v[] = {0, 0.999, 1, 2.5, 3.999, 4, 4};
    static const uint64_t want[] = {2, 1, 1, 3}; /* the last has both its ends */
    uint64_t got[ARRAY_LEN(want)] = {0};
    statistics_bins(v, ARRAY_LEN(v), 0, 4, got, ARRAY_LEN(got));
    assert_memory_equal(got, want, sizeof(want));
    for (size_t i = 0; i <= ARRAY_LEN(want); i++)
        assert_float_equal(statistics_edge(0, 4, i, ARRAY_LEN(want)), (double)i, 0);
}

static void bins_of_any_finite_range(void **state RBR_UNUSED)
{
    static const double wide[] = {-DBL_MAX, 0, DBL_MAX}, one[] = {7, 7};
    uint64_t got[2] = {0}, of_one[2] = {0};
    double low = 7, high = 7;
    statistics_bins(wide, ARRAY_LEN(wide), -DBL_MAX, DBL_MAX, got, 2);
    assert_int_equal(got[0], 1);
    assert_int_equal(got[1], 2);
    assert_float_equal(statistics_edge(-DBL_MAX, DBL_MAX, 1, 2), 0, 0);
    statistics_bins(one, ARRAY_LEN(one), low, high, of_one, 2);
    assert_int_equal(of_one[0], 2);
    statistics_widen(&low, &high);
    assert_float_equal(low, 6.5, 0);
    assert_float_equal(high, 7.5, 0);
    statistics_widen(&low, &high); /* wide enough */
    assert_float_equal(high, 7.5, 0);
}

static void signs_of_advantages(void **state RBR_UNUSED)
{
    static const struct {
        double rewards[4];
        size_t n;
        int8_t want[4];
    } cases[] = {
        {{1, 2, 3}, 3, {-1, 0, 1}},
        {{0.1, 0.2, 0.3}, 3, {-1, 0, 1}}, /* their mean is not 0.2 */
        {{0.1, 0.1, 0.1}, 3, {0, 0, 0}}, /* nor this one 0.1 */
        {{0.30000000000000004, 0.3}, 2, {0, 0}}, /* the same sum in another order */
        {{-5, 1, 1, 1}, 4, {-1, 1, 1, 1}},
        {{0, 0}, 2, {0, 0}},
        {{1e-9, 2e-9}, 2, {-1, 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int8_t got[4];
        statistics_signs(cases[i].rewards, cases[i].n, got);
        assert_memory_equal(got, cases[i].want, cases[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_by_definition_7), cmocka_unit_test(mean_and_order),
        cmocka_unit_test(tau_of_known_orders),       cmocka_unit_test(tau_is_its_definition),
        cmocka_unit_test(signs_of_advantages),       cmocka_unit_test(bins_have_their_lower_end),
        cmocka_unit_test(bins_of_any_finite_range),
    };
    return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
