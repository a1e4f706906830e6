/* grader: groups of questions on virtual time, against a server that the test scripts. */
#include "grader_bench.h"

#include "grader/retry.h"

/* ---- the good case ----------------------------------------------------------------------------
 */

static void a_group_is_graded_and_accounted_for(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    struct grader_stats s;
    b->good_from = 0;
    struct group *g = ask(b, 0, 4, CLOCK_NEVER);
    grader_stats(b->grader, &s);
    assert_int_equal(s.queued, 4);
    run(b);
    expect(g, REASON_NONE, 1);
    for (size_t q = 0; q < 4; q++) {
        assert_int_equal(g->judgments[q].status, JUDGMENT_GRADED);
        assert_true(fabs(g->judgments[q].probability - 0.75) < 1e-12);
        assert_true(fabs(g->judgments[q].mass - 1) < 1e-12);
        assert_int_equal(g->judgments[q].latency_ms, 20);
    }
    assert_int_equal(g->judgments[4].status, JUDGMENT_NOT_ASKED);
    const struct grader_use *use = &g->group.use;
    assert_int_equal(use->requests, 4);
    assert_int_equal(use->retries + use->failures, 0);
    assert_int_equal(use->used.input_tokens, 400);
    assert_int_equal(use->used.cached_input_tokens, 256);
    assert_int_equal(use->used.output_tokens, 4);
    assert_string_equal(use->response_model, "m-1");
    grader_stats(b->grader, &s);
    assert_int_equal(s.requests, 4);
    assert_int_equal(s.replies, 4);
    assert_int_equal(s.judgments, 4);
    assert_int_equal(s.ungraded, 0);
    assert_int_equal(s.limit, 100);
    bench_free(b);
}

static void nothing_to_ask_is_done_by_the_next_tick(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    struct group *g = ask(b, 0, 0, b->clock.now_us + SECOND);
    assert_int_equal(g->done, 0);
    (void)tick(b);
    assert_int_equal(g->done, 1);
    assert_int_equal(b->server.requests, 0);
    bench_free(b);
}

/* ---- failures ---------------------------------------------------------------------------------
 */

/* Alone, and nothing else is answered: what may be the server's doing has its attempts twice, with
 * a probe in between that shows the server works. */
static void each_failure_has_its_attempts_and_reason(void **state RBR_UNUSED)
{
    static const struct {
        enum transport_outcome outcome;
        int status;
        enum reason reason;
        uint32_t attempts;
    } cases[] = {
        {TRANSPORT_REPLY, 400, REASON_GRADER_REJECTED, 1},
        {TRANSPORT_REPLY, 401, REASON_GRADER_REJECTED, 2},
        {TRANSPORT_REPLY, 403, REASON_GRADER_REJECTED, 2},
        {TRANSPORT_REPLY, 404, REASON_GRADER_REJECTED, 2},
        {TRANSPORT_REPLY, 413, REASON_GRADER_REJECTED, 1},
        {TRANSPORT_REPLY, 422, REASON_GRADER_REJECTED, 1},
        {TRANSPORT_REPLY, 302, REASON_GRADER_REJECTED, 2},
        {TRANSPORT_REPLY, 408, REASON_GRADER_TIMEOUT, 6},
        {TRANSPORT_REPLY, 429, REASON_GRADER_RATE_LIMITED, 6},
        {TRANSPORT_REPLY, 500, REASON_GRADER_UNAVAILABLE, 6},
        {TRANSPORT_REPLY, 503, REASON_GRADER_UNAVAILABLE, 6},
        {TRANSPORT_REPLY, 529, REASON_GRADER_UNAVAILABLE, 6},
        {TRANSPORT_REPLY, 200, REASON_UNPARSEABLE_VERDICT, 6}, /* a body that is no reply */
        {TRANSPORT_CONNECT, 0, REASON_GRADER_UNAVAILABLE, 6},
        {TRANSPORT_RESET, 0, REASON_GRADER_UNAVAILABLE, 6},
        {TRANSPORT_TOO_LARGE, 0, REASON_UNPARSEABLE_VERDICT, 6},
        {TRANSPORT_BAD_REPLY, 0, REASON_UNPARSEABLE_VERDICT, 6},
        {TRANSPORT_TIMEOUT, 0, REASON_GRADER_TIMEOUT, 3}, /* probed after the first */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new(1, 10);
        bool hangs = cases[i].outcome == TRANSPORT_TIMEOUT;
        b->reply = (struct fixture_reply){.delay_us = hangs ? CLOCK_NEVER : 1000,
                                          .outcome = cases[i].outcome,
                                          .status = cases[i].status,
                                          .body = STR("{}")};
        struct group *g = ask(b, 0, 1, CLOCK_NEVER);
        run(b);
        expect(g, cases[i].reason, cases[i].attempts);
        assert_int_equal(g->group.use.requests, cases[i].attempts);
        assert_true(cases[i].attempts == 1 ? b->probes == 0 : b->probes >= 2);
        assert_int_equal(g->group.use.failures, cases[i].attempts);
        assert_true(g->judgments[0].probability == 0);
        bench_free(b);
    }
}

