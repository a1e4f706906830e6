#include "grader/grader.h"

#include <assert.h>

#include "base/heap.h"
#include "base/mem.h"
#include "grader/dialect.h"
#include "grader/identity.h"
#include "grader/pool.h"
#include "grader/questions.h"
#include "grader/retry.h"

/* A call is the questions of one request, as many as the dialect takes, on their way to an answer.
 * A question that is answered, usably or not, leaves the call; the rest is tried again:
 *
 *   QUEUED --- an endpoint has room ---> SENT --- answer, or given up ---> SETTLED
 *     ^ ^                                 | |                                 ^
 *     | '--- its wait is over - WAITING <-' | (failed, to be tried again)     |
 *     |                                     |                                 |
 *     '- the server's doing --- SUSPECT <---' (out of attempts) - its own ----'
 *
 * The state says which list the call is in: the grader's queue, none (the attempt holds it), the
 * timer heap, the suspects. A suspect failed by what may be the server's doing or its own: a probe
 * of the endpoint decides (health.h). If the server does not work, no attempt was one. If it does,
 * the failure is the question's own; but when nobody was answered there from its first failure to
 * its last attempt, the server may have come back just now, and it gets its attempts once more. */
enum call_state { QUEUED, SENT, WAITING, SUSPECT, SETTLED };

enum {
    REPLY_MEMORY = 16 * 1024 * 1024,
    THOUGHT_MEMORY = 64 * 1024 * 1024,
    FREE_ATTEMPTS_MAX = 4096,
    OUTAGES_MAX = 5, /* of each endpoint, with a question in the air: it is taken for the cause */
    LONG_WAIT = 8, /* the backoff of so many attempts */
    UNANSWERED_US = 5000000, /* an attempt that we end says nothing of the server before */
};

struct grader_call {
    struct heap_node timer; /* WAITING */
    struct grader_group *group;
    struct grader_call *prev, *next; /* QUEUED, SUSPECT */
    struct attempt *attempt; /* SENT */
    uint16_t *asked; /* propositions without an answer, a piece of the group's list */
    uint16_t n_asked;
    int16_t endpoint; /* that was asked last */
    int16_t avoid; /* endpoint that failed it last, or POOL_NOBODY */
    uint8_t state;
    bool last_chance; /* a SUSPECT that fails if the server works */
    enum reason reason; /* SUSPECT */
    uint32_t attempts, spared; /* of these, taken by outages: they do not count */
    uint32_t outages; /* that it was in the air for */
    int64_t sent_us; /* its last attempt */
    int64_t failing_us; /* since its first failure */
};

/* One request in the air; kept and used again. */
struct attempt {
    struct transport_req req;
    struct dialect_body body;
    struct grader *grader;
    struct grader_call *call;
    struct attempt *next; /* free list */
};

struct call_list {
    struct grader_call *first, *last;
};

struct grader {
    struct grader_config config;
    struct arena texts; /* the config's */
    const struct dialect *dialect;
    struct dialect_frame frame;
    size_t questions_max; /* in a call */
    struct transport *transport;
    const struct clock *clock;
    struct rng rng;
    struct pool pool;
    struct questions *questions; /* of the policy asked last */
    struct call_list queue, suspects;
    struct heap timers; /* of calls */
    struct heap deadlines, expiries; /* of groups; deadlines by the pool's clock */
    struct grader_group *finished; /* done is owed */
    struct attempt *free_attempts;
    size_t n_free;
    struct arena reply;
    struct answer answers[DIALECT_QUESTIONS_MAX]; /* of the reply being read */
    struct retry_budget budget;
    struct grader_stats stats;
};

/* ---- lists ------------------------------------------------------------------------------------
 */

static void append(struct call_list *l, struct grader_call *c)
{
    c->next = NULL;
    c->prev = l->last;
    if (l->last != NULL)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
}

static void take_out(struct call_list *l, struct grader_call *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        l->last = c->prev;
}

static void enqueue(struct grader *g, struct grader_call *c)
{
    c->state = QUEUED;
    append(&g->queue, c);
    g->stats.queued++;
}

static void dequeue(struct grader *g, struct grader_call *c)
{
    take_out(&g->queue, c);
    g->stats.queued--;
}

static void free_attempt(struct attempt *a)
{
    dialect_body_done(&a->body);
    mem_free(a);
}

