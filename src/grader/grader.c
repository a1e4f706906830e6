#include "grader/grader.h"

#include <assert.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "grader/dialect.h"
#include "grader/retry.h"

/* A call is the questions of one request, as many as the dialect takes, on their way to an answer.
 * A question that is answered, usably or not, leaves the call; the rest is tried again:
 *
 *   QUEUED --- an endpoint has room ---> SENT --- answer, or given up ---> SETTLED
 *     ^                                   |
 *     '--- its wait is over --- WAITING <-'  (failed, to be tried again)
 *
 * The state says which list the call is in: the grader's queue, none (the attempt holds it), the
 * timer heap. */
enum call_state { QUEUED, SENT, WAITING, SETTLED };

enum {
    REPLY_MEMORY = 16 * 1024 * 1024,
    THOUGHT_MEMORY = 64 * 1024 * 1024,
    FREE_ATTEMPTS_MAX = 4096,
    NO_ENDPOINT = -1
};

struct grader_call {
    struct heap_node timer; /* WAITING */
    struct grader_group *group;
    struct grader_call *prev, *next; /* QUEUED */
    struct attempt *attempt; /* SENT */
    uint16_t *asked; /* propositions without an answer, a piece of the group's list */
    uint16_t n_asked;
    uint8_t state, attempts;
    int16_t avoid; /* endpoint that failed it last */
};

/* One request in the air; kept and used again. */
struct attempt {
    struct transport_req req;
    struct dialect_body body;
    struct grader *grader;
    struct grader_call *call;
    size_t endpoint;
    int64_t sent_us;
    struct attempt *next; /* free list */
};

struct endpoint {
    struct transport_endpoint *transport;
    struct limiter limiter;
};

/* Questions of a policy, JSON-escaped once. They stay while the grader uses them for new groups and
 * while any group that was asked with them is here. */
