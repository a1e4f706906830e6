#include "grader/pool.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "grader/pool_words.h"

enum { PROBES_MAX = 16, REPLY_ARENA_MAX = 64 * 1024 * 1024, TOKENS_LIKE_A_REQUEST = 1000 };

/* One probe in the air. */
struct pool_probe {
    struct transport_req req;
    struct dialect_body body;
    struct bill bill;
    struct pool *pool;
    size_t endpoint;
    struct pool_probe *next;
};

/* ---- in and out ---------------------------------------------------------------------------------
 */

static void free_probe(struct pool *p, struct pool_probe *probe)
{
    p->probes_in_flight--;
    dialect_body_done(&probe->body);
    mem_free(probe);
}

/* A probe is paid for like a question. */
static void account(struct pool *p, struct pool_probe *probe, enum billed billed,
                    struct usage *used)
{
    if (p->config.meter != NULL)
        meter_end(p->config.meter, &probe->bill, billed, used, clock_mono_us(p->config.clock));
}

static void drop_probe(struct pool *p, struct pool_probe **at)
{
    struct pool_probe *probe = *at;
    *at = probe->next;
    struct usage unknown;
    p->config.transport->drop(p->config.transport, &probe->req);
    account(p, probe, BILLED_UNKNOWN, &unknown);
    free_probe(p, probe);
}

static void drop_probes(struct pool *p, size_t i)
{
    while (p->endpoints[i].probes != NULL)
        drop_probe(p, &p->endpoints[i].probes);
}

/* When the last endpoint that worked was asked what it did not answer. */
static int64_t failing_since(const struct pool *p, int64_t now)
{
    int64_t since = p->up_since_us;
    for (size_t i = 0; i < p->n; i++) {
        const struct health *h = &p->health[i];
        int64_t failing = h->in_a_row > 0 ? h->bad_since_us : now;
        if (h->state != HEALTH_GONE && failing > since)
            since = failing;
    }
    return since;
}

static void go_down(struct pool *p, int64_t since, int64_t now)
{
    p->down = true;
    p->down_since_us = since;
    stopclock_stop(&p->stopclock, POOL_STOPPED_BY_OUTAGE, since);
    p->outages++;
    pool_tell_down(p, now - since);
}

/* What fails one of them may fail all, and with few questions that would take long to see. */
static void doubt_the_silent(struct pool *p, int64_t since, int64_t now)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->health[i].state == HEALTH_CLOSED && p->health[i].good_us < since)
            health_doubt(&p->health[i], now);
}

static void open_endpoint(struct pool *p, size_t i, int64_t now)
{
    p->opened_last = i;
    doubt_the_silent(p, p->health[i].since_us, now);
    if (health_open(p->health, p->n, i, now)) {
        go_down(p, failing_since(p, now), now);
    } else if (!p->health[i].kept) {
        pool_tell_ejected(p, i);
    }
    p->config.decided(p->config.arg, i, false);
}

static void come_up(struct pool *p, int64_t now)
{
    p->down = false;
    p->up_since_us = now;
    stopclock_go(&p->stopclock, POOL_STOPPED_BY_OUTAGE, now);
    pool_tell_up(p, now - p->down_since_us);
}

static void close_endpoint(struct pool *p, size_t i, int64_t now)
{
    struct pool_endpoint *e = &p->endpoints[i];
    const struct health before = p->health[i];
    bool was_down = p->down;
    health_close(p->health, p->n, i, was_down, now);
    drop_probes(p, i);
    e->low = e->silent = false;
    if (before.state == HEALTH_OPEN)
        limiter_restart(&e->limiter);
    if (was_down)
        come_up(p, now);
    else if (before.state == HEALTH_OPEN && !before.kept)
        pool_tell_back(p, i, now - before.since_us);
    p->config.decided(p->config.arg, i, true);
}

/* ---- probes -------------------------------------------------------------------------------------
 */

