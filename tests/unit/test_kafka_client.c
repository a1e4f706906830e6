/* stream/kafka_client: what librdkafka refuses is named, its errors get a class, a missing topic is
 * said to be missing; the embedded cluster starts and is gone again. */
#include "kafka_fixture.h"

#include "stream/kafka_log.h"

static struct kafka_fixture fixture;

static int start(void **state RBR_UNUSED)
{
    kafka_fixture_init(&fixture);
    kafka_fixture_topic(&fixture, "three", 3);
    return 0;
}

static int stop(void **state RBR_UNUSED)
{
    kafka_fixture_done(&fixture);
    return 0;
}

/* ---- configuration ----------------------------------------------------------------------------
 */

static void a_refused_property_is_named(void **state RBR_UNUSED)
{
    static const struct {
        struct kafka_property property;
        const char *says[2];
    } cases[] = {
        {{STR_INIT("no.such.property"), STR_INIT("1")}, {"no.such.property", "No such"}},
        {{STR_INIT("linger.ms"), STR_INIT("soon")}, {"linger.ms", "nvalid value"}},
        {{STR_INIT("acks"), STR_INIT("5000")}, {"acks", "outside"}},
        {{STR_INIT("security.protocol"), STR_INIT("TLS")}, {"security.protocol", "TLS"}},
        {{STR_INIT(""), STR_INIT("1")}, {"Kafka property", "No such"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct kafka_config config = kafka_fixture_config(&fixture, "three");
        config.common = &cases[i].property;
        config.n_common = 1;
        assert_null(kafka_conf_new(&config, NULL, 0, NULL, 0, &err));
        assert_int_equal(err.code, ERR_INVALID);
        for (size_t k = 0; k < ARRAY_LEN(cases[i].says); k++)
            if (strstr(err.msg, cases[i].says[k]) == NULL)
                fail_msg("\"%s\" does not say \"%s\"", err.msg, cases[i].says[k]);
        /* The same as a property of one side only. */
        config.n_common = 0;
        assert_null(kafka_conf_new(&config, NULL, 0, &cases[i].property, 1, &err));
    }
}

static void the_users_properties_override_ours(void **state RBR_UNUSED)
{
    static const struct kafka_default ours[] = {{"linger.ms", "5"}, {"batch.size", "77"}};
    static const struct kafka_property common[] = {{STR_INIT("linger.ms"), STR_INIT("6")},
                                                   {STR_INIT("client.id"), STR_INIT("me")}};
    static const struct kafka_property theirs[] = {{STR_INIT("linger.ms"), STR_INIT("7")}};
    static const struct {
        const char *name, *value;
    } want[] = {{"linger.ms", "7"}, {"batch.size", "77"}, {"client.id", "me"}};
    struct err err = {0};
    struct kafka_config config = kafka_fixture_config(&fixture, "three");
    config.common = common;
    config.n_common = ARRAY_LEN(common);
    rd_kafka_conf_t *conf =
        kafka_conf_new(&config, ours, ARRAY_LEN(ours), theirs, ARRAY_LEN(theirs), &err);
    assert_non_null(conf);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        char value[64] = "";
        size_t size = sizeof(value);
        assert_int_equal(rd_kafka_conf_get(conf, want[i].name, value, &size), RD_KAFKA_CONF_OK);
        assert_string_equal(value, want[i].value);
    }
    rd_kafka_conf_destroy(conf);
}

/* Two properties that do not go together are seen only when the client is made. */
static void a_client_that_cannot_be_made_says_why(void **state RBR_UNUSED)
{
    static const struct kafka_default ours[] = {{"enable.idempotence", "true"},
                                                {"max.in.flight", "100"}};
    struct err err = {0};
    const struct kafka_config config = kafka_fixture_config(&fixture, "three");
    rd_kafka_conf_t *conf = kafka_conf_new(&config, ours, ARRAY_LEN(ours), NULL, 0, &err);
    assert_non_null(conf);
    assert_null(kafka_client_new(RD_KAFKA_PRODUCER, conf, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "max.in.flight"));
}

/* ---- errors -----------------------------------------------------------------------------------
 */

static void every_error_has_its_class(void **state RBR_UNUSED)
{
    static const struct {
        rd_kafka_resp_err_t theirs;
        enum err_code ours;
        enum err_class class;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_NO_ERROR, ERR_OK, ERR_CLASS_NONE},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_DENIED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERR_DENIED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERR_DENIED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ERR_DENIED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, ERR_DENIED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, ERR_DENIED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR__FENCED, ERR_FENCED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, ERR_FENCED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, ERR_FENCED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, ERR_FENCED, ERR_CLASS_FATAL},
        {RD_KAFKA_RESP_ERR__TIMED_OUT, ERR_TIMEOUT, ERR_CLASS_TRANSIENT},
        {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, ERR_TIMEOUT, ERR_CLASS_TRANSIENT},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ERR_NOT_FOUND, ERR_CLASS_PERMANENT},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERR_NOT_FOUND, ERR_CLASS_PERMANENT},
        {RD_KAFKA_RESP_ERR__TRANSPORT, ERR_KAFKA, ERR_CLASS_TRANSIENT},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERR_KAFKA, ERR_CLASS_TRANSIENT},
        {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, ERR_KAFKA, ERR_CLASS_TRANSIENT},
        {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, ERR_KAFKA, ERR_CLASS_TRANSIENT},
        {RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, ERR_KAFKA, ERR_CLASS_TRANSIENT},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_KAFKA, ERR_CLASS_TRANSIENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err_code got = kafka_err_code(cases[i].theirs);
        if (got != cases[i].ours || err_class(got) != cases[i].class)
            fail_msg("%s is error code %d", rd_kafka_err2name(cases[i].theirs), got);
    }
}

