/* spend: the ceiling of an hour, on made-up time. */
#include "unit.h"

#include "base/rng.h"
#include "grader/spend.h"

static const int64_t MINUTE = 60000000;

/* One request, begun and ended at once. */
static void buy(struct spend *s, uint64_t cost, int64_t now)
{
    spend_start(s, cost);
    spend_end(s, cost, cost, now);
    spend_look(s, now);
}

static void without_a_ceiling_there_is_no_pause(void **state RBR_UNUSED)
{
    struct spend s;
    spend_init(&s, SPEND_NO_CEILING);
    for (int i = 0; i < 10; i++)
        buy(&s, UINT64_MAX / 2, i);
    assert_true(spend_may(&s));
    assert_int_equal(spend_news(&s), SPEND_NOTHING);
}

static void a_pause_lasts_until_an_eighth_has_left_the_hour(void **state RBR_UNUSED)
{
    struct spend s;
    spend_init(&s, 800);
    int64_t now = 50 * MINUTE;
    for (int i = 0; i < 7; i++)
        buy(&s, 100, now + i * MINUTE);
    assert_true(spend_may(&s));
    buy(&s, 100, now + 7 * MINUTE);
    assert_false(spend_may(&s));
    assert_int_equal(spend_news(&s), SPEND_PAUSES);
    assert_int_equal(spend_news(&s), SPEND_NOTHING);
    assert_int_equal(s.since_us, now + 7 * MINUTE);
    assert_int_equal(s.until_us, now + 61 * MINUTE);
    spend_look(&s, s.until_us - 1);
    assert_false(spend_may(&s));
    spend_look(&s, s.until_us);
    assert_true(spend_may(&s));
    assert_int_equal(spend_news(&s), SPEND_GOES_ON);
    assert_int_equal(spend_news(&s), SPEND_NOTHING);
}

static void what_is_in_the_air_counts(void **state RBR_UNUSED)
{
    struct spend s;
    spend_init(&s, 100);
    spend_look(&s, 0);
    for (int i = 0; i < 10; i++) {
        assert_true(spend_may(&s));
        spend_start(&s, 10);
    }
    assert_false(spend_may(&s)); /* all of it is on its way, */
    spend_look(&s, 1);
    assert_int_equal(spend_news(&s), SPEND_NOTHING); /* which is no pause */
    spend_end(&s, 10, 1, 1);
    assert_true(spend_may(&s));
}

/* It would never go on otherwise. */
static void one_request_may_be_dearer_than_the_ceiling(void **state RBR_UNUSED)
{
    struct spend s;
    spend_init(&s, 10);
    spend_look(&s, 0);
    assert_true(spend_may(&s));
    spend_start(&s, 1000);
    assert_false(spend_may(&s));
    spend_end(&s, 1000, 1000, 5);
    spend_look(&s, 5);
    assert_int_equal(spend_news(&s), SPEND_PAUSES);
    assert_int_equal(s.until_us, 61 * MINUTE);
}

static void the_end_of_a_pause_allows_for_what_is_in_the_air(void **state RBR_UNUSED)
{
    struct spend s;
    spend_init(&s, 80);
    buy(&s, 40, 10 * MINUTE);
    spend_start(&s, 30);
    buy(&s, 45, 20 * MINUTE);
    assert_int_equal(spend_news(&s), SPEND_PAUSES);
    assert_int_equal(s.until_us, 81 * MINUTE); /* 45 + 30 is too much still at 71 */
    spend_end(&s, 30, 20, 20 * MINUTE);
    spend_look(&s, 20 * MINUTE);
    assert_int_equal(s.until_us, 71 * MINUTE);
}

/* Requests of any cost, estimated anyhow, each a while in the air: no hour costs more than the
 * ceiling, by what the last request and wrong estimates add. */
static void no_hour_costs_more_than_the_ceiling_and_what_was_in_the_air(void **state RBR_UNUSED)
{
    enum { CEILING = 100000, AIR = 32, COST_MAX = 400, N = 30000 };
    static uint64_t costs[N];
    static int64_t ended[N];
    struct {
        uint64_t estimate, cost;
        int64_t end;
    } air[AIR];
    struct rng rng;
    struct spend s;
    size_t n_air = 0, n = 0, first = 0, pauses = 0;
    uint64_t hour = 0, most = 0;
    int64_t now = MINUTE;
    rng_init(&rng, unit_seed());
    spend_init(&s, CEILING);
    while (n < N) {
        for (size_t i = 0; i < n_air;) {
            if (air[i].end > now) {
                i++;
                continue;
            }
            spend_end(&s, air[i].estimate, air[i].cost, now);
            costs[n] = air[i].cost;
            ended[n++] = now;
            hour += air[i].cost;
            air[i] = air[--n_air];
            if (n == N)
                break;
        }
        while (first < n && ended[first] <= now - 60 * MINUTE)
            hour -= costs[first++];
        most = hour > most ? hour : most;
        spend_look(&s, now);
        pauses += spend_news(&s) == SPEND_PAUSES;
        while (n_air < AIR && spend_may(&s)) {
            uint64_t cost = rng_below(&rng, COST_MAX);
            spend_start(&s, air[n_air].estimate = rng_below(&rng, 2 * cost + 1));
            air[n_air].cost = cost;
            air[n_air++].end = now + (int64_t)rng_below(&rng, 20000000);
        }
        now += n_air > 0 ? 100000 : s.until_us - now;
    }
    assert_true(pauses > 5);
    assert_in_range(most, CEILING, CEILING + AIR * COST_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_ceiling_there_is_no_pause),
        cmocka_unit_test(a_pause_lasts_until_an_eighth_has_left_the_hour),
        cmocka_unit_test(what_is_in_the_air_counts),
        cmocka_unit_test(one_request_may_be_dearer_than_the_ceiling),
        cmocka_unit_test(the_end_of_a_pause_allows_for_what_is_in_the_air),
        cmocka_unit_test(no_hour_costs_more_than_the_ceiling_and_what_was_in_the_air),
    };
    return cmocka_run_group_tests_name("spend", tests, NULL, NULL);
}
