#include "grader/outcome.h"

#include "grader/call.h"
#include "grader/dispatch.h"
#include "grader/group.h"
#include "grader/reply.h"
#include "grader/warm.h"

enum {
    OUTAGES_MAX = 5, /* of each endpoint, with a question in the air: it is taken for the cause */
    LONG_WAIT = 8, /* the backoff of so many attempts */
    UNANSWERED_US = 5000000, /* an attempt that we end says nothing of the server before */
};

/* ---- replies ----------------------------------------------------------------------------------
 */

static void keep_text(char *to, size_t size, struct str s)
{
    if (s.n > 0)
        str_printable(s, to, size);
}

/* Whoever keeps a judgment wants the model's name. */
static void keep_words(struct grader_use *use, const struct dialect_reply *reply)
{
    keep_text(use->response_model, sizeof(use->response_model), reply->model);
    keep_text(use->system_fingerprint, sizeof(use->system_fingerprint), reply->system_fingerprint);
}

/* A failure may have been billed too. */
static void account(struct grader *g, const struct attempt *a, struct dialect_reply *reply,
                    int64_t now)
{
    const struct transport_req *req = &a->req;
    if (req->outcome == TRANSPORT_REPLY && req->status != 200) {
        arena_reset(&g->reply);
        reply_usage(&g->reply, req->body, reply);
    }
    meter_end(&g->meter, &a->bill, billed_of(req, reply->says_usage), &reply->usage, now);
    usage_add(&a->call->group->use.used, &reply->usage);
}

/* Servers give fewer samples than they are asked for, or always one: they are gathered over as many
 * replies as it takes. */
static void gather_samples(struct grader *g, struct grader_call *c)
{
    struct answer *a = &g->answers[0];
    struct samples *s = &c->samples;
    if (a->samples.n == 0)
        return;
    samples_add(s, &a->samples);
    if (s->n < g->config.ask.samples)
        c->onward = CALL_GATHERS;
    else
        *a = reply_judge_samples(s, c->group->prompt->policy);
}

/* It may be another model's, until others have been heard: they are asked instead. Who is the last
 * to be asked is believed. */
static bool set_aside(const struct grader *g, struct grader_call *c)
{
    if (c->group->end != GRADER_GROUP_ASKED || c->set_aside + 1U >= pool_size(&g->pool))
        return false;
    c->set_aside++;
    c->onward = CALL_MOVES;
    return true;
}

/* Judges what is answered; the call keeps what may be asked again. */
static struct failure read_reply(struct grader *g, struct grader_call *c,
                                 const struct transport_req *req, struct dialect_reply *reply,
                                 int64_t now)
{
    struct failure f = {.reason = REASON_NONE, .load = LIMITER_GOOD};
    uint16_t left = 0;
    arena_reset(&g->reply);
    g->dialect->read(&g->reply, &g->frame, c->group->prompt->policy, req->body, g->answers,
                     c->n_asked, reply);
    enum quality_flaw flaw =
        pool_weigh(&g->pool, (size_t)c->endpoint, reply, g->answers, c->n_asked, now);
    bool aside = flaw == QUALITY_UNKNOWN_MODEL && set_aside(g, c);
    g->stats.replies++;
    if (flaw != QUALITY_OTHER_MODEL && !aside) {
        keep_words(&c->group->use, reply);
        gather_samples(g, c);
    }
    for (size_t i = 0; i < c->n_asked; i++) {
        const struct answer *answer = &g->answers[i];
        if (answer->reason != REASON_NONE && (f.reason == REASON_NONE || answer->retry))
            f.reason = answer->reason;
        c->group->judgments[c->asked[i]].mass = answer->mass;
        if (answer->retry || aside)
            c->asked[left++] = c->asked[i];
        else
            group_judge(g, c, c->asked[i], answer);
    }
    if (c->onward != CALL_ENDS)
        f.reason = REASON_DEADLINE; /* unless there is time for more */
    f.retry = left > 0;
    f.elsewhere = flaw != QUALITY_WELL;
    if (left > 0 && left == c->n_asked && flaw != QUALITY_LITTLE_MASS && c->onward == CALL_ENDS)
        f.fault = FAULT_SERVER; /* nothing usable */
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

/* ---- failures ---------------------------------------------------------------------------------
 */

static bool has_attempts(const struct grader *g, const struct grader_call *c)
{
    return c->attempts - c->spared < g->config.attempts_max;
}

static bool may_retry(struct grader *g, const struct grader_call *c, const struct failure *f,
                      int64_t now, int64_t wait)
{
    if (!f->retry || !has_attempts(g, c) || c->group->end != GRADER_GROUP_ASKED ||
        wait >= group_time_left(g, c->group, now))
        return false;
    return retry_budget_take(&g->retries, now);
}

static void excuse(struct grader_call *c)
{
    c->spared = c->attempts;
}

/* Whether outages may take attempts from it once more, or seem to follow it. */
static bool may_spare(const struct grader *g, const struct grader_call *c)
{
    return c->outages < OUTAGES_MAX * pool_size(&g->pool);
}

/* The attempts were none. Counted are outages that began with the question in the air. */
static void spare(struct grader *g, struct grader_call *c, enum reason reason)
{
    if (!may_spare(g, c)) {
        group_give_up(g, c, reason);
        return;
    }
    c->outages++;
    c->last_chance = false;
    excuse(c);
    call_enqueue(g, c);
}

void outcome_spare_earlier(const struct grader *g, struct grader_call *c)
{
    if (c->attempts == c->spared || c->failing_us >= g->pool.up_since_us || !may_spare(g, c))
        return;
    c->outages++;
    c->last_chance = false;
    excuse(c);
}

/* Out of attempts. Is it its own doing? 429 says that the server works, unless it says nothing else
 * to anybody any more. */
static bool may_suspect(const struct grader *g, const struct grader_call *c,
                        const struct failure *f, int64_t now, int64_t wait)
{
    int64_t left = group_time_left(g, c->group, now);
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
        call_wait_until(g, c,
                        now + retry_wait_us(&g->rng, LONG_WAIT, g->config.backoff_min_us,
                                            g->config.backoff_max_us, -1));
        return;
    }
    call_suspect(g, c);
}

