/* pipeline on virtual time, one situation a test: assignments that come, go and are lost; stops and
 * failures; deadlines and a grader that is down. */
#include "pipeline_bench.h"

/* ---- assignments */

static void a_revoke_drains_and_publishes_what_is_ready(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.publish_interval_us = SECOND;
    put_many(b, 0, 3);
    (void)put(b, 0, "late text");
    put_many(b, 0, 3);
    start(b, 1);
    run(b, 200 * MILLISECOND);
    assert_int_equal(b->broker->n_messages, 0); /* the interval is not over */
    b->k->member.to_revoke = true;
    run(b, 100 * MILLISECOND);
    put_many(b, 0, 1); /* nobody reads it now */
    assert_int_equal(committed(b, 0), 3);
    assert_int_equal(b->k->member.state, MEMBER_REVOKING);
    run(b, 4 * SECOND);
    assert_int_equal(committed(b, 0), 7);
    assert_int_equal(b->k->member.revokes_done, 1);
    assert_int_equal(stats(b).dropped, 0);
    assert_int_equal(stats(b).partitions, 0);
    assert_int_equal(stats(b).bytes, 0);
    bench_free(b);
}

static void a_revoke_out_of_time_drops_the_rest(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.drain_us = 2 * SECOND;
    put_many(b, 0, 3);
    (void)put(b, 0, "hang on");
    put_many(b, 0, 3);
    start(b, 1);
    run(b, SECOND);
    b->k->member.to_revoke = true;
    run(b, 2 * SECOND - MILLISECOND);
    assert_int_equal(b->k->member.revokes_done, 0);
    run(b, 2 * MILLISECOND);
    assert_int_equal(b->k->member.revokes_done, 1);
    assert_int_equal(committed(b, 0), 3);
    assert_int_equal(stats(b).dropped, 1);
    assert_int_equal(stats(b).in_flight, 1); /* its call may still be answered */
    run(b, 2 * SECOND);
    assert_int_equal(stats(b).in_flight, 0); /* cancelled after the same time again */
    assert_int_equal(stats(b).bytes, 0);
    broker_assign(b->broker, &b->k->member, 0, 1);
    run(b, 100 * SECOND);
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(b->broker->n_messages, 7);
    bench_free(b);
}

/* The answer comes when the record is another's; then the record comes back. */
static void an_answer_after_a_loss_is_kept(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    (void)put(b, 0, "late text"); /* takes 3 s */
    start(b, 1);
    run(b, SECOND);
    broker_kick(b->broker, &b->k->member);
    b->k->member.to_lose = true;
    run(b, SECOND);
    uint64_t asked = b->k->server.requests;
    assert_int_equal(b->broker->n_messages, 0);
    run(b, 3 * SECOND);
    broker_assign(b->broker, &b->k->member, 0, 1);
    run(b, SECOND);
    assert_int_equal(b->k->server.requests, asked);
    assert_int_equal(committed(b, 0), 1);
    assert_int_equal(b->broker->messages[0].status, STATUS_OK);
    bench_free(b);
}

static void a_stop_cancels_what_was_left_to_finish(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    (void)put(b, 0, "hang on");
    start(b, 1);
    run(b, SECOND);
    broker_kick(b->broker, &b->k->member);
    b->k->member.to_lose = true;
    run(b, SECOND);
    assert_int_equal(stats(b).in_flight, 1);
    pipeline_stop(b->k->pipeline);
    run(b, SECOND);
    assert_int_equal(stats(b).in_flight, 0);
    assert_true(pipeline_finished(b->k->pipeline));
    bench_free(b);
}

/* Neither the publish interval nor an aborted batch makes a drain forget what is ready. */
static void a_drain_waits_for_what_is_ready(void **state RBR_UNUSED)
{
    struct batch_end ends[] = {{.delay_us = 1000, .outcome = SINK_COMMITTED},
                               {.delay_us = 1000, .outcome = SINK_ABORTED}};
    struct bench *b = bench_new();
    b->config.publish_interval_us = SECOND;
    b->ends = ends;
    b->n_ends = ARRAY_LEN(ends);
    put_many(b, 0, 1);
    (void)put(b, 0, "late text");
    start(b, 1);
    run(b, 2900 * MILLISECOND);
    (void)put(b, 0, "ordinary text");
    run(b, 50 * MILLISECOND);
    b->k->member.to_revoke = true;
    run(b, 5 * SECOND);
    assert_int_equal(stats(b).batches_aborted, 1);
    assert_int_equal(stats(b).dropped, 0);
    assert_int_equal(committed(b, 0), 3);
    assert_int_equal(b->k->member.revokes_done, 1);
    bench_free(b);
}

