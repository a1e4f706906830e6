/* The real grader before four endpoints on virtual time, of which one goes bad in one of five ways
 * and is well again a minute later: what it costs at first, what once it is left alone, how soon it
 * is back. Goodput is completions judged whole, a second.
 *
 * Twice: with 60 % of what four can do, where nothing has to be lost; and with as much as they
 * take, where what is measured against is a grader of the three others alone. Nobody's answer may
 * be lost or the bad endpoint's in either. */
#include "unit.h"

#include <inttypes.h>
#include <math.h>

#include "base/rng.h"
#include "fixture_transport.h"
#include "grader/grader.h"
#include "grading_fixture.h"
#include "obs/log.h"

#define SECOND INT64_C(1000000)

enum {
    ENDPOINTS = 4,
    BAD = 1,
    QUESTIONS = 6, /* of a completion */
    COMPLETIONS = 16, /* of a prompt */
    BASE_US = 120000, /* a reply's time at an idle endpoint; */
    SHARED = 32, /* twice that with so many at a time: 266 questions a second are its most */
    EACH_US = 9375, /* a completion arrives: 107 a second, 60 % of the most */
    CROWD = 48, /* or so many are there at any time */
    TIMEOUT_US = 30 * SECOND,
};

enum fault { HANGS, ERRS, BLIND, REFUSES, OTHER, NOTHING, FAULTS = NOTHING };

static const char *const names[] = {"hangs",   "answers 500", "no logprobs",
                                    "refuses", "other model", "nothing"};

static const char policy_text[] = GRADING_POLICY("R: {response}\\nQ: {question}", "");

struct job {
    struct grader_group group;
    struct judgment judgments[QUESTIONS];
    struct prompt prompt;
    struct sim *sim;
    struct job *next; /* free */
};

struct sim {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoints[ENDPOINTS], *list[ENDPOINTS];
    struct grader *grader;
    struct policy *policy;
    struct arena arena;
    struct grading_record record;
    struct prompt prompt;
    struct rng rng;
    struct job *free;
    enum fault fault; /* of now */
    bool crowd, closed; /* as many as they take; no more come */
    size_t present; /* completions */
    uint64_t asked, done, lost, wrong; /* completions; the last two: questions */
    int64_t next_us;
    uint64_t probes; /* of the bad one */
};

static struct fixture_reply well(struct sim *s, size_t endpoint)
{
    static char text[1024];
    double crowd = 1 + (double)s->endpoints[endpoint].in_flight / SHARED;
    double us = BASE_US * crowd * (0.75 + 0.5 * rng_unit(&s->rng));
    return (struct fixture_reply){
        .delay_us = (int64_t)us, .status = 200, .body = fixture_chat(text, 0.75, 0.25)};
}

static struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct sim *s = arg;
    struct fixture_reply r = well(s, call->endpoint);
    s->probes += call->endpoint == BAD && fixture_is_probe(call);
    if (call->endpoint != BAD)
        return r;
    switch (s->fault) {
    case HANGS:
        return (struct fixture_reply){.delay_us = CLOCK_NEVER};
    case ERRS:
        return (struct fixture_reply){.delay_us = 2000, .status = 500};
    case BLIND:
        r.body = STR("{\"model\":\"m-1\",\"choices\":[{\"message\":{\"content\":\"No\"}}]}");
        return r;
    case REFUSES:
        return (struct fixture_reply){.delay_us = 300, .outcome = TRANSPORT_CONNECT};
    case OTHER:
        r.body = fixture_chat(text, 0.25, 0.75);
        text[str_find(r.body, STR("m-1"), 0) + 2] = '2';
        return r;
    case NOTHING:
        break;
    }
    return r;
}

static void on_done(struct grader_group *group)
{
    struct job *j = CONTAINER_OF(group, struct job, group);
    struct sim *s = j->sim;
    for (size_t q = 0; q < QUESTIONS; q++) {
        s->lost += j->judgments[q].status != JUDGMENT_GRADED;
        s->wrong += j->judgments[q].status == JUDGMENT_GRADED && j->judgments[q].probability < 0.5;
    }
    s->done++;
    s->present--;
    j->next = s->free;
    s->free = j;
}

static void ask(struct sim *s)
{
    struct job *j = s->free;
    if (j != NULL)
        s->free = j->next;
    else
        j = mem_alloc(sizeof(*j));
    *j = (struct job){.sim = s, .prompt = s->prompt};
    j->prompt.prompt_hash = s->asked / COMPLETIONS * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(j->prompt.content_hash, &s->asked, sizeof(s->asked));
    for (size_t q = 0; q < QUESTIONS; q++)
        j->judgments[q].status = JUDGMENT_PENDING;
    j->group = (struct grader_group){.prompt = &j->prompt,
                                     .judgments = j->judgments,
                                     .deadline_us = s->clock.now_us + 300 * SECOND,
                                     .expires_us = CLOCK_NEVER,
                                     .done = on_done};
    s->asked++;
    s->present++;
    grader_ask(s->grader, &j->group);
}

static int64_t tick(void *arg)
{
    struct sim *s = arg;
    int64_t now = s->clock.now_us;
    while (!s->closed && s->crowd && s->present < CROWD)
        ask(s);
    for (; !s->closed && !s->crowd && s->next_us <= now; s->next_us += EACH_US)
        ask(s);
    int64_t due = grader_tick(s->grader);
    return !s->closed && !s->crowd && s->next_us < due ? s->next_us : due;
}

