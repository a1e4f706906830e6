#include "grader/limiter.h"

enum { START = 8 };

static const double decrease = 0.7;

void limiter_init(struct limiter *l, size_t ceiling, bool fixed)
{
    size_t start = fixed || ceiling < START ? ceiling : START;
    *l = (struct limiter){
        .ceiling = ceiling,
        .fixed = fixed,
        .slow_start = true,
        .limit = (double)start,
        .last_decrease_us = INT64_MIN,
    };
}

void limiter_start(struct limiter *l)
{
    l->in_flight++;
    if (l->in_flight > l->peak)
        l->peak = l->in_flight;
}

static void grow(struct limiter *l)
{
    size_t limit = limiter_limit(l);
    if (++l->credits < limit)
        return;
    if (l->peak * 2 >= limit) /* an unused limit says nothing: leave it */
        l->limit = l->slow_start ? l->limit * 2 : l->limit + 1;
    if (l->limit > (double)l->ceiling)
        l->limit = (double)l->ceiling;
    l->credits = 0;
    l->peak = l->in_flight;
}

static void shrink(struct limiter *l, int64_t sent_us, int64_t now_us)
{
    l->slow_start = false;
    if (sent_us < l->last_decrease_us)
        return; /* sent under the old limit: its overload is known already */
    l->limit = l->limit * decrease > 1 ? l->limit * decrease : 1;
    l->credits = 0;
    l->peak = l->in_flight;
    l->last_decrease_us = now_us;
}

void limiter_end(struct limiter *l, enum limiter_outcome outcome, int64_t sent_us, int64_t now_us)
{
    l->in_flight--;
    if (l->fixed)
        return;
    if (outcome == LIMITER_GOOD)
        grow(l);
    else if (outcome == LIMITER_OVERLOAD)
        shrink(l, sent_us, now_us);
}
