/* A grader's server on virtual time: the transport port, answered by a function of the test.
 *
 * The test gives `answer`, which sees each request as it is sent and says how and when it ends. The
 * fixture keeps what a server and libcurl would keep: the request's own timeout, cancellation that
 * ends later and never inside cancel, counters per endpoint. It checks the caller's side of the
 * port: parts that change before done, requests sent twice. Nothing happens until fixture_run (or
 * fixture_deliver) moves the clock. Header only: for tests/unit and tests/sim. */
#ifndef RBR_TESTS_FIXTURE_TRANSPORT_H
#define RBR_TESTS_FIXTURE_TRANSPORT_H

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/mem.h"
#include "grader/transport.h"

struct fixture_transport;

struct transport_endpoint {
    size_t index;
    size_t in_flight, peak;
    uint64_t requests;
};

/* What `answer` is told. */
struct fixture_call {
    size_t endpoint;
    uint64_t serial; /* over all endpoints, from 0 */
    struct str body; /* valid inside answer only */
    const char *path; /* NULL: the endpoint's own */
    int64_t sent_us, timeout_us;
};

/* How a request ends. `body` is copied. */
struct fixture_reply {
    int64_t delay_us; /* CLOCK_NEVER: never; the timeout ends it */
    enum transport_outcome outcome; /* TRANSPORT_REPLY is 0 */
    int status;
    struct str body;
    int64_t retry_after_us; /* 0: absent */
    int64_t waiting; /* reported; 0: no report */
    bool should_not_retry;
};

struct fixture_pending {
    struct heap_node node;
    struct transport_req *req;
    struct fixture_reply reply;
    struct str sent; /* the body as it was */
    struct fixture_pending *prev, *next;
};

struct fixture_transport {
    struct transport port;
    struct clock_fixture *clock;
    struct fixture_reply (*answer)(void *arg, const struct fixture_call *call);
    void *arg;
    struct heap due;
    size_t in_flight, peak;
    uint64_t requests, cancelled, timeouts;
    bool delivering;
};

static inline struct str fixture_join(const struct transport_req *req)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    for (size_t i = 0; i < req->n_parts; i++)
        (void)buf_append_str(&b, req->parts[i]);
    (void)buf_append(&b, "", 1);
    return (struct str){b.p, b.n - 1};
}

static inline void fixture_send(struct transport *t, struct transport_req *req)
{
    struct fixture_transport *f = CONTAINER_OF(t, struct fixture_transport, port);
    struct transport_endpoint *e = req->endpoint;
    struct fixture_pending *p = mem_alloc(sizeof(*p));
    assert(req->impl == NULL && "sent twice");
    assert(req->timeout_us > 0 && req->done != NULL);
    req->impl = p;
    p->req = req;
    p->sent = fixture_join(req);
    struct fixture_call call = {
        .endpoint = e->index,
        .serial = f->requests,
        .body = p->sent,
        .path = req->path,
        .sent_us = f->clock->now_us,
        .timeout_us = req->timeout_us,
    };
    p->reply = f->answer(f->arg, &call);
    if (p->reply.delay_us >= req->timeout_us) {
        p->reply =
            (struct fixture_reply){.delay_us = req->timeout_us, .outcome = TRANSPORT_TIMEOUT};
        f->timeouts++;
    }
    p->reply.body.p = mem_copy(p->reply.body.p != NULL ? p->reply.body.p : "", p->reply.body.n);
    f->requests++;
    e->requests++;
    if (++f->in_flight > f->peak)
        f->peak = f->in_flight;
    if (++e->in_flight > e->peak)
        e->peak = e->in_flight;
    heap_push(&f->due, &p->node, f->clock->now_us + p->reply.delay_us);
}

static inline void fixture_cancel(struct transport *t, struct transport_req *req)
{
    struct fixture_transport *f = CONTAINER_OF(t, struct fixture_transport, port);
    struct fixture_pending *p = req->impl;
    if (p == NULL || p->reply.outcome == TRANSPORT_CANCELLED)
        return;
    p->reply.outcome = TRANSPORT_CANCELLED;
    f->cancelled++;
    heap_remove(&f->due, &p->node);
    heap_push(&f->due, &p->node, f->clock->now_us);
}

static inline void fixture_forget(struct fixture_transport *f, struct fixture_pending *p)
{
    f->in_flight--;
    p->req->endpoint->in_flight--;
    p->req->impl = NULL;
}

