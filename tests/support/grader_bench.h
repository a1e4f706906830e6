/* A grader with its server, clock and one prompt, for tests on virtual time. Header only. */
#ifndef RBR_TESTS_GRADER_BENCH_H
#define RBR_TESTS_GRADER_BENCH_H

#include "unit.h"

#include <math.h>

#include "base/rng.h"
#include "fixture_transport.h"
#include "grader/grader.h"
#include "grading_fixture.h"

#define SECOND INT64_C(1000000)

enum { ENDPOINTS_MAX = 4, GROUPS_MAX = 2000, QUESTIONS = 6, PROBES_MAX = 16 };

static const char grader_policy[] = GRADING_POLICY("R: {response}\\nQ: {question}", "");

struct bench;

struct group {
    struct grader_group group;
    struct judgment judgments[QUESTIONS];
    struct bench *bench;
    int64_t done_us;
    int done;
    bool asking;
};

/* A grader with its server, clock and one prompt. */
struct bench {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoints[ENDPOINTS_MAX], *list[ENDPOINTS_MAX];
    struct grader *grader;
    struct policy *policy;
    struct arena arena;
    struct grading_record record;
    struct prompt prompt;
    struct group *groups;
    void (*on_done)(struct group *g);
    uint64_t run; /* of the groups asked next */
    /* the script */
    struct fixture_reply reply;
    int64_t sent_us[64];
    size_t sent_to[64], n_sent, max_in_flight;
    uint64_t good_from; /* requests from this serial on are answered well */
    size_t broken; /* this endpoint gives `reply`, the others are well; SIZE_MAX: none */
    struct rng rng;
    bool chaos;
    struct str poison; /* questions with this text get `reply`, the others are answered well */
    bool dead; /* probes are answered by `reply` too; otherwise well, the server works */
    uint64_t probes;
    int64_t crashed_until_us;
};

static char good_body[1024];

static inline struct fixture_reply good(int64_t delay_us)
{
    return (struct fixture_reply){
        .delay_us = delay_us, .status = 200, .body = fixture_chat(good_body, 0.75, 0.25)};
}

static inline struct fixture_reply random_reply(struct bench *b)
{
    static const int statuses[] = {200, 200, 400, 404, 408, 429, 500, 503, 529, 302};
    struct fixture_reply r = {.delay_us = (int64_t)rng_below(&b->rng, (uint64_t)(3 * SECOND))};
    uint64_t dice = rng_below(&b->rng, 10);
    if (dice < 4)
        return good(r.delay_us);
    r.status = statuses[rng_below(&b->rng, ARRAY_LEN(statuses))];
    r.body = STR("{\"choices\":[]}");
    if (dice == 4)
        r.delay_us = CLOCK_NEVER;
    else if (dice == 5)
        r.outcome = (enum transport_outcome)rng_below(&b->rng, TRANSPORT_CANCELLED);
    else if (dice == 6)
        r.retry_after_us = (int64_t)rng_below(&b->rng, (uint64_t)(5 * SECOND)) + 1;
    r.should_not_retry = rng_below(&b->rng, 20) == 0;
    return r;
}

static inline struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    struct bench *b = arg;
    if (fixture_is_probe(call)) {
        b->probes++;
        bool well =
            call->serial >= b->good_from || (b->broken != SIZE_MAX && b->broken != call->endpoint);
        return b->dead && !well ? b->reply : good(1000);
    }
    if (b->n_sent < ARRAY_LEN(b->sent_us)) {
        b->sent_us[b->n_sent] = call->sent_us;
        b->sent_to[b->n_sent++] = call->endpoint;
    }
    assert_true(b->endpoints[call->endpoint].in_flight < b->max_in_flight + PROBES_MAX);
    if (b->chaos)
        return random_reply(b);
    if (b->poison.n > 0)
        return str_find(call->body, b->poison, 0) != SIZE_MAX ? b->reply : good(20000);
    if (call->serial >= b->good_from || (b->broken != SIZE_MAX && b->broken != call->endpoint))
        return good(20000);
    return b->reply;
}

static inline int64_t tick(void *arg)
{
    struct bench *b = arg;
    struct grader_stats s;
    int64_t due = grader_tick(b->grader);
    grader_stats(b->grader, &s);
    assert_int_equal(s.in_flight + s.probes_in_flight, b->server.in_flight);
    return due;
}

