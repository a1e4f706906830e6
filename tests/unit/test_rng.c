/* base/rng: the published generator, its bounds, and that a seed replays. */
#include "unit.h"

#include "base/rng.h"

/* xoshiro256** from the state {1, 2, 3, 4}: the reference implementation's first numbers. */
static void is_xoshiro256starstar(void **state RBR_UNUSED)
{
    static const uint64_t want[] = {
        11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600};
    struct rng r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_true(rng_next(&r) == want[i]);
}

static void a_seed_replays_and_two_seeds_differ(void **state RBR_UNUSED)
{
    struct rng a, b, c;
    rng_init(&a, 7);
    rng_init(&b, 7);
    rng_init(&c, 8);
    size_t same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_next(&a);
        assert_true(x == rng_next(&b));
        same += x == rng_next(&c);
    }
    assert_int_equal(same, 0);
}

static void numbers_stay_in_their_bounds_and_reach_them(void **state RBR_UNUSED)
{
    struct rng r;
    size_t counts[7] = {0};
    double low = 1, high = 0;
    rng_init(&r, unit_seed());
    for (int i = 0; i < 70000; i++) {
        uint64_t n = rng_below(&r, 7);
        double u = rng_unit(&r);
        assert_true(n < 7);
        assert_true(u >= 0 && u < 1);
        counts[n]++;
        low = u < low ? u : low;
        high = u > high ? u : high;
    }
    for (size_t i = 0; i < 7; i++)
        assert_in_range(counts[i], 9000, 11000);
    assert_true(low < 0.01 && high > 0.99);
    assert_true(rng_below(&r, 1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_xoshiro256starstar),
        cmocka_unit_test(a_seed_replays_and_two_seeds_differ),
        cmocka_unit_test(numbers_stay_in_their_bounds_and_reach_them),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
