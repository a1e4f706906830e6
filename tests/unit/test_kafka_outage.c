/* stream/kafka_outage: a cluster that goes and comes back is one line each way, whatever librdkafka
 * says meanwhile; statistics that are none are passed over. */
#include "kafka_fixture.h"

#include <unistd.h>

#include "stream/kafka_outage.h"

static struct kafka_fixture fixture;

/* stderr goes to a file until `said` reads what was. */
static FILE *file;
static int kept = -1;
static char said[64 * 1024];

static void listen_in(void)
{
    file = tmpfile();
    assert_non_null(file);
    kept = dup(STDERR_FILENO);
    (void)dup2(fileno(file), STDERR_FILENO);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

static void hear(void)
{
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_TEXT);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    rewind(file);
    said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
    (void)fclose(file);
}

static int count(const char *text)
{
    int n = 0;
    for (const char *p = said; (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

static int start(void **state RBR_UNUSED)
{
    kafka_fixture_init(&fixture);
    kafka_fixture_topic(&fixture, "input", 1);
    return 0;
}

static int stop(void **state RBR_UNUSED)
{
    kafka_fixture_done(&fixture);
    return 0;
}

static void an_outage_is_one_line_each_way(void **state RBR_UNUSED)
{
    static struct watched_source w;
    const struct kafka_config config = kafka_fixture_config(&fixture, "input");
    kafka_fixture_watch(&fixture, &config, &w);
    kafka_fixture_turn_for(&fixture, 2500); /* it has been reached */
    listen_in();
    (void)rd_kafka_mock_broker_set_down(fixture.cluster, 1);
    kafka_fixture_turn_for(&fixture, 6000);
    (void)rd_kafka_mock_broker_set_up(fixture.cluster, 1);
    kafka_fixture_turn_for(&fixture, 6000);
    hear();
    if (count(" kafka.down ") != 1 || count(" kafka.up ") != 1 || count(" warning ") != 0 ||
        count(" error ") != 1)
        fail_msg("%s", said);
    assert_non_null(strstr(said, kafka_mock_brokers(fixture.mock)));
    assert_int_equal(w.failed, 0);
    kafka_fixture_unwatch(&fixture, &w);
}

static void what_is_no_statistics_is_passed_over(void **state RBR_UNUSED)
{
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"brokers\":3}",
        "{\"brokers\":{\"a\":3}}",
        "{\"brokers\":{\"a\":{\"nodeid\":\"x\",\"state\":7,\"connects\":-1e9}}}",
    };
    struct kafka_outage o;
    kafka_outage_init(&o);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        kafka_outage_see(&o, str_z(cases[i]), 0);
    kafka_outage_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outage_is_one_line_each_way),
        cmocka_unit_test(what_is_no_statistics_is_passed_over),
    };
    return cmocka_run_group_tests_name("kafka_outage", tests, start, stop);
}