static bool is_well_answered(struct pool *p, size_t i, const struct transport_req *req,
                             struct dialect_reply *reply)
{
    struct pool_endpoint *e = &p->endpoints[i];
    struct answer answer;
    if (req->outcome != TRANSPORT_REPLY || req->status != 200)
        return false;
    arena_reset(&p->reply);
    p->config.dialect->read(&p->reply, p->config.frame, p->known.policy, req->body, &answer, 1,
                            reply);
    bool low = e->low && !p->down && answer.reason == REASON_LOW_PROBABILITY_MASS;
    e->flaw = QUALITY_WELL;
    if (quality_is_other_model(&p->quality, i, reply->model))
        e->flaw = QUALITY_OTHER_MODEL;
    else if (answer.blind)
        e->flaw = QUALITY_BLIND;
    else if (low && quality_is_poor(&p->quality, i, answer.mass))
        e->flaw = QUALITY_LITTLE_MASS;
    return e->flaw == QUALITY_WELL && (!answer.retry || answer.samples.n > 0);
}

static void on_probed(struct transport_req *req)
{
    struct pool_probe *probe = CONTAINER_OF(req, struct pool_probe, req);
    struct pool *p = probe->pool;
    size_t i = probe->endpoint;
    int64_t now = clock_mono_us(p->config.clock);
    struct dialect_reply reply = {0};
    if (req->outcome == TRANSPORT_REPLY)
        p->endpoints[i].silent = false;
    bool works = is_well_answered(p, i, req, &reply);
    bool says_nothing = req->outcome == TRANSPORT_REPLY && req->status == 429;
    struct pool_probe **at = &p->endpoints[i].probes;
    while (*at != probe)
        at = &(*at)->next;
    *at = probe->next;
    if (!works)
        pool_note(p, i, req);
    account(p, probe, billed_of(req, reply.says_usage), &reply.usage);
    free_probe(p, probe); /* the request with it */
    if (works)
        close_endpoint(p, i, now);
    else if (p->health[i].state == HEALTH_DOUBTED && !says_nothing)
        open_endpoint(p, i, now);
}

static void send_probe(struct pool *p, size_t i)
{
    static const uint16_t question = KNOWN_YES;
    struct pool_endpoint *e = &p->endpoints[i];
    struct pool_probe *probe = mem_alloc(sizeof(*probe));
    struct pool_probe **at = &e->probes;
    size_t n = 0;
    if (p->known.policy == NULL)
        known_init(&p->known);
    while (*at != NULL && ++n < PROBES_MAX)
        at = &(*at)->next;
    if (*at != NULL)
        drop_probe(p, at); /* hangs for more than a minute */
    const struct dialect_asked asked = {&p->known.prompt, p->known.escaped, &question, 1};
    *probe = (struct pool_probe){.pool = p, .endpoint = i, .next = e->probes};
    p->config.dialect->build(p->config.frame, &asked, &probe->body);
    probe->req = (struct transport_req){
        .endpoint = e->transport,
        .parts = probe->body.parts,
        .n_parts = probe->body.n,
        .timeout_us = p->config.request_timeout_us,
        .done = on_probed,
    };
    if (p->config.meter != NULL)
        meter_start(p->config.meter, &probe->bill, dialect_body_bytes(&probe->body),
                    dialect_output_tokens(&p->config.frame->options, 1));
    e->probes = probe;
    p->probes++;
    p->probes_in_flight++;
    p->config.transport->send(p->config.transport, &probe->req);
}

static int64_t silence_bound(const struct pool *p, size_t i, int64_t most)
{
    size_t tokens = 0;
    for (const struct pool_flight *f = p->endpoints[i].flights; f != NULL; f = f->next)
        tokens = f->tokens > tokens ? f->tokens : tokens;
    return most + silence_reading_us(tokens);
}