/* As above, among others that are answered: the attempts are those of the settings. */
static void failures_among_answers_are_the_questions_own(void **state RBR_UNUSED)
{
    static const struct fixture_reply replies[] = {
        {.delay_us = 1000, .status = 500},
        {.delay_us = 1000, .status = 503},
        {.delay_us = 1000, .outcome = TRANSPORT_RESET},
        {.delay_us = 1000, .status = 200, .body = STR_INIT("<html>")},
    };
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        struct bench *b = bench_new(1, 10);
        b->reply = replies[i];
        b->poison = STR("rude"); /* the second question */
        struct group *g = ask(b, 0, 2, CLOCK_NEVER);
        for (size_t k = 1; g->done == 0; k++) {
            int64_t until = b->clock.now_us + SECOND / 100;
            (void)ask(b, k, 1, CLOCK_NEVER);
            fixture_run(&b->server, tick, b, until);
            b->clock.now_us = until;
        }
        run(b);
        expect(g, REASON_NONE, 1);
        assert_int_equal(g->judgments[1].status, JUDGMENT_UNGRADED);
        assert_int_equal(g->judgments[1].attempts, 3);
        assert_in_range(b->probes, 1, 2);
        bench_free(b);
    }
}

static void an_answer_after_failures_counts_in_full(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    b->reply = (struct fixture_reply){.delay_us = 1, .status = 200, .body = STR("<html>")};
    b->good_from = 2;
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    expect(g, REASON_NONE, 3); /* the reason of the broken tries is gone */
    assert_int_equal(g->group.use.retries, 2);
    bench_free(b);
}

static void a_reply_without_logprobs_is_no_answer(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    b->reply = (struct fixture_reply){
        .status = 200, .body = STR("{\"choices\":[{\"message\":{\"content\":\"Yes\"}}]}")};
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    expect(g, REASON_UNPARSEABLE_VERDICT, 6); /* probes have them: it is the question's own */
    bench_free(b);
}

static void waits_have_full_jitter_within_their_bounds(void **state RBR_UNUSED)
{
    int64_t longest[2] = {0, 0}, shortest = INT64_MAX;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct bench *b = mem_alloc(sizeof(*b));
        b->max_in_flight = 10;
        struct grader_config config = config_of(b, 1);
        start(b, &config, seed);
        b->reply = (struct fixture_reply){.status = 500};
        struct group *g = ask(b, 0, 1, CLOCK_NEVER);
        run(b);
        expect(g, REASON_GRADER_UNAVAILABLE, 6);
        for (int i = 0; i < 2; i++) {
            int64_t gap = b->sent_us[i + 1] - b->sent_us[i];
            longest[i] = gap > longest[i] ? gap : longest[i];
            shortest = gap < shortest ? gap : shortest;
        }
        bench_free(b);
    }
    assert_in_range(longest[0], SECOND * 4 / 10, SECOND / 2);
    assert_in_range(longest[1], SECOND * 8 / 10, SECOND);
    assert_true(shortest < SECOND / 20);
}