/* Found: past the end of the drain the next turn was due at once, again and again. */
static void a_slow_batch_past_the_drain_is_waited_for_without_spinning(void **state RBR_UNUSED)
{
    struct batch_end slow = {.delay_us = 20 * SECOND, .outcome = SINK_COMMITTED};
    struct bench *b = bench_new();
    b->config.drain_us = 2 * SECOND;
    b->ends = &slow;
    b->n_ends = 1;
    put_many(b, 0, 3);
    start(b, 1);
    run(b, SECOND);
    b->k->member.to_revoke = true;
    run(b, 5 * SECOND);
    assert_int_equal(b->k->member.revokes_done, 0);
    run(b, 30 * SECOND);
    assert_int_equal(b->k->member.revokes_done, 1);
    assert_int_equal(committed(b, 0), 3);
    bench_free(b);
}

static void a_lost_assignment_is_dropped_at_once(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    (void)put(b, 0, "late text");
    put_many(b, 0, 3);
    start(b, 1);
    run(b, SECOND);
    broker_kick(b->broker, &b->k->member);
    b->k->member.to_lose = true;
    (void)world_turn(&b->w);
    check(b);
    assert_int_equal(b->k->member.revokes_done, 1);
    assert_int_equal(stats(b).dropped, 1);
    assert_int_equal(stats(b).partitions, 0);
    run(b, 10 * SECOND); /* the judgment comes back to nobody */
    assert_int_equal(stats(b).in_flight, 0);
    assert_int_equal(b->broker->n_messages, 3);
    broker_assign(b->broker, &b->k->member, 0, 1);
    run(b, 10 * SECOND);
    assert_int_equal(committed(b, 0), 4);
    bench_free(b);
}

static void a_late_judgment_of_a_lost_record_meets_the_next_assignment(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    (void)put(b, 0, "late text");
    start(b, 1);
    run(b, SECOND);
    broker_kick(b->broker, &b->k->member);
    b->k->member.to_lose = true;
    (void)pipeline_tick(b->k->pipeline);
    broker_assign(b->broker, &b->k->member, 0, 1); /* before the loop got a turn */
    (void)pipeline_tick(b->k->pipeline);
    assert_int_equal(stats(b).in_flight, 2); /* one of them nobody's */
    check(b);
    assert_int_equal(b->k->member.assignments, 2);
    run(b, 10 * SECOND);
    assert_int_equal(b->broker->n_messages, 1);
    assert_int_equal(stats(b).bytes, 0);
    bench_free(b);
}

/* A batch on its way when the assignment is lost: its answer is waited for, and counts. */
static void a_batch_outlives_a_lost_assignment(void **state RBR_UNUSED)
{
    for (int early = 0; early < 2; early++) {
        struct batch_end slow = {.delay_us = 2 * SECOND, .outcome = SINK_COMMITTED, .early = early};
        struct bench *b = bench_new();
        b->ends = &slow;
        b->n_ends = 1;
        put_many(b, 0, 3);
        start(b, 1);
        run(b, SECOND);
        assert_non_null(b->k->member.batch);
        broker_kick(b->broker, &b->k->member);
        b->k->member.to_lose = true;
        run(b, 500 * MILLISECOND);
        assert_int_equal(b->k->member.revokes_done, 0);
        run(b, 2 * SECOND);
        assert_int_equal(b->k->member.revokes_done, 1);
        assert_int_equal(committed(b, 0), early ? 3 : 0);
        assert_int_equal(stats(b).dropped, early ? 0 : 3);
        broker_assign(b->broker, &b->k->member, 0, 1);
        run(b, 10 * SECOND);
        assert_int_equal(b->broker->n_messages, 3);
        bench_free(b);
    }
}

