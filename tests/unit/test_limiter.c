/* grader/limiter: growth, decrease and their limits, told as round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "base/attr.h"
#include "base/rng.h"
#include "grader/limiter.h"

/* Starts as many as there is room for, then ends them all; returns how many. */
static size_t round_trip(struct limiter *l, enum limiter_outcome outcome, int64_t *now)
{
    size_t n = 0;
    int64_t sent = *now;
    for (; limiter_has_room(l); n++)
        limiter_start(l);
    *now += 1000;
    for (size_t i = 0; i < n; i++)
        limiter_end(l, outcome, sent, *now);
    return n;
}

static void a_fixed_limit_stays(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 100, true);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), 100);
        assert_int_equal(round_trip(&l, LIMITER_OVERLOAD, &now), 100);
    }
    assert_int_equal(l.in_flight, 0);
}

static void it_doubles_until_the_first_hold_and_then_adds_one(void **state RBR_UNUSED)
{
    static const size_t limits[] = {8, 16, 32, 64};
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 1000, false);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), limits[i]);
    assert_int_equal(limiter_limit(&l), 128);
    /* 128 answers of one round trip say "overloaded": one decrease, not 128. */
    assert_int_equal(round_trip(&l, LIMITER_OVERLOAD, &now), 128);
    assert_int_equal(limiter_limit(&l), 89); /* 128 x 0.7 */
    assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), 89);
    assert_int_equal(limiter_limit(&l), 90);
    assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), 90);
    assert_int_equal(limiter_limit(&l), 91);
}

static void the_ceiling_and_one_are_the_ends(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 20, false);
    for (int i = 0; i < 10; i++)
        (void)round_trip(&l, LIMITER_GOOD, &now);
    assert_int_equal(limiter_limit(&l), 20);
    for (int i = 0; i < 50; i++)
        (void)round_trip(&l, LIMITER_OVERLOAD, &now);
    assert_int_equal(limiter_limit(&l), 1);
    assert_true(limiter_has_room(&l)); /* never nothing: it could not recover */
    limiter_init(&l, 3, false);
    assert_int_equal(limiter_limit(&l), 3); /* a ceiling below the start */
}

static void an_unused_limit_does_not_grow(void **state RBR_UNUSED)
{
    struct limiter l;
    limiter_init(&l, 1000, false);
    for (int64_t i = 0; i < 1000; i++) { /* one at a time */
        limiter_start(&l);
        limiter_end(&l, LIMITER_GOOD, i, i + 1);
    }
    assert_int_equal(limiter_limit(&l), 8);
}

static void refusals_and_broken_connections_say_nothing(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 100, false);
    for (int i = 0; i < 5; i++)
        (void)round_trip(&l, LIMITER_NEUTRAL, &now);
    assert_int_equal(limiter_limit(&l), 8);
}

static void an_overload_known_already_is_not_counted_again(void **state RBR_UNUSED)
{
    struct limiter l;
    limiter_init(&l, 100, false);
    for (int i = 0; i < 8; i++)
        limiter_start(&l);
    limiter_end(&l, LIMITER_OVERLOAD, 0, 100);
    assert_int_equal(limiter_limit(&l), 5);
    limiter_end(&l, LIMITER_OVERLOAD, 99, 150); /* sent before the decrease */
    assert_int_equal(limiter_limit(&l), 5);
    limiter_end(&l, LIMITER_OVERLOAD, 101, 200); /* sent under the new limit */
    assert_int_equal(limiter_limit(&l), 3);
}

/* Whatever happens: 1 <= limit <= ceiling, in flight never above what the limit was when it began.
 */
static void random_runs_stay_within_bounds(void **state RBR_UNUSED)
{
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seeds %llu..+99\n", (unsigned long long)seed);
    for (int run = 0; run < 100; run++, seed++) {
        struct rng rng;
        struct limiter l;
        rng_init(&rng, seed);
        size_t ceiling = 1 + rng_below(&rng, 200), running = 0;
        limiter_init(&l, ceiling, rng_below(&rng, 4) == 0);
        for (int64_t now = 0; now < 5000; now++) {
            if (rng_below(&rng, 2) == 0 && limiter_has_room(&l)) {
                limiter_start(&l);
                running++;
            } else if (running > 0) {
                int64_t sent = now - (int64_t)rng_below(&rng, (uint64_t)now + 1);
                limiter_end(&l, (enum limiter_outcome)rng_below(&rng, 3), sent, now);
                running--;
            }
            assert_int_equal(l.in_flight, running);
            assert_in_range(limiter_limit(&l), 1, ceiling);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_limit_stays),
        cmocka_unit_test(it_doubles_until_the_first_hold_and_then_adds_one),
        cmocka_unit_test(the_ceiling_and_one_are_the_ends),
        cmocka_unit_test(an_unused_limit_does_not_grow),
        cmocka_unit_test(refusals_and_broken_connections_say_nothing),
        cmocka_unit_test(an_overload_known_already_is_not_counted_again),
        cmocka_unit_test(random_runs_stay_within_bounds),
    };
    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
