/* join: equal questions at the same time. */
#include "grader_bench.h"

/* Another completion. */
static void build_prompt(struct bench *b, const struct policy *policy, const char *completion,
                         struct prompt *ret)
{
    struct grading_record record;
    assert_int_equal(
        prompt_build(&b->arena, policy, grading_record(&record, STR("u"), str_z(completion)), ret),
        ERR_OK);
}

static struct group *ask_named(struct bench *b, size_t i, size_t n)
{
    return ask_about(b, &b->prompt, true, i, n, CLOCK_NEVER);
}

static struct grader_stats stats(const struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    return s;
}

/* Graded by the answer to another's request. */
static void expect_joined(const struct group *g, size_t first, size_t end)
{
    assert_int_equal(g->done, 1);
    for (size_t q = first; q < end; q++) {
        assert_int_equal(g->judgments[q].status, JUDGMENT_GRADED);
        assert_true(g->judgments[q].cached);
        assert_int_equal(g->judgments[q].attempts, 0);
        assert_true(fabs(g->judgments[q].probability - 0.75) < 1e-12);
        assert_true(fabs(g->judgments[q].mass - 1) < 1e-12);
    }
}

static void equal_questions_are_asked_once(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->good_from = 0;
    struct group *first = ask_named(b, 0, 4);
    struct group *queued = ask_named(b, 1, 4);
    (void)tick(b);
    struct group *sent = ask_named(b, 2, 4);
    run(b);
    expect(first, REASON_NONE, 1);
    assert_false(first->judgments[0].cached);
    expect_joined(queued, 0, 4);
    expect_joined(sent, 0, 4);
    assert_int_equal(b->server.requests, 4);
    assert_int_equal(stats(b).requests, 4);
    assert_int_equal(stats(b).judgments, 12);
    assert_int_equal(stats(b).joined, 8);
    bench_free(b);
}

/* What was paid is in the message of the one that paid; the model is in both. */
static void the_joined_are_not_charged(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->good_from = 0;
    (void)ask_named(b, 0, 2);
    const struct grader_use *use = &ask_named(b, 1, 2)->group.use;
    run(b);
    assert_int_equal(use->requests + use->retries + use->failures, 0);
    assert_int_equal(use->used.input_tokens + use->used.output_tokens + use->used.unknown, 0);
    assert_string_equal(use->response_model, "m-1");
    bench_free(b);
}

static void another_completion_and_nameless_questions_are_asked(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    struct prompt other;
    b->good_from = 0;
    build_prompt(b, b->policy, "another answer", &other);
    (void)ask_named(b, 0, 3);
    (void)ask_about(b, &other, true, 1, 3, CLOCK_NEVER);
    (void)ask(b, 2, 3, CLOCK_NEVER);
    run(b);
    assert_int_equal(b->server.requests, 9);
    assert_int_equal(stats(b).joined, 0);
    bench_free(b);
}

static void only_what_nobody_asks_is_asked(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->good_from = 0;
    (void)ask_named(b, 0, 2);
    struct group *more = ask_named(b, 1, 5);
    struct group *again = ask_named(b, 2, 5);
    run(b);
    expect_joined(more, 0, 2);
    assert_false(more->judgments[2].cached);
    assert_int_equal(more->group.use.requests, 3);
    expect_joined(again, 0, 5); /* of two others */
    assert_int_equal(b->server.requests, 5);
    bench_free(b);
}

/* After the answer nobody asks any more: whoever comes then asks (or finds it in the cache). */
static void what_was_answered_is_not_in_flight(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->good_from = 0;
    (void)ask_named(b, 0, 1);
    run(b);
    struct group *late = ask_named(b, 1, 1);
    run(b);
    expect(late, REASON_NONE, 1);
    assert_false(late->judgments[0].cached);
    bench_free(b);
}

/* ---- the first does not get its answer --------------------------------------------------------
 */

static void the_end_of_the_firsts_time_does_not_hurt_the_second(void **state RBR_UNUSED)
{
    enum { QUEUED, SENT, CASES };
    for (int i = QUEUED; i < CASES; i++) {
        struct bench *b = bench_new(1, 1);
        b->reply.delay_us = CLOCK_NEVER;
        b->good_from = 1;
        if (i == QUEUED)
            (void)ask(b, 2, 1, b->clock.now_us + 2 * SECOND); /* takes the only place */
        struct group *first = ask_about(b, &b->prompt, true, 0, 1, b->clock.now_us + SECOND);
        struct group *second = ask_about(b, &b->prompt, true, 1, 1, b->clock.now_us + 3 * SECOND);
        run(b);
        expect(first, REASON_DEADLINE, i == SENT);
        expect(second, REASON_NONE, 1);
        assert_false(second->judgments[0].cached);
        assert_int_equal(stats(b).joined, 0);
        bench_free(b);
    }
}