static void an_assignment_may_be_lost_while_it_drains(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    (void)put(b, 0, "hang on");
    start(b, 1);
    run(b, SECOND);
    b->k->member.to_revoke = true;
    run(b, SECOND);
    broker_kick(b->broker, &b->k->member);
    b->k->member.to_lose = true;
    run(b, MILLISECOND);
    assert_int_equal(b->k->member.revokes_done, 1);
    assert_int_equal(stats(b).dropped, 1);
    bench_free(b);
}

static void an_assignment_returns_where_it_was_committed(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    put_many(b, 0, 5);
    put_many(b, 1, 5);
    start(b, 2);
    for (size_t i = 1; i <= 5; i++) {
        run(b, SECOND);
        b->k->member.to_revoke = true;
        run(b, SECOND);
        assert_int_equal(b->k->member.revokes_done, i);
        put_many(b, 0, 5);
        broker_assign(b->broker, &b->k->member, i % 2, 2); /* 1 and 2, then 0 and 1 */
    }
    run(b, SECOND);
    b->k->member.to_revoke = true;
    run(b, SECOND);
    broker_assign(b->broker, &b->k->member, 0, 3);
    run(b, SECOND);
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(b->broker->n_messages, 35);
    bench_free(b);
}

static void an_empty_assignment_is_fine(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    start(b, 0);
    b->k->member.to_assign = true; /* more members than partitions */
    run(b, SECOND);
    assert_int_equal(b->k->member.assignments, 1);
    b->k->member.to_revoke = true;
    run(b, SECOND);
    assert_int_equal(b->k->member.revokes_done, 1);
    bench_free(b);
}

/* ---- the end */

static void a_stop_publishes_what_can_be_and_leaves(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    put_many(b, 0, 3);
    (void)put(b, 0, "late text");
    start(b, 1);
    run(b, 5 * MILLISECOND);
    pipeline_stop(b->k->pipeline);
    pipeline_stop(b->k->pipeline); /* a second one changes nothing */
    put_many(b, 0, 1);
    assert_false(pipeline_finished(b->k->pipeline));
    finish(b);
    assert_int_equal(committed(b, 0), 4);
    bench_free(b);
}

/* The group takes its time to notice; nothing new is begun meanwhile. */
static void after_a_stop_nothing_is_read(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    start(b, 1);
    b->k->member.close_takes_us = SECOND;
    put_many(b, 0, 3);
    run(b, 10 * MILLISECOND);
    pipeline_stop(b->k->pipeline);
    put_many(b, 0, 3);
    run(b, 900 * MILLISECOND);
    assert_int_equal(stats(b).admitted, 3);
    assert_int_equal(committed(b, 0), 3); /* what is at hand goes out as ever */
    finish(b);
    bench_free(b);
}

/* Its memory is the pipeline's: it may not be freed before. */
static void a_cancelled_judgment_is_waited_for_at_the_end(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.drain_us = 0;
    (void)put(b, 0, "hang on");
    start(b, 1);
    run(b, SECOND);
    pipeline_stop(b->k->pipeline);
    (void)pipeline_tick(b->k->pipeline);
    (void)pipeline_tick(b->k->pipeline);
    assert_int_equal(b->k->member.state, MEMBER_LEFT);
    assert_false(pipeline_finished(b->k->pipeline));
    finish(b);
    bench_free(b);
}

static void after_a_failed_batch_nothing_is_published(void **state RBR_UNUSED)
{
    struct batch_end failed = {.delay_us = 1000, .outcome = SINK_FAILED};
    struct bench *b = bench_new();
    b->ends = &failed;
    b->n_ends = 1;
    put_many(b, 0, 3);
    (void)put(b, 0, "late text");
    start(b, 1);
    b->k->member.close_takes_us = 5 * SECOND;
    run(b, 4 * SECOND); /* the late one is ready */
    assert_int_equal(b->k->member.publishes, 1);
    assert_false(pipeline_finished(b->k->pipeline));
    finish(b);
    bench_free(b);
}