void outcome_on_decided(void *arg, size_t endpoint, bool works)
{
    struct grader *g = arg;
    struct grader_call *next;
    int64_t now = clock_mono_us(g->clock);
    if (g->up_since_us !=
        g->pool.up_since_us) { /* an outage is over, and so is what it asked for */
        g->up_since_us = g->pool.up_since_us;
        call_end_waits(g, CLOCK_NEVER);
    }
    for (struct grader_call *c = g->suspects.first; c != NULL; c = next) {
        next = c->next;
        if (c->endpoint != (int16_t)endpoint)
            continue;
        call_take_out(g, c);
        if (!works) {
            spare(g, c, c->reason);
        } else if (c->last_chance || !retry_budget_take(&g->once_more, now)) {
            group_give_up(g, c, c->reason);
        } else {
            c->last_chance = true;
            excuse(c);
            call_enqueue(g, c);
        }
    }
    group_call_done(g);
}

/* Each call once: if it is the question that takes so long, it is left in peace then. */
void outcome_on_recall(void *arg, struct pool_flight *flight)
{
    struct grader *g = arg;
    struct attempt *a = CONTAINER_OF(flight, struct attempt, flight);
    if (a->call->recalled || a->call->group->end != GRADER_GROUP_ASKED)
        return;
    a->call->recalled = true;
    g->transport->cancel(g->transport, &a->req);
}

static void go_on(struct grader *g, struct grader_call *c)
{
    if (c->onward == CALL_GATHERS) {
        excuse(c);
    } else {
        c->spared++;
        c->avoid = c->endpoint;
        g->stats.retries++;
        c->group->use.retries++;
    }
    call_enqueue(g, c);
}

static void try_again(struct grader *g, struct grader_call *c, int64_t at)
{
    g->stats.retries++;
    c->group->use.retries++;
    call_wait_until(g, c, at);
}

static void on_failure(struct grader *g, struct grader_call *c, const struct failure *f,
                       int64_t now, int64_t retry_after_us)
{
    struct grader_group *group = c->group;
    int64_t wait = retry_wait_us(&g->rng, c->attempts - c->spared, g->config.backoff_min_us,
                                 g->config.backoff_max_us, retry_after_us);
    if (group->end == GRADER_GROUP_CANCELLED) { /* by us: says nothing about the grader */
        group_give_up(g, c, REASON_DEADLINE);
        return;
    }
    g->stats.failures++;
    c->group->use.failures++;
    if (c->n_asked == 0) { /* answered, but not usably */
        group_settle(g, c);
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
        group_give_up(g, c, group_time_left(g, group, now) <= 0 ? REASON_DEADLINE : f->reason);
}

void outcome_on_reply(struct transport_req *req)
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
    c->onward = CALL_ENDS;
    struct dialect_reply reply = {0};
    struct failure f = ok ? read_reply(g, c, req, &reply, now) : read_failure(g, a, now);

    g->stats.requests += req->resent;
    c->group->use.requests += req->resent;
    account(g, a, &reply, now);
    pool_end(&g->pool, &a->flight, req, &f, now);
    g->stats.in_flight--;
    c->attempt = NULL;
    c->avoid = f.elsewhere ? c->endpoint : POOL_NOBODY;
    int64_t retry_after = ok ? -1 : req->retry_after_us;
    if (req->outcome == TRANSPORT_CANCELLED) /* recalled, unless its group has ended */
        c->onward = CALL_MOVES;
    dispatch_give_back(g, a);
    warm_ended(g, c);
    if (f.reason == REASON_NONE)
        group_settle(g, c);
    else if (c->onward == CALL_ENDS || c->group->end != GRADER_GROUP_ASKED)
        on_failure(g, c, &f, now, retry_after);
    else
        go_on(g, c);
    group_call_done(g);
}
