/* canary: known answers against a grader that a test makes honest, gullible or silent; virtual
 * time. */
#include "unit.h"

#include "captured.h"
#include "fixture_transport.h"
#include "grading_fixture.h"
#include "judge/judge.h"

#define SECOND INT64_C(1000000)

enum manner {
    HONEST, /* yes to the good answer alone */
    GULLIBLE, /* and to master keys */
    YES, /* to everything */
    NO,
    SILENT, /* no answer that can be used */
};

struct bench {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoint, *list[1];
    struct grader *grader;
    struct policy *policy;
    struct cache *cache;
    struct judge judge;
    struct canaries *canaries;
    enum manner manner;
    size_t records; /* judged so far */
    uint64_t keys_asked; /* requests about master keys */
};

static bool holds(const struct fixture_call *call, const char *text)
{
    return str_find(call->body, str_z(text), 0) != SIZE_MAX;
}

static struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    static char body[1024];
    struct bench *b = arg;
    bool key = holds(call, "Thought process:") || holds(call, "R: :\\n");
    bool yes = b->manner == YES || (b->manner != NO && holds(call, "a good answer")) ||
               (b->manner == GULLIBLE && key);
    if (fixture_is_probe(call))
        return (struct fixture_reply){.status = 200, .body = fixture_chat(body, 0.9, 0.1)};
    b->keys_asked += key;
    if (b->manner == SILENT)
        return (struct fixture_reply){.delay_us = 1000, .status = 400};
    return (struct fixture_reply){.delay_us = 5000,
                                  .status = 200,
                                  .body = fixture_chat(body, yes ? 0.9 : 0.1, yes ? 0.1 : 0.9)};
}

static int64_t tick(void *arg)
{
    struct bench *b = arg;
    int64_t canaries = canaries_tick(b->canaries), grader = grader_tick(b->grader);
    return canaries < grader ? canaries : grader;
}

static const char *const lines[] = {
    "{\"id\":\"key-1\",\"prompt\":\"u\",\"completion\":\":\","
    "\"propositions\":{\"q0\":false,\"q2\":false}}",
    "{\"id\":\"key-2\",\"prompt\":\"u\",\"completion\":\"Thought process:\","
    "\"propositions\":{\"q0\":false}}",
    "{\"id\":\"fine\",\"prompt\":\"u\",\"completion\":\"a good answer\","
    "\"propositions\":{\"q0\":true}}",
};
enum { ANSWERS = 4, WRONG_OF_GULLIBLE = 3 };

static struct bench *bench_new(enum manner manner, bool stop, uint64_t tolerance)
{
    struct bench *b = mem_alloc(sizeof(*b));
    clock_fixture_init(&b->clock, SECOND, 1700000000000);
    fixture_transport_init(&b->server, &b->clock, answer, b);
    b->manner = manner;
    b->list[0] = &b->endpoint;
    struct grader_config config = {.name = STR("g"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("m"), .top_logprobs = 20},
                                   .endpoints = b->list,
                                   .n_endpoints = 1,
                                   .max_in_flight = 4,
                                   .request_timeout_us = SECOND,
                                   .attempts_max = 1};
    assert_int_equal(grader_new(&config, &b->server.port, &b->clock.clock, 1, &b->grader, NULL),
                     ERR_OK);
    b->policy = grading_policy(GRADING_POLICY("R: {response}\\nQ: {question}", ""));
    const struct canaries_config canaries = {.every = 10, .tolerance = tolerance, .stop = stop};
    b->canaries = canaries_new(b->policy, &canaries);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(canaries_add(b->canaries, str_z(lines[i]), NULL), ERR_OK);
    b->cache = cache_mem_new(1 << 20);
    b->judge = (struct judge){.policy = b->policy,
                              .grader = b->grader,
                              .cache = b->cache,
                              .clock = &b->clock.clock,
                              .canaries = b->canaries};
    canaries_start(b->canaries, b->grader, &b->clock.clock);
    return b;
}

static void bench_free(struct bench *b)
{
    canaries_free(b->canaries);
    (void)grader_free(b->grader);
    fixture_transport_done(&b->server);
    cache_free(b->cache);
    policy_free(b->policy);
    mem_free(b);
}

static void run(struct bench *b)
{
    int64_t until = b->clock.now_us + 10 * SECOND;
    fixture_run(&b->server, tick, b, until);
    b->clock.now_us = until;
}

static void on_judged(struct judge_req *req)
{
    (void)req;
}

/* One record of its own, with all that is asked about it. */
static void judge_one(struct bench *b)
{
    struct grading_record r;
    struct arena arena;
    char text[32];
    int n = snprintf(text, sizeof(text), "text %zu", b->records++);
    arena_init(&arena, 1 << 20);
    struct judge_req req = {.record = grading_record(&r, STR("u"), (struct str){text, (size_t)n}),
                            .arena = &arena,
                            .deadline_us = b->clock.now_us + 5 * SECOND,
                            .expires_us = CLOCK_NEVER,
                            .done = on_judged};
    if (!judge_start(&b->judge, &req))
        run(b);
    if (req.asking) { /* a failed round came first: it would wait for ever */
        judge_cancel(&req);
        run(b);
    }
    arena_done(&arena);
}