static void fall_silent(struct pool *p, size_t i, int64_t now)
{
    struct pool_endpoint *e = &p->endpoints[i];
    e->silent = true;
    pool_note_silence(p, i, now - p->silence[i].since_us);
    health_doubt(&p->health[i], now);
    for (struct pool_flight *f = e->flights; f != NULL; f = f->next)
        p->config.recall(p->config.arg, f);
}

/* As pool_last_reply_us, of others than that: its own probes say nothing of others. */
static int64_t others_replied_us(const struct pool *p, size_t i)
{
    int64_t last = INT64_MIN;
    for (size_t k = 0; k < p->n; k++)
        if (k != i && p->health[k].good_us > last)
            last = p->health[k].good_us;
    return last;
}

/* Looks for endpoints that have fallen silent; when the next one may have. */
static int64_t watch_silence(struct pool *p, int64_t now)
{
    int64_t due = CLOCK_NEVER;
    int64_t most = silence_most_us(p->silence, p->n);
    for (size_t i = 0; i < p->n; i++) {
        const struct silence *s = &p->silence[i];
        if (p->endpoints[i].silent || s->since_us == INT64_MAX)
            continue;
        int64_t bound = now - s->since_us < most ? most : silence_bound(p, i, most);
        if (now - s->since_us >= bound && silence_is_long(s, bound, others_replied_us(p, i), now))
            fall_silent(p, i, now);
        else if (s->since_us + bound > now && s->since_us + bound < due)
            due = s->since_us + bound;
    }
    return due;
}

/* Not from where a request ends: the transport still has it then. */
static void let_go(struct pool *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct pool_endpoint *e = &p->endpoints[i];
        struct transport_endpoint *gone = e->transport;
        if (p->health[i].state != HEALTH_GONE || gone == NULL || e->limiter.in_flight > 0)
            continue;
        e->poll = poll_free(e->poll);
        e->transport = NULL;
        e->name = (struct str){0};
        if (p->config.gone != NULL)
            p->config.gone(p->config.gone_arg, gone);
    }
}

static void on_load(void *arg, size_t i, const struct loads *loads, int64_t sent_us)
{
    struct pool *p = arg;
    struct pool_endpoint *e = &p->endpoints[i];
    int64_t now = clock_mono_us(p->config.clock);
    bool was_ready = e->ready;
    if (loads == NULL && !e->says_no_load)
        pool_tell_no_load(p, i);
    e->says_no_load = loads == NULL;
    e->ready = loads == NULL || loads->ready;
    e->waiting = loads != NULL ? loads->waiting : 0;
    if (loads != NULL)
        limiter_report(&e->limiter, loads->waiting, sent_us, now);
    if (was_ready && !e->ready)
        health_doubt(&p->health[i], now); /* its probe decides */
}

int64_t pool_poll(struct pool *p, int64_t now_us)
{
    int64_t due = CLOCK_NEVER;
    for (size_t i = 0; i < p->n; i++) {
        struct pool_endpoint *e = &p->endpoints[i];
        int64_t next = e->poll != NULL ? poll_tick(e->poll, e->limiter.in_flight > 0, now_us) : due;
        due = next < due ? next : due;
    }
    return due;
}

int64_t pool_tick(struct pool *p, int64_t now_us)
{
    let_go(p);
    int64_t due = watch_silence(p, now_us);
    for (size_t i = 0; i < p->n; i++) {
        switch (health_due(&p->health[i], p->down, now_us)) {
        case HEALTH_PROBE:
            send_probe(p, i);
            break;
        case HEALTH_LOST:
            open_endpoint(p, i, now_us);
            break;
        case HEALTH_FOUND:
            close_endpoint(p, i, now_us);
            break;
        case HEALTH_WAIT:
            break;
        }
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct health *h = &p->health[i];
        if (h->state != HEALTH_CLOSED && h->probe_us < due)
            due = h->probe_us;
    }
    return due;
}

/* ---- asking -------------------------------------------------------------------------------------
 */

