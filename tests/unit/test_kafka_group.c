/* stream/kafka_group: what a group has committed, seen from outside. */
#include "kafka_fixture.h"

#include "stream/kafka_group.h"

static struct kafka_fixture fixture;

static int start(void **state RBR_UNUSED)
{
    kafka_fixture_init(&fixture);
    kafka_fixture_topic(&fixture, "in", 3);
    return 0;
}

static int stop(void **state RBR_UNUSED)
{
    kafka_fixture_done(&fixture);
    return 0;
}

static void committed_offsets_come_in_the_order_asked_for(void **state RBR_UNUSED)
{
    static const struct kafka_range ranges[] = {{2, 0, 1}, {0, 0, 1}, {1, 0, 1}};
    struct kafka_config config = kafka_fixture_config(&fixture, "in");
    struct kafka_group *g;
    struct err err = {0};
    int64_t offsets[3];
    rd_kafka_t *client = kafka_fixture_group(&fixture, "in");
    kafka_fixture_commit(client, "in", 0, 7, NULL);
    kafka_fixture_commit(client, "in", 2, 0, "map");
    rd_kafka_destroy(client);
    assert_int_equal(kafka_group_new(&config, &g, &err), ERR_OK);
    assert_int_equal(kafka_group_committed(g, ranges, 3, 10000, offsets, &err), ERR_OK);
    assert_int_equal(offsets[0], 0);
    assert_int_equal(offsets[1], 7);
    assert_int_equal(offsets[2], -1);
    kafka_fixture_fail(&fixture, API_OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    assert_int_equal(kafka_group_committed(g, ranges, 3, 10000, offsets, &err), ERR_DENIED);
    assert_non_null(strstr(err.msg, "looking up what group in has committed: "));
    kafka_group_free(g);
    kafka_group_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_offsets_come_in_the_order_asked_for),
    };
    return cmocka_run_group_tests_name("kafka_group", tests, start, stop);
}