static void cancelling_the_first_does_not_hurt_the_others(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    struct group *others[10];
    b->reply.delay_us = CLOCK_NEVER;
    b->good_from = 2;
    struct group *first = ask_named(b, 0, 2);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        others[i] = ask_named(b, 1 + i, 2);
    (void)tick(b);
    grader_cancel(&first->group);
    run(b);
    expect(first, REASON_DEADLINE, 1);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        expect(others[i], REASON_NONE, 1);
    bench_free(b);
}

/* Each has its own attempts, as if it had been alone; nobody waits for a second one. */
static void what_fails_the_first_is_tried_by_the_others(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->reply = (struct fixture_reply){.delay_us = SECOND, .status = 400};
    struct group *g[3];
    for (size_t i = 0; i < 3; i++)
        g[i] = ask_named(b, i, 1);
    run(b);
    for (size_t i = 0; i < 3; i++) {
        expect(g[i], REASON_GRADER_REJECTED, 1);
        assert_int_equal(g[i]->done_us, 5 * SECOND + (i == 0 ? 1 : 2) * SECOND);
    }
    bench_free(b);
}

static void retries_of_the_first_are_waited_for(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->reply = (struct fixture_reply){.delay_us = 1000, .status = 503};
    b->good_from = 2;
    struct group *first = ask_named(b, 0, 1), *second = ask_named(b, 1, 1);
    run(b);
    expect(first, REASON_NONE, 3);
    expect_joined(second, 0, 1);
    assert_int_equal(b->server.requests, 3);
    bench_free(b);
}

static void an_outage_ends_for_both_with_one_answer(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->reply = (struct fixture_reply){.delay_us = 1000, .outcome = TRANSPORT_CONNECT};
    b->dead = true;
    struct group *first = ask_named(b, 0, 1), *second = ask_named(b, 1, 1);
    fixture_run(&b->server, tick, b, b->clock.now_us + 60 * SECOND);
    assert_true(grader_is_down(b->grader));
    b->good_from = 0;
    run(b);
    assert_int_equal(first->judgments[0].status, JUDGMENT_GRADED);
    expect_joined(second, 0, 1);
    bench_free(b);
}

/* ---- the second is given up -------------------------------------------------------------------
 */

static void giving_up_the_second_leaves_the_first_alone(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->good_from = 0;
    struct group *first = ask_named(b, 0, 3), *second = ask_named(b, 1, 3);
    struct group *late = ask_about(b, &b->prompt, true, 2, 3, b->clock.now_us + 1000);
    (void)tick(b);
    grader_cancel(&second->group);
    run(b);
    expect(first, REASON_NONE, 1);
    expect(second, REASON_DEADLINE, 0);
    expect(late, REASON_DEADLINE, 0);
    assert_int_equal(b->server.cancelled, 0);
    bench_free(b);
}

/* What the first has in the air may still answer the second, what waits there may not: it would not
 * be asked for the second either. */
static void winding_down_waits_for_what_is_in_the_air(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 1);
    b->good_from = 0;
    (void)ask_named(b, 0, 2);
    struct group *second = ask_named(b, 1, 2);
    (void)tick(b);
    grader_wind_down(&second->group);
    run(b);
    expect_joined(second, 0, 1);
    assert_int_equal(second->judgments[1].reason, REASON_DEADLINE);
    bench_free(b);
}

static void a_second_that_winds_down_does_not_ask(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->reply = (struct fixture_reply){.delay_us = SECOND, .status = 400};
    (void)ask_named(b, 0, 1);
    struct group *second = ask_named(b, 1, 1);
    (void)tick(b);
    grader_wind_down(&second->group);
    run(b);
    expect(second, REASON_DEADLINE, 0);
    assert_int_equal(b->server.requests, 1);
    bench_free(b);
}

/* ---- two policies -----------------------------------------------------------------------------
 */

