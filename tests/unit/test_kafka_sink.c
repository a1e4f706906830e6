/* stream/kafka_sink: what is committed is readable, what is not says why and may be published
 * again; a start that cannot work says so in time. (What an abort hides, the mock cannot tell:
 * tests/process.) */
#include "kafka_fixture.h"

#include <unistd.h>

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

/* ---- a sink under test ------------------------------------------------------------------------
 */

struct published {
    struct kafka_source *source; /* never listened to: the group is not joined */
    struct kafka_sink *sink;
    struct sink *port;
    struct sink_batch batch;
    int done;
};

static void on_done(struct sink_batch *b)
{
    struct published *p = CONTAINER_OF(b, struct published, batch);
    p->done++;
}

/* Topics NAME (the input), NAME.out and NAME.dead, and the configuration for them. */
struct names {
    char input[64], output[64], dead[64];
    struct kafka_config config;
};

static void make_names(struct names *n, const char *name)
{
    (void)snprintf(n->input, sizeof(n->input), "%s", name);
    (void)snprintf(n->output, sizeof(n->output), "%s.out", name);
    (void)snprintf(n->dead, sizeof(n->dead), "%s.dead", name);
    n->config = kafka_fixture_config(&fixture, n->input);
    n->config.output = str_z(n->output);
    n->config.dead_letters = str_z(n->dead);
}

static void make_topics(struct names *n, const char *name, int input_partitions,
                        int output_partitions)
{
    make_names(n, name);
    kafka_fixture_topic(&fixture, n->input, input_partitions);
    kafka_fixture_topic(&fixture, n->output, output_partitions);
    kafka_fixture_topic(&fixture, n->dead, 1);
}

