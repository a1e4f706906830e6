/* pipeline on virtual time: budgets, windows, and the rule for what holds up a full one. */
#include "pipeline/item.h"
#include "pipeline/window.h"
#include "pipeline_bench.h"

/* JSON of a deadline, in milliseconds from the start of a test. */
#define DEADLINE_IN(ms) ",\"deadline_ms\":170000000" #ms

/* ---- budgets */

static void the_record_budget_stops_reading_and_resumes_at_seven_eighths(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.records_in_flight = 16;
    b->config.publish_interval_us = 0;
    (void)put(b, 0, "ordinary text");
    for (int i = 0; i < 8; i++)
        (void)put(b, 0, "late text");
    (void)put(b, 1, "ordinary text");
    for (int i = 0; i < 30; i++)
        (void)put(b, 1, "late text");
    start(b, 2);
    run(b, 5 * MILLISECOND);
    assert_int_equal(stats(b).in_flight, 16);
    assert_int_equal(b->k->member.reads, 16);
    assert_string_equal(stats(b).held_by, "records_in_flight");
    run(b, SECOND); /* the two quick ones are gone: 14 is 7/8 */
    assert_int_equal(stats(b).committed, 2);
    assert_int_equal(stats(b).admitted, 18);
    run(b, 30 * SECOND);
    assert_true(broker_all_committed(b->broker));
    bench_free(b);
}

static void one_place_freed_is_not_enough_to_read_on(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.records_in_flight = 16;
    (void)put(b, 0, "ordinary text");
    for (int i = 0; i < 30; i++)
        (void)put(b, 0, "late text");
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(stats(b).committed, 1);
    assert_int_equal(stats(b).admitted, 16);
    bench_free(b);
}

static void the_byte_budget_stops_reading(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.window = 200;
    b->config.memory_bytes = 50000 + sizeof(struct slot) * 200 + 8192; /* the partition's */
    b->config.partition_bytes = 0;
    for (int i = 0; i < 100; i++)
        (void)put(b, 0, "late text");
    start(b, 1);
    run(b, SECOND);
    struct pipeline_stats s = stats(b);
    size_t each = s.bytes / s.in_flight;
    assert_true(s.bytes >= 50000 && s.bytes < 54000 + 2 * each);
    assert_true(s.admitted < 100);
    assert_string_equal(s.held_by, "memory");
    run(b, 200 * SECOND);
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(stats(b).bytes, 0);
    assert_int_equal(stats(b).in_flight, 0);
    bench_free(b);
}

/* Found: the oldest block of an arena stays with it, and a large key was in that block. */
static void a_used_item_keeps_little_memory(void **state RBR_UNUSED)
{
    struct item it;
    item_init(&it, 1u << 24);
    size_t empty = item_bytes(&it);
    assert_non_null(arena_alloc(&it.live.arena, 1u << 20));
    assert_true(buf_append(&it.live.out, "x", 1));
    assert_non_null(buf_reserve(&it.live.out, 1u << 20));
    item_reset(&it);
    assert_true(item_bytes(&it) < empty + 16384);
    item_done(&it);
}

static void a_full_window_holds_up_its_own_partition_only(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.window = 8;
    (void)put(b, 0, "hang on");
    put_many(b, 0, 50);
    put_many(b, 1, 50);
    start(b, 2);
    run(b, 5 * SECOND);
    assert_int_equal(committed(b, 0), 0);
    assert_int_equal(committed(b, 1), 50);
    assert_int_equal(stats(b).in_flight, 1);
    assert_int_equal(stats(b).admitted, 50 + 8);
    assert_int_equal(stats(b).windows_full, 1);
    assert_string_equal(stats(b).held_by, "none");
    assert_int_equal(b->broker->n_messages, 50 + 7); /* the rest of the window is published */
    run(b, 200 * SECOND); /* the stuck one fails after its attempts */
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(message(b, 0, 0)->status, STATUS_FAILED);
    assert_int_equal(message(b, 0, 0)->reason, REASON_GRADER_TIMEOUT);
    bench_free(b);
}

/* Found: reading began at the first partition every time, and with less room than partitions the
 * last ones were never read while the first had records. */
static void little_room_is_shared_by_all_partitions(void **state RBR_UNUSED)
{
    for (size_t room = 1; room <= 16; room *= 4) {
        struct bench *b = bench_new();
        b->config.records_in_flight = room;
        b->config.publish_interval_us = 0;
        for (int32_t i = 0; i < 4; i++)
            put_many(b, i, 200);
        start(b, 4);
        run(b, SECOND);
        for (int32_t i = 0; i < 4; i++)
            if (committed(b, i) < (int64_t)stats(b).committed / 8)
                fail_msg("room for %zu: partition %" PRId32 " has %" PRId64 " of %" PRIu64, room, i,
                         committed(b, i), stats(b).committed);
        bench_free(b);
    }
}

