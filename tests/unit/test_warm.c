/* warm: the first question about a completion goes ahead. */
#include "grader_bench.h"

#define REPLY INT64_C(20000) /* a good one takes so long */

static struct bench *warm_new(size_t from, size_t max_in_flight)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = max_in_flight;
    struct grader_config config = config_of(b, 1);
    config.warm_from = from;
    start(b, &config, 7);
    b->good_from = 0;
    return b;
}

static void run_for(struct bench *b, int64_t us)
{
    int64_t until = b->clock.now_us + us;
    fixture_run(&b->server, tick, b, until);
    b->clock.now_us = until;
}

static size_t queued(const struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    return s.queued;
}

static void expect_all(const struct group *g, enum judgment_status status)
{
    assert_int_equal(g->done, 1);
    for (size_t q = 0; q < QUESTIONS; q++)
        assert_int_equal(g->judgments[q].status, status);
}

static void the_others_follow_the_first_answer(void **state RBR_UNUSED)
{
    struct bench *b = warm_new(1, 100);
    struct group *g = ask(b, 0, QUESTIONS, CLOCK_NEVER);
    run_for(b, REPLY - 1);
    assert_int_equal(b->server.requests, 1);
    assert_int_equal(queued(b), QUESTIONS - 1); /* whoever reads on waits for them too */
    run_for(b, 1);
    assert_int_equal(b->server.in_flight, QUESTIONS - 1);
    run(b);
    expect_all(g, JUDGMENT_GRADED);
    assert_int_equal(g->done_us, 5 * SECOND + 2 * REPLY);
    bench_free(b);
}

static void only_what_is_long_enough_is_warmed(void **state RBR_UNUSED)
{
    struct bench *never = warm_new(0, 100), *longer = warm_new(1000, 100);
    (void)ask(never, 0, QUESTIONS, CLOCK_NEVER);
    (void)ask(longer, 0, QUESTIONS, CLOCK_NEVER);
    (void)tick(never);
    (void)tick(longer);
    assert_int_equal(never->server.in_flight, QUESTIONS);
    assert_int_equal(longer->server.in_flight, QUESTIONS);
    run(never);
    run(longer);
    bench_free(never);
    bench_free(longer);
}

static void a_first_one_that_takes_long_is_not_waited_for(void **state RBR_UNUSED)
{
    struct bench *b = warm_new(1, 100);
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER};
    b->good_from = 1;
    struct group *g = ask(b, 0, QUESTIONS, CLOCK_NEVER);
    run_for(b, 2 * SECOND - 1);
    assert_int_equal(b->server.requests, 1);
    run_for(b, REPLY + 1);
    assert_int_equal(b->server.requests, QUESTIONS);
    assert_int_equal(g->judgments[1].status, JUDGMENT_GRADED);
    run(b);
    expect_all(g, JUDGMENT_GRADED);
    bench_free(b);
}

/* The 2 s run from when it was sent, however long it waited for that. */
static void a_first_one_in_a_queue_holds_the_others(void **state RBR_UNUSED)
{
    struct bench *b = warm_new(1, 1);
    b->reply = good(9 * SECOND);
    b->good_from = 1;
    (void)ask(b, 0, 1, CLOCK_NEVER);
    struct group *g = ask(b, 1, QUESTIONS, CLOCK_NEVER);
    struct group *behind = ask(b, 2, 1, CLOCK_NEVER);
    run(b);
    expect_all(g, JUDGMENT_GRADED);
    assert_true(behind->done_us < g->done_us);
    bench_free(b);
}

static void a_first_one_that_fails_lets_the_others_go(void **state RBR_UNUSED)
{
    struct bench *b = warm_new(1, 100);
    b->reply = (struct fixture_reply){.delay_us = 1000, .status = 503};
    b->good_from = 1;
    struct group *g = ask(b, 0, QUESTIONS, CLOCK_NEVER);
    run_for(b, 1000);
    assert_int_equal(b->server.in_flight, QUESTIONS - 1);
    run(b);
    expect_all(g, JUDGMENT_GRADED);
    bench_free(b);
}

static void what_is_held_ends_with_its_group(void **state RBR_UNUSED)
{
    enum { CANCELLED, WOUND_DOWN, LATE, CASES };
    for (int i = 0; i < CASES; i++) {
        struct bench *b = warm_new(1, 100);
        b->reply = good(SECOND);
        b->good_from = UINT64_MAX;
        struct group *g = ask(b, 0, QUESTIONS, i == LATE ? b->clock.now_us + 1000 : CLOCK_NEVER);
        (void)tick(b);
        if (i == CANCELLED)
            grader_cancel(&g->group);
        if (i == WOUND_DOWN)
            grader_wind_down(&g->group);
        run(b);
        assert_int_equal(b->server.requests, 1);
        assert_int_equal(g->judgments[0].status,
                         i == WOUND_DOWN ? JUDGMENT_GRADED : JUDGMENT_UNGRADED);
        assert_int_equal(g->judgments[1].reason, REASON_DEADLINE);
        bench_free(b);
    }
}

static void what_is_held_may_be_joined(void **state RBR_UNUSED)
{
    struct bench *b = warm_new(1, 100);
    struct group *g = ask_about(b, &b->prompt, true, 0, QUESTIONS, CLOCK_NEVER);
    (void)tick(b);
    struct group *other = ask_about(b, &b->prompt, true, 1, QUESTIONS, CLOCK_NEVER);
    run(b);
    expect_all(g, JUDGMENT_GRADED);
    expect_all(other, JUDGMENT_GRADED);
    assert_int_equal(b->server.requests, QUESTIONS);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_others_follow_the_first_answer),
        cmocka_unit_test(only_what_is_long_enough_is_warmed),
        cmocka_unit_test(a_first_one_that_takes_long_is_not_waited_for),
        cmocka_unit_test(a_first_one_in_a_queue_holds_the_others),
        cmocka_unit_test(a_first_one_that_fails_lets_the_others_go),
        cmocka_unit_test(what_is_held_ends_with_its_group),
        cmocka_unit_test(what_is_held_may_be_joined),
    };
    return cmocka_run_group_tests_name("warm", tests, NULL, NULL);
}
