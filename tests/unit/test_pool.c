/* pool: outages of a grader, through the grader on virtual time. What the server fails by itself is
 * a pause; what one question fails by is that question's. */
#include "grader_bench.h"

#define BACK (5 * SECOND - SECOND / 2) /* the promise is 5 s; the rest is for the machine */

static const struct fixture_reply outages[] = {
    {.delay_us = 100, .outcome = TRANSPORT_CONNECT},
    {.delay_us = 3000, .outcome = TRANSPORT_RESET},
    {.delay_us = CLOCK_NEVER},
    {.delay_us = 1000, .status = 500},
    {.delay_us = 1000, .status = 503},
    {.delay_us = 1000, .status = 503, .should_not_retry = true},
    {.delay_us = 1000, .status = 401},
    {.delay_us = 1000, .status = 403},
    {.delay_us = 1000, .status = 404},
    {.delay_us = 1000, .status = 302},
    {.delay_us = 1000, .status = 429},
    {.delay_us = 1000, .outcome = TRANSPORT_BAD_REPLY},
    {.delay_us = 1000, .status = 200, .body = STR_INIT("<html>Back soon</html>")},
    {.delay_us = 1000,
     .status = 200,
     .body = STR_INIT("{\"choices\":[{\"message\":{\"content\":\"Yes\"},\"logprobs\":null}]}")},
};

static void run_for(struct bench *b, int64_t us)
{
    int64_t until = b->clock.now_us + us;
    fixture_run(&b->server, tick, b, until);
    b->clock.now_us = until;
}

static void begin_outage(struct bench *b, struct fixture_reply reply)
{
    b->reply = reply;
    b->dead = true;
    b->good_from = UINT64_MAX;
}

static void heal(struct bench *b)
{
    b->dead = false;
    b->good_from = 0;
}

static struct grader_stats stats(const struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    return s;
}

/* ---- the whole grader -------------------------------------------------------------------------
 */

/* One question or many, whatever the outage: nobody fails, all are answered when it is over. */
static void every_kind_of_outage_is_a_pause(void **state RBR_UNUSED)
{
    static const size_t loads[] = {1, 3, 200};
    for (size_t i = 0; i < ARRAY_LEN(outages); i++)
        for (size_t k = 0; k < ARRAY_LEN(loads); k++) {
            struct bench *b = bench_new(1, 20);
            begin_outage(b, outages[i]);
            for (size_t n = 0; n < loads[k]; n++)
                (void)ask(b, n, 2, b->clock.now_us + 60 * SECOND);
            run_for(b, 100 * SECOND);
            assert_true(grader_is_down(b->grader));
            assert_in_range(grader_down_for_us(b->grader), 60 * SECOND, 100 * SECOND);
            assert_int_equal(stats(b).outages, 1);
            assert_int_equal(stats(b).endpoints_working, 0);
            assert_int_equal(stats(b).judgments, 0);
            uint64_t questions = b->server.requests - b->probes;
            run_for(b, 1000 * SECOND); /* the deadline does not run, and nobody is asked */
            assert_int_equal(b->server.requests - b->probes, questions);
            assert_int_equal(stats(b).judgments, 0);
            heal(b);
            run_for(b, BACK);
            assert_false(grader_is_down(b->grader));
            assert_int_equal(grader_down_for_us(b->grader), 0);
            run(b);
            for (size_t n = 0; n < loads[k]; n++)
                assert_int_equal(b->groups[n].judgments[0].status, JUDGMENT_GRADED);
            bench_free(b);
        }
}

/* With all requests hanging, one round of timeouts tells. */
static void a_hanging_grader_is_down_after_its_first_timeouts(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 20);
    begin_outage(b, (struct fixture_reply){.delay_us = CLOCK_NEVER});
    int64_t began = b->clock.now_us;
    for (size_t n = 0; n < 50; n++)
        (void)ask(b, n, 1, began + 60 * SECOND);
    run_for(b, 10 * SECOND + 5 * SECOND);
    assert_true(grader_is_down(b->grader));
    assert_int_equal(grader_down_for_us(b->grader), 15 * SECOND); /* from the first that hung */
    assert_int_equal(b->server.requests - b->probes, 40); /* a doubt stops nobody */
    heal(b);
    run(b);
    for (size_t n = 0; n < 50; n++)
        assert_int_equal(b->groups[n].judgments[0].status, JUDGMENT_GRADED);
    bench_free(b);
}