static void start(struct sim *s, size_t endpoints, bool crowd, uint64_t seed)
{
    *s = (struct sim){.crowd = crowd, .fault = NOTHING};
    clock_fixture_init(&s->clock, 5 * SECOND, 1700000000000);
    fixture_transport_init(&s->server, &s->clock, answer, s);
    rng_init(&s->rng, seed);
    s->next_us = s->clock.now_us;
    for (size_t i = 0, n = 0; i < ENDPOINTS; i++) {
        s->endpoints[i].index = i;
        if (endpoints == ENDPOINTS || i != BAD)
            s->list[n++] = &s->endpoints[i];
    }
    struct grader_config config = {.name = STR("main"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("judge"), .top_logprobs = 20},
                                   .endpoints = s->list,
                                   .n_endpoints = endpoints,
                                   .max_in_flight = 256,
                                   .request_timeout_us = TIMEOUT_US,
                                   .attempts_max = 3,
                                   .backoff_min_us = SECOND / 2,
                                   .backoff_max_us = 8 * SECOND};
    assert_int_equal(grader_new(&config, &s->server.port, &s->clock.clock, seed, &s->grader, NULL),
                     ERR_OK);
    s->policy = grading_policy(policy_text);
    arena_init(&s->arena, 1 << 20);
    assert_int_equal(prompt_build(&s->arena, s->policy,
                                  grading_record(&s->record, STR("u"), STR("a")), &s->prompt),
                     ERR_OK);
}

static void end(struct sim *s)
{
    s->closed = true;
    fixture_run(&s->server, tick, s, s->clock.now_us + 600 * SECOND);
    assert_int_equal(s->present, 0);
    (void)grader_free(s->grader);
    fixture_transport_done(&s->server);
    policy_free(s->policy);
    arena_done(&s->arena);
    while (s->free != NULL) {
        struct job *j = s->free;
        s->free = j->next;
        mem_free(j);
    }
}

/* Completions a second, over so many. */
static double run_for(struct sim *s, int64_t seconds)
{
    uint64_t before = s->done;
    int64_t until = s->clock.now_us + seconds * SECOND;
    fixture_run(&s->server, tick, s, until);
    s->clock.now_us = until;
    return (double)(s->done - before) / (double)seconds;
}

static size_t working(const struct sim *s)
{
    struct grader_stats stats;
    grader_stats(s->grader, &stats);
    return stats.endpoints_working;
}

/* Until so many endpoints are asked; seconds, at most `most`. */
static double wait_for(struct sim *s, size_t endpoints, int64_t most)
{
    int64_t began = s->clock.now_us;
    while (working(s) != endpoints && s->clock.now_us < began + most * SECOND) {
        int64_t until = s->clock.now_us + SECOND / 100;
        fixture_run(&s->server, tick, s, until);
        s->clock.now_us = until;
    }
    return (double)(s->clock.now_us - began) / SECOND;
}

struct figures {
    double first, ejected; /* shares of goodput lost: in the first 10 s; from 40 s on */
    double found_s, back_s; /* until it is left alone; after it is well, until it is asked again */
    uint64_t lost, wrong;
    double leaked; /* requests a second that it gets while it is left alone, but for probes */
};

static struct figures run(enum fault fault, bool crowd, double expected, uint64_t seed)
{
    struct sim *s = mem_alloc(sizeof(*s));
    struct figures f;
    start(s, ENDPOINTS, crowd, seed);
    (void)run_for(s, 30);
    s->fault = fault;
    uint64_t done = s->done;
    f.found_s = wait_for(s, ENDPOINTS - 1, 10);
    (void)run_for(s, 10 - (int64_t)f.found_s);
    f.first = 1 - (double)(s->done - done) / (expected * (10 + f.found_s - floor(f.found_s)));
    if (working(s) == ENDPOINTS)
        f.found_s += wait_for(s, ENDPOINTS - 1, 30);
    (void)run_for(s, 40 - (int64_t)f.found_s);
    uint64_t requests = s->endpoints[BAD].requests, probes = s->probes;
    f.ejected = 1 - run_for(s, 20) / expected;
    f.leaked = (double)(s->endpoints[BAD].requests - requests - (s->probes - probes)) / 20;
    s->fault = NOTHING;
    f.back_s = wait_for(s, ENDPOINTS, 70);
    (void)run_for(s, 10);
    f.lost = s->lost;
    f.wrong = s->wrong;
    end(s);
    mem_free(s);
    return f;
}

static double of_three(uint64_t seed)
{
    struct sim *s = mem_alloc(sizeof(*s));
    start(s, ENDPOINTS - 1, true, seed);
    (void)run_for(s, 30);
    double goodput = run_for(s, 20);
    end(s);
    mem_free(s);
    return goodput;
}

static void one_bad_endpoint_of_four_costs_little(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed();
    bool ok = true;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    for (int crowd = 0; crowd < 2; crowd++) {
        double expected = crowd ? of_three(seed) : (double)SECOND / EACH_US;
        print_message("%s: %.0f completions/s are expected\n",
                      crowd ? "as much as they take" : "60 % of what they take", expected);
        for (enum fault fault = 0; fault < FAULTS; fault++) {
            struct figures f = run(fault, crowd, expected, seed);
            bool good = f.first < 0.3 && f.ejected < 0.03 && f.lost == 0 && f.wrong == 0 &&
                        f.leaked <= 0 && f.back_s <= 60;
            ok = ok && good;
            print_message("%-12s lost in the first 10 s %5.1f %%, once left alone %5.1f %%; left "
                          "alone after %5.2f s, back after %4.1f s; %" PRIu64 " unanswered, "
                          "%" PRIu64 " wrong%s\n",
                          names[fault], 100 * f.first, 100 * f.ejected, f.found_s, f.back_s, f.lost,
                          f.wrong, good ? "" : "  <--");
        }
    }
    assert_true(ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_endpoint_of_four_costs_little),
    };
    return cmocka_run_group_tests_name("bad_endpoint", tests, NULL, NULL);
}
