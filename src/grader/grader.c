#include "grader/grader.h"

#include <assert.h>

#include "base/mem.h"
#include "grader/call.h"
#include "grader/called.h"
#include "grader/dispatch.h"
#include "grader/group.h"
#include "grader/hold.h"
#include "grader/identity.h"
#include "grader/outcome.h"
#include "grader/warm.h"

enum { REPLY_MEMORY = 16 * 1024 * 1024, THOUGHT_MEMORY = 64 * 1024 * 1024 };

int64_t grader_tick(struct grader *g)
{
    int64_t now = clock_mono_us(g->clock);
    group_tick(g, now);
    call_end_waits(g, now);
    warm_tick(g, now);
    group_call_done(g); /* may ask more: before starting */
    int64_t due = pool_tick(&g->pool, now), held = hold_tick(g, now);
    dispatch_start(g, now);
    const int64_t others[] = {held, pool_poll(&g->pool, now), call_next_us(g),
                              group_next_us(g, now), warm_next_us(g)};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        due = others[i] < due ? others[i] : due;
    return due;
}

size_t grader_join(struct grader *g, struct transport_endpoint *e, struct str name)
{
    return pool_join(&g->pool, e, name);
}

void grader_leave(struct grader *g, size_t endpoint)
{
    pool_leave(&g->pool, endpoint);
    group_call_done(g);
}

/* ---- identity ---------------------------------------------------------------------------------
 */

static void begin_digests(const struct grader *g, struct questions *q, const struct policy *policy)
{
    q->begun = mem_array(policy->n_propositions, sizeof(*q->begun));
    for (size_t i = 0; i < policy->n_propositions; i++)
        identity_begin(&q->begun[i], &g->config, policy, i);
}

void grader_digest(struct grader *g, const struct prompt *p, size_t proposition,
                   uint8_t out[JUDGMENT_DIGEST_BYTES])
{
    struct questions *q = questions_of(&g->questions, p->policy);
    if (q->begun == NULL)
        begin_digests(g, q, p->policy);
    identity_digest(&q->begun[proposition], p, out);
}

struct str grader_title(const struct grader *g)
{
    return g->config.title.n > 0 ? g->config.title : g->config.name;
}

struct str grader_name(const struct grader *g)
{
    return g->config.name;
}

struct str grader_model(const struct grader *g)
{
    return g->config.ask.model;
}

void grader_stats(const struct grader *g, struct grader_stats *ret)
{
    *ret = g->stats;
    ret->limit = pool_limit(&g->pool);
    ret->tokens_in_flight = pool_tokens_in_flight(&g->pool);
    ret->endpoints = pool_size(&g->pool);
    ret->endpoints_working = pool_working(&g->pool);
    ret->outages = g->pool.outages;
    ret->probes = g->pool.probes;
    ret->probes_in_flight = g->pool.probes_in_flight;
    ret->used = g->meter.total;
    ret->has_price = g->meter.price.known;
    hour_sum(&g->meter.hour, clock_mono_us(g->clock), &ret->hour);
}

bool grader_is_down(const struct grader *g)
{
    return g->pool.down;
}

int64_t grader_down_for_us(const struct grader *g)
{
    return g->pool.down ? clock_mono_us(g->clock) - g->pool.down_since_us : 0;
}

const char *grader_last_error(const struct grader *g)
{
    return g->pool.endpoints[g->pool.opened_last].error;
}

void grader_explain(const struct grader *g, char out[GRADER_WORDS_MAX])
{
    pool_explain(&g->pool, out);
}

/* ---- lifecycle --------------------------------------------------------------------------------
 */

static bool keep_ids(struct arena *a, const uint32_t **ids, size_t n)
{
    uint32_t *own = arena_array(a, n, sizeof(*own));
    for (size_t i = 0; own != NULL && i < n; i++)
        own[i] = (*ids)[i];
    *ids = own;
    return n == 0 || own != NULL;
}