static void a_long_queue_gives_the_loop_its_turn(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    for (int i = 0; i < 600; i++)
        (void)put_json(b, 0, "{}", "checks", "");
    start(b, 1);
    (void)world_turn(&b->w);
    assert_int_equal(stats(b).admitted, 256);
    assert_int_equal(pipeline_tick(b->k->pipeline), b->w.clock.now_us); /* at once */
    assert_int_equal(stats(b).admitted, 512);
    check(b);
    bench_free(b);
}

/* The source's queues are memory too. When they would take most of it, records have half. */
static void partitions_take_their_share_of_the_memory(void **state RBR_UNUSED)
{
    size_t held[3];
    for (size_t i = 0; i < 3; i++) {
        struct bench *b = bench_new();
        b->config.window = 200;
        b->config.memory_bytes = 160000;
        b->config.partition_bytes = i * 50000;
        for (int k = 0; k < 100; k++)
            (void)put_json(b, 0, "{}", "checks", "");
        b->config.publish_interval_us = 200 * SECOND;
        start(b, 1);
        run(b, SECOND);
        held[i] = stats(b).bytes;
        assert_string_equal(stats(b).held_by, "memory");
        bench_free(b);
    }
    assert_in_range(held[0] - held[1], 45000, 55000);
    assert_in_range(held[2], 80000, 87000);
}

/* The grader's queue stays short: what waits in Kafka has not begun to grow old. */
static void questions_wait_in_kafka_not_here(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    struct grader_stats g;
    for (int i = 0; i < 400; i++)
        (void)put(b, 0, "late text");
    start(b, 1);
    run(b, SECOND);
    grader_stats(b->k->grader, &g);
    assert_int_equal(g.queued + g.in_flight, 4 * g.limit);
    assert_string_equal(stats(b).held_by, "questions");
    for (int i = 0; i < 400 && !broker_all_committed(b->broker); i++) {
        run(b, SECOND);
        grader_stats(b->k->grader, &g);
        assert_true(g.queued + g.in_flight <= 4 * g.limit + 1);
    }
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(stats(b).rewards[STATUS_OK], 400); /* none grew too old waiting */
    bench_free(b);
}

/* Brokers that take nothing: results pile up to two batches, and no further. */
static void unpublished_results_stop_reading(void **state RBR_UNUSED)
{
    static const struct {
        size_t batch_records, batch_bytes, most;
        const char *name;
    } cases[] = {{10, 16u << 20, 20, "results"}, {5000, 2000, 30, "result_bytes"}};
    struct batch_end ends[] = {{.delay_us = 200 * SECOND, .outcome = SINK_COMMITTED}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new();
        b->config.batch_records = cases[i].batch_records;
        b->config.batch_bytes = cases[i].batch_bytes;
        b->ends = ends;
        b->n_ends = 1;
        for (int k = 0; k < 100; k++)
            (void)put_json(b, 0, "{}", "checks", "");
        start(b, 1);
        run(b, 100 * SECOND);
        assert_in_range(stats(b).in_flight, 5, cases[i].most);
        assert_string_equal(stats(b).held_by, cases[i].name);
        run(b, 200 * SECOND);
        assert_true(broker_all_committed(b->broker));
        assert_string_equal(stats(b).held_by, "none");
        bench_free(b);
    }
}

/* ---- head of line */

static void what_alone_holds_up_a_full_window_is_settled(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.window = 100;
    for (int32_t i = 0; i < 2; i++) {
        (void)put(b, i, "hang on");
        put_many(b, i, 400);
    }
    start(b, 2);
    run(b, 3 * SECOND);
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(stats(b).settled_early, 2);
    assert_int_equal(stats(b).rewards[STATUS_EXPIRED], 2);
    assert_int_equal(message(b, 1, 0)->status, STATUS_EXPIRED);
    assert_int_equal(message(b, 1, 0)->reason, REASON_DEADLINE);
    Rbr__V1__Reward *r = broker_unpack(message(b, 1, 0)->record.value);
    assert_str(((struct str){(const char *)r->detail.data, r->detail.len}),
               "given up: it held up the records behind it");
    rbr__v1__reward__free_unpacked(r, NULL);
    bench_free(b);
}

/* Status and reason of a record that hangs: given up for the window, or for its deadline. */
static void given_up(const char *policy, bool early, int ret[2])
{
    struct bench *b = bench_new();
    policy_free(b->w.policy);
    b->w.policy = grading_policy(policy);
    b->config.window = early ? 100 : 8000;
    (void)put_json(b, 0, "hang on", "plain", early ? "" : DEADLINE_IN(2000));
    put_many(b, 0, 400);
    start(b, 1);
    run(b, 4 * SECOND);
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(stats(b).settled_early, early);
    ret[0] = (int)message(b, 0, 0)->status;
    ret[1] = (int)message(b, 0, 0)->reason;
    bench_free(b);
}

