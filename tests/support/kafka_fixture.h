/* A Kafka cluster in the test's process (stream/kafka_mock.h), and what tests of stream/ do to it:
 * topics, records with a chosen partition, committed offsets, errors on request; and a source whose
 * events are written down. Header only.
 *
 * One cluster per test program: it keeps its topics apart by name. A group's first join takes 3 s,
 * so sources that are to join do it together (kafka_fixture_until turns the loop for all). */
#ifndef RBR_TESTS_KAFKA_FIXTURE_H
#define RBR_TESTS_KAFKA_FIXTURE_H

#include "tsan_threads.h"
#include "unit.h"

#include "base/clock.h"
#include "obs/log.h"
#include "stream/kafka_client.h"
#include "stream/kafka_reader.h"

/* Kafka's numbers of the requests that tests make fail. */
enum {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_METADATA = 3,
    API_OFFSET_COMMIT = 8,
    API_OFFSET_FETCH = 9,
    API_JOIN_GROUP = 11,
    API_HEARTBEAT = 12,
    API_INIT_PRODUCER_ID = 22,
    API_ADD_OFFSETS_TO_TXN = 25,
    API_END_TXN = 26,
    API_TXN_OFFSET_COMMIT = 28,
};

enum { SOURCES_MAX = 16, PARTITIONS_MAX = 8 };

/* A source and what it has told. */
struct watched_source {
    struct kafka_source *source;
    struct source *port;
    bool answers; /* revoked and lost are answered at once */
    int assigned, revoked, lost, failed, closed;
    size_t n_partitions;
    int32_t partitions[PARTITIONS_MAX];
    int64_t offsets[PARTITIONS_MAX];
    char metadata[PARTITIONS_MAX][16];
    struct err err;
};

struct kafka_fixture {
    struct kafka_mock *mock;
    rd_kafka_mock_cluster_t *cluster;
    struct loop loop;
    rd_kafka_t *producer;
    struct watched_source *sources[SOURCES_MAX];
    size_t n_sources;
};

/* ---- the cluster ------------------------------------------------------------------------------
 */

static inline int64_t kafka_fixture_turn(void *arg)
{
    struct kafka_fixture *f = arg;
    for (size_t i = 0; i < f->n_sources; i++)
        f->sources[i]->port->poll(f->sources[i]->port);
    return clock_mono_us(&clock_real) + 10000;
}

static inline struct kafka_config kafka_fixture_config(const struct kafka_fixture *f,
                                                       const char *input)
{
    return (struct kafka_config){
        .brokers = str_z(kafka_mock_brokers(f->mock)),
        .client_id = STR("rbr-test"),
        .input = str_z(input),
        .group = str_z(input), /* a group per topic */
        .embedded = true,
    };
}

