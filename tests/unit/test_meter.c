/* meter: what is counted of each request, and the estimates of those in the air. */
#include "unit.h"

#include "grader/meter.h"

static const struct price price = {true, 100, 10, 1000};

static void each_end_is_counted_for_what_it_is(void **state RBR_UNUSED)
{
    struct meter m;
    struct bill bill;
    struct spend spend;
    struct usage used = {.input_tokens = 10, .cached_input_tokens = 4, .output_tokens = 2};
    spend_init(&spend, 1000000);
    meter_init(&m, &price, &spend);
    meter_start(&m, &bill, 300, 1);
    assert_int_equal(bill.estimate, 100 * 100 + 1000); /* 3 bytes a token */
    assert_int_equal(spend.in_air, bill.estimate);

    meter_end(&m, &bill, BILLED_AS_SAID, &used, 5);
    assert_int_equal(used.cost_pico, 600 + 40 + 2000);
    assert_int_equal(spend.in_air, 0);
    assert_int_equal(spend.spent, 2640);

    meter_start(&m, &bill, 600, 1);
    assert_int_equal(bill.estimate, 2 * 2640); /* as the one before */
    meter_end(&m, &bill, BILLED_UNKNOWN, &used, 6);
    assert_int_equal(used.unknown, 1);
    assert_int_equal(used.cost_pico + used.input_tokens + used.output_tokens, 0);
    assert_int_equal(spend.spent, 3 * 2640); /* for the ceiling it costs what it may have cost */

    meter_start(&m, &bill, 600, 1);
    meter_end(&m, &bill, BILLED_NOTHING, &used, 7);
    assert_int_equal(used.unknown + used.cost_pico, 0);
    assert_int_equal(spend.spent, 3 * 2640);
    assert_int_equal(spend.in_air, 0);

    assert_int_equal(m.total.input_tokens, 10);
    assert_int_equal(m.total.cost_pico, 2640);
    assert_int_equal(m.total.unknown, 1);
    hour_sum(&m.hour, 8, &used);
    assert_int_equal(used.cost_pico, 2640);
    assert_int_equal(used.unknown, 1);
}

static void who_may_have_been_paid_is_not_taken_for_free(void **state RBR_UNUSED)
{
    static const struct {
        enum transport_outcome outcome;
        int status;
        bool says_usage;
        enum billed billed;
    } cases[] = {
        {TRANSPORT_REPLY, 200, true, BILLED_AS_SAID},
        {TRANSPORT_REPLY, 200, false, BILLED_UNKNOWN},
        {TRANSPORT_REPLY, 500, true, BILLED_AS_SAID},
        {TRANSPORT_REPLY, 500, false, BILLED_NOTHING},
        {TRANSPORT_REPLY, 429, false, BILLED_NOTHING},
        {TRANSPORT_CONNECT, 0, false, BILLED_NOTHING},
        {TRANSPORT_TIMEOUT, 0, false, BILLED_UNKNOWN},
        {TRANSPORT_RESET, 0, false, BILLED_UNKNOWN},
        {TRANSPORT_CANCELLED, 0, false, BILLED_UNKNOWN},
        {TRANSPORT_TOO_LARGE, 0, false, BILLED_UNKNOWN},
        {TRANSPORT_BAD_REPLY, 0, false, BILLED_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct transport_req req = {.outcome = cases[i].outcome, .status = cases[i].status};
        assert_int_equal(billed_of(&req, cases[i].says_usage), cases[i].billed);
    }
}

static void without_a_price_tokens_are_counted_alone(void **state RBR_UNUSED)
{
    static const struct price none = {false, 0, 0, 0};
    struct meter m;
    struct bill bill;
    struct usage used = {.input_tokens = 10};
    meter_init(&m, &none, NULL);
    meter_start(&m, &bill, 1000, 1);
    assert_int_equal(bill.estimate, 0);
    meter_end(&m, &bill, BILLED_AS_SAID, &used, 5);
    assert_int_equal(m.total.input_tokens, 10);
    assert_int_equal(m.total.cost_pico, 0);
}

static void estimates_follow_late_requests(void **state RBR_UNUSED)
{
    struct meter m;
    struct bill bill;
    meter_init(&m, &price, NULL);
    for (size_t i = 0; i < 400; i++) {
        struct usage used = {.input_tokens = i < 200 ? 1000 : 3000};
        meter_start(&m, &bill, 1 << 20, 1);
        meter_end(&m, &bill, BILLED_AS_SAID, &used, 5);
    }
    meter_start(&m, &bill, 1 << 20, 1);
    assert_in_range(bill.estimate, 299900, 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_is_counted_for_what_it_is),
        cmocka_unit_test(who_may_have_been_paid_is_not_taken_for_free),
        cmocka_unit_test(without_a_price_tokens_are_counted_alone),
        cmocka_unit_test(estimates_follow_late_requests),
    };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