static void it_ends_as_its_deadline_would_have_ended_it(void **state RBR_UNUSED)
{
    static const char *const policies[] = {
        WORLD_POLICY,
        WORLD_POLICY "grading: {on_ungraded: prior}\n",
        WORLD_POLICY "grading: {on_ungraded: bounds}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        int early[2], late[2];
        given_up(policies[i], true, early);
        given_up(policies[i], false, late);
        assert_memory_equal(early, late, sizeof(early));
        assert_int_equal(early[1], REASON_DEADLINE);
    }
}

static void a_window_that_is_not_full_is_left_alone(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.window = 100;
    (void)put(b, 0, "hang on");
    put_many(b, 0, 89);
    start(b, 1);
    run(b, 20 * SECOND);
    assert_int_equal(stats(b).settled_early, 0);
    assert_int_equal(committed(b, 0), 0);
    put_many(b, 0, 1); /* more than 90 % now */
    run(b, 2 * SECOND);
    assert_int_equal(stats(b).settled_early, 1);
    assert_int_equal(committed(b, 0), 91);
    bench_free(b);
}

/* With a grader that already takes as much as it ever will: partition 7 has the records for that.
 */
static void start_warm(struct bench *b, size_t n)
{
    put_many(b, 7, 2000);
    start(b, 0);
    broker_assign(b->broker, &b->k->member, 7, 1);
    run(b, 5 * SECOND);
    assert_true(committed(b, 7) == 2000);
    b->k->member.to_revoke = true;
    run(b, SECOND);
    broker_assign(b->broker, &b->k->member, 0, n);
}

/* 2 % of the window, in one place and spread over it: all are settled as the window reaches them.
 */
static void several_that_hang_are_settled_oldest_first(void **state RBR_UNUSED)
{
    for (size_t apart = 1; apart <= 50; apart *= 7) {
        struct bench *b = bench_new();
        b->config.window = 200;
        for (size_t i = 0; i < 1000; i++)
            (void)put(b, 0, i % apart == 0 && i < 4 * apart ? "hang on" : "ordinary text");
        start_warm(b, 1);
        run(b, 5 * SECOND);
        assert_true(broker_all_committed(b->broker));
        assert_int_equal(stats(b).settled_early, 4);
        bench_free(b);
    }
}

static void more_than_a_few_that_hang_have_their_time(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    b->config.window = 200;
    for (size_t i = 0; i < 400; i++)
        (void)put(b, 0, i < 5 ? "hang on" : "ordinary text");
    start(b, 1);
    run(b, 20 * SECOND);
    assert_int_equal(stats(b).settled_early, 0);
    run(b, 200 * SECOND); /* they fail after their attempts */
    assert_true(broker_all_committed(b->broker));
    bench_free(b);
}

static uint64_t committed_in_6_s(bool hanging)
{
    struct bench *b = bench_new();
    for (int32_t i = 0; i < 4; i++) {
        (void)put(b, i, hanging ? "hang on" : "ordinary text");
        put_many(b, i, 8000);
    }
    b->config.window = 1000;
    start_warm(b, 4);
    uint64_t before = stats(b).committed;
    run(b, 6 * SECOND);
    uint64_t n = stats(b).committed - before;
    assert_int_equal(stats(b).settled_early, hanging ? 4 : 0);
    bench_free(b);
    return n;
}

static void one_that_hangs_in_each_partition_costs_the_rest_little(void **state RBR_UNUSED)
{
    uint64_t without = committed_in_6_s(false), with = committed_in_6_s(true);
    print_message("%" PRIu64 " records without, %" PRIu64 " with\n", without, with);
    assert_true(with * 10 >= without * 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_budget_stops_reading_and_resumes_at_seven_eighths),
        cmocka_unit_test(one_place_freed_is_not_enough_to_read_on),
        cmocka_unit_test(the_byte_budget_stops_reading),
        cmocka_unit_test(a_used_item_keeps_little_memory),
        cmocka_unit_test(a_full_window_holds_up_its_own_partition_only),
        cmocka_unit_test(little_room_is_shared_by_all_partitions),
        cmocka_unit_test(a_long_queue_gives_the_loop_its_turn),
        cmocka_unit_test(partitions_take_their_share_of_the_memory),
        cmocka_unit_test(questions_wait_in_kafka_not_here),
        cmocka_unit_test(unpublished_results_stop_reading),
        cmocka_unit_test(what_alone_holds_up_a_full_window_is_settled),
        cmocka_unit_test(it_ends_as_its_deadline_would_have_ended_it),
        cmocka_unit_test(a_window_that_is_not_full_is_left_alone),
        cmocka_unit_test(several_that_hang_are_settled_oldest_first),
        cmocka_unit_test(more_than_a_few_that_hang_have_their_time),
        cmocka_unit_test(one_that_hangs_in_each_partition_costs_the_rest_little),
    };
    return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
