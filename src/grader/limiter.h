/* How many requests one endpoint gets at a time.
 *
 * Fixed, or following the server. It starts at 8 and doubles while doubling gets more done. From
 * the first sign of a limit on it depends on what the server tells:
 *   - "overloaded" (429, 503, 529, timeouts): x0.7, at most once a round trip, then along a curve
 *     that is back near the old limit soon, stays there for long, and leaves it the faster the
 *     longer nothing happens (as CUBIC does for TCP, of fifth degree);
 *   - how many requests wait there (load reports): none, it grows along that curve; some, it holds;
 *     more than 8 and a quarter of ours, in two reports, x0.9;
 *   - nothing at all: now and then half as many more are tried, and kept when they get more done.
 * A round trip is `limit` answers.
 *
 * Several workers at one endpoint come to have about the same number of requests there. One with a
 * share of a quarter comes to have about a quarter of theirs: it takes a quarter of the limit it
 * finds, each sign of overload counts four times, and its curve takes four times as long. Pure: it
 * is told what happens. Figures: tests/sim/test_flow.c.
 */
#ifndef RBR_GRADER_LIMITER_H
#define RBR_GRADER_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum limiter_mode {
    LIMITER_DOUBLING, /* until the first sign of a limit */
    LIMITER_CURVE, /* the server says when it is too much */
    LIMITER_RESTING, /* it says nothing, and more did not help */
    LIMITER_TRYING, /* half as many more */
};

struct limiter {
    size_t ceiling;
    double share; /* above 0, at most 1; the caller's to set. `limit` is as if it were 1 */
    bool fixed;
    enum limiter_mode mode;
    double limit;
    size_t in_flight;
    /* this round trip */
    size_t answers;
    size_t peak; /* most in flight */
    bool queued; /* the server reported that requests wait */
    int64_t began_us;
    /* the curve */
    double low, top; /* it starts at low and is flat at top */
    double rounds; /* on the curve, resting, or at this limit */
    /* does more help? */
    double rate, rate_before; /* answers a second: at this limit; at the one before it */
    double limit_before;
    unsigned long_queues; /* reports in a row */
    int64_t last_decrease_us; /* requests sent before this had no say in it */
};

void limiter_init(struct limiter *l, size_t ceiling, bool fixed); /* with a share of 1 */

static inline size_t limiter_limit(const struct limiter *l)
{
    double limit = l->limit * l->share;
    return limit > 1 ? (size_t)limit : 1;
}

static inline bool limiter_has_room(const struct limiter *l)
{
    return l->in_flight < limiter_limit(l);
}

void limiter_start(struct limiter *l);

/* Starts low again: the server was away, and what it can take now is not known. */
void limiter_restart(struct limiter *l);

enum limiter_outcome {
    LIMITER_GOOD, /* a reply: the server kept up */
    LIMITER_OVERLOAD, /* it said so, or did not answer in time */
    LIMITER_NEUTRAL, /* says nothing about load: refused, cancelled, broken */
};

/* A request that was sent at `sent_us` ended at `now_us`. */
void limiter_end(struct limiter *l, enum limiter_outcome outcome, int64_t sent_us, int64_t now_us);

/* With an answer that does not say, when it is known from elsewhere that some wait there. */
void limiter_queued(struct limiter *l);

/* With an answer, before limiter_end: so many requests wait in the server's queue. */
void limiter_report(struct limiter *l, size_t waiting, int64_t sent_us, int64_t now_us);

#endif