/* Their digests are equal, the mass that each wants is not. */
static void an_answer_too_weak_for_its_policy_is_not_taken(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    struct policy *strict = grading_policy(
        GRADING_POLICY("R: {response}\\nQ: {question}", "grading: {min_mass: 0.9}\n"));
    struct prompt prompt;
    build_prompt(b, strict, "a", &prompt);
    char body[1024];
    b->reply = (struct fixture_reply){
        .delay_us = 1000, .status = 200, .body = fixture_chat(body, 0.6, 0.2)};
    struct group *first = ask_named(b, 0, 1);
    struct group *second = ask_about(b, &prompt, true, 1, 1, CLOCK_NEVER);
    assert_memory_equal(first->judgments[0].digest, second->judgments[0].digest,
                        JUDGMENT_DIGEST_BYTES);
    run(b);
    expect(first, REASON_NONE, 1);
    expect(second, REASON_LOW_PROBABILITY_MASS, 1);
    bench_free(b);
    policy_free(strict);
}

/* ---- chance -----------------------------------------------------------------------------------
 */

static void check_ended(const struct group *g, size_t asked)
{
    assert_int_equal(g->done, 1);
    for (size_t q = 0; q < asked; q++) {
        const struct judgment *j = &g->judgments[q];
        assert_true(j->status == JUDGMENT_GRADED || j->status == JUDGMENT_UNGRADED);
        assert_int_equal(j->reason == REASON_NONE, j->status == JUDGMENT_GRADED);
        assert_true(!j->cached || j->status == JUDGMENT_GRADED);
    }
}

/* Few completions, many groups, all faults: every question ends once, and what one group does never
 * keeps another from its own. */
static void under_random_faults_every_question_ends(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed(), joined = 0;
    for (int run_no = 0; run_no < 60; run_no++, seed++) {
        struct bench *b = mem_alloc(sizeof(*b));
        struct rng rng;
        struct prompt prompts[3];
        size_t n = 200, asked[200];
        rng_init(&rng, seed);
        b->max_in_flight = 1 + rng_below(&rng, 40);
        struct grader_config config = config_of(b, 1 + rng_below(&rng, ENDPOINTS_MAX));
        config.warm_from = rng_below(&rng, 2);
        start(b, &config, seed);
        b->chaos = true;
        for (size_t i = 0; i < ARRAY_LEN(prompts); i++)
            build_prompt(b, b->policy, (const char *[]){"x", "y", "z"}[i], &prompts[i]);
        for (size_t i = 0; i < n; i++) {
            int64_t time = 1 + (int64_t)rng_below(&rng, (uint64_t)(40 * SECOND));
            asked[i] = rng_below(&rng, QUESTIONS + 1);
            (void)ask_about(b, &prompts[rng_below(&rng, 3)], rng_below(&rng, 10) > 0, i, asked[i],
                            rng_below(&rng, 3) == 0 ? CLOCK_NEVER : b->clock.now_us + time);
            fixture_run(&b->server, tick, b,
                        b->clock.now_us + (int64_t)rng_below(&rng, (uint64_t)(SECOND / 4)));
            struct group *one = &b->groups[rng_below(&rng, i + 1)];
            if (rng_below(&rng, 4) == 0 && one->done == 0)
                (rng_below(&rng, 2) == 0 ? grader_cancel : grader_wind_down)(&one->group);
        }
        run(b);
        for (size_t i = 0; i < n; i++)
            check_ended(&b->groups[i], asked[i]);
        joined += stats(b).joined;
        bench_free(b);
    }
    assert_true(joined > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_questions_are_asked_once),
        cmocka_unit_test(the_joined_are_not_charged),
        cmocka_unit_test(another_completion_and_nameless_questions_are_asked),
        cmocka_unit_test(only_what_nobody_asks_is_asked),
        cmocka_unit_test(what_was_answered_is_not_in_flight),
        cmocka_unit_test(the_end_of_the_firsts_time_does_not_hurt_the_second),
        cmocka_unit_test(cancelling_the_first_does_not_hurt_the_others),
        cmocka_unit_test(what_fails_the_first_is_tried_by_the_others),
        cmocka_unit_test(retries_of_the_first_are_waited_for),
        cmocka_unit_test(an_outage_ends_for_both_with_one_answer),
        cmocka_unit_test(giving_up_the_second_leaves_the_first_alone),
        cmocka_unit_test(winding_down_waits_for_what_is_in_the_air),
        cmocka_unit_test(a_second_that_winds_down_does_not_ask),
        cmocka_unit_test(an_answer_too_weak_for_its_policy_is_not_taken),
        cmocka_unit_test(under_random_faults_every_question_ends),
    };
    return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
