/* Endpoints that answer well-formed replies of no use, through the grader on virtual time: no
 * logprobs, another model, little mass on the labels. Nobody's answer is lost to one of several. */
#include "grader_bench.h"

static const struct str blind =
    STR_INIT("{\"model\":\"m-1\",\"choices\":[{\"message\":{\"content\":\"Yes\"},"
             "\"logprobs\":null}]}");

static struct grader_stats stats(const struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    return s;
}

static void run_for(struct bench *b, int64_t us)
{
    int64_t until = b->clock.now_us + us;
    fixture_run(&b->server, tick, b, until);
    b->clock.now_us = until;
}

/* `n` groups of one question, from the i-th on, and the time to answer them. */
static void ask_many(struct bench *b, size_t i, size_t n)
{
    for (size_t k = i; k < i + n; k++)
        (void)ask(b, k, 1, CLOCK_NEVER);
    run_for(b, 30 * SECOND);
}

static void break_one(struct bench *b, size_t endpoint, struct fixture_reply reply)
{
    b->reply = reply;
    b->broken = endpoint;
    b->dead = true;
    b->good_from = UINT64_MAX;
}

static void heal(struct bench *b)
{
    b->dead = false;
    b->good_from = 0;
    b->broken = SIZE_MAX;
}

static struct fixture_reply other_model(void)
{
    static char text[1024];
    struct str body = fixture_chat(text, 0.01, 0.99);
    size_t at = str_find(body, STR("m-1"), 0);
    text[at + 2] = '2';
    return (struct fixture_reply){.delay_us = 5000, .status = 200, .body = body};
}

static struct fixture_reply little_mass(void)
{
    static char text[1024];
    return (struct fixture_reply){
        .delay_us = 5000, .status = 200, .body = fixture_chat(text, 0.1, 0.05)};
}

static void all_are_graded(const struct bench *b, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        const struct judgment *j = &b->groups[i].judgments[0];
        if (j->status != JUDGMENT_GRADED || fabs(j->probability - 0.75) > 1e-9)
            fail_msg("question %zu: %s, P %g after %u attempts", i, reason_name(j->reason),
                     j->probability, j->attempts);
    }
}

/* It is left alone but for probes, nobody's answer is its, and it is back when it is well. */
static void one_of_four(struct fixture_reply reply)
{
    struct bench *b = bench_new(4, 20);
    heal(b);
    ask_many(b, 0, 400);
    break_one(b, 1, reply);
    uint64_t before = b->endpoints[1].requests;
    ask_many(b, 400, 600);
    all_are_graded(b, 0, 1000);
    assert_true(b->endpoints[1].requests > before);
    assert_int_equal(stats(b).endpoints_working, 3);
    uint64_t requests = b->endpoints[1].requests, probes = b->probes;
    ask_many(b, 1000, 600);
    all_are_graded(b, 1000, 600);
    assert_int_equal(b->endpoints[1].requests - requests, b->probes - probes);
    heal(b);
    run_for(b, 60 * SECOND);
    assert_int_equal(stats(b).endpoints_working, 4);
    ask_many(b, 1600, 400);
    all_are_graded(b, 1600, 400);
    assert_true(b->endpoints[1].requests - requests > 50);
    assert_int_equal(stats(b).outages, 0);
    bench_free(b);
}

static void one_without_logprobs_is_left_alone(void **state RBR_UNUSED)
{
    one_of_four((struct fixture_reply){.delay_us = 5000, .status = 200, .body = blind});
}

static void one_with_another_model_is_left_alone(void **state RBR_UNUSED)
{
    one_of_four(other_model());
}

/* The model has another name in requests than in replies. */
static struct bench *aliased(size_t endpoints)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = 20;
    struct grader_config config = config_of(b, endpoints);
    config.ask.model = STR("alias");
    start(b, &config, 7);
    return b;
}

/* From the beginning, when nobody knows yet which is right. */
static void another_model_from_the_beginning_judges_nothing(void **state RBR_UNUSED)
{
    for (size_t broken = 0; broken < ENDPOINTS_MAX; broken++) {
        struct bench *b = aliased(4);
        break_one(b, broken, other_model());
        ask_many(b, 0, 400);
        all_are_graded(b, 0, 400);
        assert_true(b->endpoints[broken].requests > 0);
        assert_int_equal(stats(b).endpoints_working, 3);
        bench_free(b);
    }
}

/* Who is the last to be asked is believed. */
static void without_agreement_questions_are_answered_all_the_same(void **state RBR_UNUSED)
{
    struct bench *b = aliased(2);
    break_one(b, 1, other_model());
    ask_many(b, 0, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(b->groups[i].judgments[0].status, JUDGMENT_GRADED);
        assert_true(b->groups[i].judgments[0].attempts <= 2);
    }
    assert_int_equal(stats(b).endpoints_working, 2);
    bench_free(b);
}

