/* How many requests one endpoint gets at a time.
 *
 * Fixed, or additive increase and multiplicative decrease: starts at 8 and doubles each round trip
 * until the first hold, then grows by one a round trip while it is used; x0.7 on 429, 503, 529 and
 * timeouts, at most once a round trip. A round trip is `limit` completions, and the slowest request
 * among them. Pure: it is told what happens. */
#ifndef RBR_GRADER_LIMITER_H
#define RBR_GRADER_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limiter {
    size_t ceiling;
    bool fixed;
    bool slow_start;
    double limit;
    size_t in_flight;
    size_t credits; /* completions since the limit last grew */
    size_t peak; /* most in flight in this round trip */
    int64_t last_decrease_us; /* requests sent before this had no say in it */
};

void limiter_init(struct limiter *l, size_t ceiling, bool fixed);

static inline size_t limiter_limit(const struct limiter *l)
{
    return (size_t)l->limit;
}

static inline bool limiter_has_room(const struct limiter *l)
{
    return l->in_flight < limiter_limit(l);
}

void limiter_start(struct limiter *l);

enum limiter_outcome {
    LIMITER_GOOD, /* a reply: the server kept up */
    LIMITER_OVERLOAD, /* it said so, or did not answer in time */
    LIMITER_NEUTRAL, /* says nothing about load: refused, cancelled, broken */
};

/* A request that was sent at `sent_us` ended at `now_us`. */
void limiter_end(struct limiter *l, enum limiter_outcome outcome, int64_t sent_us, int64_t now_us);

#endif
