/* fair: who is next, and what everybody has got in the end. */
#include "unit.h"

#include "base/rng.h"
#include "grader/fair.h"

enum { SHARES = 5 };

static void fair_of(struct fair *f, struct fair_share *shares, size_t n, const double *weights)
{
    *f = (struct fair){.shares = shares, .n = n};
    for (size_t i = 0; i < n; i++)
        shares[i] = (struct fair_share){.weight = weights[i]};
}

static void nobody_waits_at_first(void **state RBR_UNUSED)
{
    struct fair_share shares[2];
    struct fair f;
    fair_of(&f, shares, 2, (double[]){1, 1});
    assert_true(fair_next(&f) == FAIR_NOBODY);
    fair_wait(&f, 1);
    assert_int_equal(fair_next(&f), 1);
    fair_rest(&f, 1);
    assert_true(fair_next(&f) == FAIR_NOBODY);
}

static void equal_weights_take_turns(void **state RBR_UNUSED)
{
    struct fair_share shares[2];
    struct fair f;
    fair_of(&f, shares, 2, (double[]){1, 1});
    fair_wait(&f, 0);
    fair_wait(&f, 1);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(fair_next(&f), i % 2);
        fair_serve(&f, i % 2, 3);
    }
}

/* One asks for ten times as much at a time: it gets its turn a tenth as often. */
static void what_counts_is_what_was_given_not_how_often(void **state RBR_UNUSED)
{
    struct fair_share shares[2];
    struct fair f;
    size_t turns[2] = {0};
    fair_of(&f, shares, 2, (double[]){1, 1});
    fair_wait(&f, 0);
    fair_wait(&f, 1);
    for (size_t i = 0; i < 1100; i++) {
        size_t next = fair_next(&f);
        turns[next]++;
        fair_serve(&f, next, next == 0 ? 10 : 1);
    }
    assert_in_range(turns[0], 99, 101);
}

static void weights_are_shares(void **state RBR_UNUSED)
{
    struct fair_share shares[2];
    struct fair f;
    size_t turns[2] = {0};
    fair_of(&f, shares, 2, (double[]){8, 1});
    fair_wait(&f, 0);
    fair_wait(&f, 1);
    for (size_t i = 0; i < 900; i++) {
        size_t next = fair_next(&f);
        turns[next]++;
        fair_serve(&f, next, 1);
    }
    assert_in_range(turns[1], 99, 101);
}

static void time_without_a_wish_is_not_saved_up(void **state RBR_UNUSED)
{
    struct fair_share shares[2];
    struct fair f;
    fair_of(&f, shares, 2, (double[]){1, 1});
    fair_wait(&f, 0);
    for (size_t i = 0; i < 1000; i++)
        fair_serve(&f, 0, 1);
    fair_wait(&f, 1);
    for (size_t i = 0, in_a_row = 0; i < 10; i++) {
        size_t next = fair_next(&f);
        in_a_row = next == 1 ? in_a_row + 1 : 0;
        assert_true(in_a_row <= 2);
        fair_serve(&f, next, 1);
    }
}

/* Resting for a moment does not wipe out what one has had. */
static void what_was_taken_is_not_forgotten(void **state RBR_UNUSED)
{
    struct fair_share shares[2];
    struct fair f;
    fair_of(&f, shares, 2, (double[]){1, 1});
    fair_wait(&f, 0);
    fair_wait(&f, 1);
    fair_serve(&f, 0, 100);
    fair_rest(&f, 0);
    fair_wait(&f, 0);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(fair_next(&f), 1);
        fair_serve(&f, 1, 1);
    }
}

/* Of any two that waited all the while, neither has got more than one turn each beyond its share.
 */
static void by_chance_nobody_is_ahead_by_more_than_a_turn(void **state RBR_UNUSED)
{
    enum { MOST = 100 };
    uint64_t seed = unit_seed();
    for (int round = 0; round < 200; round++, seed++) {
        struct fair_share shares[SHARES];
        struct fair f;
        struct rng rng;
        double weights[SHARES], given[SHARES] = {0};
        rng_init(&rng, seed);
        for (size_t i = 0; i < SHARES; i++)
            weights[i] = 1 + (double)rng_below(&rng, 10);
        fair_of(&f, shares, SHARES, weights);
        for (size_t i = 0; i < SHARES; i++)
            fair_wait(&f, i);
        for (size_t step = 0; step < 2000; step++) {
            size_t sometimes = SHARES - 1; /* the others always wait */
            (rng_below(&rng, 2) == 0 ? fair_wait : fair_rest)(&f, sometimes);
            size_t next = fair_next(&f);
            double cost = 1 + (double)rng_below(&rng, MOST);
            given[next] += cost;
            fair_serve(&f, next, cost);
            for (size_t i = 1; i < sometimes; i++) {
                double apart = given[i] / weights[i] - given[0] / weights[0];
                double most = MOST / weights[i] + MOST / weights[0];
                assert_true(apart <= most && -apart <= most);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_at_first),
        cmocka_unit_test(equal_weights_take_turns),
        cmocka_unit_test(what_counts_is_what_was_given_not_how_often),
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(time_without_a_wish_is_not_saved_up),
        cmocka_unit_test(what_was_taken_is_not_forgotten),
        cmocka_unit_test(by_chance_nobody_is_ahead_by_more_than_a_turn),
    };
    return cmocka_run_group_tests_name("fair", tests, NULL, NULL);
}
