/* replay/restore: records wait until the judgments of their partitions are in the cache, or for as
 * long as was said; whatever the topics of rewards are like. */
#include "cache_fixture.h"
#include "fixture_source.h"
#include "kafka_fixture.h"

#include "proto/reward.pb-c.h"
#include "replay/restore.h"

static struct kafka_fixture fixture;

static int start(void **state RBR_UNUSED)
{
    kafka_fixture_init(&fixture);
    return 0;
}

static int stop(void **state RBR_UNUSED)
{
    kafka_fixture_done(&fixture);
    return 0;
}

/* ---- rewards ------------------------------------------------------------------------------------
 */

static ProtobufCBinaryData bytes(const void *p, size_t n)
{
    return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)(uintptr_t)p};
}

/* A reward with one judgment, the fixture's of this number. */
static void put_reward(const char *topic, int32_t partition, uint64_t number)
{
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    char packed[256];
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    Rbr__V1__Proposition p = RBR__V1__PROPOSITION__INIT, *list = &p;
    cache_digest(number, digest);
    m.status = RBR__V1__STATUS__STATUS_OK;
    m.propositions = &list;
    m.n_propositions = 1;
    m.scored_at_ms = 1700000000000;
    p.grader = bytes("g", 1);
    p.digest = bytes(digest, sizeof(digest));
    p.probability_presence_case = RBR__V1__PROPOSITION__PROBABILITY_PRESENCE_PROBABILITY;
    p.probability = cache_entry_of(number).probability;
    p.mass = 1;
    size_t n = rbr__v1__reward__pack(&m, (uint8_t *)packed);
    const struct sink_record record = {.key = STR("k"), .value = {packed, n}};
    assert_int_equal(kafka_produce(fixture.producer, topic, partition, &record, NULL),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Numbers [from, to). */
static void put_rewards(const char *topic, int32_t partition, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        put_reward(topic, partition, i);
    assert_int_equal(rd_kafka_flush(fixture.producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* ---- the bench ----------------------------------------------------------------------------------
 */

struct bench {
    struct loop loop;
    struct fixture_source source;
    struct cache *cache;
    struct kafka_config kafka;
    struct str topics[2];
    struct restore *restore;
    struct source *port;
};

static int64_t turn(void *arg)
{
    struct bench *b = arg;
    b->port->poll(b->port);
    return clock_mono_us(&clock_real) + 10000;
}

/* An input of two partitions, named like the first topic of rewards. */
static void bench_init(struct bench *b, const char *one, const char *two, int64_t wait_us)
{
    static char input[64];
    *b = (struct bench){.topics = {str_z(one), str_z(two)}};
    (void)snprintf(input, sizeof(input), "%s.in", one);
    kafka_fixture_topic(&fixture, input, 2);
    b->kafka = kafka_fixture_config(&fixture, input);
    fixture_source_init(&b->source);
    fixture_source_draw(&b->source, 0, "x");
    fixture_source_draw(&b->source, 1, "x");
    loop_init(&b->loop, turn, b);
    b->cache = cache_mem_new(16 << 20); /* no two in one place */
    const struct restore_config config = {.kafka = &b->kafka,
                                          .topics = b->topics,
                                          .n_topics = two != NULL ? 2 : 1,
                                          .wait_us = wait_us};
    b->restore = restore_new(&b->loop, &b->source.port, b->cache, &config);
    b->port = restore_port(b->restore);
    fixture_source_listen_to(&b->source, b->port);
}

static void bench_done(struct bench *b)
{
    restore_free(b->restore);
    loop_done(&b->loop);
    cache_free(b->cache);
}

static bool reads(struct bench *b, size_t partition)
{
    struct source_record r;
    if (!b->port->next(b->port, partition, &r))
        return false;
    b->port->release(b->port, &r);
    return true;
}

/* Turns the loop until a record comes; how many of the numbers are in the cache then. */
static size_t restored(struct bench *b, uint64_t from, uint64_t to)
{
    int64_t until = clock_mono_us(&clock_real) + 20000000;
    size_t n = 0;
    loop_wake(&b->loop);
    while (!reads(b, 0)) {
        assert_true(clock_mono_us(&clock_real) < until);
        (void)uv_run(&b->loop.uv, UV_RUN_ONCE);
    }
    for (uint64_t i = from; i < to; i++) {
        struct cache_entry got;
        uint8_t digest[JUDGMENT_DIGEST_BYTES];
        cache_digest(i, digest);
        bool found = b->cache->get(b->cache, digest, &got);
        assert_true(!found || got.probability == cache_entry_of(i).probability);
        n += found;
    }
    return n;
}

static void give_back(struct bench *b)
{
    b->source.listener.revoked(b->source.listener.arg);
    b->port->revoke_done(b->port);
}

/* ---- tests --------------------------------------------------------------------------------------
 */

static void records_wait_for_all_judgments(void **state RBR_UNUSED)
{
    struct bench b;
    struct restore_stats s;
    kafka_fixture_topic(&fixture, "all", 2);
    put_rewards("all", 0, 0, 1500); /* more than the loop takes at a time */
    put_rewards("all", 1, 1500, 2000);
    kafka_fixture_put(&fixture, "all", 1, &(struct sink_record){.value = STR("no reward")});
    bench_init(&b, "all", NULL, CLOCK_NEVER);
    fixture_source_assign(&b.source, 2);
    assert_false(reads(&b, 0));
    assert_false(reads(&b, 1));
    assert_int_equal(restored(&b, 0, 2000), 2000);
    assert_true(reads(&b, 1));
    restore_stats(b.restore, &s);
    assert_int_equal(s.rewards, 2000);
    assert_int_equal(s.judgments, 2000);
    assert_int_equal(s.unreadable, 1);
    assert_false(s.running);
    bench_done(&b);
}

static void only_the_partitions_of_the_assignment_are_read(void **state RBR_UNUSED)
{
    struct bench b;
    kafka_fixture_topic(&fixture, "some", 2);
    kafka_fixture_topic(&fixture, "more", 2);
    put_rewards("some", 0, 0, 10);
    put_rewards("some", 1, 10, 20);
    put_rewards("more", 0, 20, 30);
    bench_init(&b, "some", "more", CLOCK_NEVER);
    fixture_source_assign(&b.source, 1);
    assert_int_equal(restored(&b, 0, 30), 20);
    bench_done(&b);
}

/* Where the records of a partition have their rewards cannot be known then. */
static void a_topic_with_other_partitions_is_read_whole(void **state RBR_UNUSED)
{
    struct bench b;
    kafka_fixture_topic(&fixture, "three", 3);
    for (int32_t i = 0; i < 3; i++)
        put_rewards("three", i, 10 * (uint64_t)i, 10 * (uint64_t)i + 10);
    bench_init(&b, "three", NULL, CLOCK_NEVER);
    fixture_source_assign(&b.source, 1);
    assert_int_equal(restored(&b, 0, 30), 30);
    bench_done(&b);
}

static void the_next_assignment_reads_what_is_new(void **state RBR_UNUSED)
{
    struct bench b;
    struct restore_stats s;
    kafka_fixture_topic(&fixture, "twice", 2);
    put_rewards("twice", 0, 0, 100);
    put_rewards("twice", 1, 100, 140);
    bench_init(&b, "twice", NULL, CLOCK_NEVER);
    fixture_source_assign(&b.source, 1);
    assert_int_equal(restored(&b, 0, 140), 100);
    give_back(&b);
    put_rewards("twice", 0, 140, 150);
    fixture_source_assign(&b.source, 2);
    assert_int_equal(restored(&b, 0, 150), 150);
    restore_stats(b.restore, &s);
    assert_int_equal(s.rewards, 150);
    bench_done(&b);
}

/* Whatever the moment: nothing of what was read is lost, and nothing is read twice. */
static void an_assignment_may_end_while_it_is_being_restored(void **state RBR_UNUSED)
{
    struct bench b;
    struct restore_stats s;
    kafka_fixture_topic(&fixture, "cut", 2);
    put_rewards("cut", 0, 0, 3000);
    bench_init(&b, "cut", NULL, CLOCK_NEVER);
    for (int i = 0; i < 6; i++) {
        fixture_source_assign(&b.source, 1);
        loop_wake(&b.loop);
        for (int k = 0; k < 3 * i; k++)
            (void)uv_run(&b.loop.uv, UV_RUN_ONCE);
        give_back(&b);
    }
    fixture_source_assign(&b.source, 1);
    assert_int_equal(restored(&b, 0, 3000), 3000);
    restore_stats(b.restore, &s);
    assert_int_equal(s.rewards, 3000);
    bench_done(&b);
}

static void it_may_be_freed_while_it_restores(void **state RBR_UNUSED)
{
    struct bench b;
    kafka_fixture_topic(&fixture, "free", 2);
    put_rewards("free", 0, 0, 3000);
    bench_init(&b, "free", NULL, CLOCK_NEVER);
    fixture_source_assign(&b.source, 1);
    b.port->poll(b.port);
    kafka_fixture_turn_for(&fixture, 300); /* its batches are full by now, and nobody takes them */
    bench_done(&b);
    restore_free(NULL);
}

static void a_topic_that_may_not_be_read_is_left_out(void **state RBR_UNUSED)
{
    struct bench b;
    kafka_fixture_topic(&fixture, "denied", 2);
    put_rewards("denied", 0, 0, 10);
    bench_init(&b, "denied", NULL, CLOCK_NEVER);
    kafka_fixture_fail(&fixture, API_FETCH, 20, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    fixture_source_assign(&b.source, 1);
    assert_int_equal(restored(&b, 0, 10), 0);
    kafka_fixture_clear(&fixture, API_FETCH);
    bench_done(&b);
}

/* The brokers answer nothing for a while. */
static void records_are_read_when_it_takes_too_long(void **state RBR_UNUSED)
{
    struct bench b;
    kafka_fixture_topic(&fixture, "slow", 2);
    put_rewards("slow", 0, 0, 10);
    bench_init(&b, "slow", NULL, 300000);
    rd_kafka_mock_broker_set_rtt(fixture.cluster, 1, 700);
    int64_t before = clock_mono_us(&clock_real);
    fixture_source_assign(&b.source, 1);
    (void)restored(&b, 0, 0);
    assert_in_range(clock_mono_us(&clock_real) - before, 300000, 700000);
    rd_kafka_mock_broker_set_rtt(fixture.cluster, 1, 0);
    bench_done(&b);
}

static void without_partitions_there_is_nothing_to_wait_for(void **state RBR_UNUSED)
{
    struct bench b;
    struct restore_stats s;
    kafka_fixture_topic(&fixture, "none", 2);
    bench_init(&b, "none", NULL, CLOCK_NEVER);
    fixture_source_assign(&b.source, 0);
    b.port->poll(b.port);
    restore_stats(b.restore, &s);
    assert_false(s.running);
    bench_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_wait_for_all_judgments),
        cmocka_unit_test(only_the_partitions_of_the_assignment_are_read),
        cmocka_unit_test(a_topic_with_other_partitions_is_read_whole),
        cmocka_unit_test(the_next_assignment_reads_what_is_new),
        cmocka_unit_test(an_assignment_may_end_while_it_is_being_restored),
        cmocka_unit_test(it_may_be_freed_while_it_restores),
        cmocka_unit_test(a_topic_that_may_not_be_read_is_left_out),
        cmocka_unit_test(records_are_read_when_it_takes_too_long),
        cmocka_unit_test(without_partitions_there_is_nothing_to_wait_for),
    };
    return cmocka_run_group_tests_name("restore", tests, start, stop);
}