static void retry_after_is_obeyed_up_to_its_cap(void **state RBR_UNUSED)
{
    static const struct {
        int64_t asked, least, most;
    } cases[] = {
        {3 * SECOND, 3 * SECOND, 3 * SECOND},
        {3600 * SECOND, 30 * SECOND, 30 * SECOND},
        {1, 1, SECOND / 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new(1, 10);
        b->reply = (struct fixture_reply){.status = 429, .retry_after_us = cases[i].asked};
        b->good_from = 1;
        struct group *g = ask(b, 0, 1, CLOCK_NEVER);
        run(b);
        expect(g, REASON_NONE, 2);
        assert_in_range(b->sent_us[1] - b->sent_us[0], cases[i].least, cases[i].most);
        bench_free(b);
    }
}

static void a_wait_past_the_deadline_is_not_begun(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    b->reply = (struct fixture_reply){.status = 429, .retry_after_us = 5 * SECOND};
    int64_t began = b->clock.now_us;
    struct group *g = ask(b, 0, 1, began + 4 * SECOND);
    run(b);
    expect(g, REASON_GRADER_RATE_LIMITED, 1);
    assert_int_equal(g->done_us, began); /* it is known at once */
    bench_free(b);
}

static void x_should_retry_false_ends_it(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    b->reply = (struct fixture_reply){.status = 503, .should_not_retry = true};
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    expect(g, REASON_GRADER_UNAVAILABLE, 2); /* one, and one more when the server works */
    assert_int_equal(g->group.use.retries, 0);
    bench_free(b);
}

/* 2,000 questions that the server fails, though it works: not 6,000 requests. */
static void failures_are_not_answered_with_a_storm(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 3000);
    int64_t began = b->clock.now_us;
    b->reply = (struct fixture_reply){.outcome = TRANSPORT_CONNECT};
    for (size_t i = 0; i < GROUPS_MAX; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    run(b);
    double seconds = (double)(b->clock.now_us - began) / 1e6;
    uint64_t requests = b->server.requests - b->probes;
    double budget = 500 + 0.1 * (double)requests + 5 * seconds;
    double second_chances = GROUPS_MAX; /* nothing was answered but probes */
    assert_true((double)(requests - GROUPS_MAX) <= budget + second_chances);
    assert_true(requests > GROUPS_MAX + 400);
    assert_in_range(b->probes, 1, (uint64_t)(seconds * 10) + 1);
    for (size_t i = 0; i < GROUPS_MAX; i++)
        assert_int_equal(b->groups[i].done, 1);
    bench_free(b);
}

/* The same, when no more than 50 are in the air: not once more for each either. */
static void second_chances_have_a_budget_too(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 50);
    int64_t began = b->clock.now_us;
    b->reply = (struct fixture_reply){.outcome = TRANSPORT_CONNECT};
    for (size_t i = 0; i < GROUPS_MAX; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    run(b);
    double seconds = (double)(b->clock.now_us - began) / 1e6;
    uint64_t requests = b->server.requests - b->probes;
    double budget = RETRY_BURST + 0.1 * (double)requests + 5 * seconds;
    assert_true((double)(requests - GROUPS_MAX) <= 2 * budget);
    for (size_t i = 0; i < GROUPS_MAX; i++) {
        assert_int_equal(b->groups[i].done, 1);
        assert_int_equal(b->groups[i].judgments[0].reason, REASON_GRADER_UNAVAILABLE);
    }
    bench_free(b);
}

/* As many as are in the air get it, in one blow. */
static void a_short_outage_fails_nobody_in_the_air(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 1000);
    b->reply = (struct fixture_reply){.delay_us = SECOND, .outcome = TRANSPORT_RESET};
    for (size_t i = 0; i < 1000; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    (void)tick(b);
    b->good_from = 0;
    run(b);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(b->groups[i].judgments[0].status, JUDGMENT_GRADED);
    assert_true(b->server.requests - b->probes == 2000);
    bench_free(b);
}

/* ---- deadlines and cancelling -----------------------------------------------------------------
 */

static void a_deadline_cancels_what_is_in_the_air(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    b->reply.delay_us = CLOCK_NEVER;
    int64_t began = b->clock.now_us;
    struct group *g = ask(b, 0, 3, began + SECOND);
    run(b);
    expect(g, REASON_DEADLINE, 1);
    assert_int_equal(g->done_us, began + SECOND);
    /* the attempts' own timeout is cut to the deadline: either may end them, neither retries */
    assert_int_equal(b->server.requests, 3);
    bench_free(b);
}

static void a_deadline_ends_what_is_queued_and_what_waits(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 1);
    b->reply = (struct fixture_reply){.status = 503, .retry_after_us = 2 * SECOND};
    int64_t began = b->clock.now_us;
    struct group *waiting = ask(b, 0, 1, began + 2 * SECOND + SECOND / 2);
    fixture_run(&b->server, tick, b, began + SECOND / 10);
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER};
    struct group *holding = ask(b, 1, 1, began + 9 * SECOND);
    struct group *queued = ask(b, 2, 2, began + SECOND);
    run(b);
    expect(queued, REASON_DEADLINE, 0);
    assert_int_equal(queued->done_us, began + SECOND);
    expect(waiting, REASON_DEADLINE, 1); /* its second try found no room in time */
    assert_int_equal(waiting->done_us, began + 2 * SECOND + SECOND / 2);
    expect(holding, REASON_DEADLINE, 1);
    bench_free(b);
}

