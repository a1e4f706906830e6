/* stream/kafka_ranges: offsets cut to what each partition has. The mock does not know moments. */
#include "kafka_fixture.h"

#include "stream/kafka_ranges.h"

static struct kafka_fixture fixture;

static int start(void **state RBR_UNUSED)
{
    kafka_fixture_init(&fixture);
    kafka_fixture_topic(&fixture, "ranges", 3);
    kafka_fixture_fill(&fixture, "ranges", 0, 40);
    kafka_fixture_fill(&fixture, "ranges", 2, 5);
    return 0;
}

static int stop(void **state RBR_UNUSED)
{
    kafka_fixture_done(&fixture);
    return 0;
}

static void ranges_lie_within_the_log(void **state RBR_UNUSED)
{
    static const struct {
        struct kafka_point from, to;
        int64_t ranges[3][2];
    } cases[] = {
        {{KAFKA_POINT_BEGINNING, 0}, {KAFKA_POINT_END, 0}, {{0, 40}, {0, 0}, {0, 5}}},
        {{KAFKA_POINT_OFFSET, 3}, {KAFKA_POINT_END, 0}, {{3, 40}, {0, 0}, {3, 5}}},
        {{KAFKA_POINT_OFFSET, 7}, {KAFKA_POINT_OFFSET, 30}, {{7, 30}, {0, 0}, {5, 5}}},
        {{KAFKA_POINT_OFFSET, 30}, {KAFKA_POINT_OFFSET, 7}, {{30, 30}, {0, 0}, {5, 5}}},
        {{KAFKA_POINT_END, 0}, {KAFKA_POINT_BEGINNING, 0}, {{40, 40}, {0, 0}, {5, 5}}},
    };
    struct kafka_config config = kafka_fixture_config(&fixture, "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kafka_range *ranges;
        struct err err = {0};
        size_t n;
        assert_int_equal(
            kafka_ranges(&config, STR("ranges"), cases[i].from, cases[i].to, &ranges, &n, &err),
            ERR_OK);
        assert_int_equal(n, 3);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(ranges[k].partition, k);
            assert_int_equal(ranges[k].from, cases[i].ranges[k][0]);
            assert_int_equal(ranges[k].to, cases[i].ranges[k][1]);
        }
        mem_free(ranges);
    }
}

static void what_cannot_be_looked_up_says_why(void **state RBR_UNUSED)
{
    struct kafka_config config = kafka_fixture_config(&fixture, "");
    const struct kafka_point any = {KAFKA_POINT_END, 0};
    struct kafka_range *ranges;
    struct err err = {0};
    size_t n;
    kafka_fixture_fail(&fixture, API_LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(kafka_ranges(&config, STR("ranges"), any, any, &ranges, &n, &err), ERR_DENIED);
    assert_non_null(strstr(err.msg, "looking up the ends of ranges: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_lie_within_the_log),
        cmocka_unit_test(what_cannot_be_looked_up_says_why),
    };
    return cmocka_run_group_tests_name("kafka_ranges", tests, start, stop);
}
