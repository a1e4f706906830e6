/* stream/kafka_log: of brokers that cannot be connected to it is told soon, once and by us; who is
 * slow, or was there before, is waited for. In this order: nothing is reached before the last test.
 */
#include "captured.h"
#include "kafka_fixture.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "stream/kafka_log.h"

enum { ENOUGH_MS = 4000, PATIENT_MS = 3000 };

/* What asking for a topic's partitions comes to, and how long it takes. */
static int64_t ask(const char *brokers, int timeout_ms, struct err *err)
{
    const struct kafka_config config = {.brokers = str_z(brokers), .client_id = STR("test")};
    int64_t start_us = clock_mono_us(&clock_real);
    int32_t n;
    rd_kafka_conf_t *conf = kafka_conf_new(&config, NULL, 0, NULL, 0, err);
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_PRODUCER, conf, err);
    enum err_code code = kafka_partition_count(client, "any", timeout_ms, &n, err);
    assert_int_equal(err_class(code), ERR_CLASS_TRANSIENT);
    rd_kafka_destroy(client);
    return (clock_mono_us(&clock_real) - start_us) / 1000;
}

/* Connections are taken, nothing is said. */
static void a_slow_broker_has_the_whole_time(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    char brokers[32];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    (void)snprintf(brokers, sizeof(brokers), "127.0.0.1:%d", ntohs(at.sin_port));
    assert_true(ask(brokers, PATIENT_MS, &err) >= PATIENT_MS);
    (void)close(listener);
}

static void where_nobody_listens_it_is_told_soon_and_why(void **state RBR_UNUSED)
{
    struct captured captured;
    struct err err = {0};
    captured_begin(&captured);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    int64_t took_ms = ask("127.0.0.1:1", 15000, &err);
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_TEXT);
    captured_end(&captured);
    assert_string_equal(captured.text, "");
    assert_true(took_ms < ENOUGH_MS);
    assert_non_null(strstr(err.msg, "the brokers do not answer (127.0.0.1:1"));
    assert_non_null(strstr(err.msg, "Connection refused); is kafka.brokers right"));
}

/* So that a broker that restarts costs a running worker nothing. */
static void brokers_that_were_reached_are_waited_for(void **state RBR_UNUSED)
{
    struct err err = {0};
    char reason[KAFKA_REASON_MAX];
    assert_true(kafka_log_is_unreached(reason));
    kafka_log_reached();
    assert_false(kafka_log_is_unreached(reason));
    assert_true(ask("127.0.0.1:1", PATIENT_MS, &err) >= PATIENT_MS);
    kafka_log_away(true);
    kafka_log_reached(); /* the outage's end is not for us to tell */
    assert_true(kafka_log_is_away());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_broker_has_the_whole_time),
        cmocka_unit_test(where_nobody_listens_it_is_told_soon_and_why),
        cmocka_unit_test(brokers_that_were_reached_are_waited_for),
    };
    return cmocka_run_group_tests_name("kafka_log", tests, NULL, NULL);
}