/* Seldom asked: three attempts are all there is to go by. */
static void one_slow_stream_pauses_too(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 20);
    b->good_from = 0;
    (void)ask(b, 0, 1, CLOCK_NEVER);
    run(b);
    begin_outage(b, (struct fixture_reply){.status = 500});
    struct group *g = ask(b, 1, 1, CLOCK_NEVER);
    run_for(b, 3 * SECOND);
    assert_true(grader_is_down(b->grader));
    assert_int_equal(b->server.requests - b->probes, 4);
    heal(b);
    run(b);
    expect(g, REASON_NONE, 4);
    bench_free(b);
}

/* 429 to everybody is an outage only once nothing else is heard: answers of before it that come
 * late leave it the limiter's business, and the question ends as RATE_LIMITED. */
static struct fixture_reply any_outage(struct rng *rng)
{
    for (;;) {
        struct fixture_reply r = outages[rng_below(rng, ARRAY_LEN(outages))];
        if (r.status != 429)
            return r;
    }
}

/* An outage that begins at any moment of a busy grader, also right after a good reply. */
static void an_outage_may_begin_at_any_moment(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed();
    struct rng rng;
    rng_init(&rng, seed);
    for (int i = 0; i < 200; i++) {
        struct bench *b = bench_new(1 + rng_below(&rng, ENDPOINTS_MAX), 1 + rng_below(&rng, 30));
        size_t n = 0;
        b->good_from = 0;
        for (int phase = 0; phase < 6; phase++) {
            if (phase == 2 || phase == 4) /* see tests/sim/test_grader_outage.c: APART_US */
                run_for(b, 13 * SECOND);
            for (size_t k = rng_below(&rng, 60); k > 0; k--)
                (void)ask(b, n++, 1 + rng_below(&rng, 3), b->clock.now_us + 60 * SECOND);
            run_for(b, (int64_t)rng_below(&rng, (uint64_t)(phase % 2 == 0 ? SECOND : 40 * SECOND)));
            if (phase % 2 == 0)
                begin_outage(b, any_outage(&rng));
            else
                heal(b);
        }
        run(b);
        for (size_t k = 0; k < n; k++) {
            const struct judgment *j = &b->groups[k].judgments[0];
            if (j->status != JUDGMENT_GRADED)
                fail_msg("run %d, question %zu of %zu: %s after %u attempts", i, k, n,
                         reason_name(j->reason), j->attempts);
        }
        bench_free(b);
    }
}

/* The first three requests fail, and from the third on the server works again. */
static struct fixture_reply short_outage(void *arg, const struct fixture_call *call)
{
    struct bench *b = arg;
    if (fixture_is_probe(call))
        return good(1000);
    b->n_sent++;
    return b->n_sent <= 3 ? (struct fixture_reply){.delay_us = 4000, .status = 500} : good(1000);
}

/* The simulation found it: another is answered between the last attempt's sending and its failure.
 * That attempt may still have been the outage's. */
static void an_outage_that_ends_within_the_last_attempt_is_no_failure(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 20);
    b->server.answer = short_outage;
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    while (b->n_sent < 3)
        run_for(b, 1000);
    (void)ask(b, 1, 1, CLOCK_NEVER);
    run_for(b, 2000);
    assert_int_equal(b->groups[1].judgments[0].status, JUDGMENT_GRADED);
    assert_int_equal(g->done, 0);
    run(b);
    expect(g, REASON_NONE, 4);
    bench_free(b);
}