static bool keep_config(struct grader *g, const struct grader_config *c)
{
    struct dialect_options *ask = &g->config.ask;
    g->config = *c;
    return arena_copy(&g->texts, c->name, &g->config.name) &&
           arena_copy(&g->texts, c->title, &g->config.title) &&
           arena_copy(&g->texts, c->revision, &g->config.revision) &&
           arena_copy(&g->texts, c->dialect, &g->config.dialect) &&
           arena_copy(&g->texts, c->ask.model, &ask->model) &&
           arena_copy(&g->texts, c->ask.prompt_before, &ask->prompt_before) &&
           arena_copy(&g->texts, c->ask.prompt_after, &ask->prompt_after) &&
           keep_ids(&g->texts, &ask->yes_ids, ask->n_yes_ids) &&
           keep_ids(&g->texts, &ask->no_ids, ask->n_no_ids);
}

/* All that may be in the air when a server goes and comes back. */
static size_t once_more_most(const struct grader_config *config)
{
    size_t n = config->n_endpoints * config->max_in_flight;
    return n > RETRY_BURST ? n : RETRY_BURST;
}

enum err_code grader_new(const struct grader_config *config, struct transport *transport,
                         const struct clock *clock, uint64_t seed, struct grader **ret,
                         struct err *err)
{
    const struct dialect *dialect = dialect_find(config->dialect);
    if (dialect == NULL)
        return err_set(err, ERR_UNSUPPORTED, GRADER_CALLED ": no dialect '%.*s'",
                       GRADER_CALLED_ARGS(config->name), STR_ARGS(config->dialect));
    if (dialect_check(dialect, &config->ask, err) != ERR_OK)
        return err_wrap(err, GRADER_CALLED, GRADER_CALLED_ARGS(config->name));
    if (config->n_endpoints == 0 || config->n_endpoints > INT16_MAX || config->max_in_flight == 0)
        return err_set(err, ERR_INVALID,
                       GRADER_CALLED ": needs endpoints and max_in_flight of at least 1",
                       GRADER_CALLED_ARGS(config->name));
    struct grader *g = mem_alloc(sizeof(*g));
    queue_init(&g->queue);
    arena_init(&g->texts, 1u << 20);
    arena_init(&g->reply, config->ask.thinking == THINKING_ALLOWED ? THOUGHT_MEMORY : REPLY_MEMORY);
    g->dialect = dialect;
    g->questions_max = config->questions_max > 0 && config->questions_max < dialect->questions_max
                           ? config->questions_max
                           : dialect->questions_max;
    g->transport = transport;
    g->clock = clock;
    rng_init(&g->rng, seed);
    retry_budget_init(&g->retries, RETRY_BURST, clock_mono_us(clock));
    retry_budget_init(&g->once_more, once_more_most(config), clock_mono_us(clock));
    meter_init(&g->meter, &config->price, config->spend);
    bool kept = keep_config(g, config);
    g->frame.options = g->config.ask;
    if (!kept || !dialect->frame(&g->texts, &g->frame)) {
        (void)grader_free(g);
        return err_set(err, ERR_LIMIT, GRADER_CALLED ": name or model is too long",
                       GRADER_CALLED_ARGS(config->name));
    }
    struct pool_config pool = {
        .grader = grader_title(g),
        .names = config->endpoint_names,
        .endpoints = config->endpoints,
        .n = config->n_endpoints,
        .max_in_flight = config->max_in_flight,
        .share = config->share > 0 ? config->share : 1,
        .fixed_in_flight = config->fixed_in_flight,
        .max_tokens_in_flight = config->max_tokens_in_flight,
        .polls = config->polls,
        .request_timeout_us = config->request_timeout_us,
        .dialect = dialect,
        .frame = &g->frame,
        .transport = transport,
        .meter = &g->meter,
        .clock = clock,
        .decided = outcome_on_decided,
        .recall = outcome_on_recall,
        .waiting = call_count,
        .arg = g,
        .gone = config->gone,
        .gone_arg = config->gone_arg,
    };
    pool_init(&g->pool, &pool);
    g->up_since_us = g->pool.up_since_us;
    *ret = g;
    return ERR_OK;
}

struct grader *grader_free(struct grader *g)
{
    if (g == NULL)
        return NULL;
    assert(g->stats.in_flight == 0);
    dispatch_done(g);
    pool_done(&g->pool);
    flights_done(&g->flights);
    heap_done(&g->timers);
    heap_done(&g->warming);
    heap_done(&g->deadlines);
    heap_done(&g->expiries);
    questions_shelf_done(&g->questions);
    arena_done(&g->texts);
    arena_done(&g->reply);
    mem_free(g);
    return NULL;
}
