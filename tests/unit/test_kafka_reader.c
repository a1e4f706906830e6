/* stream/kafka_reader: every partition to its end, from the beginning or from now on; what cannot
 * be read or written says why. */
#include "kafka_fixture.h"

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

static const struct kafka_property quick = {STR_INIT("fetch.wait.max.ms"), STR_INIT("10")};

static struct kafka_reader *open_reader(const char *topic, bool from_beginning)
{
    struct err err = {0};
    struct kafka_reader *reader;
    struct kafka_config config = kafka_fixture_config(&fixture, "");
    config.consumer = &quick;
    config.n_consumer = 1;
    if (kafka_reader_new(&config, str_z(topic), from_beginning, &reader, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    return reader;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* Reads until `want`, counting records by partition. */
static void read_until(struct kafka_reader *r, enum kafka_read want, int *counts)
{
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    enum kafka_read got;
    while ((got = kafka_reader_next(r, 5000, &record, &partition, &err)) == KAFKA_READ_RECORD) {
        assert_in_range(partition, 0, PARTITIONS_MAX - 1);
        assert_int_equal(record.offset, counts[partition]);
        counts[partition]++;
    }
    assert_int_equal(got, want);
}

/* The end is told once, when the last of three partitions is at it, empty ones included; again
 * after more has come. */
static void the_end_is_that_of_all_partitions(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    int counts[PARTITIONS_MAX] = {0};
    kafka_fixture_topic(&fixture, "three", 3);
    kafka_fixture_fill(&fixture, "three", 0, 40);
    kafka_fixture_fill(&fixture, "three", 2, 3);
    struct kafka_reader *r = open_reader("three", true);
    read_until(r, KAFKA_READ_END, counts);
    assert_int_equal(counts[0], 40);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 3);
    assert_int_equal(kafka_reader_next(r, 100, &record, &partition, &err), KAFKA_READ_NOTHING);
    kafka_fixture_fill(&fixture, "three", 1, 1);
    read_until(r, KAFKA_READ_END, counts);
    assert_int_equal(counts[1], 1);
    kafka_reader_free(r);
    kafka_reader_free(NULL);
}

/* A range that begins or ends beyond the log, one that is empty, one of no partition: what there is
 * of them is read, and then the end is told. */
static void ranges_give_what_the_log_has_of_them(void **state RBR_UNUSED)
{
    static const struct kafka_range ranges[] = {
        {0, 10, 13}, {1, 0, 100}, {2, 3, 3}, {3, 50, 60}, {9, 0, 10}};
    static const int from[] = {10, 0, 0, 0}, to[] = {13, 5, 0, 0};
    struct err err = {0};
    struct source_record record;
    struct kafka_reader *r;
    int32_t partition;
    int64_t next[] = {10, 0, 0, 0};
    kafka_fixture_topic(&fixture, "ranges", 4);
    for (int i = 0; i < 4; i++)
        kafka_fixture_fill(&fixture, "ranges", i, i == 1 ? 5 : 40);
    struct kafka_config config = kafka_fixture_config(&fixture, "");
    assert_int_equal(
        kafka_reader_new_ranges(&config, STR("ranges"), ranges, ARRAY_LEN(ranges), &r, &err),
        ERR_OK);
    enum kafka_read got;
    while ((got = kafka_reader_next(r, 5000, &record, &partition, &err)) == KAFKA_READ_RECORD) {
        assert_in_range(partition, 0, 3);
        assert_int_equal(record.offset, next[partition]++);
        assert_in_range(record.offset, from[partition], to[partition] - 1);
    }
    assert_int_equal(got, KAFKA_READ_END);
    for (size_t i = 0; i < ARRAY_LEN(to); i++)
        assert_int_equal(next[i], to[i]);
    kafka_reader_free(r);
    assert_int_equal(kafka_reader_new_ranges(&config, STR("ranges"), ranges + 2, 1, &r, &err),
                     ERR_OK);
    assert_int_equal(kafka_reader_next(r, 5000, &record, &partition, &err), KAFKA_READ_END);
    kafka_reader_free(r);
}

static void from_the_end_only_what_is_new(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    kafka_fixture_topic(&fixture, "new", 2);
    kafka_fixture_fill(&fixture, "new", 0, 5);
    struct kafka_reader *r = open_reader("new", false);
    assert_int_equal(kafka_reader_next(r, 5000, &record, &partition, &err), KAFKA_READ_END);
    kafka_fixture_fill(&fixture, "new", 0, 1);
    assert_int_equal(kafka_reader_next(r, 5000, &record, &partition, &err), KAFKA_READ_RECORD);
    assert_int_equal(record.offset, 5);
    assert_str(record.key, "k");
    kafka_reader_free(r);
}

/* Partition 0 was at its end before more came: it stays read. */
static void an_end_once_is_an_end(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    int counts[PARTITIONS_MAX] = {0};
    kafka_fixture_topic(&fixture, "busy", 1);
    kafka_fixture_fill(&fixture, "busy", 0, 2);
    struct kafka_reader *r = open_reader("busy", true);
    kafka_reader_end_once(r);
    read_until(r, KAFKA_READ_END, counts);
    kafka_fixture_fill(&fixture, "busy", 0, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kafka_reader_next(r, 5000, &record, &partition, &err), KAFKA_READ_RECORD);
    assert_int_equal(kafka_reader_next(r, 100, &record, &partition, &err), KAFKA_READ_NOTHING);
    kafka_reader_free(r);
}

/* With no time given it never looked. */
static void without_time_what_is_here_is_given(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    enum kafka_read got = KAFKA_READ_NOTHING;
    kafka_fixture_topic(&fixture, "now", 1);
    kafka_fixture_fill(&fixture, "now", 0, 1);
    struct kafka_reader *r = open_reader("now", true);
    for (int i = 0; i < 500 && got == KAFKA_READ_NOTHING; i++) {
        kafka_fixture_turn_for(&fixture, 10);
        got = kafka_reader_next(r, 0, &record, &partition, &err);
    }
    assert_int_equal(got, KAFKA_READ_RECORD);
    kafka_reader_free(r);
}

static void what_cannot_be_opened_says_why(void **state RBR_UNUSED)
{
    static const struct kafka_property wrong = {STR_INIT("fetch.wait.max.ms"), STR_INIT("-5")};
    static const struct {
        const char *topic;
        rd_kafka_resp_err_t answer;
        bool refused; /* a property */
        enum err_code code;
        const char *says;
    } cases[] = {
        {"nowhere", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, false, ERR_NOT_FOUND,
         "topic nowhere does not exist; create it first"},
        {"secret", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false, ERR_DENIED,
         "topic secret: Broker: Topic authorization failed"},
        {"refused", RD_KAFKA_RESP_ERR_NO_ERROR, true, ERR_INVALID, "fetch.wait.max.ms"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct kafka_reader *reader = NULL;
        struct kafka_writer *writer = NULL;
        struct kafka_config config = kafka_fixture_config(&fixture, "");
        if (cases[i].refused) {
            config.consumer = &wrong;
            config.n_consumer = 1;
        } else {
            rd_kafka_mock_topic_set_error(fixture.cluster, cases[i].topic, cases[i].answer);
        }
        assert_int_equal(kafka_reader_new(&config, str_z(cases[i].topic), true, &reader, &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_null(reader);
        if (cases[i].refused)
            continue;
        assert_int_equal(kafka_writer_new(&config, str_z(cases[i].topic), &writer, &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_null(writer);
    }
}

/* Answers to fetches: what may pass is read over, what may not is told. */
static void a_denied_fetch_fails(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    enum kafka_read got = KAFKA_READ_NOTHING;
    kafka_fixture_topic(&fixture, "denied", 1);
    kafka_fixture_fill(&fixture, "denied", 0, 1);
    kafka_fixture_fail(&fixture, API_FETCH, 3, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct kafka_reader *r = open_reader("denied", true);
    for (int i = 0; i < 20 && got == KAFKA_READ_NOTHING; i++)
        got = kafka_reader_next(r, 500, &record, &partition, &err);
    kafka_fixture_clear(&fixture, API_FETCH);
    assert_int_equal(got, KAFKA_READ_FAILED);
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.msg, "reading: "));
    kafka_reader_free(r);
}

static void a_broker_that_comes_back_is_read_on(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    int counts[PARTITIONS_MAX] = {0};
    kafka_fixture_topic(&fixture, "away", 1);
    kafka_fixture_fill(&fixture, "away", 0, 2);
    struct kafka_reader *r = open_reader("away", true);
    read_until(r, KAFKA_READ_END, counts);
    (void)rd_kafka_mock_broker_set_down(fixture.cluster, 1);
    assert_int_equal(kafka_reader_next(r, 300, &record, &partition, &err), KAFKA_READ_NOTHING);
    (void)rd_kafka_mock_broker_set_up(fixture.cluster, 1);
    kafka_fixture_fill(&fixture, "away", 0, 1);
    for (int i = 0; i < 20 && counts[0] < 3; i++)
        if (kafka_reader_next(r, 500, &record, &partition, &err) == KAFKA_READ_RECORD)
            counts[0]++;
    assert_int_equal(record.offset, 2);
    kafka_reader_free(r);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static struct kafka_writer *open_writer(const char *topic, const struct kafka_property *property)
{
    struct err err = {0};
    struct kafka_writer *writer;
    struct kafka_config config = kafka_fixture_config(&fixture, "");
    config.producer = property;
    config.n_producer = property != NULL ? 1 : 0;
    kafka_fixture_topic(&fixture, topic, 2);
    if (kafka_writer_new(&config, str_z(topic), &writer, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    return writer;
}

static void what_is_written_is_there_after_the_flush(void **state RBR_UNUSED)
{
    /* A queue of ten: put has to wait for room. */
    static const struct kafka_property small = {STR_INIT("queue.buffering.max.messages"),
                                                STR_INIT("10")};
    enum { RECORDS = 100 };
    struct err err = {0};
    struct source_record record;
    int32_t partition;
    int n = 0;
    struct kafka_writer *w = open_writer("written", &small);
    for (int i = 0; i < RECORDS; i++)
        assert_int_equal(kafka_writer_put(w, STR("same"), STR("v\0v"), &err), ERR_OK);
    assert_int_equal(kafka_writer_flush(w, 10000, &err), ERR_OK);
    kafka_writer_free(w);
    kafka_writer_free(NULL);
    struct kafka_reader *r = open_reader("written", true);
    int32_t first = -1;
    while (kafka_reader_next(r, 5000, &record, &partition, &err) == KAFKA_READ_RECORD) {
        first = first < 0 ? partition : first;
        assert_int_equal(partition, first); /* one key, one partition */
        assert_str(record.value, "v\0v");
        n++;
    }
    assert_int_equal(n, RECORDS);
    kafka_reader_free(r);
}

static void what_is_not_taken_is_counted(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct kafka_writer *w = open_writer("refusing", NULL);
    kafka_fixture_fail(&fixture, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(kafka_writer_put(w, STR("k"), STR("v"), &err), ERR_OK);
    assert_int_equal(kafka_writer_flush(w, 10000, &err), ERR_DENIED);
    assert_string_equal(err.msg, "writing to refusing: 1 records were not taken: "
                                 "Broker: Topic authorization failed");
    kafka_fixture_clear(&fixture, API_PRODUCE);
    kafka_writer_free(w);
}

static void what_is_not_there_yet_is_counted(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct kafka_writer *w = open_writer("waiting", NULL);
    (void)rd_kafka_mock_broker_set_down(fixture.cluster, 1);
    assert_int_equal(kafka_writer_put(w, STR("k"), STR("v"), &err), ERR_OK);
    assert_int_equal(kafka_writer_flush(w, 200, &err), ERR_TIMEOUT);
    assert_string_equal(err.msg,
                        "writing to waiting: 1 records are not there yet: Local: Timed out");
    (void)rd_kafka_mock_broker_set_up(fixture.cluster, 1);
    assert_int_equal(kafka_writer_flush(w, 10000, &err), ERR_OK);
    kafka_writer_free(w);
}

static void a_record_that_is_too_large_is_refused_at_once(void **state RBR_UNUSED)
{
    static const struct kafka_property small = {STR_INIT("message.max.bytes"), STR_INIT("1000")};
    struct err err = {0};
    char value[2000];
    struct kafka_writer *w = open_writer("small", &small);
    memset(value, 'x', sizeof(value));
    assert_int_equal(kafka_writer_put(w, STR("k"), (struct str){value, sizeof(value)}, &err),
                     ERR_KAFKA);
    assert_string_equal(err.msg, "writing to small: Broker: Message size too large");
    kafka_writer_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_that_of_all_partitions),
        cmocka_unit_test(ranges_give_what_the_log_has_of_them),
        cmocka_unit_test(from_the_end_only_what_is_new),
        cmocka_unit_test(an_end_once_is_an_end),
        cmocka_unit_test(without_time_what_is_here_is_given),
        cmocka_unit_test(what_cannot_be_opened_says_why),
        cmocka_unit_test(a_denied_fetch_fails),
        cmocka_unit_test(a_broker_that_comes_back_is_read_on),
        cmocka_unit_test(what_is_written_is_there_after_the_flush),
        cmocka_unit_test(what_is_not_taken_is_counted),
        cmocka_unit_test(what_is_not_there_yet_is_counted),
        cmocka_unit_test(a_record_that_is_too_large_is_refused_at_once),
    };
    return cmocka_run_group_tests_name("kafka_reader", tests, start, stop);
}
