/* The worker without processes: real grader, judge, reward and pipeline of each member of a group,
 * between a fixture broker and a fixture grader server, on one virtual clock. Header only. */
#ifndef RBR_TESTS_FIXTURE_WORKER_H
#define RBR_TESTS_FIXTURE_WORKER_H

#include "fixture_member.h"
#include "fixture_transport.h"
#include "grading_fixture.h"
#include "pipeline/pipeline.h"

enum {
    WORLD_WORKERS = 3,
    WORLD_START_US = 1000000,
    CACHE_BYTES = 512 << 10, /* all judgments of a test, without one giving way */
    ITEM_BYTES_MAX = 1 << 20, /* more than any record of these tests needs */
    TURNS_IN_PLACE_MAX = 1000,
};

#define MILLISECOND    INT64_C(1000)
#define SECOND         INT64_C(1000000)
#define WORLD_START_MS INT64_C(1700000000000)

/* Type plain asks two questions, type checks none; anything else is skipped. */
#define WORLD_POLICY                                                                               \
    "policy: {id: sim}\n"                                                                          \
    "prompt_template: \"{response} {question}\"\n"                                                 \
    "completion_class_order: [good, bad]\n"                                                        \
    "completion_classes:\n"                                                                        \
    "  good: {plain: {q0: true, q1: false}, checks: {json: true}}\n"                               \
    "  bad: {plain: {not: {q0: true, q1: false}}, checks: {not: {json: true}}}\n"                  \
    "simple_propositions:\n"                                                                       \
    "  q0: {prompt: \"Is it so?\"}\n"                                                              \
    "  q1: {prompt: \"Is it rude?\"}\n"                                                            \
    "  json: {check: {json: object}}\n"                                                            \
    "weights:\n"                                                                                   \
    "  plain: {q0: 0.3, q1: -0.7, good: 1.1, bad: -1.3}\n"                                         \
    "  checks: {json: 0.1, good: 0.2, bad: -0.3}\n"

/* Asks one of these questions, and one of its own; routes fewer types. */
#define WORLD_SHADOW                                                                               \
    "policy: {id: shadow}\n"                                                                       \
    "prompt_template: \"{response} {question}\"\n"                                                 \
    "completion_class_order: [good, bad]\n"                                                        \
    "completion_classes:\n"                                                                        \
    "  good: {plain: {s0: true, own: true}}\n"                                                     \
    "  bad: {plain: {not: {s0: true, own: true}}}\n"                                               \
    "simple_propositions:\n"                                                                       \
    "  s0: {prompt: \"Is it so?\"}\n"                                                              \
    "  own: {prompt: \"Is it long?\"}\n"                                                           \
    "weights:\n"                                                                                   \
    "  plain: {s0: 0.7, own: -0.1, good: 1.3, bad: -1.1}\n"

struct world;

struct worker {
    struct world *world;
    struct member member;
    struct fixture_transport server;
    struct transport_endpoint endpoint, *endpoints[1];
    struct spend spend;
    struct grader *grader, *shadow_grader; /* shadow_grader NULL: no shadow policy */
    struct cache keeping, *cache; /* the port that the judge has, and what is behind it */
    uint8_t (*kept)[JUDGMENT_DIGEST_BYTES]; /* digests of all answers that came */
    size_t n_kept, cap_kept;
    struct canaries *canaries; /* NULL: none */
    struct judge judge, shadow;
    struct pipeline_config config;
    struct pipeline *pipeline;
};

struct world {
    struct clock_fixture clock;
    struct broker broker;
    struct policy *policy, *shadow; /* shadow NULL: none; set before a worker starts */
    struct price price; /* of each worker's grader, */
    uint64_t ceiling; /* and what it may cost in an hour */
    struct canaries_config canaries; /* of each worker, */
    const char *canary; /* and the only one; NULL: none */
    struct worker *workers[WORLD_WORKERS]; /* NULL: none there */
    size_t turns, turns_in_place;
    uint64_t cache_hits, joined, settled_early; /* of workers that have ended */
};

static inline void world_init(struct world *w, struct policy *policy)
{
    *w = (struct world){.policy = policy, .ceiling = SPEND_NO_CEILING};
    clock_fixture_init(&w->clock, WORLD_START_US, WORLD_START_MS);
    broker_init(&w->broker, &w->clock);
}