static inline void kafka_fixture_init(struct kafka_fixture *f)
{
    struct err err = {0};
    *f = (struct kafka_fixture){0};
    /* librdkafka complains of what tests do to it: silence, unless one wants to see. */
    log_configure(getenv("RBR_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR + 1,
                  LOG_FORMAT_TEXT);
    assert_int_equal(kafka_mock_new(NULL, 0, 1, &f->mock, &err), ERR_OK);
    f->cluster = kafka_mock_cluster(f->mock);
    loop_init(&f->loop, kafka_fixture_turn, f);
    struct kafka_config config = kafka_fixture_config(f, "");
    static const struct kafka_default ours[] = {{"acks", "all"}, {"linger.ms", "0"}};
    rd_kafka_conf_t *conf = kafka_conf_new(&config, ours, ARRAY_LEN(ours), NULL, 0, &err);
    f->producer = kafka_client_new(RD_KAFKA_PRODUCER, conf, &err);
    assert_non_null(f->producer);
}

static inline void kafka_fixture_done(struct kafka_fixture *f)
{
    rd_kafka_destroy(f->producer);
    loop_done(&f->loop);
    kafka_mock_free(f->mock);
}

static inline void kafka_fixture_topic(struct kafka_fixture *f, const char *topic, int partitions)
{
    struct err err = {0};
    int32_t n;
    assert_int_equal(rd_kafka_mock_topic_create(f->cluster, topic, partitions, 1),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    /* A producer that meets a topic for the first time would wait for a second. */
    assert_int_equal(kafka_partition_count(f->producer, topic, 5000, &n, &err), ERR_OK);
}

/* The next `n` requests of a kind fail. */
static inline void kafka_fixture_fail(struct kafka_fixture *f, int16_t api, size_t n,
                                      rd_kafka_resp_err_t code)
{
    rd_kafka_resp_err_t codes[64];
    assert_true(n <= ARRAY_LEN(codes));
    for (size_t i = 0; i < n; i++)
        codes[i] = code;
    rd_kafka_mock_push_request_errors_array(f->cluster, api, n, codes);
}

static inline void kafka_fixture_clear(struct kafka_fixture *f, int16_t api)
{
    rd_kafka_mock_clear_request_errors(f->cluster, api);
}

/* ---- records and offsets ------------------------------------------------------------------------
 */

static inline void kafka_fixture_put(struct kafka_fixture *f, const char *topic, int32_t partition,
                                     const struct sink_record *record)
{
    assert_int_equal(kafka_produce(f->producer, topic, partition, record, NULL),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(f->producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Records whose value is their offset. */
static inline void kafka_fixture_fill(struct kafka_fixture *f, const char *topic, int32_t partition,
                                      int n)
{
    for (int i = 0; i < n; i++) {
        char value[16];
        (void)snprintf(value, sizeof(value), "%d", i);
        const struct sink_record record = {.key = STR("k"), .value = str_z(value)};
        assert_int_equal(kafka_produce(f->producer, topic, partition, &record, NULL),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    assert_int_equal(rd_kafka_flush(f->producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* A consumer that is in no group's assignment, for offsets. */
static inline rd_kafka_t *kafka_fixture_group(struct kafka_fixture *f, const char *group)
{
    struct err err = {0};
    struct kafka_config config = kafka_fixture_config(f, "");
    const struct kafka_default ours[] = {{"group.id", group}, {"enable.auto.commit", "false"}};
    rd_kafka_conf_t *conf = kafka_conf_new(&config, ours, ARRAY_LEN(ours), NULL, 0, &err);
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_CONSUMER, conf, &err);
    assert_non_null(client);
    return client;
}

/* For the client's group. */
static inline void kafka_fixture_commit(rd_kafka_t *client, const char *topic, int32_t partition,
                                        int64_t offset, const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, topic, partition);
    p->offset = offset;
    if (metadata != NULL) {
        p->metadata = mem_strdup(metadata);
        p->metadata_size = strlen(metadata);
    }
    assert_int_equal(rd_kafka_commit(client, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Of the group that is named like the topic; RD_KAFKA_OFFSET_INVALID when none. */
static inline int64_t kafka_fixture_committed(struct kafka_fixture *f, const char *topic,
                                              int32_t partition)
{
    rd_kafka_t *client = kafka_fixture_group(f, topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, topic, partition);
    assert_int_equal(rd_kafka_committed(client, list, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return offset;
}

/* ---- a source under watch -----------------------------------------------------------------------
 */

static inline void watched_assigned(void *arg, const struct source_partition *partitions, size_t n)
{
    struct watched_source *w = arg;
    w->assigned++;
    w->n_partitions = n;
    for (size_t i = 0; i < n && i < PARTITIONS_MAX; i++) {
        w->partitions[i] = partitions[i].partition;
        w->offsets[i] = partitions[i].offset;
        (void)snprintf(w->metadata[i], sizeof(w->metadata[i]), "%.*s",
                       STR_ARGS(partitions[i].metadata));
    }
}

static inline void watched_revoked(void *arg)
{
    struct watched_source *w = arg;
    w->revoked++;
    if (w->answers)
        w->port->revoke_done(w->port);
}

static inline void watched_lost(void *arg)
{
    struct watched_source *w = arg;
    w->lost++;
    if (w->answers)
        w->port->revoke_done(w->port);
}

static inline void watched_failed(void *arg, const struct err *e)
{
    struct watched_source *w = arg;
    w->failed++;
    w->err = *e;
}

static inline void watched_closed(void *arg)
{
    struct watched_source *w = arg;
    w->closed++;
}

static inline void kafka_fixture_open(struct kafka_fixture *f, const struct kafka_config *config,
                                      struct watched_source *w)
{
    struct err err = {0};
    *w = (struct watched_source){.answers = true};
    assert_int_equal(kafka_source_new(&f->loop, config, &w->source, &err), ERR_OK);
    w->port = kafka_source_port(w->source);
}

static inline void kafka_fixture_listen(struct kafka_fixture *f, struct watched_source *w)
{
    const struct source_listener listener = {watched_assigned, watched_revoked, watched_lost,
                                             watched_failed,   watched_closed,  w};
    w->port->listen(w->port, &listener);
    assert_true(f->n_sources < SOURCES_MAX);
    f->sources[f->n_sources++] = w;
}

static inline void kafka_fixture_watch(struct kafka_fixture *f, const struct kafka_config *config,
                                       struct watched_source *w)
{
    kafka_fixture_open(f, config, w);
    kafka_fixture_listen(f, w);
}

/* Frees it, closed or not; it tells nothing more. */
static inline void kafka_fixture_unwatch(struct kafka_fixture *f, struct watched_source *w)
{
    for (size_t i = 0; i < f->n_sources; i++)
        if (f->sources[i] == w)
            f->sources[i] = f->sources[--f->n_sources];
    kafka_source_free(w->source);
    w->source = NULL;
}

/* Turns the loop until `*what` is at least `n`; false when that takes longer than 15 s. */
static inline bool kafka_fixture_until(struct kafka_fixture *f, const int *what, int n)
{
    int64_t until = clock_mono_us(&clock_real) + 15000000;
    loop_wake(&f->loop);
    while (*what < n && clock_mono_us(&clock_real) < until)
        (void)uv_run(&f->loop.uv, UV_RUN_ONCE);
    return *what >= n;
}

/* Turns the loop for this long. */
static inline void kafka_fixture_turn_for(struct kafka_fixture *f, int ms)
{
    int64_t until = clock_mono_us(&clock_real) + (int64_t)ms * 1000;
    loop_wake(&f->loop);
    while (clock_mono_us(&clock_real) < until)
        (void)uv_run(&f->loop.uv, UV_RUN_ONCE);
}

static inline bool kafka_fixture_until_state(struct kafka_fixture *f,
                                             const struct watched_source *w, const char *state)
{
    int64_t until = clock_mono_us(&clock_real) + 15000000;
    loop_wake(&f->loop);
    while (strcmp(kafka_source_state(w->source), state) != 0) {
        if (clock_mono_us(&clock_real) > until)
            return false;
        (void)uv_run(&f->loop.uv, UV_RUN_ONCE);
    }
    return true;
}

/* The next record of the partition at `index`; false when none comes within 5 s. To be released. */
static inline bool kafka_fixture_next(struct kafka_fixture *f, struct watched_source *w,
                                      size_t index, struct source_record *ret)
{
    int64_t until = clock_mono_us(&clock_real) + 5000000;
    loop_wake(&f->loop);
    while (!w->port->next(w->port, index, ret)) {
        if (clock_mono_us(&clock_real) > until)
            return false;
        (void)uv_run(&f->loop.uv, UV_RUN_ONCE);
    }
    return true;
}

#endif