/* Whatever the pipeline was at: the next one goes on without a loss or a double. */
static void a_stop_is_good_at_every_point(void **state RBR_UNUSED)
{
    struct batch_end ends[] = {{.delay_us = 3000, .outcome = SINK_COMMITTED, .early = true},
                               {.delay_us = 3000, .outcome = SINK_ABORTED},
                               {.delay_us = 3000, .outcome = SINK_COMMITTED}};
    size_t turns = 0, last = 0;
    for (bool more = true; more; turns++) {
        struct bench *b = bench_new();
        b->config.batch_records = 3;
        b->config.drain_us = turns % 3 == 0 ? 0 : 500 * MILLISECOND;
        b->ends = ends;
        b->n_ends = ARRAY_LEN(ends);
        for (int i = 0; i < 4; i++) {
            put_many(b, i % 2, 2);
            (void)put(b, i % 2, i % 2 == 0 ? "late text" : "error text");
        }
        start(b, 2);
        for (size_t i = 0; i < turns; i++)
            world_move(&b->w, world_turn(&b->w));
        more = !broker_all_committed(b->broker);
        stop(b);
        start(b, 2);
        run(b, 120 * SECOND);
        assert_true(broker_all_committed(b->broker));
        assert_int_equal(b->broker->n_messages, 12);
        last = turns;
        bench_free(b);
    }
    assert_true(last > 20);
}

static void a_failed_source_ends_the_pipeline(void **state RBR_UNUSED)
{
    /* when: running, with a batch on its way, draining, idle */
    for (int when = 0; when < 4; when++) {
        struct batch_end slow = {.delay_us = 2 * SECOND, .outcome = SINK_COMMITTED};
        struct bench *b = bench_new();
        b->ends = &slow;
        b->n_ends = when == 1;
        put_many(b, 0, 3);
        (void)put(b, 0, "hang on");
        start(b, when < 3);
        run(b, SECOND);
        b->k->member.to_revoke = when == 2;
        run(b, MILLISECOND);
        b->k->member.to_fail = true;
        (void)err_set(&b->k->member.failure, ERR_FENCED, "a twin took over");
        run(b, 5 * SECOND);
        assert_true(pipeline_finished(b->k->pipeline));
        assert_string_equal(pipeline_error(b->k->pipeline)->msg, "a twin took over");
        assert_int_equal(committed(b, 0), when < 3 ? 3 : 0);
        finish(b);
        bench_free(b);
    }
}

static void the_first_failure_is_the_one_told(void **state RBR_UNUSED)
{
    struct batch_end failed = {.delay_us = SECOND, .outcome = SINK_FAILED};
    struct bench *b = bench_new();
    b->ends = &failed;
    b->n_ends = 1;
    put_many(b, 0, 3);
    start(b, 1);
    run(b, 500 * MILLISECOND);
    b->k->member.to_fail = true;
    (void)err_set(&b->k->member.failure, ERR_FENCED, "a twin took over");
    run(b, 5 * SECOND);
    assert_string_equal(pipeline_error(b->k->pipeline)->msg, "a twin took over");
    finish(b);
    bench_free(b);
}

/* Found: records still with a judge were left to come back to a pipeline that had been freed. */
static void a_source_that_just_closes_leaves_nothing_behind(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    (void)put(b, 0, "hang on");
    put_many(b, 0, 3);
    start(b, 1);
    run(b, SECOND);
    b->k->member.to_vanish = true;
    stop(b);
    bench_free(b);
}

/* ---- time */

