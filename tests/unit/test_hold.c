/* hold: what a grader's questions cost, and the ceiling that makes it pause; on virtual time. */
#include "grader_bench.h"

#include "captured.h"

#define MINUTE (60 * SECOND)

/* A good reply of fixture_chat says 100 tokens in, 64 of them cached, and 1 out. */
static const struct price price = {true, 1000000, 100000, 10000000};
#define COST UINT64_C(52400000)

static struct bench *bench_with(struct spend *spend, size_t max_in_flight)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = max_in_flight;
    struct grader_config config = config_of(b, 1);
    config.price = price;
    config.spend = spend;
    start(b, &config, 7);
    return b;
}

static struct usage used_by(const struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    return s.used;
}

static void run_until(struct bench *b, int64_t at)
{
    fixture_run(&b->server, tick, b, at);
    b->clock.now_us = at;
    (void)tick(b);
}

/* ---- accounts ---------------------------------------------------------------------------------
 */

static void a_group_has_its_cost(void **state RBR_UNUSED)
{
    struct bench *b = bench_with(NULL, 10);
    b->good_from = 0;
    struct group *g = ask(b, 0, 3, CLOCK_NEVER);
    run(b);
    assert_true(g->group.use.used.cost_pico == 3 * COST);
    assert_int_equal(g->group.use.used.unknown, 0);
    assert_true(used_by(b).cost_pico == 3 * COST);
    struct grader_stats s;
    grader_stats(b->grader, &s);
    assert_true(s.hour.cost_pico == 3 * COST);
    b->clock.now_us += 62 * MINUTE;
    grader_stats(b->grader, &s);
    assert_true(s.hour.cost_pico == 0 && s.used.cost_pico == 3 * COST);
    bench_free(b);
}

/* What each attempt but the last ends as, and what is counted of two of them and a good one. */
static void failed_attempts_are_counted_for_what_they_are(void **state RBR_UNUSED)
{
#define SAYS "\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":2}"
    static const struct {
        struct fixture_reply reply;
        uint64_t tokens, unknown; /* of two */
    } cases[] = {
        {{.delay_us = 1, .status = 200, .body = STR_INIT("{\"choices\":[]," SAYS "}")}, 100, 0},
        {{.delay_us = 1, .status = 200, .body = STR_INIT("{\"choices\":[]}")}, 0, 2},
        {{.delay_us = 1, .status = 200, .body = STR_INIT("<html>")}, 0, 2},
        {{.delay_us = 1, .status = 500, .body = STR_INIT("{\"error\":{}," SAYS "}")}, 100, 0},
        {{.delay_us = 1, .status = 500, .body = STR_INIT("{\"error\":{}}")}, 0, 0},
        {{.delay_us = 1, .status = 429}, 0, 0},
        {{.delay_us = 1, .outcome = TRANSPORT_CONNECT}, 0, 0},
        {{.delay_us = 1, .outcome = TRANSPORT_RESET}, 0, 2},
        {{.delay_us = 1, .outcome = TRANSPORT_TOO_LARGE}, 0, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_with(NULL, 10);
        b->reply = cases[i].reply;
        b->good_from = 2;
        struct group *g = ask(b, 0, 1, CLOCK_NEVER);
        run(b);
        expect(g, REASON_NONE, 3);
        const struct usage *u = &g->group.use.used;
        assert_int_equal(g->group.use.requests, 3);
        assert_int_equal(u->input_tokens, cases[i].tokens + 100);
        assert_int_equal(u->unknown, cases[i].unknown);
        assert_true(u->cost_pico == COST + cases[i].tokens * (1000000 + 10000000 * 2 / 50));
        bench_free(b);
    }
}

static void a_usage_that_is_none_is_unknown(void **state RBR_UNUSED)
{
    static const char *const usages[] = {
        "null",
        "7",
        "{}",
        "{\"completion_tokens\":1}",
        "{\"prompt_tokens\":-1}",
        "{\"prompt_tokens\":1.5}",
        "{\"prompt_tokens\":1000000001}",
        "{\"prompt_tokens\":\"9\"}",
        "{\"prompt_tokens\":9,\"completion_tokens\":-1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
        char body[256];
        int n = snprintf(body, sizeof(body), "{\"choices\":[],\"usage\":%s}", usages[i]);
        struct bench *b = bench_with(NULL, 10);
        b->reply = (struct fixture_reply){.delay_us = 1, .status = 200, .body = {body, (size_t)n}};
        b->good_from = 1;
        struct group *g = ask(b, 0, 1, CLOCK_NEVER);
        run(b);
        assert_int_equal(g->group.use.used.unknown, 1);
        assert_int_equal(g->group.use.used.input_tokens, 100);
        bench_free(b);
    }
}

static void a_cancelled_request_may_have_been_billed(void **state RBR_UNUSED)
{
    struct spend spend;
    spend_init(&spend, 100 * COST);
    struct bench *b = bench_with(&spend, 10);
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER};
    struct group *g = ask(b, 0, 2, b->clock.now_us + SECOND);
    run(b);
    assert_int_equal(g->done, 1);
    assert_int_equal(g->group.use.used.unknown, 2);
    assert_int_equal(spend.in_air, 0);
    assert_true(spend.spent > 0);
    bench_free(b);
}

static void probes_are_counted_but_not_for_a_record(void **state RBR_UNUSED)
{
    struct bench *b = bench_with(NULL, 10);
    b->reply = (struct fixture_reply){.delay_us = 1000, .status = 500};
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    expect(g, REASON_GRADER_UNAVAILABLE, 6);
    assert_true(b->probes > 0);
    assert_int_equal(g->group.use.used.input_tokens, 0);
    assert_int_equal(used_by(b).input_tokens, 100 * b->probes);
    bench_free(b);
}

/* ---- the ceiling ------------------------------------------------------------------------------
 */

static void it_pauses_and_nothing_fails(void **state RBR_UNUSED)
{
    struct spend spend;
    struct captured log;
    spend_init(&spend, 8 * COST);
    struct bench *b = bench_with(&spend, 4);
    captured_begin(&log);
    b->good_from = 0;
    int64_t began = b->clock.now_us;
    for (size_t i = 0; i < 10; i++)
        (void)ask(b, i, 2, began + 10 * SECOND); /* which is over long before they are asked */
    run_until(b, began + 30 * MINUTE);
    assert_int_equal(grader_held(b->grader), GRADER_HELD_BY_COST);
    assert_in_range(b->server.requests, 8, 8 + 4);
    run(b);
    assert_int_equal(grader_held(b->grader), 0);
    assert_int_equal(b->server.requests, 20);
    for (size_t i = 0; i < 10; i++) {
        expect(&b->groups[i], REASON_NONE, 1);
        assert_int_equal(b->groups[i].judgments[1].status, JUDGMENT_GRADED);
    }
    captured_end(&log);
    assert_int_equal(captured_count(&log, "grader.paused"), 2);
    assert_int_equal(captured_count(&log, "grader.goes_on"), 2);
    assert_non_null(strstr(log.text, "0.000419 USD spent in the last hour, and "
                                     "limits.max_grader_cost_per_hour is 0.000419"));
    assert_non_null(strstr(log.text, "12 questions of them here; goes on at 23:15 UTC\n"));
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_has_its_cost),
        cmocka_unit_test(failed_attempts_are_counted_for_what_they_are),
        cmocka_unit_test(a_usage_that_is_none_is_unknown),
        cmocka_unit_test(a_cancelled_request_may_have_been_billed),
        cmocka_unit_test(probes_are_counted_but_not_for_a_record),
        cmocka_unit_test(it_pauses_and_nothing_fails),
    };
    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