/* 2,000 questions at a dead server: a few requests, then one every 4 s. */
static void a_dead_grader_is_left_alone(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 50);
    begin_outage(b, (struct fixture_reply){.delay_us = 100, .outcome = TRANSPORT_CONNECT});
    for (size_t i = 0; i < GROUPS_MAX; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    run_for(b, 600 * SECOND);
    assert_in_range(b->server.requests - b->probes, 50, 200);
    assert_in_range(b->probes, 149, 153);
    b->max_in_flight = 50;
    heal(b);
    run(b);
    for (size_t i = 0; i < GROUPS_MAX; i++)
        assert_int_equal(b->groups[i].judgments[0].status, JUDGMENT_GRADED);
    bench_free(b);
}

/* Servers in maintenance ask for hours; they know no better than others when they are back. */
static void no_wait_outlasts_the_outage_that_asked_for_it(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 50);
    begin_outage(b, (struct fixture_reply){.status = 503, .retry_after_us = 3600 * SECOND});
    for (size_t i = 0; i < 50; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    run_for(b, 8 * SECOND);
    assert_true(grader_is_down(b->grader));
    heal(b);
    run_for(b, BACK);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(b->groups[i].judgments[0].status, JUDGMENT_GRADED);
    bench_free(b);
}

static void the_limiter_starts_low_after_an_outage(void **state RBR_UNUSED)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = 64;
    struct grader_config config = config_of(b, 1);
    config.fixed_in_flight = false;
    start(b, &config, 1);
    b->good_from = 0;
    for (size_t i = 0; i < 400; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    run(b);
    assert_int_equal(stats(b).limit, 64);
    begin_outage(b, (struct fixture_reply){.status = 500});
    for (size_t i = 400; i < 500; i++)
        (void)ask(b, i, 1, CLOCK_NEVER);
    run_for(b, 10 * SECOND);
    heal(b);
    while (grader_is_down(b->grader))
        run_for(b, SECOND / 100);
    assert_in_range(stats(b).limit, 8, 16);
    run(b);
    bench_free(b);
}

/* A probe that hangs does not hold up the next one, and those that hang are bounded. */
static void hanging_probes_do_not_delay_the_return(void **state RBR_UNUSED)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = 8;
    struct grader_config config = config_of(b, 1);
    config.request_timeout_us = 3600 * SECOND;
    start(b, &config, 1);
    begin_outage(b, (struct fixture_reply){.status = 500});
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run_for(b, 4 * SECOND);
    begin_outage(b, (struct fixture_reply){.delay_us = CLOCK_NEVER});
    run_for(b, 1000 * SECOND);
    assert_int_equal(stats(b).probes_in_flight, PROBES_MAX);
    heal(b);
    run_for(b, BACK);
    assert_int_equal(g->judgments[0].status, JUDGMENT_GRADED);
    assert_int_equal(stats(b).probes_in_flight, 0);
    begin_outage(b, (struct fixture_reply){.delay_us = CLOCK_NEVER});
    bench_free(b);
}

static void freeing_ends_the_probes(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 8);
    begin_outage(b, (struct fixture_reply){.status = 500});
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run_for(b, 4 * SECOND);
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER};
    run_for(b, 3 * SECOND);
    assert_int_equal(stats(b).probes_in_flight, 1);
    grader_cancel(&g->group);
    (void)tick(b);
    expect(g, REASON_DEADLINE, 3);
    bench_free(b); /* checks that nothing is in the air */
}

/* ---- deadlines --------------------------------------------------------------------------------
 */

static void the_records_own_deadline_runs_on(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 8);
    begin_outage(b, (struct fixture_reply){.status = 500});
    int64_t began = b->clock.now_us;
    struct group *own = ask(b, 0, 1, CLOCK_NEVER);
    grader_cancel(&own->group);
    (void)tick(b);
    *own = (struct group){.bench = b};
    own->judgments[0].status = JUDGMENT_PENDING;
    own->group = (struct grader_group){.prompt = &b->prompt,
                                       .judgments = own->judgments,
                                       .deadline_us = began + 10 * SECOND,
                                       .expires_us = began + 30 * SECOND,
                                       .done = on_done};
    grader_ask(b->grader, &own->group);
    struct group *ours = ask(b, 1, 1, began + 10 * SECOND);
    run_for(b, 60 * SECOND);
    assert_int_equal(own->done, 1);
    assert_int_equal(own->judgments[0].reason, REASON_DEADLINE);
    assert_int_equal(own->done_us, began + 30 * SECOND);
    assert_int_equal(ours->done, 0);
    heal(b);
    b->good_from = UINT64_MAX;
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER}; /* now it is the question's own */
    run(b);
    assert_int_equal(ours->judgments[0].reason, REASON_DEADLINE);
    assert_in_range(ours->done_us, began + 70 * SECOND - SECOND, began + 76 * SECOND);
    bench_free(b);
}

