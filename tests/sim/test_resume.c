/* pipeline on virtual time: what a worker takes over from the one before it. What is done above the
 * watermark is neither judged nor published again, whatever became of the one who did it; a map
 * that cannot be used costs judgments, never records. */
#include "pipeline_bench.h"

/* One hangs, six are done above it: offset 0, map .###### */
static void six_done_above_one(struct bench *b)
{
    (void)put(b, 0, "hang on");
    put_many(b, 0, 6);
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(b->broker->n_messages, 6);
    assert_int_equal(committed(b, 0), 0);
    world_kill(&b->w, 0, false);
    check(b);
}

static void what_was_done_is_not_done_again(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    six_done_above_one(b);
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(stats(b).admitted, 1);
    assert_int_equal(stats(b).already_done, 6);
    assert_int_equal(b->k->server.requests, 2); /* of the one that hangs */
    run(b, 100 * SECOND);
    assert_int_equal(committed(b, 0), 7);
    assert_int_equal(b->broker->n_messages, 7);
    assert_int_equal(stats(b).maps_refused, 0);
    bench_free(b);
}

static void a_map_that_cannot_be_used_leaves_nothing_done(void **state RBR_UNUSED)
{
    char elsewhere[ACKMAP_TEXT_MAX], beyond[ACKMAP_TEXT_MAX];
    struct ackmap map;
    ackmap_clear(&map);
    ackmap_set(&map, 2);
    size_t n_elsewhere = ackmap_encode(&map, 3, elsewhere);
    ackmap_set(&map, 7); /* the log ends at 7 */
    size_t n_beyond = ackmap_encode(&map, 0, beyond);
    const struct str maps[] = {
        {NULL, 0},
        STR("of somebody else"),
        STR("rbr9b:AAAA"),
        STR("rbr1b:AAAA"),
        STR("rbr1b:AAAAAAAAAAAAAAAAAAAAAAAA"),
        {elsewhere, n_elsewhere},
        {beyond, n_beyond},
    };
    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        struct bench *b = bench_new();
        six_done_above_one(b);
        broker_tamper(b->broker, 0, maps[i]);
        start(b, 1);
        run(b, 100 * SECOND);
        assert_int_equal(stats(b).maps_refused, 1);
        assert_int_equal(stats(b).already_done, 0);
        assert_int_equal(b->broker->n_messages, 6 + 7);
        assert_true(broker_all_committed(b->broker));
        bench_free(b);
    }
}

static void a_gap_in_the_log_cuts_the_map(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    six_done_above_one(b);
    put_many(b, 0, 5);
    broker_trim(b->broker, 0, 4);
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(stats(b).lost, 1); /* of four, three were done */
    assert_int_equal(stats(b).maps_refused, 0);
    assert_int_equal(stats(b).already_done, 3);
    assert_int_equal(stats(b).admitted, 5);
    assert_int_equal(committed(b, 0), 12);
    assert_int_equal(b->broker->n_messages, 11);
    bench_free(b);

    b = bench_new();
    six_done_above_one(b);
    put_many(b, 0, 5);
    broker_trim(b->broker, 0, 9); /* past the map */
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(stats(b).lost, 3);
    assert_int_equal(stats(b).admitted, 3);
    assert_int_equal(committed(b, 0), 12);
    bench_free(b);
}

static void a_first_start_misses_no_map(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    put_many(b, 0, 3);
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(stats(b).maps_refused, 0);
    assert_int_equal(stats(b).lost, 0);
    bench_free(b);
}

static void compaction_below_what_is_done_is_passed(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    put_many(b, 0, 1);
    broker_skip(b->broker, 0, 5);
    (void)put(b, 0, "hang on");
    broker_skip(b->broker, 0, 3);
    put_many(b, 0, 4);
    start(b, 1);
    run(b, SECOND);
    assert_int_equal(committed(b, 0), 6);
    world_kill(&b->w, 0, false);
    start(b, 1);
    run(b, 100 * SECOND);
    assert_int_equal(stats(b).already_done, 4);
    assert_int_equal(committed(b, 0), 14);
    bench_free(b);
}

/* Brokers that take less: what would make a map too large waits, and nothing is forgotten. */
static void a_map_too_large_for_the_brokers_waits(void **state RBR_UNUSED)
{
    for (size_t limit = 0; limit <= 60; limit += 10) {
        struct bench *b = bench_new();
        b->broker->metadata_limit = limit;
        for (int i = 0; i < 300; i++)
            (void)put(b, 0, i % 150 == 0 ? "late text" : "ordinary text");
        start(b, 1);
        run(b, 2 * SECOND);
        assert_in_range(stats(b).batches_aborted, limit <= 30, 8);
        world_kill(&b->w, 0, false);
        start(b, 1);
        run(b, 60 * SECOND);
        assert_true(broker_all_committed(b->broker));
        assert_int_equal(b->broker->n_messages, 300);
        bench_free(b);
    }
}

static void a_stuck_record_in_each_partition_holds_up_nobody(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    for (int32_t i = 0; i < 2; i++) {
        (void)put(b, i, "hang on");
        put_many(b, i, 500);
    }
    start(b, 2);
    run(b, 9 * SECOND); /* before the first attempt of those ends */
    assert_int_equal(b->broker->n_messages, 1000);
    run(b, 100 * SECOND);
    assert_true(broker_all_committed(b->broker));
    bench_free(b);
}

static void a_kill_is_good_at_every_point(void **state RBR_UNUSED)
{
    for (int lands = 0; lands < 2; lands++) {
        size_t turns = 0;
        for (bool more = true; more; turns++) {
            struct bench *b = bench_new();
            b->config.batch_records = 3;
            for (int i = 0; i < 4; i++) {
                put_many(b, i % 2, 2);
                (void)put(b, i % 2, i % 2 == 0 ? "late text" : "error text");
            }
            start(b, 2);
            for (size_t i = 0; i < turns; i++)
                world_move(&b->w, world_turn(&b->w));
            more = !broker_all_committed(b->broker);
            world_kill(&b->w, 0, lands);
            start(b, 2);
            run(b, 120 * SECOND);
            assert_true(broker_all_committed(b->broker));
            assert_int_equal(b->broker->n_messages, 12);
            bench_free(b);
        }
        assert_true(turns > 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_is_not_done_again),
        cmocka_unit_test(a_map_that_cannot_be_used_leaves_nothing_done),
        cmocka_unit_test(a_gap_in_the_log_cuts_the_map),
        cmocka_unit_test(a_first_start_misses_no_map),
        cmocka_unit_test(compaction_below_what_is_done_is_passed),
        cmocka_unit_test(a_map_too_large_for_the_brokers_waits),
        cmocka_unit_test(a_stuck_record_in_each_partition_holds_up_nobody),
        cmocka_unit_test(a_kill_is_good_at_every_point),
    };
    return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