/* Another policy asks about the same conversation in other words: that is another beginning. */
static uint64_t key_of(const struct prompt *prompt)
{
    uint64_t policy;
    memcpy(&policy, prompt->policy->hash, sizeof(policy));
    return prompt->prompt_hash ^ policy;
}

/* As it would be with this request. Tokens to be read weigh like requests, a thousand like one, so
 * that where a long prompt has been read already much may wait before it is read elsewhere. */
static double load_with(const struct pool_endpoint *e, const struct prefill_request *r)
{
    size_t tokens = e->prefill.tokens + prefill_tokens(&e->prefill, r);
    return (double)e->limiter.in_flight + (double)tokens / TOKENS_LIKE_A_REQUEST;
}

static bool has_room(const struct pool *p, size_t i, const struct prefill_request *r)
{
    const struct pool_endpoint *e = &p->endpoints[i];
    return limiter_has_room(&e->limiter) && prefill_has_room(&e->prefill, r, p->tokens_most);
}

/* Of those that work, with room or whatever room they have. */
static size_t choose(struct pool *p, uint64_t key, const struct prefill_request *r, int avoid,
                     bool with_room)
{
    size_t n = p->n;
    bool others = false;
    for (size_t i = 0; i < n; i++) {
        struct affinity_endpoint *a = &p->affinity[i];
        a->may = health_is_asked(&p->health[i]) && !p->endpoints[i].silent &&
                 (!with_room || has_room(p, i, r));
        a->load = p->health[i].state != HEALTH_GONE ? load_with(&p->endpoints[i], r) : 0;
        others = others || (a->may && avoid != (int)i);
    }
    if (others && avoid != POOL_NOBODY)
        p->affinity[avoid].may = false;
    return affinity_pick(p->affinity, n, key);
}

enum pool_place pool_pick(struct pool *p, const struct prompt *prompt,
                          const struct prefill_request *r, int avoid, size_t *ret)
{
    uint64_t key = key_of(prompt);
    *ret = choose(p, key, r, avoid, false);
    if (*ret != AFFINITY_NONE && has_room(p, *ret, r))
        return POOL_FIRST;
    *ret = choose(p, key, r, avoid, true);
    return *ret != AFFINITY_NONE ? POOL_OTHER : POOL_NONE;
}

size_t pool_tokens(const struct pool *p, size_t endpoint, const struct prefill_request *r)
{
    return prefill_tokens(&p->endpoints[endpoint].prefill, r);
}

void pool_start(struct pool *p, size_t endpoint, const struct prefill_request *r, int64_t now_us,
                struct pool_flight *ret)
{
    struct pool_endpoint *e = &p->endpoints[endpoint];
    silence_sent(&p->silence[endpoint], now_us);
    limiter_start(&e->limiter);
    *ret = (struct pool_flight){.endpoint = endpoint,
                                .tokens = prefill_start(&e->prefill, r),
                                .sent_us = now_us,
                                .next = e->flights};
    if (e->flights != NULL)
        e->flights->prev = ret;
    e->flights = ret;
}

static void land(struct pool_endpoint *e, const struct pool_flight *f)
{
    if (f->prev != NULL)
        f->prev->next = f->next;
    else
        e->flights = f->next;
    if (f->next != NULL)
        f->next->prev = f->prev;
    prefill_end(&e->prefill, f->tokens);
}

void pool_end(struct pool *p, struct pool_flight *flight, const struct transport_req *req,
              const struct failure *f, int64_t now_us)
{
    size_t endpoint = flight->endpoint;
    int64_t sent_us = flight->sent_us;
    struct pool_endpoint *e = &p->endpoints[endpoint];
    struct silence *s = &p->silence[endpoint];
    bool heard = req->outcome != TRANSPORT_TIMEOUT && req->outcome != TRANSPORT_CANCELLED;
    if (req->waiting >= 0)
        limiter_report(&e->limiter, (size_t)req->waiting, sent_us, now_us);
    else if (e->waiting > 0)
        limiter_queued(&e->limiter);
    limiter_end(&e->limiter, f->load, sent_us, now_us);
    land(e, flight);
    silence_ended(s, heard, e->limiter.in_flight > 0, now_us);
    if (heard)
        e->silent = false;
    if (f->fault == FAULT_NONE)
        silence_answered(s, sent_us, now_us);
    if (f->fault == FAULT_NONE)
        health_good(&p->health[endpoint], now_us);
    else if (f->fault == FAULT_SERVER)
        health_bad(&p->health[endpoint], sent_us, now_us);
    if (f->fault == FAULT_SERVER || f->fault == FAULT_RATE)
        pool_note(p, endpoint, req);
}