static void a_deadline_already_past_asks_nothing(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    b->good_from = 0;
    struct group *g = ask(b, 0, 2, b->clock.now_us - 1);
    run(b);
    expect(g, REASON_DEADLINE, 0);
    assert_int_equal(b->server.requests, 0);
    bench_free(b);
}

static void cancelling_settles_the_rest_once(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 2);
    struct grader_stats s;
    b->reply.delay_us = CLOCK_NEVER;
    struct group *g = ask(b, 0, 5, CLOCK_NEVER); /* two sent, three queued */
    (void)tick(b);
    grader_cancel(&g->group);
    grader_cancel(&g->group);
    assert_int_equal(g->done, 0);
    run(b);
    expect(g, REASON_DEADLINE, 1);
    assert_int_equal(b->server.cancelled, 2);
    assert_int_equal(b->server.requests, 2);
    grader_stats(b->grader, &s);
    assert_int_equal(s.failures, 0); /* our own doing says nothing about the grader */
    assert_int_equal(g->group.use.failures, 0);
    grader_cancel(&g->group); /* after done: nothing */
    bench_free(b);
}

/* What is on its way is answered; what is not is not asked, nor is a failure tried again. */
static void winding_down_lets_the_calls_in_the_air_finish(void **state RBR_UNUSED)
{
    for (int failing = 0; failing < 2; failing++) {
        struct bench *b = bench_new(1, 2);
        b->reply = good(SECOND);
        if (failing)
            b->reply = (struct fixture_reply){.delay_us = SECOND, .status = 503};
        struct group *g = ask(b, 0, 5, CLOCK_NEVER); /* two sent, three queued */
        (void)tick(b);
        grader_wind_down(&g->group);
        grader_wind_down(&g->group);
        run(b);
        assert_int_equal(g->done, 1);
        assert_int_equal(b->server.requests, 2);
        assert_int_equal(b->server.cancelled, 0);
        for (size_t i = 0; i < 5; i++) {
            bool sent = i < 2;
            assert_int_equal(g->judgments[i].status,
                             sent && !failing ? JUDGMENT_GRADED : JUDGMENT_UNGRADED);
            if (!sent || failing)
                assert_int_equal(g->judgments[i].reason,
                                 sent ? REASON_GRADER_UNAVAILABLE : REASON_DEADLINE);
        }
        bench_free(b);
    }
}

static void a_group_that_winds_down_can_be_cancelled(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 2);
    b->reply.delay_us = CLOCK_NEVER;
    struct group *g = ask(b, 0, 5, CLOCK_NEVER);
    (void)tick(b);
    grader_wind_down(&g->group);
    (void)tick(b);
    assert_int_equal(g->done, 0);
    grader_cancel(&g->group);
    grader_wind_down(&g->group); /* too late to matter */
    run(b);
    expect(g, REASON_DEADLINE, 1);
    assert_int_equal(b->server.cancelled, 2);
    bench_free(b);
}

static void cancel_others(struct group *g)
{
    for (size_t i = 0; i < 8; i++)
        if (&g->bench->groups[i] != g)
            grader_cancel(&g->bench->groups[i].group);
}

static void done_may_cancel_other_groups(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 5);
    b->good_from = 0;
    b->on_done = cancel_others;
    for (size_t i = 0; i < 8; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    run(b);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(b->groups[i].done, 1);
    assert_int_equal(b->groups[0].judgments[0].status, JUDGMENT_GRADED);
    assert_int_equal(b->groups[7].judgments[0].reason, REASON_DEADLINE);
    bench_free(b);
}

static void ask_next(struct group *g)
{
    size_t i = (size_t)(g - g->bench->groups);
    if (i < 3)
        (void)ask(g->bench, i + 1, i == 2 ? 1 : 0, CLOCK_NEVER);
}