static void a_record_past_its_deadline_is_expired(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    char soon[64], past[64], far[64];
    b->config.record_deadline_us = 5 * SECOND;
    (void)snprintf(soon, sizeof(soon), ",\"deadline_ms\":%" PRId64, WORLD_START_MS + 3000);
    (void)snprintf(past, sizeof(past), ",\"deadline_ms\":%" PRId64, WORLD_START_MS - 3000);
    (void)snprintf(far, sizeof(far), ",\"deadline_ms\":%" PRId64, WORLD_START_MS + 3000000);
    (void)put_json(b, 0, "text", "plain", past);
    (void)put_json(b, 0, "hang on", "plain", soon);
    (void)put_json(b, 0, "hang on", "plain", far); /* the worker's own is earlier */
    (void)put(b, 0, "hang on");
    start(b, 1);
    static const int64_t done_us[] = {500000, 2500000, 6000000, 6000000};
    for (int64_t i = 0; i < 4; i++) {
        run(b, WORLD_START_US + done_us[i] - b->w.clock.now_us);
        assert_int_equal(message(b, 0, i)->status, STATUS_EXPIRED);
        assert_int_equal(message(b, 0, i)->reason, REASON_DEADLINE);
        assert_int_equal(committed(b, 0), i == 2 ? 4 : i + 1);
        if (i == 0)
            assert_int_equal(b->k->server.requests, 6);
    }
    assert_int_equal(stats(b).rewards[STATUS_EXPIRED], 4);
    bench_free(b);
}

static void a_grader_that_fails_gives_a_typed_failure(void **state RBR_UNUSED)
{
    static const struct {
        const char *completion;
        enum reason reason;
    } cases[] = {
        {"error text", REASON_GRADER_UNAVAILABLE}, {"busy text", REASON_GRADER_RATE_LIMITED},
        {"reject text", REASON_GRADER_REJECTED},   {"garbage text", REASON_UNPARSEABLE_VERDICT},
        {"reset text", REASON_GRADER_UNAVAILABLE}, {"hang on", REASON_GRADER_TIMEOUT},
    };
    struct bench *b = bench_new();
    b->config.record_deadline_us = 300 * SECOND;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        (void)put(b, 0, cases[i].completion);
    start(b, 1);
    run(b, 200 * SECOND);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct broker_message *m = message(b, 0, (int64_t)i);
        assert_int_equal(m->status, STATUS_FAILED); /* and no reward: the broker looked */
        assert_int_equal(m->reason, cases[i].reason);
    }
    assert_int_equal(stats(b).rewards[STATUS_FAILED], ARRAY_LEN(cases));
    bench_free(b);
}

static void an_idle_pipeline_serves_its_source_twice_a_second(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(pipeline_tick(b->k->pipeline), b->w.clock.now_us + SECOND / 2);
    assert_null(pipeline_error(b->k->pipeline));
    pipeline_free(NULL);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_revoke_drains_and_publishes_what_is_ready),
        cmocka_unit_test(a_revoke_out_of_time_drops_the_rest),
        cmocka_unit_test(an_answer_after_a_loss_is_kept),
        cmocka_unit_test(a_stop_cancels_what_was_left_to_finish),
        cmocka_unit_test(a_drain_waits_for_what_is_ready),
        cmocka_unit_test(a_slow_batch_past_the_drain_is_waited_for_without_spinning),
        cmocka_unit_test(a_lost_assignment_is_dropped_at_once),
        cmocka_unit_test(a_late_judgment_of_a_lost_record_meets_the_next_assignment),
        cmocka_unit_test(a_batch_outlives_a_lost_assignment),
        cmocka_unit_test(an_assignment_may_be_lost_while_it_drains),
        cmocka_unit_test(an_assignment_returns_where_it_was_committed),
        cmocka_unit_test(an_empty_assignment_is_fine),
        cmocka_unit_test(a_stop_publishes_what_can_be_and_leaves),
        cmocka_unit_test(after_a_stop_nothing_is_read),
        cmocka_unit_test(a_cancelled_judgment_is_waited_for_at_the_end),
        cmocka_unit_test(after_a_failed_batch_nothing_is_published),
        cmocka_unit_test(a_stop_is_good_at_every_point),
        cmocka_unit_test(a_failed_source_ends_the_pipeline),
        cmocka_unit_test(the_first_failure_is_the_one_told),
        cmocka_unit_test(a_source_that_just_closes_leaves_nothing_behind),
        cmocka_unit_test(a_record_past_its_deadline_is_expired),
        cmocka_unit_test(a_grader_that_fails_gives_a_typed_failure),
        cmocka_unit_test(an_idle_pipeline_serves_its_source_twice_a_second),
    };
    return cmocka_run_group_tests_name("assignment", tests, NULL, NULL);
}