struct grader_questions {
    uint8_t policy_hash[POLICY_HASH_BYTES]; /* not the address: that may be used again */
    size_t users;
    struct str *escaped;
    struct arena arena;
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
    struct endpoint *endpoints;
    size_t turn; /* round robin */
    struct grader_questions *questions; /* of the policy asked last */
    struct grader_call *queue, *queue_last;
    struct heap timers, deadlines; /* of calls; of groups */
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

static void enqueue(struct grader *g, struct grader_call *c)
{
    c->state = QUEUED;
    c->next = NULL;
    c->prev = g->queue_last;
    if (g->queue_last != NULL)
        g->queue_last->next = c;
    else
        g->queue = c;
    g->queue_last = c;
    g->stats.queued++;
}

static void dequeue(struct grader *g, struct grader_call *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        g->queue = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        g->queue_last = c->prev;
    g->stats.queued--;
}

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

static void drop_questions(struct grader_questions *q)
{
    if (q == NULL || --q->users > 0)
        return;
    arena_done(&q->arena);
    mem_free(q);
}

static void group_is_done(struct grader *g, struct grader_group *group)
{
    heap_remove(&g->deadlines, &group->timer);
    drop_questions(group->questions);
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
    c->n_asked = left;
    f.retry = left > 0;
    return f;
}

static bool may_retry(struct grader *g, const struct grader_call *c, const struct failure *f,
                      int64_t now, int64_t wait)
{
    const struct grader_group *group = c->group;
    if (!f->retry || c->attempts >= g->config.attempts_max || group->end != GRADER_GROUP_ASKED)
        return false;
    if (group->deadline_us != CLOCK_NEVER && now + wait >= group->deadline_us)
        return false;
    return retry_budget_take(&g->budget, now);
}

static void on_failure(struct grader *g, struct grader_call *c, const struct failure *f,
                       int64_t now, int64_t retry_after_us)
{
    const struct grader_group *group = c->group;
    int64_t wait = retry_wait_us(&g->rng, c->attempts, g->config.backoff_min_us,
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
    if (!may_retry(g, c, f, now, wait)) {
        /* an attempt whose time was cut to the deadline is the record's lateness */
        give_up(g, c, now >= group->deadline_us ? REASON_DEADLINE : f->reason);
        return;
    }
    g->stats.retries++;
    c->group->use.retries++;
    c->state = WAITING;
    heap_push(&g->timers, &c->timer, now + wait);
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
        j->latency_ms = (uint32_t)((now - a->sent_us) / 1000);
    }
    struct failure f = ok ? read_reply(g, c, req) : failure_of(req);

    if (req->waiting >= 0)
        limiter_report(&g->endpoints[a->endpoint].limiter, (size_t)req->waiting, a->sent_us, now);
    limiter_end(&g->endpoints[a->endpoint].limiter, f.load, a->sent_us, now);
    g->stats.in_flight--;
    c->attempt = NULL;
    c->avoid = f.elsewhere ? (int16_t)a->endpoint : NO_ENDPOINT;
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

/* Round robin over the endpoints with room; the one that failed this call only when no other has.
 */
static bool pick_endpoint(struct grader *g, const struct grader_call *c, size_t *ret)
{
    size_t n = g->config.n_endpoints;
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        size_t e = (g->turn + i) % n;
        if (!limiter_has_room(&g->endpoints[e].limiter))
            continue;
        *ret = e;
        found = true;
        if (c->avoid != (int16_t)e)
            break;
    }
    if (found)
        g->turn = (*ret + 1) % n;
    return found;
}

static void send(struct grader *g, struct grader_call *c, size_t endpoint, int64_t now)
{
    struct grader_group *group = c->group;
    struct attempt *a = take_attempt(g);
    int64_t timeout = g->config.request_timeout_us;
    if (group->deadline_us != CLOCK_NEVER && group->deadline_us - now < timeout)
        timeout = group->deadline_us - now;
    struct dialect_body body = a->body;
    struct dialect_asked asked = {group->prompt, group->questions->escaped, c->asked, c->n_asked};
    body.n = 0;
    g->dialect->build(&g->frame, &asked, &body);
    *a = (struct attempt){
        .body = body, .grader = g, .call = c, .endpoint = endpoint, .sent_us = now};
    a->req = (struct transport_req){
        .endpoint = g->endpoints[endpoint].transport,
        .parts = body.parts,
        .n_parts = body.n,
        .timeout_us = timeout > 1000 ? timeout : 1000,
        .done = on_reply,
    };
    c->state = SENT;
    c->attempt = a;
    c->attempts++;
    group->use.requests++;
    g->stats.requests++;
    g->stats.in_flight++;
    retry_budget_request(&g->budget);
    limiter_start(&g->endpoints[endpoint].limiter);
    g->transport->send(g->transport, &a->req);
}

static void start_queued(struct grader *g, int64_t now)
{
    while (g->queue != NULL) {
        size_t endpoint;
        struct grader_call *c = g->queue;
        if (!pick_endpoint(g, c, &endpoint))
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
    while ((first = heap_first(&g->deadlines)) != NULL && first->due_us <= now) {
        heap_remove(&g->deadlines, first);
        abandon(g, CONTAINER_OF(first, struct grader_group, timer), GRADER_GROUP_CANCELLED);
    }
    while ((first = heap_first(&g->timers)) != NULL && first->due_us <= now) {
        heap_remove(&g->timers, first);
        enqueue(g, CONTAINER_OF(first, struct grader_call, timer));
    }
}

int64_t grader_tick(struct grader *g)
{
    int64_t now = clock_mono_us(g->clock);
    expire(g, now);
    call_done_of_finished(g); /* may ask more: before starting */
    start_queued(g, now);
    const struct heap_node *a = heap_first(&g->deadlines), *b = heap_first(&g->timers);
    int64_t due = CLOCK_NEVER;
    if (a != NULL)
        due = a->due_us;
    if (b != NULL && b->due_us < due)
        due = b->due_us;
    return due;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static struct grader_questions *escape_questions(struct grader *g, const struct policy *policy)
{
    struct grader_questions *q = g->questions;
    struct buf b;
    if (q != NULL && memcmp(q->policy_hash, policy->hash, sizeof(q->policy_hash)) == 0)
        return q;
    drop_questions(q);
    g->questions = q = mem_alloc(sizeof(*q));
    arena_init(&q->arena, SIZE_MAX / 2); /* bounded by the policy's own text */
    buf_init(&b, SIZE_MAX / 2);
    q->users = 1;
    memcpy(q->policy_hash, policy->hash, sizeof(q->policy_hash));
    q->escaped = arena_array(&q->arena, policy->n_propositions, sizeof(*q->escaped));
    for (size_t i = 0; q->escaped != NULL && i < policy->n_propositions; i++) {
        buf_reset(&b);
        (void)json_escape(&b, policy->propositions[i].question);
        if (!arena_copy(&q->arena, buf_str(&b), &q->escaped[i]))
            q->escaped[i] = (struct str){0};
    }
    buf_done(&b);
    return q;
}

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
            *c = (struct grader_call){.group = group, .asked = asked, .avoid = NO_ENDPOINT};
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
    group->questions = escape_questions(g, policy);
    group->questions->users++;
    group->end = GRADER_GROUP_ASKED;
    group->use = (struct grader_use){0};
    group->timer = (struct heap_node){0};
    if (group->deadline_us != CLOCK_NEVER)
        heap_push(&g->deadlines, &group->timer, group->deadline_us);
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

static void hash_labels(struct sha256 *h, const struct str *labels, size_t n)
{
    sha256_u64(h, n);
    for (size_t i = 0; i < n; i++)
        sha256_field(h, labels[i]);
}

static void hash_ids(struct sha256 *h, const uint32_t *ids, size_t n)
{
    sha256_u64(h, n);
    for (size_t i = 0; i < n; i++)
        sha256_u64(h, ids[i]);
}

/* Whatever can change the answer. */
static void hash_options(struct sha256 *h, const struct dialect_options *o)
{
    sha256_u64(h, o->mode);
    sha256_u64(h, o->mode == DIALECT_SAMPLE ? o->samples : 1);
    sha256_u64(h, o->thinking);
    sha256_u64(h, o->thinking == THINKING_ALLOWED ? o->thinking_tokens : 0);
    sha256_u64(h, o->top_logprobs);
    hash_ids(h, o->yes_ids, o->n_yes_ids);
    hash_ids(h, o->no_ids, o->n_no_ids);
    sha256_field(h, o->prompt_before);
    sha256_field(h, o->prompt_after);
}

void grader_digest(const struct grader *g, const struct prompt *p, size_t proposition,
                   uint8_t out[JUDGMENT_DIGEST_BYTES])
{
    uint8_t whole[SHA256_BYTES];
    struct sha256 h;
    sha256_init(&h);
    sha256_field(&h, STR("rbr-judgment-1"));
    sha256_field(&h, g->config.name);
    sha256_field(&h, g->config.ask.model);
    sha256_field(&h, g->config.revision);
    sha256_field(&h, g->config.dialect);
    hash_options(&h, &g->config.ask);
    sha256_u64(&h, p->policy->layout);
    sha256_u64(&h, p->policy->neutralise);
    hash_labels(&h, p->policy->yes_labels, p->policy->n_yes_labels);
    hash_labels(&h, p->policy->no_labels, p->policy->n_no_labels);
    sha256_field(&h, p->policy->prompt_template);
    sha256_field(&h, p->policy->propositions[proposition].question);
    sha256_field(&h, (struct str){(const char *)p->content_hash, sizeof(p->content_hash)});
    sha256_finish(&h, whole);
    sha256_done(&h);
    memcpy(out, whole, JUDGMENT_DIGEST_BYTES);
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
        ret->limit += limiter_limit(&g->endpoints[i].limiter);
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
    g->endpoints = mem_array(config->n_endpoints, sizeof(*g->endpoints));
    for (size_t i = 0; i < config->n_endpoints; i++) {
        g->endpoints[i].transport = config->endpoints[i];
        limiter_init(&g->endpoints[i].limiter, config->max_in_flight, config->fixed_in_flight);
    }
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
    heap_done(&g->timers);
    heap_done(&g->deadlines);
    drop_questions(g->questions);
    arena_done(&g->texts);
    arena_done(&g->reply);
    mem_free(g->endpoints);
    mem_free(g);
    return NULL;
}