/* A question asked by done inside a tick goes out in that tick: nothing else may wake the loop. */
static void done_may_ask_and_is_served_in_the_same_tick(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 5);
    b->good_from = 0;
    b->on_done = ask_next;
    (void)ask(b, 0, 0, CLOCK_NEVER);
    (void)tick(b);
    assert_int_equal(b->server.in_flight, 1);
    run(b);
    expect(&b->groups[3], REASON_NONE, 1);
    bench_free(b);
}

/* ---- endpoints and limits ---------------------------------------------------------------------
 */

/* Whatever is asked about one prompt goes where its beginning is cached (affinity.h). */
static void questions_about_one_prompt_go_to_one_endpoint(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 100);
    size_t homes[4] = {0};
    b->good_from = 0;
    for (size_t i = 0; i < 100; i++) {
        uint64_t before[4];
        b->prompt.prompt_hash = rng_next(&b->rng);
        for (int again = 0; again < 2; again++) { /* another completion of it, later */
            for (size_t e = 0; e < 4; e++)
                before[e] = b->endpoints[e].requests;
            (void)ask(b, 2 * i, 6, CLOCK_NEVER);
            run(b);
            size_t used = 0;
            for (size_t e = 0; e < 4; e++) {
                used += b->endpoints[e].requests > before[e];
                homes[e] += b->endpoints[e].requests == before[e] + 6;
            }
            assert_int_equal(used, 1);
        }
    }
    for (size_t e = 0; e < 4; e++)
        assert_in_range(homes[e], 10, 100); /* of 200, and in pairs */
    bench_free(b);
}

/* Other workers may list the endpoints in another order; the cache is the server's. */
static void every_worker_asks_the_same_server(void **state RBR_UNUSED)
{
    static const struct str names[2][3] = {
        {STR_INIT("http://a:1"), STR_INIT("http://b:1"), STR_INIT("http://c:1")},
        {STR_INIT("http://c:1"), STR_INIT("http://a:1"), STR_INIT("http://b:1")},
    };
    size_t asked[2][60], different = 0;
    for (size_t worker = 0; worker < 2; worker++) {
        struct bench *b = mem_alloc(sizeof(*b));
        b->max_in_flight = 10;
        struct grader_config config = config_of(b, 3);
        config.endpoint_names = names[worker];
        start(b, &config, worker);
        b->good_from = 0;
        for (size_t i = 0; i < 60; i++) {
            b->prompt.prompt_hash = i * UINT64_C(0x9e3779b97f4a7c15);
            (void)ask(b, i, 1, CLOCK_NEVER);
            run(b);
            asked[worker][i] = b->sent_to[i];
        }
        bench_free(b);
    }
    for (size_t i = 0; i < 60; i++) {
        assert_true(str_eq(names[0][asked[0][i]], names[1][asked[1][i]]));
        different += asked[0][i] != asked[0][0];
    }
    assert_in_range(different, 20, 59);
}

static void a_prompt_asked_much_about_spills(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 100);
    b->good_from = 0;
    for (size_t i = 0; i < 100; i++)
        (void)ask(b, i, 2, CLOCK_NEVER);
    run(b);
    for (size_t e = 0; e < 4; e++)
        assert_in_range(b->endpoints[e].peak, 8, 63); /* 1.25 times 50, one after another */
    bench_free(b);
}

static void a_failure_is_tried_elsewhere_first(void **state RBR_UNUSED)
{
    static const struct fixture_reply replies[] = {
        {.outcome = TRANSPORT_CONNECT},
        {.outcome = TRANSPORT_RESET},
        {.delay_us = CLOCK_NEVER},
        {.status = 500},
        {.status = 503},
    };
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        struct bench *b = bench_new(3, 100);
        b->reply = replies[i];
        b->broken = 1;
        for (size_t k = 0; k < 30; k++)
            (void)ask(b, k, 3, CLOCK_NEVER);
        run(b);
        for (size_t k = 0; k < 30; k++)
            for (size_t q = 0; q < 3; q++) {
                assert_int_equal(b->groups[k].judgments[q].status, JUDGMENT_GRADED);
                assert_in_range(b->groups[k].judgments[q].attempts, 1, 2);
            }
        assert_in_range(b->endpoints[1].requests - b->probes, 8, 38); /* 30 and a quarter */
        bench_free(b);
    }
}

