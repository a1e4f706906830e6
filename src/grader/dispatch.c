#include "grader/dispatch.h"

#include <string.h>

#include "base/mem.h"
#include "grader/call.h"
#include "grader/group.h"
#include "grader/hold.h"
#include "grader/outcome.h"
#include "grader/warm.h"

enum { FREE_ATTEMPTS_MAX = 4096, LOOK_AHEAD = 128 };

static void free_attempt(struct attempt *a)
{
    dialect_body_done(&a->body);
    mem_free(a);
}

static struct attempt *take_attempt(struct grader *g)
{
    struct attempt *a = g->free_attempts;
    if (a == NULL)
        return mem_alloc(sizeof(*a));
    g->free_attempts = a->next;
    g->n_free--;
    return a;
}

void dispatch_give_back(struct grader *g, struct attempt *a)
{
    if (g->n_free == FREE_ATTEMPTS_MAX) {
        free_attempt(a);
        return;
    }
    a->next = g->free_attempts;
    g->free_attempts = a;
    g->n_free++;
}

void dispatch_done(struct grader *g)
{
    while (g->free_attempts != NULL) {
        struct attempt *a = g->free_attempts;
        g->free_attempts = a->next;
        free_attempt(a);
    }
}

/* What a server has to read for a call. */
static struct prefill_request prefill_of(const struct grader_call *c)
{
    const struct prompt *p = c->group->prompt;
    struct prefill_request r = {.shared = dialect_shared_bytes(p)};
    uint64_t content, policy;
    memcpy(&content, p->content_hash, sizeof(content));
    memcpy(&policy, p->policy->hash, sizeof(policy));
    r.key = (content ^ policy) | 1;
    for (size_t i = 0; i < c->n_asked; i++)
        r.own += p->shared_bytes - r.shared + p->policy->propositions[c->asked[i]].question.n;
    return r;
}

static void send(struct grader *g, struct grader_call *c, size_t endpoint,
                 const struct prefill_request *prefill, int64_t now)
{
    struct grader_group *group = c->group;
    struct attempt *a = take_attempt(g);
    int64_t timeout = g->config.request_timeout_us, left = group_time_left(g, group, now);
    if (left < timeout)
        timeout = left;
    struct dialect_body body = a->body;
    struct dialect_asked asked = {group->prompt, group->questions->escaped, c->asked, c->n_asked};
    body.n = 0;
    g->dialect->build(&g->frame, &asked, &body);
    *a = (struct attempt){.body = body, .grader = g, .call = c};
    meter_start(&g->meter, &a->bill, dialect_body_bytes(&body),
                dialect_output_tokens(&g->config.ask, c->n_asked));
    a->req = (struct transport_req){
        .endpoint = g->pool.endpoints[endpoint].transport,
        .parts = body.parts,
        .n_parts = body.n,
        .timeout_us = timeout > 1000 ? timeout : 1000,
        .done = outcome_on_reply,
    };
    outcome_spare_earlier(g, c);
    if (c->attempts > c->spared && pool_replied_us(&g->pool, endpoint) > c->failing_us)
        c->last_chance = true;
    c->state = CALL_SENT;
    c->attempt = a;
    c->sent_us = now;
    c->endpoint = (int16_t)endpoint;
    c->attempts++;
    group->use.requests++;
    g->stats.requests++;
    g->stats.in_flight++;
    retry_budget_request(&g->retries);
    retry_budget_request(&g->once_more);
    pool_start(&g->pool, endpoint, prefill, now, &a->flight);
    warm_sent(g, c, now);
    g->transport->send(g->transport, &a->req);
}

/* Another group's next call. Calls of a group stand together, but for those that were asked before:
 * then this may pass over others, or come back to some. */
static struct grader_call *next_group(const struct grader_call *c)
{
    const struct grader_call *last = &c->group->calls[c->group->n_calls - 1];
    return last->state == CALL_QUEUED ? last->next : c->next;
}

/* When all are full, whoever is first goes where a place becomes free, which is seldom where its
 * prompt is. So among the next ones of the same run one is looked for that should go there. The
 * first waits for a place where it should go, or until there is no such other. */
static struct grader_call *choose(struct grader *g, struct prefill_request *prefill,
                                  size_t *ret_endpoint)
{
    struct grader_call *first = queue_first(&g->queue), *c = first;
    size_t endpoint;
    *prefill = prefill_of(first);
    switch (pool_pick(&g->pool, first->group->prompt, prefill, first->avoid, ret_endpoint)) {
    case POOL_NONE:
        return NULL;
    case POOL_FIRST:
        return first;
    case POOL_OTHER:
        break;
    }
    uint64_t looked = first->group->prompt->prompt_hash;
    for (size_t n = 0; n < LOOK_AHEAD && (c = next_group(c)) != NULL; n++) {
        if (c->group->prompt->prompt_hash == looked)
            continue;
        looked = c->group->prompt->prompt_hash;
        const struct prefill_request r = prefill_of(c);
        if (pool_pick(&g->pool, c->group->prompt, &r, c->avoid, &endpoint) != POOL_FIRST)
            continue;
        *prefill = r;
        *ret_endpoint = endpoint;
        return c;
    }
    return first;
}

void dispatch_start(struct grader *g, int64_t now)
{
    while (queue_first(&g->queue) != NULL && hold_lets(g)) {
        size_t endpoint;
        struct prefill_request prefill;
        struct grader_call *c = choose(g, &prefill, &endpoint);
        if (c == NULL)
            return;
        queue_serve(&g->queue, c, pool_tokens(&g->pool, endpoint, &prefill));
        call_take_out(g, c);
        send(g, c, endpoint, &prefill, now);
    }
}