/* Raises a doubt when there is somebody else to ask; the probe decides. */
static void weigh_mass(struct pool *p, size_t i, const struct answer *answer, int64_t now)
{
    bool low = answer->reason == REASON_LOW_PROBABILITY_MASS;
    if (!low && answer->reason != REASON_NONE)
        return;
    quality_mass(&p->quality, i, answer->mass, low);
    if (!low || pool_working(p) == 1 || !quality_has_collapsed(&p->quality, i))
        return;
    quality_forget_masses(&p->quality, i);
    p->endpoints[i].low = true;
    health_doubt(&p->health[i], now);
}

/* Somebody else works who might say what the model's name is. */
static bool others_are_unheard(const struct pool *p, size_t i)
{
    for (size_t k = 0; k < p->n; k++)
        if (k != i && health_is_asked(&p->health[k]) && p->health[k].good_us == INT64_MIN)
            return true;
    return false;
}

enum quality_flaw pool_weigh(struct pool *p, size_t endpoint, const struct dialect_reply *reply,
                             struct answer *answers, size_t n, int64_t now_us)
{
    struct quality *q = &p->quality;
    bool other = quality_is_other_model(q, endpoint, reply->model);
    bool unknown = !other && !quality_is_sure(q, endpoint) && others_are_unheard(p, endpoint);
    enum quality_flaw flaw = other     ? QUALITY_OTHER_MODEL
                             : unknown ? QUALITY_UNKNOWN_MODEL
                                       : QUALITY_WELL;
    for (size_t i = 0; i < n; i++) {
        struct answer *a = &answers[i];
        if (other) {
            *a = (struct answer){.reason = REASON_GRADER_UNAVAILABLE, .retry = true};
            continue;
        }
        if (a->blind)
            flaw = QUALITY_BLIND;
        if (a->reason == REASON_LOW_PROBABILITY_MASS && quality_is_doubtful(q, endpoint)) {
            a->retry = true;
            flaw = flaw == QUALITY_WELL ? QUALITY_LITTLE_MASS : flaw;
        }
        weigh_mass(p, endpoint, a, now_us);
    }
    p->endpoints[endpoint].flaw = flaw;
    return flaw;
}

bool pool_doubt(struct pool *p, size_t endpoint, int64_t now_us)
{
    health_doubt(&p->health[endpoint], now_us);
    if (p->endpoints[endpoint].probes == NULL && health_asks_again(&p->health[endpoint], now_us))
        send_probe(p, endpoint);
    return p->health[endpoint].state == HEALTH_DOUBTED;
}

int64_t pool_clock_us(const struct pool *p, int64_t now_us)
{
    return stopclock_us(&p->stopclock, now_us);
}

int64_t pool_replied_us(const struct pool *p, size_t endpoint)
{
    return p->health[endpoint].good_us;
}

int64_t pool_last_reply_us(const struct pool *p)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < p->n; i++)
        if (p->health[i].good_us > last)
            last = p->health[i].good_us;
    return last;
}

size_t pool_size(const struct pool *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += p->health[i].state != HEALTH_GONE;
    return n;
}

size_t pool_tokens_in_flight(const struct pool *p)
{
    size_t sum = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += p->endpoints[i].prefill.tokens;
    return sum;
}

size_t pool_limit(const struct pool *p)
{
    size_t sum = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->health[i].state != HEALTH_GONE)
            sum += limiter_limit(&p->endpoints[i].limiter);
    return sum;
}