static void the_only_endpoint_is_tried_again(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 100);
    b->reply = (struct fixture_reply){.status = 500};
    b->good_from = 2;
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    expect(g, REASON_NONE, 3);
    bench_free(b);
}

static void a_fixed_limit_is_used_and_never_exceeded(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(2, 17); /* `answer` asserts the bound on every request */
    b->good_from = 0;
    for (size_t i = 0; i < 100; i++)
        (void)ask(b, i, 3, CLOCK_NEVER);
    run(b);
    for (size_t e = 0; e < 2; e++)
        assert_int_equal(b->endpoints[e].peak, 17);
    bench_free(b);
}

static struct bench *adaptive(size_t ceiling, uint64_t seed)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = ceiling;
    struct grader_config config = config_of(b, 1);
    config.fixed_in_flight = false;
    start(b, &config, seed);
    return b;
}

static void a_share_of_the_limit_is_used(void **state RBR_UNUSED)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = 8;
    struct grader_config config = config_of(b, 2);
    config.share = 0.25;
    start(b, &config, 7);
    b->good_from = 0;
    for (size_t i = 0; i < 10; i++)
        (void)ask(b, i, QUESTIONS, CLOCK_NEVER);
    run(b);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(b->endpoints[i].peak, 2);
    bench_free(b);
}

static void an_adaptive_limit_starts_low_grows_and_falls(void **state RBR_UNUSED)
{
    struct bench *b = adaptive(64, 1);
    struct grader_stats s;
    b->good_from = 0;
    for (size_t i = 0; i < 400; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    (void)tick(b);
    assert_int_equal(b->server.in_flight, 8);
    run(b);
    grader_stats(b->grader, &s);
    assert_int_equal(s.limit, 64);
    assert_int_equal(b->server.peak, 64);
    b->good_from = UINT64_MAX;
    b->reply = (struct fixture_reply){.delay_us = 1000, .status = 429};
    for (size_t i = 0; i < 64; i++)
        (void)ask(b, i, 1, b->clock.now_us + 1002);
    run(b);
    grader_stats(b->grader, &s);
    assert_in_range(s.limit, 20, 44); /* fell, but not once for each of 64 */
    assert_int_equal(s.rate_limited, s.failures);
    bench_free(b);
}

/* ---- policies and identity --------------------------------------------------------------------
 */

static void a_new_policy_does_not_disturb_the_old_ones_questions(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 1);
    b->reply = (struct fixture_reply){.delay_us = 1000, .status = 500};
    b->good_from = 1;
    struct group *old = ask(b, 0, 6, CLOCK_NEVER);
    (void)tick(b);
    struct policy *other = grading_policy(GRADING_POLICY("Other {response} {question}", ""));
    struct prompt prompt;
    assert_int_equal(prompt_build(&b->arena, other, &b->record.record, &prompt), ERR_OK);
    struct group *g = &b->groups[1];
    *g = (struct group){.bench = b};
    g->judgments[5].status = JUDGMENT_PENDING;
    g->group = (struct grader_group){.prompt = &prompt,
                                     .judgments = g->judgments,
                                     .deadline_us = CLOCK_NEVER,
                                     .expires_us = CLOCK_NEVER,
                                     .done = on_done};
    grader_ask(b->grader, &g->group);
    run(b); /* the fixture compares every body at its end with what it was */
    expect(old, REASON_NONE, 2);
    assert_int_equal(g->judgments[5].status, JUDGMENT_GRADED);
    policy_free(other);
    (void)ask(b, 2, 1, CLOCK_NEVER);
    run(b);
    expect(&b->groups[2], REASON_NONE, 1);
    bench_free(b);
}

static void a_config_that_cannot_work_is_refused(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    char name[2000];
    memset(name, 'n', sizeof(name));
    for (int i = 0; i < 4; i++) {
        struct grader_config c = config_of(b, 1);
        struct grader *g = NULL;
        struct err err = {0};
        if (i == 0)
            c.dialect = STR("chatty");
        else if (i == 1)
            c.n_endpoints = 0;
        else if (i == 2)
            c.max_in_flight = 0;
        else
            c.n_endpoints = 1u << 20;
        assert_int_not_equal(grader_new(&c, &b->server.port, &b->clock.clock, 1, &g, &err), ERR_OK);
        assert_null(g);
        assert_non_null(strstr(err.msg, "main"));
    }
    assert_strs(grader_name(b->grader), STR("main"));
    assert_strs(grader_model(b->grader), STR("m-1"));
    assert_null(grader_free(NULL));
    bench_free(b);
}