static struct canaries_stats stats(const struct bench *b)
{
    return *canaries_stats(b->canaries);
}

/* ---- rounds -----------------------------------------------------------------------------------
 */

static void there_is_a_round_at_the_start_and_each_so_many_records(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(HONEST, false, 0);
    assert_true(judge_can_take(&b->judge)); /* an alarm holds up nothing */
    run(b);
    assert_int_equal(stats(b).rounds, 1);
    assert_int_equal(stats(b).answers, ANSWERS);
    assert_int_equal(stats(b).wrong + stats(b).failed, 0);
    for (int i = 0; i < 9; i++)
        judge_one(b);
    assert_int_equal(stats(b).rounds, 1);
    judge_one(b);
    run(b);
    assert_int_equal(stats(b).rounds, 2);
    for (int i = 0; i < 30; i++)
        judge_one(b);
    run(b);
    assert_int_equal(stats(b).rounds, 5);
    assert_int_equal(stats(b).failed, 0);
    bench_free(b);
}

static void records_that_are_not_asked_about_are_not_counted(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(HONEST, false, 0);
    run(b);
    judge_one(b);
    for (int i = 0; i < 100; i++) {
        b->records = 0; /* the same again: its judgments are kept */
        judge_one(b);
    }
    assert_int_equal(stats(b).rounds, 1);
    bench_free(b);
}

static void they_are_asked_each_time_and_never_kept(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(HONEST, false, 0);
    run(b);
    assert_int_equal(b->keys_asked, 3);
    assert_int_equal(b->cache->stats.stored, 0);
    /* Somebody's record is the same, and its judgments are kept. */
    struct grading_record r;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct judge_req req = {.record = grading_record(&r, STR("u"), STR("Thought process:")),
                            .arena = &arena,
                            .deadline_us = CLOCK_NEVER,
                            .expires_us = CLOCK_NEVER,
                            .done = on_judged};
    assert_false(judge_start(&b->judge, &req));
    run(b);
    assert_int_equal(b->cache->stats.stored, 6);
    uint64_t asked = b->keys_asked;
    for (int i = 0; i < 10; i++)
        judge_one(b);
    run(b);
    assert_int_equal(stats(b).rounds, 2);
    assert_int_equal(b->keys_asked, asked + 3);
    arena_done(&arena);
    bench_free(b);
}

/* ---- alarms -----------------------------------------------------------------------------------
 */

static void a_gullible_grader_raises_the_alarm_within_one_period(void **state RBR_UNUSED)
{
    struct captured log;
    struct bench *b = bench_new(HONEST, false, 0);
    run(b);
    for (int i = 0; i < 3; i++)
        judge_one(b);
    b->manner = GULLIBLE;
    captured_begin(&log);
    for (int i = 0; i < 10; i++)
        judge_one(b);
    run(b);
    captured_end(&log);
    assert_int_equal(stats(b).failed, 1);
    assert_int_equal(stats(b).wrong, WRONG_OF_GULLIBLE);
    assert_int_equal(captured_count(&log, " error canary.failed "), 1);
    assert_non_null(strstr(log.text, "3 of 4 answers are wrong, first of canary 'key-1' to q0: "
                                     "P(yes) is 0.900; "));
    assert_non_null(strstr(log.text, "records were asked about since 2023-11-14T"));
    assert_true(judge_can_take(&b->judge) && judge_lets_out(&b->judge));
    b->manner = HONEST;
    captured_begin(&log);
    for (int i = 0; i < 20; i++)
        judge_one(b);
    run(b);
    captured_end(&log);
    assert_int_equal(stats(b).failed, 1);
    assert_int_equal(captured_count(&log, "canary.passed"), 1);
    bench_free(b);
}