size_t pool_working(const struct pool *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += health_is_asked(&p->health[i]);
    return n;
}

/* ---- lifecycle ----------------------------------------------------------------------------------
 */

/* The same in every worker that has this endpoint, wherever it is in its list. */
static uint64_t seed_of(struct str name, size_t i)
{
    uint8_t whole[SHA256_BYTES];
    uint64_t seed = i;
    struct sha256 h;
    if (name.n == 0)
        return seed;
    sha256_init(&h);
    sha256_field(&h, name);
    sha256_finish(&h, whole);
    sha256_done(&h);
    memcpy(&seed, whole, sizeof(seed));
    return seed;
}

/* A place that nobody has, and no request is on its way to. */
static size_t free_place(struct pool *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->endpoints[i].transport == NULL)
            return i;
    size_t n = ++p->n;
    p->endpoints = mem_resize(p->endpoints, n * sizeof(*p->endpoints));
    p->health = mem_resize(p->health, n * sizeof(*p->health));
    p->silence = mem_resize(p->silence, n * sizeof(*p->silence));
    p->affinity = mem_resize(p->affinity, n * sizeof(*p->affinity));
    return n - 1;
}

size_t pool_join(struct pool *p, struct transport_endpoint *transport, struct str name)
{
    size_t i = free_place(p);
    struct pool_endpoint *e = &p->endpoints[i];
    *e = (struct pool_endpoint){.transport = transport, .name = name, .advice = "", .ready = true};
    if (p->config.polls)
        e->poll = poll_new(
            &(struct poll_config){p->config.transport, transport, p->config.clock, on_load, p, i});
    limiter_init(&e->limiter, p->config.max_in_flight, p->config.fixed_in_flight);
    e->limiter.share = p->config.share;
    health_join(&p->health[i], p->down, clock_mono_us(p->config.clock));
    silence_init(&p->silence[i]);
    quality_join(&p->quality, i);
    p->affinity[i] = (struct affinity_endpoint){.seed = seed_of(name, i)};
    return i;
}

static size_t any_that_fails(const struct pool *p)
{
    size_t i = 0;
    while (i < p->n - 1 && p->health[i].state != HEALTH_OPEN)
        i++;
    return i;
}

void pool_leave(struct pool *p, size_t i)
{
    int64_t now = clock_mono_us(p->config.clock);
    bool none_works = health_leave(p->health, p->n, i, now);
    drop_probes(p, i);
    quality_leave(&p->quality, i);
    if (p->opened_last == i)
        p->opened_last = any_that_fails(p);
    if (none_works && !p->down) {
        p->opened_last = any_that_fails(p);
        go_down(p, now, now);
    }
    p->config.decided(p->config.arg, i, false);
}

void pool_init(struct pool *p, const struct pool_config *config)
{
    int64_t now = clock_mono_us(config->clock);
    *p = (struct pool){.config = *config, .up_since_us = now};
    stopclock_init(&p->stopclock, now);
    arena_init(&p->reply, REPLY_ARENA_MAX);
    quality_init(&p->quality, 0, config->frame->options.model);
    p->tokens_most = (size_t)ceil((double)config->max_tokens_in_flight * config->share);
    for (size_t i = 0; i < config->n; i++)
        (void)pool_join(p, config->endpoints[i],
                        config->names != NULL ? config->names[i] : (struct str){0});
}

void pool_done(struct pool *p)
{
    for (size_t i = 0; p->endpoints != NULL && i < p->n; i++) {
        drop_probes(p, i);
        p->endpoints[i].poll = poll_free(p->endpoints[i].poll);
    }
    known_done(&p->known);
    quality_done(&p->quality);
    arena_done(&p->reply);
    mem_free(p->endpoints);
    mem_free(p->health);
    mem_free(p->silence);
    mem_free(p->affinity);
    *p = (struct pool){0};
}
