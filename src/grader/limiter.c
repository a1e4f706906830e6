#include "grader/limiter.h"

#include <math.h>

enum {
    START = 8,
    CURVE_ROUNDS = 8, /* until it is back at the top; */
    CURVE_ANSWERS = 64, /* and so many answers more: to a few, one refusal is a large share */
    REST_ROUNDS = 16,
    TRIAL_ROUNDS = 3, /* one to settle, two to be measured */
    LONG_QUEUE = 8,
};

static const double on_overload = 0.7, on_long_queue = 0.9, try_more = 1.5;
static const double gain_least = 0.15; /* of what is tried more, got done more */

void limiter_init(struct limiter *l, size_t ceiling, bool fixed)
{
    size_t start = fixed || ceiling < START ? ceiling : START;
    *l = (struct limiter){
        .ceiling = ceiling,
        .share = 1,
        .fixed = fixed,
        .limit = (double)start,
        .last_decrease_us = INT64_MIN,
        .began_us = INT64_MIN,
    };
}

void limiter_restart(struct limiter *l)
{
    size_t in_flight = l->in_flight;
    double share = l->share;
    limiter_init(l, l->ceiling, l->fixed);
    l->share = share;
    l->in_flight = l->peak = in_flight;
}

void limiter_start(struct limiter *l)
{
    l->in_flight++;
    if (l->in_flight > l->peak)
        l->peak = l->in_flight;
}

static void set_limit(struct limiter *l, double limit)
{
    l->limit = limit > (double)l->ceiling ? (double)l->ceiling : limit < 1 ? 1 : limit;
}

static void begin_round(struct limiter *l, int64_t now_us)
{
    l->answers = 0;
    l->peak = l->in_flight;
    l->queued = false;
    l->began_us = now_us;
}

/* ---- the server says --------------------------------------------------------------------------
 */

static void start_curve(struct limiter *l, double low, double top, double rounds)
{
    l->mode = LIMITER_CURVE;
    l->low = low;
    l->top = top;
    l->rounds = rounds;
}

static double curve_rounds(double top)
{
    return CURVE_ROUNDS + CURVE_ANSWERS / top;
}

static double curve(const struct limiter *l)
{
    double x = l->rounds / curve_rounds(l->top) - 1;
    return l->top + (l->top - l->low) * x * x * x * x * x;
}

static void shrink(struct limiter *l, double factor, int64_t sent_us, int64_t now_us)
{
    if (sent_us < l->last_decrease_us)
        return; /* sent under the old limit: its overload is known already */
    double low = l->limit * pow(factor, 1 / l->share), top = l->limit; /* it meets few of them */
    if (l->mode == LIMITER_CURVE && l->limit < l->top * 0.98)
        top = (low + top) / 2; /* it was less than last time: there is less to be had */
    set_limit(l, low);
    start_curve(l, low, top, 0);
    begin_round(l, now_us);
    l->last_decrease_us = now_us;
}

void limiter_report(struct limiter *l, size_t waiting, int64_t sent_us, int64_t now_us)
{
    size_t most = l->in_flight / 4 > LONG_QUEUE ? l->in_flight / 4 : LONG_QUEUE;
    l->queued = l->queued || waiting > 0;
    l->long_queues = waiting > most ? l->long_queues + 1 : 0;
    if (l->fixed || l->long_queues < 2)
        return;
    l->long_queues = 0;
    shrink(l, on_long_queue, sent_us, now_us);
}

void limiter_queued(struct limiter *l)
{
    l->queued = true;
}

/* ---- does more help? --------------------------------------------------------------------------
 */

static void try_limit(struct limiter *l, enum limiter_mode mode, double factor)
{
    l->mode = mode;
    l->rounds = 0;
    l->limit_before = l->limit;
    l->rate_before = l->rate;
    l->rate = 0;
    set_limit(l, l->limit * factor);
}

static void rest(struct limiter *l)
{
    l->mode = LIMITER_RESTING;
    l->rounds = 0;
    l->rate = 0;
}

/* After a round trip at this limit; the first one still has answers of the limit before. */
static void measure(struct limiter *l, int64_t now_us)
{
    double s = (double)(now_us - l->began_us) / 1e6;
    double rate = s > 0 ? (double)l->answers / s : 0;
    if (l->rounds == 2)
        l->rate = rate;
    else if (l->rounds > 2)
        l->rate += (rate - l->rate) / 2;
}

static bool helps(const struct limiter *l)
{
    double more = l->limit / l->limit_before - 1;
    return l->rate_before <= 0 || l->rate > l->rate_before * (1 + gain_least * more);
}

static void judge_trial(struct limiter *l)
{
    if (l->rounds < TRIAL_ROUNDS)
        return;
    if (!helps(l)) {
        set_limit(l, l->limit_before);
        rest(l);
    } else if (l->limit < (double)l->ceiling) {
        try_limit(l, l->mode, l->mode == LIMITER_DOUBLING ? 2 : try_more);
    } else {
        rest(l);
    }
}

/* ---- round trips ------------------------------------------------------------------------------
 */

static void end_round(struct limiter *l, int64_t now_us)
{
    bool used = l->peak * 2 >= limiter_limit(l); /* an unused limit says nothing: leave it */
    bool full = l->peak >= limiter_limit(l); /* only then would more be used */
    if (l->queued) {
        if (used)
            start_curve(l, l->limit * on_long_queue, l->limit, curve_rounds(l->limit));
    } else if (l->mode == LIMITER_CURVE) {
        l->rounds += used ? l->share : 0;
        if (used && curve(l) > l->limit)
            set_limit(l, curve(l));
    } else if (full) {
        l->rounds++;
        measure(l, now_us);
        if (l->mode != LIMITER_RESTING)
            judge_trial(l);
        else if (l->rounds >= REST_ROUNDS && l->limit < (double)l->ceiling)
            try_limit(l, LIMITER_TRYING, try_more);
    }
    begin_round(l, now_us);
}

void limiter_end(struct limiter *l, enum limiter_outcome outcome, int64_t sent_us, int64_t now_us)
{
    l->in_flight--;
    if (l->fixed)
        return;
    if (outcome == LIMITER_OVERLOAD) {
        shrink(l, on_overload, sent_us, now_us);
    } else if (outcome == LIMITER_GOOD) {
        if (l->began_us == INT64_MIN)
            l->began_us = sent_us;
        if (++l->answers >= limiter_limit(l))
            end_round(l, now_us);
    }
}