static void a_digest_is_stable_and_sees_every_ingredient(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    uint8_t digests[9][JUDGMENT_DIGEST_BYTES], again[JUDGMENT_DIGEST_BYTES];
    size_t n = 0;
    grader_digest(b->grader, &b->prompt, 0, digests[n++]);
    grader_digest(b->grader, &b->prompt, 0, again);
    assert_memory_equal(digests[0], again, sizeof(again));
    grader_digest(b->grader, &b->prompt, 1, digests[n++]);
    struct policy *other = grading_policy(GRADING_POLICY("Other {response} {question}", ""));
    struct prompt prompt;
    assert_int_equal(prompt_build(&b->arena, other, &b->record.record, &prompt), ERR_OK);
    grader_digest(b->grader, &prompt, 0, digests[n++]);
    policy_free(other);
    /* The same questions read by other labels are other judgments. */
    other = grading_policy(GRADING_POLICY("Other {response} {question}",
                                          "grading: {labels: {yes: [ja], no: [nein]}}\n"));
    assert_int_equal(prompt_build(&b->arena, other, &b->record.record, &prompt), ERR_OK);
    grader_digest(b->grader, &prompt, 0, digests[n++]);
    struct grading_record record;
    assert_int_equal(
        prompt_build(&b->arena, b->policy, grading_record(&record, STR("u"), STR("b")), &prompt),
        ERR_OK);
    grader_digest(b->grader, &prompt, 0, digests[n++]);
    for (int i = 0; i < 4; i++) {
        struct grader_config c = config_of(b, 1);
        struct grader *g;
        if (i == 0)
            c.name = STR("other");
        else if (i == 1)
            c.ask.model = STR("other");
        else if (i == 2)
            c.revision = STR("other");
        else
            c.ask.top_logprobs = 5;
        assert_int_equal(grader_new(&c, &b->server.port, &b->clock.clock, 1, &g, NULL), ERR_OK);
        grader_digest(g, &b->prompt, 0, digests[n++]);
        (void)grader_free(g);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(digests[i], digests[k], sizeof(digests[i]));
    /* All but one of them are about the same completion, and say so at their end. */
    enum { OWN = JUDGMENT_DIGEST_BYTES - JUDGMENT_CONTENT_BYTES, ANOTHER = 4 };
    for (size_t i = 1; i < n; i++)
        assert_int_equal(memcmp(digests[i] + OWN, digests[0] + OWN, JUDGMENT_CONTENT_BYTES) != 0,
                         i == ANOTHER);
    policy_free(other);
    bench_free(b);
}

static void a_model_name_from_outside_is_made_printable(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 10);
    b->reply = (struct fixture_reply){
        .status = 200,
        .body =
            STR("{\"model\":\"a\\nb\\u0000\xc3\xa4"
                "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
                "cccccccccccccccccccccccccc\",\"choices\":[{}]}")};
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    expect(g, REASON_UNPARSEABLE_VERDICT, 6);
    assert_int_equal(strlen(g->group.use.response_model), sizeof(g->group.use.response_model) - 1);
    assert_memory_equal(g->group.use.response_model, "a?b???cc", 8);
    bench_free(b);
}

/* ---- anything -----------------------------------------------------------------------------------
 */

static void check_settled(const struct group *g, size_t asked)
{
    /* Three, as many as a last chance, and one that was recalled, which does not count. */
    enum { ATTEMPTS_MAX = 3 + 3 + 1 };
    assert_int_equal(g->done, 1);
    for (size_t q = 0; q < asked; q++) {
        const struct judgment *j = &g->judgments[q];
        assert_in_range(j->attempts, 0, ATTEMPTS_MAX);
        if (j->status == JUDGMENT_GRADED) {
            assert_true(j->probability == 0.75 || fabs(j->probability - 0.75) < 1e-12);
            assert_int_equal(j->reason, REASON_NONE);
        } else {
            assert_int_equal(j->status, JUDGMENT_UNGRADED);
            assert_int_not_equal(j->reason, REASON_NONE);
        }
    }
    if (g->group.deadline_us != CLOCK_NEVER)
        assert_true(g->done_us <= g->group.deadline_us);
}