/* ---- topics -----------------------------------------------------------------------------------
 */

static void partitions_are_counted(void **state RBR_UNUSED)
{
    struct err err = {0};
    char reason[KAFKA_REASON_MAX];
    kafka_log(fixture.producer, 3, "FAIL", "another broker is away");
    int32_t n = -1;
    assert_int_equal(kafka_partition_count(fixture.producer, "three", 5000, &n, &err), ERR_OK);
    assert_int_equal(n, 3);
    assert_false(kafka_log_is_unreached(reason));
}

static void a_topic_that_is_not_there_says_so(void **state RBR_UNUSED)
{
    static const struct {
        const char *topic;
        rd_kafka_resp_err_t answer;
        enum err_code code;
        const char *says;
    } cases[] = {
        {"gone", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERR_NOT_FOUND,
         "topic gone does not exist; create it first"},
        {"secret", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_DENIED,
         "topic secret: Broker: Topic authorization failed"},
        {"odd", RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ERR_KAFKA, "topic odd: Broker: Invalid topic"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        int32_t n = -1;
        rd_kafka_mock_topic_set_error(fixture.cluster, cases[i].topic, cases[i].answer);
        assert_int_equal(kafka_partition_count(fixture.producer, cases[i].topic, 5000, &n, &err),
                         cases[i].code);
        assert_string_equal(err.msg, cases[i].says);
        assert_int_equal(n, -1);
    }
}

static void brokers_that_do_not_answer_say_what_to_look_at(void **state RBR_UNUSED)
{
    struct err err = {0};
    int32_t n;
    struct kafka_config config = kafka_fixture_config(&fixture, "three");
    static const struct kafka_default quiet[] = {{"log_level", "0"}};
    config.brokers = STR("127.0.0.1:1");
    rd_kafka_conf_t *conf = kafka_conf_new(&config, quiet, ARRAY_LEN(quiet), NULL, 0, &err);
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_PRODUCER, conf, &err);
    int64_t start_us = clock_mono_us(&clock_real);
    enum err_code code = kafka_partition_count(client, "three", 300, &n, &err);
    assert_int_equal(err_class(code), ERR_CLASS_TRANSIENT);
    assert_true(clock_mono_us(&clock_real) - start_us < 3000000);
    assert_non_null(strstr(err.msg, "topic three: the brokers do not answer"));
    assert_non_null(strstr(err.msg, "is kafka.brokers right, and security.protocol"));
    rd_kafka_destroy(client);
}

/* librdkafka's own function answered "success, first = next" when one of its two requests failed:
 * of a fresh group, all that was there would have been skipped. */
static void the_ends_of_a_log_are_right_or_an_error(void **state RBR_UNUSED)
{
    static const rd_kafka_resp_err_t answers[] = {
        RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_UNKNOWN,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR};
    rd_kafka_t *client = kafka_fixture_group(&fixture, "ends");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
    kafka_fixture_topic(&fixture, "ends", 2);
    kafka_fixture_fill(&fixture, "ends", 0, 3);
    (void)rd_kafka_topic_partition_list_add(list, "ends", 0);
    (void)rd_kafka_topic_partition_list_add(list, "ends", 1);
    int right = 0;
    for (size_t i = 0; i < 20 * ARRAY_LEN(answers); i++) {
        int64_t low[2] = {-7, -7}, high[2] = {-7, -7};
        rd_kafka_resp_err_t answer = answers[i % ARRAY_LEN(answers)];
        if (answer != RD_KAFKA_RESP_ERR_NO_ERROR)
            kafka_fixture_fail(&fixture, API_LIST_OFFSETS, 1, answer);
        if (kafka_log_ends(client, list, 5000, low, high) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            right++;
            assert_int_equal(low[0], 0);
            assert_int_equal(high[0], 3);
            assert_int_equal(low[1], 0);
            assert_int_equal(high[1], 0);
        }
        kafka_fixture_clear(&fixture, API_LIST_OFFSETS);
    }
    assert_true(right >= 20);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
}