static inline struct grader_config config_of(struct bench *b, size_t endpoints)
{
    return (struct grader_config){
        .name = STR("main"),
        .dialect = STR("chat"),
        .ask = {.model = STR("m-1"), .top_logprobs = 20}, /* as fixture_chat has it */
        .revision = STR("r1"),
        .endpoints = b->list,
        .n_endpoints = endpoints,
        .max_in_flight = b->max_in_flight,
        .fixed_in_flight = true,
        .request_timeout_us = 10 * SECOND,
        .attempts_max = 3,
        .backoff_min_us = SECOND / 2,
        .backoff_max_us = 8 * SECOND,
    };
}

static inline void start(struct bench *b, const struct grader_config *config, uint64_t seed)
{
    struct err err;
    clock_fixture_init(&b->clock, 5 * SECOND, 1700000000000);
    fixture_transport_init(&b->server, &b->clock, answer, b);
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        b->endpoints[i] = (struct transport_endpoint){.index = i};
        b->list[i] = &b->endpoints[i];
    }
    rng_init(&b->rng, seed);
    assert_int_equal(grader_new(config, &b->server.port, &b->clock.clock, seed, &b->grader, &err),
                     ERR_OK);
    b->policy = grading_policy(grader_policy);
    arena_init(&b->arena, 1 << 20);
    assert_int_equal(prompt_build(&b->arena, b->policy,
                                  grading_record(&b->record, STR("u"), STR("a")), &b->prompt),
                     ERR_OK);
    b->groups = mem_array(GROUPS_MAX, sizeof(*b->groups));
    b->good_from = UINT64_MAX;
    b->broken = SIZE_MAX;
}

static inline struct bench *bench_new(size_t endpoints, size_t max_in_flight)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = max_in_flight;
    struct grader_config config = config_of(b, endpoints);
    start(b, &config, 7);
    return b;
}

static inline void bench_free(struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    assert_int_equal(s.queued, 0);
    assert_int_equal(s.in_flight, 0);
    assert_null(grader_free(b->grader));
    fixture_transport_done(&b->server);
    policy_free(b->policy);
    arena_done(&b->arena);
    mem_free(b->groups);
    mem_free(b);
}

static inline void on_done(struct grader_group *group)
{
    struct group *g = CONTAINER_OF(group, struct group, group);
    assert_false(g->asking); /* never from inside grader_ask */
    g->done++;
    g->done_us = g->bench->clock.now_us;
    if (g->bench->on_done != NULL)
        g->bench->on_done(g);
}

/* Asks the first n questions about the prompt; `named` by their digests, so that they may be asked
 * together with others. */
static inline struct group *ask_about(struct bench *b, const struct prompt *prompt, bool named,
                                      size_t i, size_t n, int64_t deadline_us)
{
    struct group *g = &b->groups[i];
    *g = (struct group){.bench = b, .asking = true};
    for (size_t q = 0; q < n; q++) {
        g->judgments[q] = (struct judgment){.status = JUDGMENT_PENDING, .has_digest = named};
        grader_digest(b->grader, prompt, q, g->judgments[q].digest);
    }
    g->group = (struct grader_group){.prompt = prompt,
                                     .judgments = g->judgments,
                                     .deadline_us = deadline_us,
                                     .expires_us = CLOCK_NEVER,
                                     .run = b->run,
                                     .done = on_done};
    grader_ask(b->grader, &g->group);
    g->asking = false;
    return g;
}

static inline struct group *ask(struct bench *b, size_t i, size_t n, int64_t deadline_us)
{
    return ask_about(b, &b->prompt, false, i, n, deadline_us);
}

static inline void run(struct bench *b)
{
    fixture_run(&b->server, tick, b, CLOCK_NEVER - 1);
}

static inline void expect(const struct group *g, enum reason reason, uint32_t attempts)
{
    assert_int_equal(g->done, 1);
    assert_int_equal(g->judgments[0].reason, reason);
    assert_int_equal(g->judgments[0].status,
                     reason == REASON_NONE ? JUDGMENT_GRADED : JUDGMENT_UNGRADED);
    assert_int_equal(g->judgments[0].attempts, attempts);
}

#endif