static inline bool worker_has_kept(const struct worker *k, const uint8_t *digest)
{
    for (size_t i = 0; i < k->n_kept; i++)
        if (memcmp(k->kept[i], digest, JUDGMENT_DIGEST_BYTES) == 0)
            return true;
    return false;
}

static inline void worker_keeps(struct cache *c, const uint8_t *digest, const struct cache_entry *e)
{
    struct worker *k = CONTAINER_OF(c, struct worker, keeping);
    void *kept = k->kept;
    mem_grow(&kept, &k->cap_kept, k->n_kept, sizeof(*k->kept));
    k->kept = kept;
    memcpy(k->kept[k->n_kept++], digest, JUDGMENT_DIGEST_BYTES);
    k->cache->put(k->cache, digest, e);
}

/* A question that this process has an answer to is not asked again (promise P5). */
static inline bool worker_looks_up(struct cache *c, const uint8_t *digest, struct cache_entry *ret)
{
    struct worker *k = CONTAINER_OF(c, struct worker, keeping);
    bool found = k->cache->get(k->cache, digest, ret);
    if (found != worker_has_kept(k, digest))
        broker_violation(&k->world->broker,
                         found ? "a judgment from nowhere" : "asks again what was answered");
    return found;
}

static inline struct worker *world_start(
    struct world *w, size_t slot, const struct pipeline_config *config, uint64_t seed,
    struct fixture_reply (*answer)(void *arg, const struct fixture_call *call), void *arg)
{
    struct worker *k = mem_alloc(sizeof(*k));
    k->world = w;
    k->config = *config;
    member_init(&k->member, &w->broker);
    fixture_transport_init(&k->server, &w->clock, answer, arg);
    k->endpoints[0] = &k->endpoint;
    struct grader_config grader = {.name = STR("g"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("m"), .top_logprobs = 20},
                                   .endpoints = k->endpoints,
                                   .n_endpoints = 1,
                                   .max_in_flight = 64,
                                   .request_timeout_us = 10 * SECOND,
                                   .attempts_max = 3,
                                   .backoff_min_us = SECOND / 2,
                                   .backoff_max_us = 8 * SECOND,
                                   .price = w->price,
                                   .spend = &k->spend};
    spend_init(&k->spend, w->ceiling);
    if (grader_new(&grader, &k->server.port, &w->clock.clock, seed, &k->grader, NULL) != ERR_OK)
        abort();
    grader.max_in_flight = 16;
    if (w->shadow != NULL && grader_new(&grader, &k->server.port, &w->clock.clock, seed,
                                        &k->shadow_grader, NULL) != ERR_OK)
        abort();
    k->cache = cache_mem_new(CACHE_BYTES);
    k->keeping = (struct cache){.get = worker_looks_up, .put = worker_keeps};
    if (w->canary != NULL) {
        k->canaries = canaries_new(w->policy, &w->canaries);
        if (canaries_add(k->canaries, str_z(w->canary), NULL) != ERR_OK)
            abort();
        canaries_start(k->canaries, k->grader, &w->clock.clock);
    }
    k->judge = (struct judge){.policy = w->policy,
                              .grader = k->grader,
                              .cache = &k->keeping,
                              .clock = &w->clock.clock,
                              .canaries = k->canaries};
    k->shadow = (struct judge){.policy = w->shadow,
                               .grader = k->shadow_grader,
                               .cache = &k->keeping,
                               .clock = &w->clock.clock};
    k->config.shadow = w->shadow != NULL ? &k->shadow : NULL;
    w->broker.shadow_policy = w->shadow != NULL ? "shadow" : NULL;
    k->pipeline =
        pipeline_new(&k->config, &k->judge, &k->member.source, &k->member.sink, &w->clock.clock);
    w->workers[slot] = k;
    return k;
}

/* Of a worker whose pipeline is finished. */
static inline void world_end(struct world *w, size_t slot)
{
    struct worker *k = w->workers[slot];
    if (k == NULL)
        return;
    struct pipeline_stats s;
    pipeline_stats(k->pipeline, &s);
    if (s.in_flight != 0 || s.bytes != 0 || s.unfinished != 0 || s.partitions != 0)
        broker_violation(&w->broker, "a finished pipeline holds %zu records, %zu bytes",
                         s.in_flight, s.bytes);
    if (k->member.held > 0)
        broker_violation(&w->broker, "a finished pipeline holds records of the source");
    pipeline_free(k->pipeline);
    canaries_free(k->canaries);
    struct grader_stats g;
    grader_stats(k->grader, &g);
    w->joined += g.joined;
    (void)grader_free(k->grader);
    (void)grader_free(k->shadow_grader);
    fixture_transport_done(&k->server);
    w->cache_hits += k->cache->stats.hits;
    w->settled_early += s.settled_early;
    cache_free(k->cache);
    mem_free(k->kept);
    member_done(&k->member);
    mem_free(k);
    w->workers[slot] = NULL;
}