/* Its answers are low, not wrong: a few are taken for the questions' own, at the beginning. */
static void one_with_little_mass_is_left_alone(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 20);
    heal(b);
    ask_many(b, 0, 400);
    break_one(b, 1, little_mass());
    ask_many(b, 400, 800);
    size_t low = 0;
    for (size_t i = 400; i < 1200; i++)
        low += b->groups[i].judgments[0].reason == REASON_LOW_PROBABILITY_MASS;
    assert_in_range(low, 0, 8);
    assert_int_equal(stats(b).endpoints_working, 3);
    ask_many(b, 1200, 400);
    all_are_graded(b, 1200, 400);
    heal(b);
    run_for(b, 60 * SECOND);
    assert_int_equal(stats(b).endpoints_working, 4);
    bench_free(b);
}

/* From the beginning: nobody knows yet which is right. */
static void one_with_little_mass_from_the_beginning_costs_nobody(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 20);
    break_one(b, 1, little_mass());
    ask_many(b, 0, 1000);
    all_are_graded(b, 0, 1000);
    assert_int_equal(stats(b).endpoints_working, 3);
    bench_free(b);
}

/* Low by themselves: on all endpoints, and the known question is not. No endpoint is lost. */
static void questions_with_little_mass_are_their_own(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 20);
    b->poison = STR("Does it answer");
    b->reply = little_mass();
    ask_many(b, 0, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(b->groups[i].judgments[0].reason, REASON_LOW_PROBABILITY_MASS);
        assert_float_equal(b->groups[i].judgments[0].mass, 0.15, 1e-9);
    }
    assert_int_equal(stats(b).endpoints_working, 4);
    assert_in_range(stats(b).requests, 1000, 1100);
    bench_free(b);
}

/* A misconfiguration: nothing fails, and the words say what to do. */
static void none_with_logprobs_is_down(void **state RBR_UNUSED)
{
    for (size_t n = 1; n <= ENDPOINTS_MAX; n++) {
        char words[GRADER_WORDS_MAX];
        struct bench *b = bench_new(n, 20);
        b->reply = (struct fixture_reply){.delay_us = 5000, .status = 200, .body = blind};
        b->dead = true;
        ask_many(b, 0, 10);
        assert_true(grader_is_down(b->grader));
        assert_int_equal(stats(b).judgments, 0);
        grader_explain(b->grader, words);
        assert_non_null(strstr(words, "no logprobs"));
        assert_non_null(strstr(words, "mode: verdict or sample"));
        heal(b);
        run(b);
        all_are_graded(b, 0, 10);
        bench_free(b);
    }
}

static struct fixture_reply most_are_blind(void *arg, const struct fixture_call *call)
{
    struct bench *b = arg;
    if (call->endpoint == 2 || !b->dead)
        return good(20000);
    return (struct fixture_reply){.delay_us = 5000, .status = 200, .body = blind};
}

/* No more than half are left alone, but the one that works judges all. */
static void three_of_four_without_logprobs_fail_nobody(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 20);
    b->server.answer = most_are_blind;
    b->dead = true;
    ask_many(b, 0, 1000);
    all_are_graded(b, 0, 1000);
    assert_int_equal(stats(b).endpoints_working, 2);
    assert_int_equal(stats(b).outages, 0);
    b->dead = false;
    run_for(b, 60 * SECOND);
    assert_int_equal(stats(b).endpoints_working, 4);
    bench_free(b);
}

/* The same name for whatever it serves, or names that change: nobody to compare it with. */
static void a_single_endpoint_may_name_what_it_likes(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 20);
    heal(b);
    (void)ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    break_one(b, 0, other_model());
    (void)ask(b, 1, 1, CLOCK_NEVER);
    run(b);
    expect(&b->groups[1], REASON_NONE, 1);
    assert_float_equal(b->groups[1].judgments[0].probability, 0.01, 1e-9);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_without_logprobs_is_left_alone),
        cmocka_unit_test(one_with_another_model_is_left_alone),
        cmocka_unit_test(another_model_from_the_beginning_judges_nothing),
        cmocka_unit_test(without_agreement_questions_are_answered_all_the_same),
        cmocka_unit_test(one_with_little_mass_is_left_alone),
        cmocka_unit_test(one_with_little_mass_from_the_beginning_costs_nobody),
        cmocka_unit_test(questions_with_little_mass_are_their_own),
        cmocka_unit_test(none_with_logprobs_is_down),
        cmocka_unit_test(three_of_four_without_logprobs_fail_nobody),
        cmocka_unit_test(a_single_endpoint_may_name_what_it_likes),
    };
    return cmocka_run_group_tests_name("flaws", tests, NULL, NULL);
}
