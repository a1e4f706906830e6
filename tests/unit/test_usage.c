/* usage: exact money, and what was used in the last hour. */
#include "unit.h"

#include "base/rng.h"
#include "grader/usage.h"

static const int64_t MINUTE = 60000000;

static void money_is_exact(void **state RBR_UNUSED)
{
    static const struct {
        struct price price;
        struct usage used;
        uint64_t pico;
    } cases[] = {
        /* 0.04 USD per million tokens is 40,000 pico-USD a token */
        {{true, 40000, 40000, 0}, {.input_tokens = 1000000}, 40000000000},
        {{true, 40000, 40000, 0}, {.input_tokens = 3, .output_tokens = 9}, 120000},
        {{true, 100, 10, 1000}, {10, 4, 2, 0, 0}, 600 + 40 + 2000},
        {{true, 100, 10, 0}, {10, 25, 0, 0, 0}, 100}, /* no more can be cached than there are */
        {{true, 0, 0, 0}, {10, 0, 10, 0, 0}, 0},
        {{true, UINT64_MAX, 1, 1}, {2, 0, 0, 0, 0}, UINT64_MAX},
        {{true, 1, 1, UINT64_MAX}, {1, 0, 1, 0, 0}, UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(price_of(&cases[i].price, &cases[i].used) == cases[i].pico);
}

static void sums_stop_at_their_largest_value(void **state RBR_UNUSED)
{
    struct usage a = {UINT64_MAX - 1, 1, UINT64_MAX, 1, 2}, b = {5, 1, 1, UINT64_MAX, 3};
    usage_add(&a, &b);
    assert_true(a.input_tokens == UINT64_MAX && a.cached_input_tokens == 2 &&
                a.output_tokens == UINT64_MAX && a.cost_pico == UINT64_MAX && a.unknown == 5);
}

static void money_is_printed_as_people_write_it(void **state RBR_UNUSED)
{
    static const struct {
        uint64_t pico;
        const char *text;
    } cases[] = {
        {0, "0"},
        {499999, "0"},
        {500000, "0.000001"},
        {48000000, "0.000048"},
        {250000000000, "0.25"},
        {999999499999, "0.999999"},
        {1000000000000, "1.00"},
        {1234567890000000, "1234.57"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[32];
        assert_string_equal(usd_print(cases[i].pico, out), cases[i].text);
    }
}

static uint64_t cost_at(const struct hour *h, int64_t now)
{
    struct usage u;
    hour_sum(h, now, &u);
    return u.cost_pico;
}

static void add(struct hour *h, uint64_t cost, int64_t now)
{
    const struct usage u = {.cost_pico = cost, .unknown = 1};
    hour_add(h, &u, now);
}

static void an_hour_ago_is_forgotten_within_a_minute(void **state RBR_UNUSED)
{
    const int64_t began = 1000 * MINUTE + MINUTE / 2;
    struct hour h = {0};
    assert_int_equal(cost_at(&h, began), 0);
    add(&h, 7, began);
    assert_int_equal(cost_at(&h, began), 7);
    assert_int_equal(cost_at(&h, began + 60 * MINUTE), 7);
    assert_int_equal(cost_at(&h, began + 60 * MINUTE + MINUTE / 2 - 1), 7);
    assert_int_equal(cost_at(&h, began + 60 * MINUTE + MINUTE / 2), 0);
    add(&h, 3, began + 61 * MINUTE);
    assert_int_equal(cost_at(&h, began + 100000 * MINUTE), 0); /* after a long sleep */
}

static void it_says_when_enough_is_forgotten(void **state RBR_UNUSED)
{
    struct hour h = {0};
    add(&h, 50, 100 * MINUTE + 5);
    add(&h, 30, 110 * MINUTE + 5);
    add(&h, 20, 120 * MINUTE + 5);
    int64_t now = 130 * MINUTE + 5;
    assert_int_equal(hour_falls_to_us(&h, 100, now), now);
    assert_int_equal(hour_falls_to_us(&h, 99, now), 161 * MINUTE);
    assert_int_equal(hour_falls_to_us(&h, 50, now), 161 * MINUTE);
    assert_int_equal(hour_falls_to_us(&h, 49, now), 171 * MINUTE);
    assert_int_equal(hour_falls_to_us(&h, 0, now), 181 * MINUTE);
    assert_int_equal(cost_at(&h, 161 * MINUTE - 1), 100);
    assert_int_equal(cost_at(&h, 161 * MINUTE), 50);
}

/* Against all that was added, kept one by one. */
static void the_sum_is_that_of_an_hour_and_at_most_a_minute_more(void **state RBR_UNUSED)
{
    enum { N = 3000 };
    static struct {
        int64_t at;
        uint64_t cost;
    } all[N];
    struct rng rng;
    struct hour h = {0};
    int64_t now = 7 * MINUTE;
    rng_init(&rng, unit_seed());
    for (size_t n = 0; n < N; n++) {
        uint64_t least = 0, most = 0;
        now += (int64_t)rng_below(&rng, n % 500 == 0 ? 90 * 60000000ull : 60000000);
        all[n].at = now;
        all[n].cost = rng_below(&rng, 1000);
        add(&h, all[n].cost, now);
        for (size_t i = 0; i <= n; i++) {
            least += all[i].at > now - 60 * MINUTE ? all[i].cost : 0;
            most += all[i].at > now - 61 * MINUTE ? all[i].cost : 0;
        }
        assert_in_range(cost_at(&h, now), least, most);
        int64_t falls = hour_falls_to_us(&h, least / 2, now);
        assert_true(falls == now || cost_at(&h, falls - 1) > least / 2);
        assert_true(cost_at(&h, falls) <= least / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_exact),
        cmocka_unit_test(sums_stop_at_their_largest_value),
        cmocka_unit_test(money_is_printed_as_people_write_it),
        cmocka_unit_test(an_hour_ago_is_forgotten_within_a_minute),
        cmocka_unit_test(it_says_when_enough_is_forgotten),
        cmocka_unit_test(the_sum_is_that_of_an_hour_and_at_most_a_minute_more),
    };
    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