static void wait_until(struct grader *g, struct grader_call *c, int64_t at)
{
    c->state = WAITING;
    heap_push(&g->timers, &c->timer, at);
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

static void give_attempt(struct grader *g, struct attempt *a)
{
    if (g->n_free == FREE_ATTEMPTS_MAX) {
        free_attempt(a);
        return;
    }
    a->next = g->free_attempts;
    g->free_attempts = a;
    g->n_free++;
}

/* ---- groups -----------------------------------------------------------------------------------
 */

static void group_is_done(struct grader *g, struct grader_group *group)
{
    heap_remove(&g->deadlines, &group->timer);
    heap_remove(&g->expiries, &group->expiry);
    questions_drop(group->questions);
    group->questions = NULL;
    mem_free(group->calls);
    group->calls = NULL;
    group->next_finished = NULL;
    struct grader_group **at = &g->finished;
    while (*at != NULL)
        at = &(*at)->next_finished;
    *at = group;
}

static void settle(struct grader *g, struct grader_call *c)
{
    c->state = SETTLED;
    if (--c->group->calls_left == 0)
        group_is_done(g, c->group);
}

static void judge(struct grader *g, struct grader_call *c, uint16_t proposition,
                  const struct answer *answer)
{
    struct judgment *j = &c->group->judgments[proposition];
    bool graded = answer->reason == REASON_NONE;
    j->status = graded ? JUDGMENT_GRADED : JUDGMENT_UNGRADED;
    j->reason = answer->reason;
    j->probability = answer->probability;
    j->mass = answer->mass;
    g->stats.judgments++;
    g->stats.ungraded += !graded;
    if (graded && c->group->judged != NULL)
        c->group->judged(c->group, proposition);
}

/* What is left of the call's questions ends without an answer. */
static void give_up(struct grader *g, struct grader_call *c, enum reason reason)
{
    struct answer none = answer_ungraded(reason);
    for (size_t i = 0; i < c->n_asked; i++)
        judge(g, c, c->asked[i], &none);
    settle(g, c);
}

static void call_done_of_finished(struct grader *g)
{
    while (g->finished != NULL) {
        struct grader_group *group = g->finished;
        g->finished = group->next_finished;
        group->done(group);
    }
}

/* ---- replies ----------------------------------------------------------------------------------
 */

/* Text of a reply goes into messages: printable ASCII only. */
static void keep_text(char *to, size_t size, struct str s)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;
    if (s.n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        to[i] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?';
    to[n] = '\0';
}

static void account(struct grader *g, struct grader_use *use, const struct dialect_reply *reply)
{
    use->input_tokens += reply->input_tokens;
    use->cached_input_tokens += reply->cached_input_tokens;
    use->output_tokens += reply->output_tokens;
    g->stats.input_tokens += reply->input_tokens;
    g->stats.cached_input_tokens += reply->cached_input_tokens;
    keep_text(use->response_model, sizeof(use->response_model), reply->model);
    keep_text(use->system_fingerprint, sizeof(use->system_fingerprint), reply->system_fingerprint);
}

/* Judges what is answered; the call keeps what may be asked again. */
static struct failure read_reply(struct grader *g, struct grader_call *c,
                                 const struct transport_req *req)
{
    struct failure f = {.reason = REASON_NONE, .load = LIMITER_GOOD};
    struct dialect_reply reply;
    uint16_t left = 0;
    arena_reset(&g->reply);
    g->dialect->read(&g->reply, &g->frame, c->group->prompt->policy, req->body, g->answers,
                     c->n_asked, &reply);
    g->stats.replies++;
    account(g, &c->group->use, &reply); /* whoever keeps a judgment wants the model's name */
    for (size_t i = 0; i < c->n_asked; i++) {
        const struct answer *answer = &g->answers[i];
        if (answer->reason != REASON_NONE && (f.reason == REASON_NONE || answer->retry))
            f.reason = answer->reason;
        if (answer->retry)
            c->asked[left++] = c->asked[i];
        else
            judge(g, c, c->asked[i], answer);
    }
    f.retry = left > 0;
    f.fault = left > 0 && left == c->n_asked ? FAULT_SERVER : FAULT_NONE; /* nothing usable */
    c->n_asked = left;
    return f;
}

/* An attempt that our deadline cut short is the record's lateness, unless it waited for so long
 * that the server may be the reason. */
static struct failure read_failure(const struct grader *g, const struct attempt *a, int64_t now)
{
    struct failure f = failure_of(&a->req);
    int64_t enough =
        g->config.request_timeout_us < UNANSWERED_US ? g->config.request_timeout_us : UNANSWERED_US;
    if (a->req.outcome == TRANSPORT_TIMEOUT || a->req.outcome == TRANSPORT_CANCELLED)
        f.fault = now - a->call->sent_us >= enough ? FAULT_SERVER : FAULT_REQUEST;
    return f;
}

/* Until a group's time is up; CLOCK_NEVER when it has for ever. */
static int64_t time_left(const struct grader *g, const struct grader_group *group, int64_t now)
{
    int64_t left = CLOCK_NEVER;
    if (group->deadline_us != CLOCK_NEVER)
        left = group->timer.due_us - pool_clock_us(&g->pool, now);
    if (group->expires_us != CLOCK_NEVER && group->expires_us - now < left)
        left = group->expires_us - now;
    return left;
}

static bool has_attempts(const struct grader *g, const struct grader_call *c)
{
    return c->attempts - c->spared < g->config.attempts_max;
}

static bool may_retry(struct grader *g, const struct grader_call *c, const struct failure *f,
                      int64_t now, int64_t wait)
{
    if (!f->retry || !has_attempts(g, c) || c->group->end != GRADER_GROUP_ASKED ||
        wait >= time_left(g, c->group, now))
        return false;
    return retry_budget_take(&g->budget, now);
}

static void excuse(struct grader_call *c)
{
    c->spared = c->attempts;
}

/* Whether outages may take attempts from it once more, or seem to follow it. */
static bool may_spare(const struct grader *g, const struct grader_call *c)
{
    return c->outages < OUTAGES_MAX * g->config.n_endpoints;
}

/* The attempts were none. Counted are outages that began with the question in the air. */
static void spare(struct grader *g, struct grader_call *c, enum reason reason)
{
    if (!may_spare(g, c)) {
        give_up(g, c, reason);
        return;
    }
    c->outages++;
    c->last_chance = false;
    excuse(c);
    enqueue(g, c);
}

/* Out of attempts. Is it its own doing? 429 says that the server works, unless it says nothing else
 * to anybody any more. */
static bool may_suspect(const struct grader *g, const struct grader_call *c,
                        const struct failure *f, int64_t now, int64_t wait)
{
    int64_t left = time_left(g, c->group, now);
    if (c->group->end != GRADER_GROUP_ASKED || left <= 0)
        return false;
    if (f->fault == FAULT_RATE)
        return wait < left && pool_last_reply_us(&g->pool) < c->sent_us;
    return f->fault == FAULT_SERVER;
}

static void suspect(struct grader *g, struct grader_call *c, enum reason reason, int64_t now)
{
    c->reason = reason;
    if (!pool_doubt(&g->pool, (size_t)c->endpoint, now)) {
        /* It is asked though it is known to fail (health.h), fails at once, and no budget keeps us
         * from asking again. */
        excuse(c);
        wait_until(g, c,
                   now + retry_wait_us(&g->rng, LONG_WAIT, g->config.backoff_min_us,
                                       g->config.backoff_max_us, -1));
        return;
    }
    c->state = SUSPECT;
    append(&g->suspects, c);
}

static void on_decided(void *arg, size_t endpoint, bool works)
{
    struct grader *g = arg;
    struct grader_call *next;
    for (struct grader_call *c = g->suspects.first; c != NULL; c = next) {
        next = c->next;
        if (c->endpoint != (int16_t)endpoint)
            continue;
        take_out(&g->suspects, c);
        if (!works) {
            spare(g, c, c->reason);
        } else if (c->last_chance) {
            give_up(g, c, c->reason);
        } else {
            c->last_chance = true;
            excuse(c);
            enqueue(g, c);
        }
    }
    call_done_of_finished(g);
}

static size_t count_waiting(void *arg)
{
    const struct grader *g = arg;
    size_t suspects = 0;
    for (const struct grader_call *c = g->suspects.first; c != NULL; c = c->next)
        suspects++;
    return g->stats.queued + g->timers.n + g->stats.in_flight + suspects;
}

static void try_again(struct grader *g, struct grader_call *c, int64_t at)
{
    g->stats.retries++;
    c->group->use.retries++;
    wait_until(g, c, at);
}

static void on_failure(struct grader *g, struct grader_call *c, const struct failure *f,
                       int64_t now, int64_t retry_after_us)
{
    struct grader_group *group = c->group;
    int64_t wait = retry_wait_us(&g->rng, c->attempts - c->spared, g->config.backoff_min_us,
                                 g->config.backoff_max_us, retry_after_us);
    if (group->end == GRADER_GROUP_CANCELLED) { /* by us: says nothing about the grader */
        give_up(g, c, REASON_DEADLINE);
        return;
    }
    g->stats.failures++;
    c->group->use.failures++;
    if (c->n_asked == 0) { /* answered, but not usably */
        settle(g, c);
        return;
    }
    g->stats.timeouts += f->reason == REASON_GRADER_TIMEOUT;
    g->stats.rate_limited += f->reason == REASON_GRADER_RATE_LIMITED;
    if (c->attempts == c->spared + 1)
        c->failing_us = now;
    bool in_outage = g->pool.down || c->sent_us < g->pool.up_since_us;
    if (in_outage && f->fault > FAULT_REQUEST && group->end == GRADER_GROUP_ASKED)
        spare(g, c, f->reason);
    else if (may_retry(g, c, f, now, wait))
        try_again(g, c, now + wait);
    else if (may_suspect(g, c, f, now, wait))
        suspect(g, c, f->reason, now);
    else /* an attempt whose time was cut to the deadline is the record's lateness */
        give_up(g, c, time_left(g, group, now) <= 0 ? REASON_DEADLINE : f->reason);
}

static void on_reply(struct transport_req *req)
{
    struct attempt *a = CONTAINER_OF(req, struct attempt, req);
    struct grader *g = a->grader;
    struct grader_call *c = a->call;
    int64_t now = clock_mono_us(g->clock);
    bool ok = req->outcome == TRANSPORT_REPLY && req->status == 200;
    for (size_t i = 0; i < c->n_asked; i++) {
        struct judgment *j = &c->group->judgments[c->asked[i]];
        j->attempts = c->attempts;
        j->latency_ms = (uint32_t)((now - c->sent_us) / 1000);
    }
    struct failure f = ok ? read_reply(g, c, req) : read_failure(g, a, now);

    pool_end(&g->pool, (size_t)c->endpoint, req, &f, c->sent_us, now);
    g->stats.in_flight--;
    c->attempt = NULL;
    c->avoid = f.elsewhere ? c->endpoint : POOL_NOBODY;
    int64_t retry_after = ok ? -1 : req->retry_after_us;
    give_attempt(g, a);
    if (f.reason == REASON_NONE)
        settle(g, c);
    else
        on_failure(g, c, &f, now, retry_after);
    call_done_of_finished(g);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

/* What failed before the grader came up was the outage's. */
static void spare_earlier(const struct grader *g, struct grader_call *c)
{
    if (c->attempts == c->spared || c->failing_us >= g->pool.up_since_us || !may_spare(g, c))
        return;
    c->outages++;
    c->last_chance = false;
    excuse(c);
}

static void send(struct grader *g, struct grader_call *c, size_t endpoint, int64_t now)
{
    struct grader_group *group = c->group;
    struct attempt *a = take_attempt(g);
    int64_t timeout = g->config.request_timeout_us, left = time_left(g, group, now);
    if (left < timeout)
        timeout = left;
    struct dialect_body body = a->body;
    struct dialect_asked asked = {group->prompt, group->questions->escaped, c->asked, c->n_asked};
    body.n = 0;
    g->dialect->build(&g->frame, &asked, &body);
    *a = (struct attempt){.body = body, .grader = g, .call = c};
    a->req = (struct transport_req){
        .endpoint = g->config.endpoints[endpoint],
        .parts = body.parts,
        .n_parts = body.n,
        .timeout_us = timeout > 1000 ? timeout : 1000,
        .done = on_reply,
    };
    spare_earlier(g, c);
    if (c->attempts > c->spared && pool_replied_us(&g->pool, endpoint) > c->failing_us)
        c->last_chance = true;
    c->state = SENT;
    c->attempt = a;
    c->sent_us = now;
    c->endpoint = (int16_t)endpoint;
    c->attempts++;
    group->use.requests++;
    g->stats.requests++;
    g->stats.in_flight++;
    retry_budget_request(&g->budget);
    pool_start(&g->pool, endpoint);
    g->transport->send(g->transport, &a->req);
}

static void start_queued(struct grader *g, int64_t now)
{
    while (g->queue.first != NULL) {
        size_t endpoint;
        struct grader_call *c = g->queue.first;
        if (!pool_pick(&g->pool, c->group->prompt, c->avoid, &endpoint))
            return;
        dequeue(g, c);
        send(g, c, endpoint, now);
    }
}

/* Gives up what is not in the air; CANCELLED: cancels what is. */
static void abandon(struct grader *g, struct grader_group *group, enum grader_group_end end)
{
    if (group->end >= end || group->calls == NULL)
        return;
    group->end = end;
    size_t n = group->n_calls;
    for (size_t i = 0; i < n && group->calls != NULL; i++) {
        struct grader_call *c = &group->calls[i];
        switch ((enum call_state)c->state) {
        case QUEUED:
            dequeue(g, c);
            give_up(g, c, REASON_DEADLINE);
            break;
        case WAITING:
            heap_remove(&g->timers, &c->timer);
            give_up(g, c, REASON_DEADLINE);
            break;
        case SUSPECT:
            take_out(&g->suspects, c);
            give_up(g, c, REASON_DEADLINE);
            break;
        case SENT:
            if (end == GRADER_GROUP_CANCELLED)
                g->transport->cancel(g->transport, &c->attempt->req);
            break;
        case SETTLED:
            break;
        }
    }
}

static void expire(struct grader *g, int64_t now)
{
    struct heap_node *first;
    int64_t stopped = pool_clock_us(&g->pool, now);
    while ((first = heap_first(&g->deadlines)) != NULL && first->due_us <= stopped) {
        heap_remove(&g->deadlines, first);
        abandon(g, CONTAINER_OF(first, struct grader_group, timer), GRADER_GROUP_CANCELLED);
    }
    while ((first = heap_first(&g->expiries)) != NULL && first->due_us <= now) {
        heap_remove(&g->expiries, first);
        abandon(g, CONTAINER_OF(first, struct grader_group, expiry), GRADER_GROUP_CANCELLED);
    }
    while ((first = heap_first(&g->timers)) != NULL && first->due_us <= now) {
        heap_remove(&g->timers, first);
        enqueue(g, CONTAINER_OF(first, struct grader_call, timer));
    }
}

static int64_t sooner(int64_t due, const struct heap_node *node, int64_t ahead)
{
    return node != NULL && node->due_us + ahead < due ? node->due_us + ahead : due;
}

int64_t grader_tick(struct grader *g)
{
    int64_t now = clock_mono_us(g->clock);
    expire(g, now);
    call_done_of_finished(g); /* may ask more: before starting */
    int64_t due = pool_tick(&g->pool, now);
    start_queued(g, now);
    due = sooner(due, heap_first(&g->timers), 0);
    due = sooner(due, heap_first(&g->expiries), 0);
    if (!g->pool.down)
        due = sooner(due, heap_first(&g->deadlines), now - pool_clock_us(&g->pool, now));
    return due;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

/* The pending propositions, cut into calls: one allocation, the calls and then their lists. */
static void make_calls(struct grader *g, struct grader_group *group, size_t n)
{
    size_t each = g->questions_max, calls = (n + each - 1) / each;
    group->calls = mem_alloc(calls * sizeof(*group->calls) + n * sizeof(uint16_t));
    group->n_calls = group->calls_left = calls;
    uint16_t *asked = (uint16_t *)(group->calls + calls);
    struct grader_call *c = group->calls;
    for (size_t i = 0; n > 0; i++) {
        if (group->judgments[i].status != JUDGMENT_PENDING)
            continue;
        if (c->n_asked == 0)
            *c = (struct grader_call){.group = group, .asked = asked, .avoid = POOL_NOBODY};
        *asked++ = (uint16_t)i;
        c->n_asked++;
        n--;
        if (c->n_asked == each || n == 0)
            enqueue(g, c++);
    }
}

void grader_ask(struct grader *g, struct grader_group *group)
{
    const struct policy *policy = group->prompt->policy;
    size_t n = 0;
    for (size_t i = 0; i < policy->n_propositions; i++)
        n += group->judgments[i].status == JUDGMENT_PENDING;
    group->grader = g;
    g->questions = questions_of(policy, g->questions);
    group->questions = questions_share(g->questions);
    group->end = GRADER_GROUP_ASKED;
    group->use = (struct grader_use){0};
    group->timer = group->expiry = (struct heap_node){0};
    int64_t now = clock_mono_us(g->clock);
    if (group->deadline_us != CLOCK_NEVER)
        heap_push(&g->deadlines, &group->timer,
                  pool_clock_us(&g->pool, now) + (group->deadline_us - now));
    if (group->expires_us != CLOCK_NEVER)
        heap_push(&g->expiries, &group->expiry, group->expires_us);
    make_calls(g, group, n);
    if (n == 0)
        group_is_done(g, group);
}

void grader_wind_down(struct grader_group *group)
{
    abandon(group->grader, group, GRADER_GROUP_WINDING_DOWN);
}

size_t grader_group_bytes(const struct grader_group *group)
{
    return group->calls != NULL ? group->n_calls * sizeof(*group->calls) : 0;
}

void grader_cancel(struct grader_group *group)
{
    abandon(group->grader, group, GRADER_GROUP_CANCELLED);
}

/* ---- identity ---------------------------------------------------------------------------------
 */

void grader_digest(const struct grader *g, const struct prompt *p, size_t proposition,
                   uint8_t out[JUDGMENT_DIGEST_BYTES])
{
    identity_digest(&g->config, p, proposition, out);
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
    ret->limit = 0;
    for (size_t i = 0; i < g->config.n_endpoints; i++)
        ret->limit += limiter_limit(&g->pool.endpoints[i].limiter);
    ret->endpoints_working = pool_working(&g->pool);
    ret->outages = g->pool.outages;
    ret->probes = g->pool.probes;
    ret->probes_in_flight = g->pool.probes_in_flight;
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
           arena_copy(&g->texts, c->revision, &g->config.revision) &&
           arena_copy(&g->texts, c->dialect, &g->config.dialect) &&
           arena_copy(&g->texts, c->ask.model, &ask->model) &&
           arena_copy(&g->texts, c->ask.prompt_before, &ask->prompt_before) &&
           arena_copy(&g->texts, c->ask.prompt_after, &ask->prompt_after) &&
           keep_ids(&g->texts, &ask->yes_ids, ask->n_yes_ids) &&
           keep_ids(&g->texts, &ask->no_ids, ask->n_no_ids);
}

enum err_code grader_new(const struct grader_config *config, struct transport *transport,
                         const struct clock *clock, uint64_t seed, struct grader **ret,
                         struct err *err)
{
    const struct dialect *dialect = dialect_find(config->dialect);
    if (dialect == NULL)
        return err_set(err, ERR_UNSUPPORTED, "grader %.*s: no dialect '%.*s'",
                       STR_ARGS(config->name), STR_ARGS(config->dialect));
    if (dialect_check(dialect, &config->ask, err) != ERR_OK)
        return err_wrap(err, "grader %.*s", STR_ARGS(config->name));
    if (config->n_endpoints == 0 || config->n_endpoints > INT16_MAX || config->max_in_flight == 0)
        return err_set(err, ERR_INVALID,
                       "grader %.*s: needs endpoints and max_in_flight of at least 1",
                       STR_ARGS(config->name));
    struct grader *g = mem_alloc(sizeof(*g));
    arena_init(&g->texts, 1u << 20);
    arena_init(&g->reply, config->ask.thinking == THINKING_ALLOWED ? THOUGHT_MEMORY : REPLY_MEMORY);
    g->dialect = dialect;
    g->questions_max = config->questions_max > 0 && config->questions_max < dialect->questions_max
                           ? config->questions_max
                           : dialect->questions_max;
    g->transport = transport;
    g->clock = clock;
    rng_init(&g->rng, seed);
    retry_budget_init(&g->budget, clock_mono_us(clock));
    bool kept = keep_config(g, config);
    g->frame.options = g->config.ask;
    if (!kept || !dialect->frame(&g->texts, &g->frame)) {
        (void)grader_free(g);
        return err_set(err, ERR_LIMIT, "grader %.*s: name or model is too long",
                       STR_ARGS(config->name));
    }
    struct pool_config pool = {
        .grader = g->config.name,
        .names = config->endpoint_names,
        .endpoints = config->endpoints,
        .n = config->n_endpoints,
        .max_in_flight = config->max_in_flight,
        .fixed_in_flight = config->fixed_in_flight,
        .request_timeout_us = config->request_timeout_us,
        .dialect = dialect,
        .frame = &g->frame,
        .transport = transport,
        .clock = clock,
        .decided = on_decided,
        .waiting = count_waiting,
        .arg = g,
    };
    pool_init(&g->pool, &pool);
    *ret = g;
    return ERR_OK;
}

struct grader *grader_free(struct grader *g)
{
    if (g == NULL)
        return NULL;
    assert(g->stats.in_flight == 0);
    while (g->free_attempts != NULL) {
        struct attempt *a = g->free_attempts;
        g->free_attempts = a->next;
        free_attempt(a);
    }
    pool_done(&g->pool);
    heap_done(&g->timers);
    heap_done(&g->deadlines);
    heap_done(&g->expiries);
    questions_drop(g->questions);
    arena_done(&g->texts);
    arena_done(&g->reply);
    mem_free(g);
    return NULL;
}
