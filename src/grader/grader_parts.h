/* What the files of a grader share: grader.c (lifecycle, words for others), group.c (groups: their
 * beginning, their time, their end), call.c (which list a call is in), warm.c (one goes ahead),
 * queue.c (which is sent next), join.c (one asks for several), dispatch.c (requests go out),
 * outcome.c (what came back means). Nobody else includes this. Loop thread.
 *
 * A call is the questions of one request, as many as the dialect takes, on their way to an answer.
 * A question that is answered, usably or not, leaves the call; the rest is tried again:
 *
 *   QUEUED --- an endpoint has room ---> SENT --- answer, or given up ---> SETTLED
 *     ^ ^                                 | |                                 ^
 *     | '--- its wait is over - WAITING <-' | (failed, to be tried again)     |
 *     |                                     |                                 |
 *     '- the server's doing --- SUSPECT <---' (out of attempts) - its own ----'
 *
 * The state says which list the call is in: the grader's queue, none (the attempt holds it), the
 * timer heap, the suspects, or, before the beginning, those joined to another call (join.h) or none
 * (warm.h). A suspect failed by what may be the server's doing or its own: a probe of the endpoint
 * decides (health.h). If the server does not work, no attempt was one. If it does, the failure is
 * the question's own; but when nobody was answered there from its first failure to its last
 * attempt, the server may have come back just now, and it gets its attempts once more, as long as
 * their budget lasts (retry.h). */
#ifndef RBR_GRADER_GRADER_PARTS_H
#define RBR_GRADER_GRADER_PARTS_H

#include "grader/flights.h"
#include "grader/grader.h"
#include "grader/pool.h"
#include "grader/questions.h"
#include "grader/queue.h"
#include "grader/retry.h"

enum call_state {
    CALL_HELD, /* before it is QUEUED: see warm.h */
    CALL_QUEUED,
    CALL_SENT,
    CALL_WAITING,
    CALL_SUSPECT,
    CALL_JOINED, /* before it is QUEUED, if that comes to it: see join.h */
    CALL_SETTLED,
};

/* What a reply that is no failure leaves to be done. */
enum call_onward {
    CALL_ENDS,
    CALL_GATHERS, /* more samples, to be had from anybody */
    CALL_MOVES, /* the same, elsewhere: the attempt was none */
};

struct grader_call {
    struct heap_node timer; /* WAITING */
    struct grader_group *group;
    struct grader_call *prev, *next; /* QUEUED, SUSPECT, JOINED */
    struct attempt *attempt; /* SENT */
    struct grader_call *leader; /* JOINED: that asks its questions */
    struct call_list joined; /* those whose leader it is */
    uint16_t *asked; /* propositions without an answer, a piece of the group's list */
    uint16_t n_asked;
    int16_t endpoint; /* that was asked last */
    int16_t avoid; /* endpoint that failed it last, or POOL_NOBODY */
    uint8_t state;
    bool recalled; /* once, from an endpoint that had fallen silent */
    bool last_chance; /* a SUSPECT that fails if the server works */
    enum reason reason; /* SUSPECT */
    struct samples samples; /* those that it has of its question, in mode sample */
    uint8_t onward; /* enum call_onward: by its last reply */
    uint8_t set_aside; /* replies, for their model's name */
    uint32_t attempts, spared; /* of these, taken by outages: they do not count */
    uint32_t outages; /* that it was in the air for */
    int64_t sent_us; /* its last attempt */
    int64_t failing_us; /* since its first failure */
};

/* One request in the air; kept and used again. */
struct attempt {
    struct transport_req req;
    struct dialect_body body;
    struct pool_flight flight;
    struct grader *grader;
    struct grader_call *call;
    struct bill bill;
    struct attempt *next; /* free list */
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
    struct meter meter;
    unsigned held; /* enum grader_hold, bit set */
    struct questions_shelf questions;
    struct queue queue;
    struct call_list suspects;
    struct flights flights; /* questions of calls that are not settled, by digest */
    struct heap timers; /* of calls */
    struct heap warming; /* groups whose first call was sent, the others held */
    int64_t up_since_us; /* as the pool had it when waits were ended last */
    struct heap deadlines, expiries; /* of groups; deadlines by the pool's clock */
    struct grader_group *finished; /* done is owed */
    struct attempt *free_attempts;
    size_t n_free;
    struct arena reply;
    struct answer answers[DIALECT_QUESTIONS_MAX]; /* of the reply being read */
    struct retry_budget retries, once_more;
    struct grader_stats stats;
};

#endif
