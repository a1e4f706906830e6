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

/* Round trips of 1 ms: twice as many at a time get twice as much done. */
static void it_doubles_while_that_gets_more_done(void **state RBR_UNUSED)
{
    static const size_t limits[] = {8, 16, 32, 64};
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 1000, false);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        for (int k = 0; k < 3; k++) /* one to settle, two to be measured */
            assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), limits[i]);
    assert_int_equal(limiter_limit(&l), 128);
}

static void a_share_is_taken_of_any_limit(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 100, true);
    l.share = 0.25;
    assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), 25);
    l.share = 0.001;
    assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), 1); /* never none */
    limiter_init(&l, 1000, false);
    l.share = 0.25;
    assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), 2);
    while (limiter_limit(&l) < 32)
        (void)round_trip(&l, LIMITER_GOOD, &now);
    (void)round_trip(&l, LIMITER_OVERLOAD, &now);
    assert_int_equal(limiter_limit(&l), 7); /* 32 x 0.7^4 */
    limiter_restart(&l);
    assert_int_equal(limiter_limit(&l), 2);
}

static void an_overload_is_one_step_down_and_a_curve_back(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 1000, false);
    while (limiter_limit(&l) < 128)
        (void)round_trip(&l, LIMITER_GOOD, &now);
    /* 128 answers of one round trip say "overloaded": one decrease, not 128. */
    assert_int_equal(round_trip(&l, LIMITER_OVERLOAD, &now), 128);
    assert_int_equal(limiter_limit(&l), 89); /* 128 x 0.7 */
    size_t before = 89, most = 0;
    for (int i = 0; i < 8; i++) {
        (void)round_trip(&l, LIMITER_GOOD, &now);
        size_t step = limiter_limit(&l) - before;
        most = step > most ? step : most;
        before = limiter_limit(&l);
    }
    assert_in_range(before, 120, 128); /* near the old limit after 8, by ever smaller steps */
    assert_in_range(most, 10, 25);
    for (int i = 0; i < 5; i++)
        (void)round_trip(&l, LIMITER_GOOD, &now);
    assert_in_range(limiter_limit(&l), 127, 132); /* and stays there for a while */
    for (int i = 0; i < 8; i++)
        (void)round_trip(&l, LIMITER_GOOD, &now);
    assert_true(limiter_limit(&l) > 190); /* nothing happens: it looks for more */
}

static void what_waits_at_the_server_holds_and_lowers(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 1000, false);
    while (limiter_limit(&l) < 64)
        (void)round_trip(&l, LIMITER_GOOD, &now);
    for (int i = 0; i < 20; i++) {
        limiter_report(&l, 3, now, now);
        assert_int_equal(round_trip(&l, LIMITER_GOOD, &now), 64); /* a short queue: it stays */
    }
    for (int i = 0; i < 40; i++)
        limiter_start(&l);
    limiter_report(&l, 11, now, now + 1); /* more than a quarter of ours: once is chance */
    assert_int_equal(limiter_limit(&l), 64);
    limiter_report(&l, 9, now, now + 1); /* not more */
    limiter_report(&l, 11, now, now + 1);
    assert_int_equal(limiter_limit(&l), 64);
    limiter_report(&l, 11, now, now + 2); /* twice in a row */
    assert_int_equal(limiter_limit(&l), 57);
    limiter_report(&l, 99, now + 1, now + 3);
    limiter_report(&l, 99, now + 1, now + 3); /* sent before the step down */
    assert_int_equal(limiter_limit(&l), 57);
}

/* Found by the pipeline's tests: what was found is not judged again when there is less to do. */
static void less_to_do_does_not_lower_it(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    limiter_init(&l, 64, false);
    for (int i = 0; i < 40; i++)
        (void)round_trip(&l, LIMITER_GOOD, &now);
    assert_int_equal(limiter_limit(&l), 64);
    for (int i = 0; i < 40; i++) { /* as much at a time, but seldom */
        now += 500000;
        (void)round_trip(&l, LIMITER_GOOD, &now);
    }
    assert_int_equal(limiter_limit(&l), 64);
}

/* Whatever is sent at a time, 16 are done each millisecond. */
static void more_that_does_not_help_is_given_back(void **state RBR_UNUSED)
{
    struct limiter l;
    int64_t now = 0;
    size_t most = 0;
    limiter_init(&l, 1000, false);
    for (int i = 0; i < 300; i++) {
        size_t n = 0;
        for (; limiter_has_room(&l); n++)
            limiter_start(&l);
        now += (int64_t)(1 + n / 16) * 1000;
        for (size_t k = 0; k < n; k++)
            limiter_end(&l, LIMITER_GOOD, now - 1000, now);
        most = limiter_limit(&l) > most && i > 20 ? limiter_limit(&l) : most;
    }
    assert_in_range(most, 16, 100);
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
            } else if (rng_below(&rng, 2) == 0) {
                limiter_report(&l, rng_below(&rng, 40), now, now);
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
        cmocka_unit_test(it_doubles_while_that_gets_more_done),
        cmocka_unit_test(a_share_is_taken_of_any_limit),
        cmocka_unit_test(an_overload_is_one_step_down_and_a_curve_back),
        cmocka_unit_test(what_waits_at_the_server_holds_and_lowers),
        cmocka_unit_test(less_to_do_does_not_lower_it),
        cmocka_unit_test(more_that_does_not_help_is_given_back),
        cmocka_unit_test(the_ceiling_and_one_are_the_ends),
        cmocka_unit_test(an_unused_limit_does_not_grow),
        cmocka_unit_test(refusals_and_broken_connections_say_nothing),
        cmocka_unit_test(an_overload_known_already_is_not_counted_again),
        cmocka_unit_test(random_runs_stay_within_bounds),
    };
    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