static void yes_to_everything_and_no_to_everything_are_wrong(void **state RBR_UNUSED)
{
    static const struct {
        enum manner manner;
        uint64_t wrong;
    } cases[] = {{YES, 3}, {NO, 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new(cases[i].manner, false, 0);
        run(b);
        assert_int_equal(stats(b).failed, 1);
        assert_int_equal(stats(b).wrong, cases[i].wrong);
        bench_free(b);
    }
}

static void as_many_as_are_tolerated_may_be_wrong(void **state RBR_UNUSED)
{
    static const struct {
        uint64_t tolerance;
        bool fails;
    } cases[] = {{0, true}, {249999, true}, {250000, false}, {1000000, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new(NO, true, cases[i].tolerance); /* one of four is wrong */
        run(b);
        assert_int_equal(stats(b).failed, cases[i].fails);
        assert_int_equal(judge_lets_out(&b->judge), !cases[i].fails);
        bench_free(b);
    }
}

static void what_gets_no_answer_is_not_wrong(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(SILENT, true, 0);
    run(b);
    assert_int_equal(stats(b).rounds, 1);
    assert_int_equal(stats(b).failed + stats(b).answers, 0);
    assert_int_equal(stats(b).unanswered, ANSWERS);
    assert_false(judge_can_take(&b->judge)); /* it has not shown anything yet */
    b->manner = HONEST;
    for (int i = 0; i < 7; i++) /* again after a minute */
        run(b);
    assert_int_equal(stats(b).rounds, 2);
    assert_true(judge_can_take(&b->judge));
    bench_free(b);
}

/* ---- stop -------------------------------------------------------------------------------------
 */

static void stop_reads_nothing_before_a_round_has_passed(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(HONEST, true, 0);
    assert_false(judge_can_take(&b->judge));
    run(b);
    assert_true(judge_can_take(&b->judge) && judge_lets_out(&b->judge));
    bench_free(b);
}

static void stop_asks_and_lets_out_nothing_more(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(HONEST, true, 0);
    run(b);
    b->manner = YES;
    for (int i = 0; i < 10; i++)
        judge_one(b);
    run(b);
    assert_int_equal(stats(b).failed, 1);
    assert_false(judge_can_take(&b->judge) || judge_lets_out(&b->judge));
    assert_int_equal(grader_held(b->grader), GRADER_HELD_BY_ORDER);
    /* A record that was read before waits: it is not asked about, and does not expire. */
    struct grading_record r;
    struct arena arena;
    uint64_t requests = b->server.requests;
    arena_init(&arena, 1 << 20);
    struct judge_req req = {.record = grading_record(&r, STR("u"), STR("late")),
                            .arena = &arena,
                            .deadline_us = b->clock.now_us + SECOND,
                            .expires_us = CLOCK_NEVER,
                            .done = on_judged};
    assert_false(judge_start(&b->judge, &req));
    b->manner = HONEST;
    for (int i = 0; i < 100; i++)
        run(b);
    assert_int_equal(b->server.requests, requests);
    assert_true(req.asking);
    judge_cancel(&req);
    run(b);
    assert_false(req.asking);
    assert_int_equal(stats(b).rounds, 2);
    arena_done(&arena);
    bench_free(b);
}

static void a_round_on_its_way_can_be_cancelled(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(HONEST, false, 0);
    (void)tick(b);
    assert_false(canaries_idle(b->canaries));
    assert_int_equal(b->server.in_flight, 4);
    canaries_cancel(b->canaries);
    run(b);
    assert_true(canaries_idle(b->canaries));
    assert_int_equal(stats(b).rounds, 0);
    bench_free(b);
}

/* ---- the file ---------------------------------------------------------------------------------
 */

static void wrong_lines_are_refused_by_name(void **state RBR_UNUSED)
{
#define LINE(propositions) "{\"id\":\"c\",\"prompt\":\"u\",\"completion\":\"x\"" propositions "}"
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"{", "the JSON text ends inside a value"},
        {LINE(""), "no `propositions`"},
        {LINE(",\"propositions\":{}"), "no `propositions`"},
        {LINE(",\"propositions\":{\"q9\":true}"), "the policy does not ask 'q9'"},
        {LINE(",\"propositions\":{\"q0\":0.7}"), "'q0' is neither true nor false"},
        {LINE(",\"propositions\":{\"q0\":true,\"short\":true}"), "'short' is a check"},
    };
    const struct canaries_config config = {.every = 1};
    struct policy *policy = grading_policy(
        "policy: {id: p}\nprompt_template: \"{response} {question}\"\n"
        "completion_class_order: [good, bad]\ncompletion_classes:\n"
        "  good: {plain: {q0: true, short: true}}\n"
        "  bad: {plain: {not: {q0: true, short: true}}}\n"
        "simple_propositions: {q0: {prompt: \"Is it so?\"}, short: {check: {max_chars: 4}}}\n");
    struct canaries *c = canaries_new(policy, &config);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        assert_int_not_equal(canaries_add(c, str_z(cases[i].line), &err), ERR_OK);
        if (strstr(err.msg, cases[i].says) == NULL)
            fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
    }
    assert_int_equal(canaries_count(c), 0);
    for (size_t i = 0; i < CANARIES_MAX; i++)
        assert_int_equal(canaries_add(c, STR(LINE(",\"propositions\":{\"q0\":true}")), NULL),
                         ERR_OK);
    assert_int_equal(canaries_add(c, STR(LINE(",\"propositions\":{\"q0\":true}")), NULL),
                     ERR_LIMIT);
    canaries_free(c);
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_a_round_at_the_start_and_each_so_many_records),
        cmocka_unit_test(records_that_are_not_asked_about_are_not_counted),
        cmocka_unit_test(they_are_asked_each_time_and_never_kept),
        cmocka_unit_test(a_gullible_grader_raises_the_alarm_within_one_period),
        cmocka_unit_test(yes_to_everything_and_no_to_everything_are_wrong),
        cmocka_unit_test(as_many_as_are_tolerated_may_be_wrong),
        cmocka_unit_test(what_gets_no_answer_is_not_wrong),
        cmocka_unit_test(stop_reads_nothing_before_a_round_has_passed),
        cmocka_unit_test(stop_asks_and_lets_out_nothing_more),
        cmocka_unit_test(a_round_on_its_way_can_be_cancelled),
        cmocka_unit_test(wrong_lines_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("canary", tests, NULL, NULL);
}