static inline void earlier(int64_t *due, int64_t other)
{
    if (other < *due)
        *due = other;
}

static inline int64_t worker_tick_graders(struct worker *k)
{
    int64_t due = grader_tick(k->grader);
    if (k->shadow_grader != NULL)
        earlier(&due, grader_tick(k->shadow_grader));
    return due;
}

static inline void world_kill(struct world *w, size_t slot, bool batch_lands)
{
    struct worker *k = w->workers[slot];
    broker_kill(&w->broker, &k->member, batch_lands);
    pipeline_stop(k->pipeline);
    for (int i = 0; i < 100 && !pipeline_finished(k->pipeline); i++) {
        fixture_deliver(&k->server);
        (void)pipeline_tick(k->pipeline);
        (void)worker_tick_graders(k);
    }
    if (!pipeline_finished(k->pipeline))
        broker_violation(&w->broker, "a killed worker cannot be taken apart");
    else
        world_end(w, slot);
}

static inline void world_done(struct world *w)
{
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        world_end(w, i);
    broker_done(&w->broker);
}

/* What holds after every turn (promise P7): budgets, with one record of overshoot in bytes. */
static inline void world_check(struct world *w)
{
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        struct worker *k = w->workers[i];
        struct pipeline_stats s;
        if (k == NULL)
            continue;
        pipeline_stats(k->pipeline, &s);
        if (s.in_flight > k->config.records_in_flight)
            broker_violation(&w->broker, "%zu records in flight", s.in_flight);
        if (s.bytes > k->config.memory_bytes + ITEM_BYTES_MAX)
            broker_violation(&w->broker, "%zu bytes held", s.bytes);
        if (k->member.held > k->member.n_assigned)
            broker_violation(&w->broker, "%zu records of the source held", k->member.held);
        if (s.admitted > k->member.fresh)
            broker_violation(&w->broker,
                             "judged again what was done: %" PRIu64 " of %" PRIu64 " reads",
                             s.admitted, k->member.reads);
        if (s.maps_refused != k->member.maps_refused)
            broker_violation(&w->broker, "%" PRIu64 " maps refused, not %" PRIu64, s.maps_refused,
                             k->member.maps_refused);
        if (s.lost != k->member.lost)
            broker_violation(&w->broker, "%" PRIu64 " offsets lost, not %" PRIu64, s.lost,
                             k->member.lost);
        if (s.unfinished > s.in_flight)
            broker_violation(&w->broker, "more unfinished than in flight");
    }
    if (w->turns_in_place > TURNS_IN_PLACE_MAX)
        broker_violation(&w->broker, "the loop spins");
}

/* One turn of every worker's loop, in the order of worker/app.c; when the next is due. */
static inline int64_t world_turn(struct world *w)
{
    int64_t due = CLOCK_NEVER;
    w->turns++;
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        struct worker *k = w->workers[i];
        if (k == NULL)
            continue;
        fixture_deliver(&k->server);
        earlier(&due, pipeline_tick(k->pipeline));
        if (k->canaries != NULL)
            earlier(&due, canaries_tick(k->canaries));
        earlier(&due, worker_tick_graders(k));
        const struct heap_node *first = heap_first(&k->server.due);
        if (first != NULL)
            earlier(&due, first->due_us);
        earlier(&due, member_due(&k->member));
    }
    world_check(w);
    return due;
}

static inline void world_move(struct world *w, int64_t to_us)
{
    if (to_us > w->clock.now_us) {
        w->clock.now_us = to_us;
        w->turns_in_place = 0;
    } else {
        w->turns_in_place++;
    }
}

/* Turns until `us` from now, what is due then included. */
static inline void world_run(struct world *w, int64_t us)
{
    int64_t until = w->clock.now_us + us;
    while (w->broker.violation[0] == '\0') {
        int64_t due = world_turn(w);
        if (due > until) {
            world_move(w, until);
            return;
        }
        world_move(w, due);
    }
}

#endif
