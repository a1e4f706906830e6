/* stream/kafka_source: where a partition starts, what its records look like, and how an assignment
 * ends: revoked, lost, closed, or the brokers gone. A group's first join takes 3 s on the embedded
 * cluster, so the sources of the first half join together. */
#include "kafka_fixture.h"

#include "stream/fencing.h"

enum { RECORDS = 5 };

static struct kafka_fixture fixture;

/* ---- sources that join together ----------------------------------------------------------------
 */

/* Each has a topic and a group of its own, with RECORDS records in every partition. */
enum who {
    COMMITTED, /* at 2 with metadata, and at the end */
    EARLIEST,
    LATEST,
    NO_OFFSET,
    BEYOND_EARLIEST, /* committed beyond the end */
    BEYOND_LATEST,
    BEYOND,
    RECORDS_OF_ALL_KINDS,
    BROKEN, /* its look-ups fail at first */
    SMALL_QUEUE,
    LEFT_ALONE, /* freed while assigned */
    RANGES, /* of partition 0, where nothing is committed; 1 is none of its own */
    RANGE_DONE, /* committed beyond it, and beyond the log */
    RANGE_GONE, /* its beginning is not in the log */
    COHORT,
};

static const struct {
    const char *topic;
    int partitions;
    enum kafka_start start;
    int64_t committed; /* of partition 0; -1: none */
} cohort[COHORT] = {
    [COMMITTED] = {"committed", 2, KAFKA_START_ERROR, 2},
    [EARLIEST] = {"earliest", 2, KAFKA_START_EARLIEST, -1},
    [LATEST] = {"latest", 1, KAFKA_START_LATEST, -1},
    [NO_OFFSET] = {"no-offset", 1, KAFKA_START_ERROR, -1},
    [BEYOND_EARLIEST] = {"beyond-earliest", 1, KAFKA_START_EARLIEST, 100},
    [BEYOND_LATEST] = {"beyond-latest", 1, KAFKA_START_LATEST, 100},
    [BEYOND] = {"beyond", 1, KAFKA_START_ERROR, 100},
    [RECORDS_OF_ALL_KINDS] = {"kinds", 1, KAFKA_START_EARLIEST, -1},
    [BROKEN] = {"broken", 1, KAFKA_START_EARLIEST, -1},
    [SMALL_QUEUE] = {"small-queue", 1, KAFKA_START_EARLIEST, -1},
    [LEFT_ALONE] = {"left-alone", 1, KAFKA_START_EARLIEST, -1},
    [RANGES] = {"ranges", 2, KAFKA_START_ERROR, -1},
    [RANGE_DONE] = {"range-done", 1, KAFKA_START_ERROR, 100},
    [RANGE_GONE] = {"range-gone", 1, KAFKA_START_ERROR, -1},
};

static const struct kafka_range range = {0, 3, 5}, range_gone = {0, 50, 60};

static struct watched_source sources[COHORT];

static const struct header all_headers[] = {{STR_INIT("null"), {NULL, 0}},
                                            {STR_INIT("empty"), STR_INIT("")},
                                            {STR_INIT("h"), STR_INIT("a\0b")}};
static const struct sink_record all_kinds[] = {
    {.key = {NULL, 0}, .value = {NULL, 0}},
    {.key = STR_INIT(""), .value = STR_INIT("")},
    {.key = STR_INIT("k\0"), .value = STR_INIT("v\0v"), .headers = all_headers, .n_headers = 3},
};

static void make_topic(enum who who)
{
    const char *topic = cohort[who].topic;
    kafka_fixture_topic(&fixture, topic, cohort[who].partitions);
    for (int32_t i = 0; i < cohort[who].partitions; i++)
        if (who != RECORDS_OF_ALL_KINDS)
            kafka_fixture_fill(&fixture, topic, i, RECORDS);
}

static void commit(enum who who)
{
    rd_kafka_t *client = kafka_source_client(sources[who].source);
    if (cohort[who].committed >= 0)
        kafka_fixture_commit(client, cohort[who].topic, 0, cohort[who].committed, "map");
    if (who == COMMITTED)
        kafka_fixture_commit(client, cohort[who].topic, 1, RECORDS, NULL);
}