/* ---- poison -----------------------------------------------------------------------------------
 */

/* The server works, but not for this question: it fails by itself, alone in the air or not, and
 * nobody waits for it. */
static void a_poisonous_question_fails_alone(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(outages); i++)
        for (size_t n = 1; n <= QUESTIONS; n++) {
            struct bench *b = bench_new(1, 20);
            b->reply = outages[i];
            int64_t began = b->clock.now_us;
            struct group *g = ask(b, 0, n, CLOCK_NEVER);
            run(b);
            assert_int_equal(g->done, 1);
            for (size_t q = 0; q < n; q++)
                assert_int_equal(g->judgments[q].status, JUDGMENT_UNGRADED);
            assert_in_range(g->judgments[0].attempts, 1, 6);
            assert_in_range(g->done_us, began, began + 66 * SECOND);
            assert_int_equal(stats(b).outages, 0);
            bench_free(b);
        }
}

/* Each time it is asked, the whole server is away for 8 s. */
static struct fixture_reply crash(void *arg, const struct fixture_call *call)
{
    struct bench *b = arg;
    bool poison = str_find(call->body, STR("fully"), 0) != SIZE_MAX;
    if (call->sent_us < b->crashed_until_us)
        return (struct fixture_reply){.delay_us = 10, .outcome = TRANSPORT_CONNECT};
    if (!poison)
        return good(20000);
    b->crashed_until_us = call->sent_us + 8 * SECOND;
    return (struct fixture_reply){.delay_us = 1000, .outcome = TRANSPORT_RESET};
}

static void a_question_that_kills_the_server_is_found(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 4);
    b->server.answer = crash;
    struct group *g = ask(b, 0, 6, CLOCK_NEVER); /* the first of them asks "fully" */
    run(b);
    assert_int_equal(g->done, 1);
    assert_int_equal(g->judgments[0].status, JUDGMENT_UNGRADED);
    assert_in_range(stats(b).outages, 2, 7);
    for (size_t q = 1; q < 6; q++)
        assert_int_equal(g->judgments[q].status, JUDGMENT_GRADED);
    bench_free(b);
}

/* ---- some of several endpoints ----------------------------------------------------------------
 */

static void a_dead_endpoint_gets_nothing_but_probes_until_it_is_back(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(outages); i++) {
        if (outages[i].status == 429)
            continue; /* the limiter's business */
        struct bench *b = bench_new(4, 20);
        b->reply = outages[i];
        b->dead = true;
        b->broken = 1;
        for (size_t n = 0; n < 200; n++)
            (void)ask(b, n, 1, CLOCK_NEVER);
        run_for(b, 30 * SECOND);
        for (size_t n = 0; n < 200; n++)
            assert_int_equal(b->groups[n].judgments[0].status, JUDGMENT_GRADED);
        assert_int_equal(stats(b).endpoints_working, 3);
        assert_int_equal(stats(b).outages, 0);
        uint64_t requests = b->endpoints[1].requests, probes = b->probes;
        for (size_t n = 200; n < 800; n++)
            (void)ask(b, n, 1, CLOCK_NEVER);
        run_for(b, 30 * SECOND);
        assert_int_equal(b->endpoints[1].requests - requests, b->probes - probes);
        for (size_t n = 200; n < 800; n++)
            expect(&b->groups[n], REASON_NONE, 1); /* no attempt is lost on it */
        heal(b);
        run_for(b, 60 * SECOND);
        assert_int_equal(stats(b).endpoints_working, 4);
        for (size_t n = 800; n < 1000; n++)
            (void)ask(b, n, 1, CLOCK_NEVER);
        run(b);
        assert_true(b->endpoints[1].requests - requests > 40);
        bench_free(b);
    }
}