/* Random servers, deadlines, cancellations: every judgment ends, every group once and in time. */
static void under_random_faults_every_judgment_ends(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed();
    for (int run_no = 0; run_no < 60; run_no++, seed++) {
        struct bench *b = mem_alloc(sizeof(*b));
        struct rng rng;
        rng_init(&rng, seed);
        b->max_in_flight = 1 + rng_below(&rng, 40);
        struct grader_config config = config_of(b, 1 + rng_below(&rng, ENDPOINTS_MAX));
        config.fixed_in_flight = rng_below(&rng, 2) == 0;
        start(b, &config, seed);
        b->chaos = true;
        size_t n = 1 + rng_below(&rng, 100), asked[100];
        for (size_t i = 0; i < n; i++) {
            bool forever = rng_below(&rng, 3) == 0;
            asked[i] = rng_below(&rng, QUESTIONS + 1);
            (void)ask(b, i, asked[i],
                      forever ? CLOCK_NEVER
                              : b->clock.now_us + 1 +
                                    (int64_t)rng_below(&rng, (uint64_t)(40 * SECOND)));
            fixture_run(&b->server, tick, b,
                        b->clock.now_us + (int64_t)rng_below(&rng, (uint64_t)(SECOND / 4)));
            if (rng_below(&rng, 5) == 0 && b->groups[rng_below(&rng, i + 1)].done == 0)
                (rng_below(&b->rng, 2) == 0 ? grader_cancel
                                            : grader_wind_down)(&b->groups[i].group);
        }
        run(b);
        for (size_t i = 0; i < n; i++)
            check_settled(&b->groups[i], asked[i]);
        bench_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_graded_and_accounted_for),
        cmocka_unit_test(nothing_to_ask_is_done_by_the_next_tick),
        cmocka_unit_test(each_failure_has_its_attempts_and_reason),
        cmocka_unit_test(failures_among_answers_are_the_questions_own),
        cmocka_unit_test(an_answer_after_failures_counts_in_full),
        cmocka_unit_test(a_reply_without_logprobs_is_no_answer),
        cmocka_unit_test(waits_have_full_jitter_within_their_bounds),
        cmocka_unit_test(retry_after_is_obeyed_up_to_its_cap),
        cmocka_unit_test(a_wait_past_the_deadline_is_not_begun),
        cmocka_unit_test(x_should_retry_false_ends_it),
        cmocka_unit_test(failures_are_not_answered_with_a_storm),
        cmocka_unit_test(second_chances_have_a_budget_too),
        cmocka_unit_test(a_short_outage_fails_nobody_in_the_air),
        cmocka_unit_test(a_deadline_cancels_what_is_in_the_air),
        cmocka_unit_test(a_deadline_ends_what_is_queued_and_what_waits),
        cmocka_unit_test(a_deadline_already_past_asks_nothing),
        cmocka_unit_test(cancelling_settles_the_rest_once),
        cmocka_unit_test(winding_down_lets_the_calls_in_the_air_finish),
        cmocka_unit_test(a_group_that_winds_down_can_be_cancelled),
        cmocka_unit_test(done_may_cancel_other_groups),
        cmocka_unit_test(done_may_ask_and_is_served_in_the_same_tick),
        cmocka_unit_test(questions_about_one_prompt_go_to_one_endpoint),
        cmocka_unit_test(every_worker_asks_the_same_server),
        cmocka_unit_test(a_prompt_asked_much_about_spills),
        cmocka_unit_test(a_failure_is_tried_elsewhere_first),
        cmocka_unit_test(the_only_endpoint_is_tried_again),
        cmocka_unit_test(a_fixed_limit_is_used_and_never_exceeded),
        cmocka_unit_test(a_share_of_the_limit_is_used),
        cmocka_unit_test(an_adaptive_limit_starts_low_grows_and_falls),
        cmocka_unit_test(a_new_policy_does_not_disturb_the_old_ones_questions),
        cmocka_unit_test(a_config_that_cannot_work_is_refused),
        cmocka_unit_test(a_digest_is_stable_and_sees_every_ingredient),
        cmocka_unit_test(a_model_name_from_outside_is_made_printable),
        cmocka_unit_test(under_random_faults_every_judgment_ends),
    };
    return cmocka_run_group_tests_name("grader", tests, NULL, NULL);
}