static const struct kafka_property small_queue[] = {
    {STR_INIT("queued.max.messages.kbytes"), STR_INIT("128")},
    {STR_INIT("fetch.message.max.bytes"), STR_INIT("131072")},
};

static struct kafka_config config_of(enum who who)
{
    struct kafka_config config = kafka_fixture_config(&fixture, cohort[who].topic);
    config.start = cohort[who].start;
    if (who == RANGES || who == RANGE_DONE || who == RANGE_GONE) {
        config.ranges = who == RANGE_GONE ? &range_gone : &range;
        config.n_ranges = 1;
    }
    if (who == SMALL_QUEUE) {
        config.consumer = small_queue;
        config.n_consumer = ARRAY_LEN(small_queue);
    }
    return config;
}

static int start(void **state RBR_UNUSED)
{
    kafka_fixture_init(&fixture);
    for (enum who who = 0; who < COHORT; who++) {
        const struct kafka_config config = config_of(who);
        make_topic(who);
        kafka_fixture_open(&fixture, &config, &sources[who]);
    }
    for (enum who who = 0; who < COHORT; who++)
        commit(who);
    for (size_t i = 0; i < ARRAY_LEN(all_kinds); i++)
        kafka_fixture_put(&fixture, "kinds", 0, &all_kinds[i]);
    /* Whoever looks up first: all of them have to try again. */
    kafka_fixture_fail(&fixture, API_LIST_OFFSETS, COHORT, RD_KAFKA_RESP_ERR_UNKNOWN);
    for (enum who who = 0; who < COHORT; who++)
        kafka_fixture_listen(&fixture, &sources[who]);
    for (enum who who = 0; who < COHORT; who++)
        if (who == NO_OFFSET || who == BEYOND || who == RANGE_GONE)
            assert_true(kafka_fixture_until(&fixture, &sources[who].failed, 1));
        else
            assert_true(kafka_fixture_until(&fixture, &sources[who].assigned, 1));
    return 0;
}

static int stop(void **state RBR_UNUSED)
{
    while (fixture.n_sources > 0)
        kafka_fixture_unwatch(&fixture, fixture.sources[0]);
    kafka_fixture_done(&fixture);
    return 0;
}

/* ---- where a partition starts -------------------------------------------------------------------
 */