/* ---- records ----------------------------------------------------------------------------------
 */

/* Null is not empty, and both survive; so do bytes that end a C string. */
static void a_record_comes_back_as_it_went(void **state RBR_UNUSED)
{
    static const struct header headers[] = {
        {STR_INIT("null"), {NULL, 0}},
        {STR_INIT("empty"), STR_INIT("")},
        {STR_INIT("bytes"), STR_INIT("a\0b")},
        {STR_INIT("bytes"), STR_INIT("again")}, /* twice the same name, in this order */
        {STR_INIT(""), STR_INIT("nameless")},
    };
    static const struct sink_record cases[] = {
        {.key = {NULL, 0}, .value = {NULL, 0}},
        {.key = STR_INIT(""), .value = STR_INIT("")},
        {.key = {NULL, 0}, .value = STR_INIT("v")},
        {.key = STR_INIT("k"), .value = {NULL, 0}},
        {.key = STR_INIT("k\0k"), .value = STR_INIT("v\0v"), .headers = headers, .n_headers = 5},
        {.key = {NULL, 0}, .value = {NULL, 0}, .headers = headers, .n_headers = 1},
    };
    struct err err = {0};
    struct kafka_reader *reader;
    kafka_fixture_topic(&fixture, "records", 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        kafka_fixture_put(&fixture, "records", 0, &cases[i]);
    const struct kafka_config config = kafka_fixture_config(&fixture, "");
    assert_int_equal(kafka_reader_new(&config, STR("records"), true, &reader, &err), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sink_record *want = &cases[i];
        struct source_record got;
        int32_t partition = -1;
        assert_int_equal(kafka_reader_next(reader, 5000, &got, &partition, &err),
                         KAFKA_READ_RECORD);
        assert_int_equal(got.offset, (int64_t)i);
        assert_int_equal(partition, 0);
        assert_true(got.timestamp_ms > 1600000000000);
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
    }
    kafka_reader_free(reader);
}

/* ---- the embedded cluster ---------------------------------------------------------------------
 */

static void the_embedded_cluster_has_its_topics(void **state RBR_UNUSED)
{
    static const char *const topics[] = {"in", "out"};
    struct err err = {0};
    struct kafka_mock *mock;
    int32_t n = 0;
    assert_int_equal(kafka_mock_new(topics, ARRAY_LEN(topics), 4, &mock, &err), ERR_OK);
    struct kafka_config config = {.brokers = str_z(kafka_mock_brokers(mock)),
                                  .client_id = STR("rbr-test")};
    assert_true(str_has_prefix(config.brokers, STR("127.0.0.1:")));
    rd_kafka_conf_t *conf = kafka_conf_new(&config, NULL, 0, NULL, 0, &err);
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_PRODUCER, conf, &err);
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        assert_int_equal(kafka_partition_count(client, topics[i], 5000, &n, &err), ERR_OK);
        assert_int_equal(n, 4);
    }
    rd_kafka_destroy(client);
    kafka_mock_free(mock);
    kafka_mock_free(NULL);
}

static void the_embedded_cluster_refuses_a_topic_twice(void **state RBR_UNUSED)
{
    static const char *const topics[] = {"in", "in"};
    struct err err = {0};
    struct kafka_mock *mock = NULL;
    assert_int_equal(kafka_mock_new(topics, ARRAY_LEN(topics), 1, &mock, &err), ERR_INTERNAL);
    assert_null(mock);
    assert_string_equal(err.msg, "the embedded broker does not make topic in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_property_is_named),
        cmocka_unit_test(the_users_properties_override_ours),
        cmocka_unit_test(a_client_that_cannot_be_made_says_why),
        cmocka_unit_test(every_error_has_its_class),
        cmocka_unit_test(partitions_are_counted),
        cmocka_unit_test(a_topic_that_is_not_there_says_so),
        cmocka_unit_test(brokers_that_do_not_answer_say_what_to_look_at),
        cmocka_unit_test(the_ends_of_a_log_are_right_or_an_error),
        cmocka_unit_test(a_record_comes_back_as_it_went),
        cmocka_unit_test(the_embedded_cluster_has_its_topics),
        cmocka_unit_test(the_embedded_cluster_refuses_a_topic_twice),
    };
    return cmocka_run_group_tests_name("kafka_client", tests, start, stop);
}