static inline void fixture_free(struct fixture_pending *p)
{
    mem_free((void *)(uintptr_t)p->reply.body.p);
    mem_free((void *)(uintptr_t)p->sent.p);
    mem_free(p);
}

static inline void fixture_drop(struct transport *t, struct transport_req *req)
{
    struct fixture_transport *f = CONTAINER_OF(t, struct fixture_transport, port);
    struct fixture_pending *p = req->impl;
    if (p == NULL)
        return;
    heap_remove(&f->due, &p->node);
    fixture_forget(f, p);
    fixture_free(p);
}

static inline void fixture_end(struct fixture_transport *f, struct fixture_pending *p)
{
    struct transport_req *req = p->req;
    const struct fixture_reply *r = &p->reply;
    struct str now = fixture_join(req);
    assert(str_eq(now, p->sent) && "parts changed before done");
    mem_free((void *)(uintptr_t)now.p);
    fixture_forget(f, p);
    bool reply = r->outcome == TRANSPORT_REPLY;
    req->outcome = r->outcome;
    req->status = reply ? r->status : 0;
    req->body = reply ? r->body : (struct str){0};
    req->waiting = reply && r->waiting > 0 ? r->waiting : -1;
    req->retry_after_us = reply && r->retry_after_us > 0 ? r->retry_after_us : -1;
    req->should_not_retry = reply && r->should_not_retry;
    req->done(req);
    fixture_free(p);
}

/* Ends what is due now. */
static inline void fixture_deliver(struct fixture_transport *f)
{
    struct heap_node *first;
    while ((first = heap_first(&f->due)) != NULL && first->due_us <= f->clock->now_us) {
        heap_remove(&f->due, first);
        fixture_end(f, CONTAINER_OF(first, struct fixture_pending, node));
    }
}

static inline void fixture_transport_init(
    struct fixture_transport *f, struct clock_fixture *clock,
    struct fixture_reply (*answer)(void *arg, const struct fixture_call *call), void *arg)
{
    *f = (struct fixture_transport){
        .port = {.send = fixture_send, .cancel = fixture_cancel, .drop = fixture_drop},
        .clock = clock,
        .answer = answer,
        .arg = arg,
    };
}

static inline void fixture_transport_done(struct fixture_transport *f)
{
    assert(f->in_flight == 0 && "requests left in the air");
    heap_done(&f->due);
}

/* Turns like the loop's: deliver, tick, then jump to the next time anybody wants. Ends when nobody
 * wants anything or the clock passes `until_us` (it is left there then). */
static inline void fixture_run(struct fixture_transport *f, int64_t (*tick)(void *arg), void *arg,
                               int64_t until_us)
{
    for (;;) {
        fixture_deliver(f);
        int64_t next = tick(arg);
        const struct heap_node *first = heap_first(&f->due);
        if (first != NULL && first->due_us < next)
            next = first->due_us;
        if (next == CLOCK_NEVER)
            return;
        if (next > until_us) {
            f->clock->now_us = until_us;
            return;
        }
        if (next > f->clock->now_us)
            f->clock->now_us = next;
    }
}

/* Whether it is a question of the grader's own (grader/known.h). */
static inline bool fixture_is_probe(const struct fixture_call *call)
{
    return str_find(call->body, STR("Does the message say that Paris is in France?"), 0) !=
           SIZE_MAX;
}

/* A chat reply as OpenAI and vLLM write it, with the given probabilities on "Yes" and " no". */
static inline struct str fixture_chat(char out[1024], double yes, double no)
{
    int n = snprintf(
        out, 1024,
        "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"m-1\",\"choices\":[{\"index\":0,"
        "\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"logprobs\":{\"content\":[{"
        "\"token\":\"%s\",\"logprob\":%.17g,\"bytes\":null,\"top_logprobs\":["
        "{\"token\":\"Yes\",\"logprob\":%.17g,\"bytes\":null},"
        "{\"token\":\" no\",\"logprob\":%.17g,\"bytes\":null}]}]},\"finish_reason\":\"length\"}],"
        "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":1,"
        "\"prompt_tokens_details\":{\"cached_tokens\":64}}}",
        yes >= no ? "Yes" : " no", yes >= no ? "Yes" : " no", log(yes >= no ? yes : no), log(yes),
        log(no));
    return (struct str){out, (size_t)n};
}

#endif