static void open_sink(struct published *p, const struct kafka_config *config)
{
    struct err err = {0};
    *p = (struct published){.batch = {.done = on_done}};
    assert_int_equal(kafka_source_new(&fixture.loop, config, &p->source, &err), ERR_OK);
    if (kafka_sink_new(&fixture.loop, p->source, config, 10000000, &p->sink, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    p->port = kafka_sink_port(p->sink);
}

static void close_sink(struct published *p)
{
    p->port->close(p->port);
    kafka_sink_free(p->sink);
    kafka_source_free(p->source);
}

static void publish(struct published *p, struct sink_record *records, size_t n,
                    const struct sink_offset *offsets, size_t n_offsets)
{
    int64_t until = clock_mono_us(&clock_real) + 20000000;
    int done = p->done;
    p->batch.records = records;
    p->batch.n_records = n;
    p->batch.offsets = offsets;
    p->batch.n_offsets = n_offsets;
    p->port->publish(p->port, &p->batch);
    assert_int_equal(p->done, done); /* never from inside */
    while (p->done == done && clock_mono_us(&clock_real) < until) {
        (void)usleep(1000);
        p->port->poll(p->port);
    }
    assert_int_equal(p->done, done + 1);
}

/* After an abort the producer's epoch is raised, which may cost the next try too. */
static void publish_until_committed(struct published *p, struct sink_record *records, size_t n)
{
    int tries = 0;
    do
        publish(p, records, n, NULL, 0);
    while (p->batch.outcome == SINK_ABORTED && ++tries < 5);
    assert_int_equal(p->batch.outcome, SINK_COMMITTED);
}

/* How many records the topic has, and where the key is. */
static size_t count(const char *topic, struct str key, int32_t *partition_of_key)
{
    struct err err = {0};
    struct kafka_reader *reader;
    struct source_record r;
    int32_t partition;
    size_t n = 0;
    enum kafka_read got;
    static const struct kafka_property quick = {STR_INIT("fetch.wait.max.ms"), STR_INIT("10")};
    struct kafka_config config = kafka_fixture_config(&fixture, "");
    config.consumer = &quick;
    config.n_consumer = 1;
    assert_int_equal(kafka_reader_new(&config, str_z(topic), true, &reader, &err), ERR_OK);
    while ((got = kafka_reader_next(reader, 5000, &r, &partition, &err)) == KAFKA_READ_RECORD) {
        n++;
        if (str_eq(r.key, key))
            *partition_of_key = partition;
    }
    assert_int_equal(got, KAFKA_READ_END);
    kafka_reader_free(reader);
    return n;
}

static size_t count_all(const char *topic)
{
    int32_t ignored;
    return count(topic, STR("\1none"), &ignored);
}

/* ---- what is committed ------------------------------------------------------------------------
 */

static void a_committed_batch_is_readable(void **state RBR_UNUSED)
{
    static const struct header headers[] = {{STR_INIT("null"), {NULL, 0}},
                                            {STR_INIT("h"), STR_INIT("a\0b")}};
    struct names n;
    struct published p;
    struct err err = {0};
    make_topics(&n, "whole", 4, 4);
    open_sink(&p, &n.config);
    struct sink_record records[] = {
        {.partition = 2, .key = STR("k"), .value = STR("v\0v"), .headers = headers, .n_headers = 2},
        {.to = SINK_DEAD_LETTERS, .partition = 3, .headers = headers, .n_headers = 1},
    };
    const struct sink_offset offset = {str_z(n.input), 2, 7, STR("metadata")};
    publish(&p, records, 2, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    assert_false(records[0].too_large);

    struct kafka_reader *reader;
    struct source_record r;
    int32_t partition;
    assert_int_equal(kafka_reader_new(&n.config, str_z(n.output), true, &reader, &err), ERR_OK);
    assert_int_equal(kafka_reader_next(reader, 5000, &r, &partition, &err), KAFKA_READ_RECORD);
    assert_int_equal(partition, 2);
    assert_str(r.key, "k");
    assert_str(r.value, "v\0v");
    assert_int_equal(r.n_headers, 2);
    assert_null(r.headers[0].value.p);
    assert_str(r.headers[1].value, "a\0b");
    assert_int_equal(kafka_reader_next(reader, 5000, &r, &partition, &err), KAFKA_READ_END);
    kafka_reader_free(reader);

    /* One partition of dead letters for four of input: wherever it has room. */
    assert_int_equal(kafka_reader_new(&n.config, str_z(n.dead), true, &reader, &err), ERR_OK);
    assert_int_equal(kafka_reader_next(reader, 5000, &r, &partition, &err), KAFKA_READ_RECORD);
    assert_null(r.key.p);
    assert_null(r.value.p);
    kafka_reader_free(reader);
    close_sink(&p);
}

static void shadow_rewards_have_a_topic_of_their_own(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    int32_t partition = -1;
    make_topics(&n, "shadow", 2, 2);
    kafka_fixture_topic(&fixture, "shadow.rewards", 2);
    n.config.shadow_output = STR("shadow.rewards");
    open_sink(&p, &n.config);
    struct sink_record records[] = {
        {.partition = 1, .key = STR("k"), .value = STR("live")},
        {.to = SINK_SHADOW, .partition = 1, .key = STR("k"), .value = STR("shadow")},
    };
    publish_until_committed(&p, records, 2);
    assert_int_equal(count(n.output, STR("k"), &partition), 1);
    partition = -1;
    assert_int_equal(count("shadow.rewards", STR("k"), &partition), 1);
    assert_int_equal(partition, 1);
    close_sink(&p);
}

static void batches_follow_one_another(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    make_topics(&n, "several", 1, 1);
    open_sink(&p, &n.config);
    for (int i = 0; i < 3; i++) {
        struct sink_record records[20];
        for (size_t k = 0; k < ARRAY_LEN(records); k++)
            records[k] = (struct sink_record){.key = STR("k"), .value = STR("v")};
        const struct sink_offset offset = {str_z(n.input), 0, 20 * ((int64_t)i + 1), {NULL, 0}};
        publish(&p, records, ARRAY_LEN(records), &offset, 1);
        assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    }
    assert_int_equal(count_all(n.output), 60);
    close_sink(&p);
}

/* The partitions that the Java client's murmur2 gives, from its own test's hashes. */
static void a_key_decides_when_partitions_differ(void **state RBR_UNUSED)
{
    static const struct {
        struct str key;
        int32_t murmur2;
    } cases[] = {
        {STR_INIT("21"), -973932308},
        {STR_INIT("foobar"), -790332482},
        {STR_INIT("a-little-bit-long-string"), -985981536},
        {STR_INIT("a-little-bit-longer-string"), -1486304829},
        {STR_INIT("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971},
        {STR_INIT("abc"), 479470107},
    };
    enum { PARTITIONS = 5 };
    struct names n;
    struct published p;
    make_topics(&n, "by-key", 2, PARTITIONS);
    open_sink(&p, &n.config);
    struct sink_record records[ARRAY_LEN(cases)];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        records[i] = (struct sink_record){.partition = 1, .key = cases[i].key, .value = STR("v")};
    publish(&p, records, ARRAY_LEN(records), NULL, 0);
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int32_t partition = -1;
        assert_int_equal(count(n.output, cases[i].key, &partition), ARRAY_LEN(cases));
        assert_int_equal(partition, (cases[i].murmur2 & 0x7fffffff) % PARTITIONS);
    }
    close_sink(&p);
}

/* Partitions were added to the input alone while the worker ran. The batch was refused for ever. */
static void a_partition_that_the_output_does_not_have_goes_by_key(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    int32_t partition = -1;
    make_topics(&n, "grown", 2, 2);
    open_sink(&p, &n.config);
    struct sink_record records[] = {{.partition = 1, .key = STR("old"), .value = STR("v")},
                                    {.partition = 6, .key = STR("new"), .value = STR("v")}};
    publish(&p, records, 1, NULL, 0);
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    for (int i = 0; i < 2 && count(n.output, STR("new"), &partition) < 3; i++)
        publish(&p, records, 2, NULL, 0); /* the second time at the latest */
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    (void)count(n.output, STR("new"), &partition);
    assert_true(partition == 0 || partition == 1);
    close_sink(&p);
}

static void an_empty_batch_of_offsets_alone_is_committed(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    make_topics(&n, "offsets", 1, 1);
    n.config.delivery = DELIVERY_AT_LEAST_ONCE;
    open_sink(&p, &n.config);
    const struct sink_offset offset = {str_z(n.input), 0, 12, STR("map")};
    publish(&p, NULL, 0, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    assert_int_equal(kafka_fixture_committed(&fixture, n.input, 0), 12);
    close_sink(&p);
}

/* ---- what is not ------------------------------------------------------------------------------
 */

static void a_message_above_the_limit_is_marked_and_nothing_published(void **state RBR_UNUSED)
{
    enum { LARGE = 1000000 };
    struct names n;
    struct published p;
    make_topics(&n, "large", 1, 1);
    open_sink(&p, &n.config);
    char *large = mem_alloc(LARGE);
    memset(large, 'x', LARGE);
    struct sink_record records[] = {{.value = STR("small")},
                                    {.value = {large, LARGE}},
                                    {.value = STR("small")},
                                    {.to = SINK_DEAD_LETTERS, .value = {large, LARGE}}};
    publish(&p, records, 4, NULL, 0);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    assert_int_equal(p.batch.err.code, ERR_LIMIT);
    assert_string_equal(p.batch.err.msg,
                        "a message is larger than large.out takes (1000000 bytes)");
    static const bool want[] = {false, true, false, true};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(records[i].too_large, want[i]);
    assert_int_equal(count_all(n.output), 0);

    /* Without them it goes out, and the marks are gone. */
    records[1].value = records[3].value = STR("shrunk");
    publish(&p, records, 4, NULL, 0);
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    assert_false(records[1].too_large);
    assert_int_equal(count_all(n.output), 3);
    mem_free(large);
    close_sink(&p);
}

/* One request carried many: all of them were taken for too large and became dead letters. It is one
 * however late the publisher is in handing them over: they wait for the flush. */
static void a_refused_request_does_not_blame_every_message(void **state RBR_UNUSED)
{
    static const struct kafka_property together = {STR_INIT("linger.ms"), STR_INIT("10000")};
    struct names n;
    struct published p;
    make_topics(&n, "lowered", 1, 1);
    n.config.producer = &together;
    n.config.n_producer = 1;
    open_sink(&p, &n.config);
    struct sink_record records[] = {{.value = STR("a")}, {.value = STR("b")}, {.value = STR("c")}};
    kafka_fixture_fail(&fixture, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    publish(&p, records, 3, NULL, 0);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    for (size_t i = 0; i < 3; i++)
        assert_false(records[i].too_large);
    /* The next try sends one at a time: the refusal is the first one's. */
    kafka_fixture_fail(&fixture, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    publish(&p, records, 3, NULL, 0);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    assert_true(records[0].too_large);
    assert_false(records[1].too_large);
    assert_false(records[2].too_large);
    assert_string_equal(p.batch.err.msg,
                        "publishing to lowered.out: Broker: Message size too large");
    publish_until_committed(&p, records, 3);
    close_sink(&p);
}

/* librdkafka sends nothing more of a transaction that failed, and reports what was handed over
 * around that time when it is too old: a worker stood still for 45 s. What is handed over later is
 * in an erroneous state, which was the reason given. */
static void what_a_failed_transaction_still_holds_is_not_waited_for(void **state RBR_UNUSED)
{
    enum { MANY = 20000, SOME = 10 };
    static const struct kafka_property at_once = {STR_INIT("linger.ms"), STR_INIT("0")};
    static struct sink_record records[MANY];
    struct names n;
    struct published p;
    make_topics(&n, "held", 1, 1);
    n.config.producer = &at_once;
    n.config.n_producer = 1;
    open_sink(&p, &n.config);
    for (size_t i = 0; i < MANY; i++)
        records[i].value = STR("v");
    kafka_fixture_fail(&fixture, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    publish(&p, records, MANY, NULL, 0); /* in less than its 20 s */
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    assert_string_equal(p.batch.err.msg, "publishing to held.out: Broker: Message size too large");
    publish_until_committed(&p, records, SOME);
    assert_int_equal(count_all(n.output), SOME);
    close_sink(&p);
}

/* Requests that fail, and what becomes of the batch. */
static void a_failure_has_its_outcome_and_its_reason(void **state RBR_UNUSED)
{
    static const struct {
        const char *name;
        int16_t api;
        rd_kafka_resp_err_t answer;
        enum sink_outcome outcome;
        enum err_code code;
        const char *says;
    } cases[] = {
        {"produce-denied", API_PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, SINK_FAILED,
         ERR_DENIED, "publishing to produce-denied.out: Broker: Topic authorization failed"},
        {"produce-again", API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, SINK_COMMITTED,
         ERR_OK, NULL},
        {"offsets-stale", API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, SINK_ABORTED,
         ERR_KAFKA, "sending offsets: "},
        {"offsets-denied", API_ADD_OFFSETS_TO_TXN, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
         SINK_FAILED, ERR_DENIED, "sending offsets: "},
        {"commit-again", API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
         SINK_COMMITTED, ERR_OK, NULL},
        /* Another producer finds that nothing was committed. */
        {"commit-fenced", API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, SINK_ABORTED,
         ERR_FENCED, "committing a transaction: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct names n;
        struct published p;
        make_topics(&n, cases[i].name, 1, 1);
        open_sink(&p, &n.config);
        struct sink_record records[] = {{.value = STR("a")}, {.value = STR("b")}};
        const struct sink_offset offset = {str_z(n.input), 0, 2, {NULL, 0}};
        kafka_fixture_fail(&fixture, cases[i].api, 1, cases[i].answer);
        publish(&p, records, 2, &offset, 1);
        kafka_fixture_clear(&fixture, cases[i].api);
        if (p.batch.outcome != cases[i].outcome)
            fail_msg("%s: outcome %d, %s", cases[i].name, (int)p.batch.outcome, p.batch.err.msg);
        if (cases[i].says != NULL) {
            assert_int_equal(p.batch.err.code, cases[i].code);
            if (strstr(p.batch.err.msg, cases[i].says) == NULL)
                fail_msg("%s: \"%s\"", cases[i].name, p.batch.err.msg);
        }
        if (p.batch.outcome == SINK_ABORTED)
            publish_until_committed(&p, records, 2);
        close_sink(&p);
    }
}

/* ---- at least once ----------------------------------------------------------------------------
 */

/* What the group has committed decides. (The mock keeps no offsets of transactions: they are put
 * there beforehand.) */
static void a_batch_that_landed_is_not_published_again(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    make_topics(&n, "landed", 1, 1);
    open_sink(&p, &n.config);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, n.input, 0);
    at->offset = 2;
    assert_int_equal(rd_kafka_commit(kafka_source_client(p.source), list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);

    struct sink_record records[] = {{.value = STR("a")}};
    const struct sink_offset landed = {str_z(n.input), 0, 2, {NULL, 0}};
    kafka_fixture_fail(&fixture, API_END_TXN, 1, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    publish(&p, records, 1, &landed, 1);
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    publish(&p, records, 1, NULL, 0); /* the new producer works */
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    close_sink(&p);
}

/* A twin that passes by may fence us twice: its first call meets our open transaction. */
static void fenced_again_and_again_is_the_end(void **state RBR_UNUSED)
{
    enum { ENOUGH = 4 };
    struct names n;
    struct published p;
    make_topics(&n, "twin", 1, 1);
    open_sink(&p, &n.config);
    struct sink_record records[] = {{.value = STR("a")}};
    const struct sink_offset offset = {str_z(n.input), 0, 2, {NULL, 0}};
    for (int i = 1; i <= ENOUGH; i++) {
        kafka_fixture_fail(&fixture, API_END_TXN, 1, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
        publish(&p, records, 1, &offset, 1);
        assert_int_equal(p.batch.outcome, i < ENOUGH ? SINK_ABORTED : SINK_FAILED);
    }
    assert_int_equal(p.batch.err.code, ERR_FENCED);
    close_sink(&p);
}

/* A stop within a rebalance: librdkafka had left the group, gave no metadata for it, and the worker
 * died of that. */
static void a_batch_whose_group_was_left_is_aborted(void **state RBR_UNUSED)
{
    static struct watched_source w;
    struct names names;
    struct published p = {.batch = {.done = on_done}};
    struct err err = {0};
    make_topics(&names, "left", 1, 1);
    kafka_fixture_watch(&fixture, &names.config, &w);
    assert_int_equal(
        kafka_sink_new(&fixture.loop, w.source, &names.config, 10000000, &p.sink, &err), ERR_OK);
    p.port = kafka_sink_port(p.sink);
    w.port->close(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.closed, 1));
    struct sink_record record = {.key = STR("k"), .value = STR("v")};
    const struct sink_offset offset = {.topic = str_z(names.input), .offset = 1};
    publish(&p, &record, 1, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    assert_non_null(strstr(p.batch.err.msg, "the group has been left"));
    p.port->close(p.port);
    kafka_sink_free(p.sink);
    kafka_fixture_unwatch(&fixture, &w);
}

static void at_least_once_commits_after_delivery(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    make_topics(&n, "alo", 1, 1);
    n.config.delivery = DELIVERY_AT_LEAST_ONCE;
    open_sink(&p, &n.config);
    struct sink_record record = {.value = STR("a")};
    const struct sink_offset offset = {str_z(n.input), 0, 5, {NULL, 0}};

    kafka_fixture_fail(&fixture, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    publish(&p, &record, 1, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    assert_true(record.too_large); /* alone in its request, so it is to blame */
    assert_int_equal(kafka_fixture_committed(&fixture, n.input, 0), RD_KAFKA_OFFSET_INVALID);

    publish(&p, &record, 1, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_COMMITTED);
    assert_int_equal(kafka_fixture_committed(&fixture, n.input, 0), 5);
    assert_int_equal(count_all(n.output), 1);

    kafka_fixture_fail(&fixture, API_OFFSET_COMMIT, 1,
                       RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    publish(&p, &record, 1, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_FAILED);
    assert_int_equal(p.batch.err.code, ERR_DENIED);
    assert_non_null(strstr(p.batch.err.msg, "committing offsets: "));

    kafka_fixture_fail(&fixture, API_OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    publish(&p, &record, 1, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    close_sink(&p);
}

/* ---- start and end ----------------------------------------------------------------------------
 */

static enum err_code start_fails(struct names *n, int64_t timeout_us, struct err *err)
{
    struct kafka_source *source;
    struct kafka_sink *sink = NULL;
    assert_int_equal(kafka_source_new(&fixture.loop, &n->config, &source, err), ERR_OK);
    enum err_code code = kafka_sink_new(&fixture.loop, source, &n->config, timeout_us, &sink, err);
    assert_null(sink);
    kafka_source_free(source);
    return code;
}

static void a_missing_topic_is_told_at_start(void **state RBR_UNUSED)
{
    static const char *const names[] = {"no-input", "no-output", "no-dead"};
    static const char *const says[] = {"topic no-input does not exist; create it first",
                                       "topic no-output.out does not exist; create it first",
                                       "topic no-dead.dead does not exist; create it first"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct names n;
        struct err err = {0};
        make_names(&n, names[i]);
        const char *topics[] = {n.input, n.output, n.dead};
        for (size_t k = 0; k < ARRAY_LEN(topics); k++)
            if (k != i)
                kafka_fixture_topic(&fixture, topics[k], 1);
        rd_kafka_mock_topic_set_error(fixture.cluster, topics[i],
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        assert_int_equal(start_fails(&n, 5000000, &err), ERR_NOT_FOUND);
        assert_string_equal(err.msg, says[i]);
    }
}

static void a_refused_producer_is_told_at_start(void **state RBR_UNUSED)
{
    static const struct kafka_property property = {STR_INIT("acks"), STR_INIT("1")};
    struct names n;
    struct err err = {0};
    make_topics(&n, "refused", 1, 1);
    kafka_fixture_fail(&fixture, API_INIT_PRODUCER_ID, 1,
                       RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_int_equal(start_fails(&n, 5000000, &err), ERR_DENIED);
    assert_non_null(strstr(err.msg, "starting the transactional producer: "));
    n.config.producer = &property;
    n.config.n_producer = 1;
    assert_int_equal(start_fails(&n, 5000000, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "acks"));
}

/* Three topics and the producer shared one time limit each: two minutes instead of one half. */
static void a_start_without_brokers_ends_in_time(void **state RBR_UNUSED)
{
    struct names n;
    struct err err = {0};
    make_names(&n, "nobody");
    n.config.brokers = STR("127.0.0.1:1");
    int64_t start_us = clock_mono_us(&clock_real);
    enum err_code code = start_fails(&n, 700000, &err);
    assert_int_equal(err_class(code), ERR_CLASS_TRANSIENT);
    assert_non_null(strstr(err.msg, "topic nobody: the brokers do not answer"));
    assert_true(clock_mono_us(&clock_real) - start_us < 3000000);
}

static void an_idle_sink_closes_at_once(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    make_topics(&n, "idle", 1, 1);
    open_sink(&p, &n.config);
    int64_t start_us = clock_mono_us(&clock_real);
    p.port->poll(p.port);
    p.port->close(p.port);
    p.port->close(p.port); /* again: nothing */
    assert_true(clock_mono_us(&clock_real) - start_us < 1000000);
    assert_int_equal(p.done, 0);
    kafka_sink_free(p.sink);
    kafka_sink_free(NULL);
    kafka_source_free(p.source);
}

/* batch.size of the user was overwritten, message.max.bytes too. */
static void the_users_sizes_stand(void **state RBR_UNUSED)
{
    static const struct kafka_property properties[] = {
        {STR_INIT("message.max.bytes"), STR_INIT("3000")},
        {STR_INIT("batch.size"), STR_INIT("5000000")}, /* larger than the topics take: lowered */
    };
    struct names n;
    struct published p;
    char value[4000];
    make_topics(&n, "sizes", 1, 1);
    n.config.producer = properties;
    n.config.n_producer = ARRAY_LEN(properties);
    n.config.instance_id = STR("one");
    open_sink(&p, &n.config);
    memset(value, 'x', sizeof(value));
    struct sink_record records[] = {{.value = STR("small")}, {.value = {value, sizeof(value)}}};
    publish(&p, records, 2, NULL, 0);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    assert_false(records[0].too_large);
    assert_true(records[1].too_large);
    assert_string_equal(p.batch.err.msg, "publishing to sizes.out: Broker: Message size too large");
    close_sink(&p);
}

/* The pipeline has to know, or it would send the same again for ever. */
static void metadata_that_the_broker_refuses_is_named(void **state RBR_UNUSED)
{
    struct names n;
    struct published p;
    make_topics(&n, "metadata", 1, 1);
    open_sink(&p, &n.config);
    struct sink_record record = {.key = STR("k"), .value = STR("v")};
    const struct sink_offset offset = {str_z(n.input), 0, 1, STR("a map")};
    kafka_fixture_fail(&fixture, API_TXN_OFFSET_COMMIT, 1,
                       RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
    publish(&p, &record, 1, &offset, 1);
    assert_int_equal(p.batch.outcome, SINK_ABORTED);
    assert_true(p.batch.metadata_too_large);
    publish_until_committed(&p, &record, 1);
    assert_false(p.batch.metadata_too_large);
    close_sink(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_committed_batch_is_readable),
        cmocka_unit_test(shadow_rewards_have_a_topic_of_their_own),
        cmocka_unit_test(batches_follow_one_another),
        cmocka_unit_test(metadata_that_the_broker_refuses_is_named),
        cmocka_unit_test(a_key_decides_when_partitions_differ),
        cmocka_unit_test(a_partition_that_the_output_does_not_have_goes_by_key),
        cmocka_unit_test(an_empty_batch_of_offsets_alone_is_committed),
        cmocka_unit_test(a_message_above_the_limit_is_marked_and_nothing_published),
        cmocka_unit_test(a_refused_request_does_not_blame_every_message),
        cmocka_unit_test(what_a_failed_transaction_still_holds_is_not_waited_for),
        cmocka_unit_test(a_failure_has_its_outcome_and_its_reason),
        cmocka_unit_test(a_batch_that_landed_is_not_published_again),
        cmocka_unit_test(fenced_again_and_again_is_the_end),
        cmocka_unit_test(a_batch_whose_group_was_left_is_aborted),
        cmocka_unit_test(at_least_once_commits_after_delivery),
        cmocka_unit_test(a_missing_topic_is_told_at_start),
        cmocka_unit_test(a_refused_producer_is_told_at_start),
        cmocka_unit_test(a_start_without_brokers_ends_in_time),
        cmocka_unit_test(an_idle_sink_closes_at_once),
        cmocka_unit_test(the_users_sizes_stand),
    };
    return cmocka_run_group_tests_name("kafka_sink", tests, start, stop);
}