static void an_assignment_starts_where_it_should(void **state RBR_UNUSED)
{
    static const struct {
        enum who who;
        size_t n;
        int64_t offsets[2];
        const char *metadata[2];
    } cases[] = {
        {COMMITTED, 2, {2, RECORDS}, {"map", ""}},
        {EARLIEST, 2, {0, 0}, {"", ""}},
        {LATEST, 1, {RECORDS}, {""}},
        {BEYOND_EARLIEST, 1, {0}, {NULL}},
        {BEYOND_LATEST, 1, {RECORDS}, {NULL}},
        {BROKEN, 1, {0}, {""}},
        {RANGES, 2, {3, RECORDS}, {""}},
        {RANGE_DONE, 1, {RECORDS}, {NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct watched_source *w = &sources[cases[i].who];
        assert_int_equal(w->assigned, 1);
        assert_int_equal(w->failed, 0);
        assert_int_equal(w->n_partitions, cases[i].n);
        for (size_t k = 0; k < w->n_partitions; k++) {
            assert_int_equal(w->partitions[k], (int32_t)k);
            assert_int_equal(w->offsets[k], cases[i].offsets[k]);
            if (cases[i].metadata[k] != NULL)
                assert_string_equal(w->metadata[k], cases[i].metadata[k]);
        }
    }
}

static void a_start_that_is_not_decided_fails_by_name(void **state RBR_UNUSED)
{
    static const struct {
        enum who who;
        enum err_code code;
        const char *says;
    } cases[] = {
        {NO_OFFSET, ERR_NOT_FOUND,
         "no-offset[0]: the group has no committed offset and kafka.start is error; set it to "
         "earliest or latest for the first start"},
        {BEYOND, ERR_RANGE,
         "beyond[0]: the committed offset 100 is outside the log [0, 5] and kafka.start is error; "
         "set it to earliest or latest to go on"},
        {RANGE_GONE, ERR_RANGE,
         "range-gone[0]: offset 50, which is to be read, is outside the log [0, 5]; plan anew what "
         "is still there"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct watched_source *w = &sources[cases[i].who];
        assert_int_equal(w->failed, 1);
        assert_int_equal(w->assigned, 0);
        assert_int_equal(w->err.code, cases[i].code);
        assert_string_equal(w->err.msg, cases[i].says);
        w->port->close(w->port); /* it never had them */
        assert_true(kafka_fixture_until(&fixture, &w->closed, 1));
        assert_int_equal(w->revoked + w->lost, 0);
    }
}

/* ---- records ------------------------------------------------------------------------------------
 */

static void assert_next(struct watched_source *w, size_t index, int64_t offset)
{
    struct source_record r;
    assert_true(kafka_fixture_next(&fixture, w, index, &r));
    assert_int_equal(r.offset, offset);
    w->port->release(w->port, &r);
    assert_null(r.impl);
}

static void records_come_from_the_committed_offset_on(void **state RBR_UNUSED)
{
    struct watched_source *w = &sources[COMMITTED];
    struct source_record r;
    for (int64_t o = 2; o < RECORDS; o++)
        assert_next(w, 0, o);
    assert_false(w->port->next(w->port, 0, &r));
    assert_false(w->port->next(w->port, 1, &r));
    kafka_fixture_fill(&fixture, "committed", 1, 1);
    assert_next(w, 1, RECORDS);
}

static void null_and_empty_are_told_apart(void **state RBR_UNUSED)
{
    struct watched_source *w = &sources[RECORDS_OF_ALL_KINDS];
    for (size_t i = 0; i < ARRAY_LEN(all_kinds); i++) {
        const struct sink_record *want = &all_kinds[i];
        struct source_record got;
        assert_true(kafka_fixture_next(&fixture, w, 0, &got));
        assert_strs(got.key, want->key);
        assert_strs(got.value, want->value);
        assert_int_equal(got.key.p == NULL, want->key.p == NULL);
        assert_int_equal(got.value.p == NULL, want->value.p == NULL);
        assert_int_equal(got.n_headers, want->n_headers);
        for (size_t k = 0; k < want->n_headers; k++) {
            assert_strs(got.headers[k].name, want->headers[k].name);
            assert_strs(got.headers[k].value, want->headers[k].value);
            assert_int_equal(got.headers[k].value.p == NULL, want->headers[k].value.p == NULL);
        }
        w->port->release(w->port, &got);
    }
}

/* Partition 0 is not read at all; 1 goes on, and 0 has everything when it is its turn. */
static void a_partition_that_is_not_read_stops_no_other(void **state RBR_UNUSED)
{
    enum { MORE = 3000 }; /* more than librdkafka keeps of a partition */
    struct watched_source *w = &sources[EARLIEST];
    kafka_fixture_fill(&fixture, "earliest", 0, MORE);
    kafka_fixture_fill(&fixture, "earliest", 1, MORE);
    for (int64_t o = 0; o < RECORDS + MORE; o++)
        assert_next(w, 1, o);
    for (int64_t o = 0; o < RECORDS + MORE; o++)
        assert_next(w, 0, o);
    assert_int_equal(w->revoked + w->lost + w->failed, 0);
}

/* Many times what librdkafka keeps of the partition, as config_of says: left to itself it would
 * fetch once a second, and take about 6 s. */
static void a_partition_that_was_full_goes_on_at_once(void **state RBR_UNUSED)
{
    enum { MORE = 16000 };
    static const char value[256];
    const struct sink_record record = {.value = {value, sizeof(value)}};
    struct watched_source *w = &sources[SMALL_QUEUE];
    for (int i = 0; i < MORE; i++)
        assert_int_equal(kafka_produce(fixture.producer, "small-queue", 0, &record, NULL),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(fixture.producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t before = clock_mono_us(&clock_real);
    for (int64_t o = 0; o < RECORDS + MORE; o++)
        assert_next(w, 0, o);
    assert_true(clock_mono_us(&clock_real) - before < 3000000);
}

/* ---- trouble while reading ----------------------------------------------------------------------
 */

static void a_broker_that_goes_and_comes_back_is_waited_for(void **state RBR_UNUSED)
{
    struct watched_source *w = &sources[LATEST];
    struct source_record r;
    assert_int_equal(rd_kafka_mock_broker_set_down(fixture.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    kafka_fixture_turn_for(&fixture, 300);
    assert_false(w->port->next(w->port, 0, &r));
    assert_int_equal(rd_kafka_mock_broker_set_up(fixture.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    kafka_fixture_fill(&fixture, "latest", 0, 1);
    assert_next(w, 0, RECORDS);
    assert_int_equal(w->failed + w->revoked + w->lost, 0);
}

/* The others' fetches would take the answers that are meant for one: they are closed by now. */
static void a_log_that_was_cut_is_told(void **state RBR_UNUSED)
{
    static const struct {
        enum who who;
        const char *says;
    } cases[] = {
        {BEYOND_LATEST, "start again, and kafka.start decides where to go on"},
        {COMMITTED, "start again with kafka.start set to earliest or latest"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct watched_source *w = &sources[cases[i].who];
        struct source_record r;
        for (int k = 0; k < 200 && w->failed == 0; k++) {
            kafka_fixture_fail(&fixture, API_FETCH, 4, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
            kafka_fixture_turn_for(&fixture, 20);
            if (w->port->next(w->port, 0, &r))
                w->port->release(w->port, &r);
        }
        kafka_fixture_clear(&fixture, API_FETCH);
        assert_int_equal(w->failed, 1);
        assert_int_equal(w->err.code, ERR_RANGE);
        if (strstr(w->err.msg, cases[i].says) == NULL)
            fail_msg("\"%s\"", w->err.msg);
    }
}

/* ---- the end of an assignment -------------------------------------------------------------------
 */

static void closing_revokes_and_waits_for_the_answer(void **state RBR_UNUSED)
{
    struct watched_source *w = &sources[EARLIEST];
    w->answers = false;
    w->port->close(w->port);
    w->port->close(w->port); /* again: nothing */
    assert_int_equal(w->revoked, 0); /* from inside poll only */
    assert_true(kafka_fixture_until(&fixture, &w->revoked, 1));
    /* The partitions are still ours: what is finished may be committed. */
    kafka_fixture_turn_for(&fixture, 200);
    assert_int_equal(w->closed, 0);
    assert_string_equal(kafka_source_state(w->source), "revoking");
    kafka_fixture_commit(kafka_source_client(w->source), "earliest", 0, 3, NULL);
    assert_int_equal(kafka_fixture_committed(&fixture, "earliest", 0), 3);

    w->port->revoke_done(w->port);
    assert_true(kafka_fixture_until(&fixture, &w->closed, 1));
    assert_string_equal(kafka_source_state(w->source), "closed");
    kafka_fixture_turn_for(&fixture, 50);
    assert_int_equal(w->closed, 1);
    assert_int_equal(w->revoked, 1);
    assert_int_equal(w->lost, 0);
    kafka_fixture_unwatch(&fixture, w);
}

static int64_t free_takes_us(struct watched_source *w)
{
    int64_t start_us = clock_mono_us(&clock_real);
    kafka_fixture_unwatch(&fixture, w);
    return clock_mono_us(&clock_real) - start_us;
}

static void freeing_an_assigned_source_leaves_the_group(void **state RBR_UNUSED)
{
    assert_true(free_takes_us(&sources[LEFT_ALONE]) < 3000000);
    assert_int_equal(sources[LEFT_ALONE].revoked + sources[LEFT_ALONE].closed, 0);
}

/* The revoke event was taken and not answered: the free waited its five seconds for another one,
 * and the client was left behind. */
static void freeing_a_source_that_is_being_revoked_is_quick(void **state RBR_UNUSED)
{
    struct watched_source *w = &sources[BEYOND_EARLIEST];
    w->answers = false;
    w->port->close(w->port);
    assert_true(kafka_fixture_until(&fixture, &w->revoked, 1));
    assert_true(free_takes_us(w) < 3000000);
    assert_int_equal(w->closed, 0);
}

static void freeing_a_source_that_never_joined_is_quick(void **state RBR_UNUSED)
{
    struct kafka_config config = config_of(EARLIEST);
    struct kafka_source *source;
    static struct watched_source w;
    struct err err = {0};
    int64_t start_us = clock_mono_us(&clock_real);
    config.group = STR("never-joined");
    assert_int_equal(kafka_source_new(&fixture.loop, &config, &source, &err), ERR_OK);
    kafka_source_free(source); /* nobody listened */
    kafka_source_free(NULL);
    kafka_fixture_watch(&fixture, &config, &w);
    kafka_fixture_unwatch(&fixture, &w); /* nobody polled */
    assert_true(clock_mono_us(&clock_real) - start_us < 3000000);
}

static void closing_before_the_first_assignment(void **state RBR_UNUSED)
{
    struct kafka_config config = config_of(EARLIEST);
    static struct watched_source w;
    config.group = STR("idle");
    kafka_fixture_watch(&fixture, &config, &w);
    kafka_fixture_turn_for(&fixture, 100);
    assert_string_equal(kafka_source_state(w.source), "idle");
    w.port->close(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.closed, 1));
    assert_int_equal(w.assigned + w.revoked + w.lost + w.failed, 0);
    kafka_fixture_unwatch(&fixture, &w);
}

static void a_refused_property_is_told_at_once(void **state RBR_UNUSED)
{
    static const struct kafka_property property = {STR_INIT("session.timeout.ms"), STR_INIT("x")};
    struct kafka_config config = config_of(EARLIEST);
    struct kafka_source *source = NULL;
    struct err err = {0};
    config.consumer = &property;
    config.n_consumer = 1;
    assert_int_equal(kafka_source_new(&fixture.loop, &config, &source, &err), ERR_INVALID);
    assert_null(source);
    assert_non_null(strstr(err.msg, "session.timeout.ms"));
    config.n_consumer = 0;
    config.group = STR(""); /* librdkafka has no consumer without */
    assert_int_equal(kafka_source_new(&fixture.loop, &config, &source, &err), ERR_INVALID);
}

/* The failures that no waiting heals; each before a join, so quick. */
static void what_is_denied_fails_the_source(void **state RBR_UNUSED)
{
    struct kafka_config config = config_of(EARLIEST);
    static struct watched_source w;
    config.group = STR("denied");
    kafka_fixture_fail(&fixture, API_JOIN_GROUP, 8, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    kafka_fixture_watch(&fixture, &config, &w);
    assert_true(kafka_fixture_until(&fixture, &w.failed, 1));
    kafka_fixture_clear(&fixture, API_JOIN_GROUP);
    assert_int_equal(w.err.code, ERR_DENIED);
    assert_non_null(strstr(w.err.msg, "authorization failed"));
    kafka_fixture_unwatch(&fixture, &w);

    rd_kafka_mock_topic_set_error(fixture.cluster, "secret",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    config.input = STR("secret");
    kafka_fixture_watch(&fixture, &config, &w);
    assert_true(kafka_fixture_until(&fixture, &w.failed, 1));
    assert_int_equal(w.err.code, ERR_DENIED);
    assert_non_null(strstr(w.err.msg, "secret"));
    kafka_fixture_unwatch(&fixture, &w);
}

static void a_missing_topic_is_waited_for(void **state RBR_UNUSED)
{
    struct kafka_config config = config_of(EARLIEST);
    static struct watched_source w;
    rd_kafka_mock_topic_set_error(fixture.cluster, "missing",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    config.input = config.group = STR("missing");
    kafka_fixture_watch(&fixture, &config, &w);
    kafka_fixture_turn_for(&fixture, 300);
    assert_int_equal(w.failed + w.assigned, 0);
    w.port->close(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.closed, 1));
    kafka_fixture_unwatch(&fixture, &w);
}

static void a_topic_name_that_is_none_is_refused(void **state RBR_UNUSED)
{
    struct kafka_config config = config_of(EARLIEST);
    static struct watched_source w;
    config.input = STR("");
    kafka_fixture_watch(&fixture, &config, &w);
    assert_true(kafka_fixture_until(&fixture, &w.failed, 1));
    assert_non_null(strstr(w.err.msg, "subscribing to "));
    kafka_fixture_unwatch(&fixture, &w);
}

/* ---- a second assignment, and look-ups that take long
 * ---------------------------------------------
 */

/* The heartbeat says that we are no member any more; then the group is joined anew. */
static void a_lost_assignment_is_told_and_comes_again(void **state RBR_UNUSED)
{
    static const struct kafka_property quick[] = {
        {STR_INIT("heartbeat.interval.ms"), STR_INIT("100")},
        {STR_INIT("session.timeout.ms"), STR_INIT("4000")}};
    static struct watched_source w;
    struct kafka_config config = config_of(EARLIEST);
    config.group = STR("lost");
    config.consumer = quick;
    config.n_consumer = ARRAY_LEN(quick);
    kafka_fixture_watch(&fixture, &config, &w);
    assert_true(kafka_fixture_until(&fixture, &w.assigned, 1));
    assert_next(&w, 0, 0);
    for (int i = 0; i < 50 && w.lost == 0; i++) { /* another source's heartbeat may take one */
        kafka_fixture_fail(&fixture, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
        kafka_fixture_turn_for(&fixture, 150);
    }
    assert_int_equal(w.lost, 1);
    kafka_fixture_clear(&fixture, API_HEARTBEAT);
    assert_int_equal(w.revoked, 0);
    assert_true(kafka_fixture_until(&fixture, &w.assigned, 2));
    assert_int_equal(w.offsets[0], 0); /* nothing was committed: it is read again */
    assert_next(&w, 0, 0);
    kafka_fixture_unwatch(&fixture, &w);
}

static void closing_while_looking_up_gives_the_partitions_back(void **state RBR_UNUSED)
{
    struct kafka_config config = config_of(EARLIEST);
    static struct watched_source w, gone;
    config.group = STR("looking-up");
    kafka_fixture_fail(&fixture, API_LIST_OFFSETS, 60, RD_KAFKA_RESP_ERR_UNKNOWN);
    kafka_fixture_watch(&fixture, &config, &w);
    config.group = STR("looking-up-freed");
    kafka_fixture_watch(&fixture, &config, &gone);
    assert_true(kafka_fixture_until_state(&fixture, &w, "looking up"));
    assert_true(kafka_fixture_until_state(&fixture, &gone, "looking up"));
    kafka_fixture_turn_for(&fixture, 100);
    w.port->close(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.closed, 1));
    assert_int_equal(w.assigned + w.revoked + w.lost + w.failed, 0);
    assert_true(free_takes_us(&gone) < 5000000);
    assert_int_equal(gone.assigned + gone.closed, 0);
    kafka_fixture_unwatch(&fixture, &w);
    kafka_fixture_clear(&fixture, API_LIST_OFFSETS);
}

/* ---- a client with a fatal error ----------------------------------------------------------------
 */

static const struct kafka_property quick_session[] = {
    {STR_INIT("heartbeat.interval.ms"), STR_INIT("100")},
    {STR_INIT("session.timeout.ms"), STR_INIT("4000")}};

static struct kafka_config quick_config(const char *group)
{
    struct kafka_config config = config_of(EARLIEST);
    config.group = str_z(group);
    config.consumer = quick_session;
    config.n_consumer = ARRAY_LEN(quick_session);
    return config;
}

static void make_fatal(const struct watched_source *w, rd_kafka_resp_err_t code)
{
    assert_int_equal(rd_kafka_test_fatal_error(kafka_source_client(w->source), code, "by the test"),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Fenced by who was answered in our place: the worker went on waiting for a client that was of no
 * use any more, and in the end gave up. */
static void a_fenced_consumer_is_replaced(void **state RBR_UNUSED)
{
    static struct watched_source w;
    struct kafka_config config = quick_config("fenced");
    kafka_fixture_watch(&fixture, &config, &w);
    assert_true(kafka_fixture_until(&fixture, &w.assigned, 1));
    assert_next(&w, 0, 0);
    rd_kafka_t *before = kafka_source_client(w.source);
    w.answers = false;
    make_fatal(&w, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    assert_true(kafka_fixture_until(&fixture, &w.lost, 1));
    kafka_fixture_turn_for(&fixture, 100);
    assert_ptr_equal(kafka_source_client(w.source), before); /* a batch may be on its way */
    w.answers = true;
    w.port->revoke_done(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.assigned, 2));
    assert_ptr_not_equal(kafka_source_client(w.source), before);
    assert_int_equal(w.failed + w.revoked, 0);
    assert_int_equal(w.lost, 1);
    assert_next(&w, 0, 0); /* nothing was committed: it is read again */
    w.port->close(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.closed, 1));
    assert_int_equal(w.revoked, 1);
    kafka_fixture_unwatch(&fixture, &w);
}

static void fenced_while_looking_up(void **state RBR_UNUSED)
{
    static struct watched_source w;
    struct kafka_config config = quick_config("fenced-looking-up");
    kafka_fixture_fail(&fixture, API_LIST_OFFSETS, 60, RD_KAFKA_RESP_ERR_UNKNOWN);
    kafka_fixture_watch(&fixture, &config, &w);
    assert_true(kafka_fixture_until_state(&fixture, &w, "looking up"));
    make_fatal(&w, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    assert_true(kafka_fixture_until_state(&fixture, &w, "idle"));
    kafka_fixture_clear(&fixture, API_LIST_OFFSETS);
    assert_true(kafka_fixture_until(&fixture, &w.assigned, 1));
    assert_int_equal(w.failed + w.lost + w.revoked, 0);
    kafka_fixture_unwatch(&fixture, &w);
}

static void a_live_twin_ends_the_source(void **state RBR_UNUSED)
{
    static struct watched_source w;
    struct kafka_config config = quick_config("twins");
    kafka_fixture_watch(&fixture, &config, &w);
    for (int i = 1; i <= FENCING_LIMIT; i++) {
        rd_kafka_t *before = kafka_source_client(w.source);
        assert_int_equal(w.failed, 0);
        make_fatal(&w, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
        for (int k = 0; k < 300 && kafka_source_client(w.source) == before && w.failed == 0; k++)
            kafka_fixture_turn_for(&fixture, 20);
    }
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.err.code, ERR_FENCED);
    assert_non_null(strstr(w.err.msg, "kafka.instance_id"));
    w.port->close(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.closed, 1)); /* there is nothing to wait for */
    kafka_fixture_unwatch(&fixture, &w);
}

/* Before, librdkafka refused to close such a client and nothing was told ever after. */
static void a_fatal_error_and_a_close(void **state RBR_UNUSED)
{
    enum { FATAL_FIRST, CLOSE_FIRST, FREED_AT_ONCE, CASES };
    for (int which = FATAL_FIRST; which < CASES; which++) {
        static struct watched_source w;
        static const char *const groups[] = {"fatal-close", "close-fatal", "fatal-freed"};
        struct kafka_config config = quick_config(groups[which]);
        kafka_fixture_watch(&fixture, &config, &w);
        assert_true(kafka_fixture_until(&fixture, &w.assigned, 1));
        if (which == CLOSE_FIRST)
            w.port->close(w.port);
        make_fatal(&w, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
        if (which == FREED_AT_ONCE) {
            assert_true(free_takes_us(&w) < 8000000);
            continue;
        }
        if (which == FATAL_FIRST)
            w.port->close(w.port);
        assert_true(kafka_fixture_until(&fixture, &w.closed, 1));
        assert_int_equal(w.lost + w.revoked, 1);
        assert_int_equal(w.assigned, 1);
        assert_int_equal(w.failed, 0);
        kafka_fixture_unwatch(&fixture, &w);
    }
}

/* The revoke or loss is not answered yet when the stop comes: librdkafka left the group at once,
 * while a batch was on its way. */
static void a_close_waits_for_the_answer_to_a_rebalance(void **state RBR_UNUSED)
{
    static struct watched_source w;
    struct kafka_config config = quick_config("close-rebalance");
    kafka_fixture_watch(&fixture, &config, &w);
    assert_true(kafka_fixture_until(&fixture, &w.assigned, 1));
    w.answers = false;
    for (int i = 0; i < 50 && w.lost == 0; i++) { /* another source's heartbeat may take one */
        kafka_fixture_fail(&fixture, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
        kafka_fixture_turn_for(&fixture, 150);
    }
    kafka_fixture_clear(&fixture, API_HEARTBEAT);
    assert_int_equal(w.lost, 1);
    w.port->close(w.port);
    kafka_fixture_turn_for(&fixture, 500);
    assert_int_equal(w.closed, 0);
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata(kafka_source_client(w.source));
    assert_non_null(group);
    rd_kafka_consumer_group_metadata_destroy(group);
    w.port->revoke_done(w.port);
    assert_true(kafka_fixture_until(&fixture, &w.closed, 1));
    kafka_fixture_unwatch(&fixture, &w);
}

/* Last: the cluster does not come back. */
static void freeing_without_brokers_is_bounded(void **state RBR_UNUSED)
{
    struct watched_source *w = &sources[RECORDS_OF_ALL_KINDS];
    assert_int_equal(rd_kafka_mock_broker_set_down(fixture.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_true(free_takes_us(w) < 8000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assignment_starts_where_it_should),
        cmocka_unit_test(a_start_that_is_not_decided_fails_by_name),
        cmocka_unit_test(records_come_from_the_committed_offset_on),
        cmocka_unit_test(null_and_empty_are_told_apart),
        cmocka_unit_test(a_partition_that_is_not_read_stops_no_other),
        cmocka_unit_test(a_partition_that_was_full_goes_on_at_once),
        cmocka_unit_test(a_broker_that_goes_and_comes_back_is_waited_for),
        cmocka_unit_test(closing_revokes_and_waits_for_the_answer),
        cmocka_unit_test(freeing_an_assigned_source_leaves_the_group),
        cmocka_unit_test(freeing_a_source_that_is_being_revoked_is_quick),
        cmocka_unit_test(freeing_a_source_that_never_joined_is_quick),
        cmocka_unit_test(closing_before_the_first_assignment),
        cmocka_unit_test(a_refused_property_is_told_at_once),
        cmocka_unit_test(what_is_denied_fails_the_source),
        cmocka_unit_test(a_missing_topic_is_waited_for),
        cmocka_unit_test(a_topic_name_that_is_none_is_refused),
        cmocka_unit_test(a_log_that_was_cut_is_told),
        cmocka_unit_test(a_lost_assignment_is_told_and_comes_again),
        cmocka_unit_test(closing_while_looking_up_gives_the_partitions_back),
        cmocka_unit_test(a_fenced_consumer_is_replaced),
        cmocka_unit_test(fenced_while_looking_up),
        cmocka_unit_test(a_live_twin_ends_the_source),
        cmocka_unit_test(a_fatal_error_and_a_close),
        cmocka_unit_test(a_close_waits_for_the_answer_to_a_rebalance),
        cmocka_unit_test(freeing_without_brokers_is_bounded),
    };
    return cmocka_run_group_tests_name("kafka_source", tests, start, stop);
}