/* Long before its requests time out it gets no more, and the others have those that hang. */
static void what_hangs_at_a_silent_endpoint_is_asked_elsewhere(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 20);
    size_t n = 0;
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER};
    b->dead = true;
    b->broken = 1;
    for (int turn = 0; turn < 40; turn++) {
        for (size_t k = 0; k < 20; k++)
            (void)ask(b, n++, 1, CLOCK_NEVER);
        run_for(b, SECOND / 10);
    }
    run_for(b, SECOND);
    for (size_t k = 0; k < n; k++) {
        assert_int_equal(b->groups[k].judgments[0].status, JUDGMENT_GRADED);
        assert_true(b->groups[k].judgments[0].attempts <= 2);
    }
    assert_in_range(b->server.cancelled, 1, 20); /* what the limiter let it have, and no more */
    assert_int_equal(b->endpoints[1].requests, b->server.cancelled + stats(b).probes);
    run_for(b, 10 * SECOND);
    assert_int_equal(stats(b).endpoints_working, 3); /* its probe hung as well */
    heal(b);
    run_for(b, 60 * SECOND);
    assert_int_equal(stats(b).endpoints_working, 4);
    bench_free(b);
}

/* It takes whoever is asked too long, and no endpoint is lost for it. */
static void a_question_that_hangs_anywhere_is_recalled_once(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4, 20);
    size_t n = 0;
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER};
    b->poison = STR("Is it rude?");
    struct group *g = ask(b, n++, 2, CLOCK_NEVER);
    for (int turn = 0; turn < 700; turn++) {
        (void)ask(b, n++, 1, CLOCK_NEVER);
        run_for(b, SECOND / 10);
    }
    run(b);
    assert_int_equal(g->judgments[0].status, JUDGMENT_GRADED);
    assert_int_equal(g->judgments[1].reason, REASON_GRADER_TIMEOUT);
    assert_in_range(b->server.cancelled, 0, 1);
    assert_in_range(g->judgments[1].attempts, 3, 7);
    assert_int_equal(stats(b).endpoints_working, 4);
    for (size_t k = 1; k < n; k++)
        assert_int_equal(b->groups[k].judgments[0].status, JUDGMENT_GRADED);
    bench_free(b);
}

/* Its probes are answered while questions hang: there is nobody else to ask. */
static void the_only_endpoint_is_not_left_for_its_silence(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(1, 20);
    b->reply = (struct fixture_reply){.delay_us = CLOCK_NEVER};
    b->poison = STR("?");
    for (size_t n = 0; n < 4; n++) {
        (void)ask(b, n, 1, CLOCK_NEVER);
        run_for(b, 3 * SECOND);
    }
    run(b);
    assert_true(b->probes > 0);
    assert_int_equal(b->server.cancelled, 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_outage_is_a_pause),
        cmocka_unit_test(a_hanging_grader_is_down_after_its_first_timeouts),
        cmocka_unit_test(one_slow_stream_pauses_too),
        cmocka_unit_test(an_outage_may_begin_at_any_moment),
        cmocka_unit_test(an_outage_that_ends_within_the_last_attempt_is_no_failure),
        cmocka_unit_test(a_dead_grader_is_left_alone),
        cmocka_unit_test(no_wait_outlasts_the_outage_that_asked_for_it),
        cmocka_unit_test(the_limiter_starts_low_after_an_outage),
        cmocka_unit_test(hanging_probes_do_not_delay_the_return),
        cmocka_unit_test(freeing_ends_the_probes),
        cmocka_unit_test(the_records_own_deadline_runs_on),
        cmocka_unit_test(a_poisonous_question_fails_alone),
        cmocka_unit_test(a_question_that_kills_the_server_is_found),
        cmocka_unit_test(a_dead_endpoint_gets_nothing_but_probes_until_it_is_back),
        cmocka_unit_test(what_hangs_at_a_silent_endpoint_is_asked_elsewhere),
        cmocka_unit_test(a_question_that_hangs_anywhere_is_recalled_once),
        cmocka_unit_test(the_only_endpoint_is_not_left_for_its_silence),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
