#include "grader/health.h"

enum {
    SECOND_US = 1000000,
    IN_A_ROW_MAX = 5,
    RESULTS_MIN = 20, /* of the window, to say anything */
    PATIENCE_US = 5 * SECOND_US,
    ASK_AGAIN_US = SECOND_US,
    APART_US = SECOND_US / 10,
    BACKOFF_MIN_US = 5 * SECOND_US,
    BACKOFF_MAX_US = 60 * SECOND_US,
    DOWN_US = 4 * SECOND_US,
};

void health_init(struct health *h)
{
    *h = (struct health){.good_us = INT64_MIN, .asked_us = INT64_MIN};
    for (int i = 0; i < HEALTH_WINDOW_SECONDS; i++)
        h->window[i].second = INT64_MIN;
}

static void count(struct health *h, bool failure, int64_t now_us)
{
    int64_t second = now_us / SECOND_US;
    struct health_second *s = &h->window[second % HEALTH_WINDOW_SECONDS];
    if (s->second != second)
        *s = (struct health_second){.second = second};
    s->results++;
    s->failures += failure;
}

static bool mostly_fails(const struct health *h, int64_t now_us)
{
    uint64_t results = 0, failures = 0;
    int64_t oldest = now_us / SECOND_US - HEALTH_WINDOW_SECONDS + 1;
    for (int i = 0; i < HEALTH_WINDOW_SECONDS; i++) {
        if (h->window[i].second < oldest)
            continue;
        results += h->window[i].results;
        failures += h->window[i].failures;
    }
    return results >= RESULTS_MIN && 2 * failures > results;
}

void health_good(struct health *h, int64_t now_us)
{
    h->in_a_row = 0;
    h->good_us = now_us;
    count(h, false, now_us);
}

void health_bad(struct health *h, int64_t sent_us, int64_t now_us)
{
    if (h->in_a_row++ == 0)
        h->bad_since_us = sent_us;
    count(h, true, now_us);
    bool silent = now_us - sent_us >= PATIENCE_US && h->good_us < sent_us;
    if (h->in_a_row >= IN_A_ROW_MAX || silent || mostly_fails(h, now_us))
        health_doubt(h, now_us);
}

void health_doubt(struct health *h, int64_t now_us)
{
    h->doubted_us = now_us;
    if (h->state != HEALTH_CLOSED)
        return;
    h->state = HEALTH_DOUBTED;
    h->probed = false;
    h->since_us = now_us;
    h->probe_us = now_us > h->asked_us + APART_US ? now_us : h->asked_us + APART_US;
}

bool health_asks_again(struct health *h, int64_t now_us)
{
    if (h->state != HEALTH_DOUBTED || !h->probed || now_us - h->asked_us < ASK_AGAIN_US)
        return false;
    h->asked_us = now_us;
    return true;
}

static int64_t backoff(unsigned probes)
{
    int64_t wait = BACKOFF_MIN_US;
    for (unsigned i = 0; i < probes && wait < BACKOFF_MAX_US; i++)
        wait *= 2;
    return wait < BACKOFF_MAX_US ? wait : BACKOFF_MAX_US;
}

enum health_due health_due(struct health *h, bool down, int64_t now_us)
{
    if (h->state == HEALTH_CLOSED || h->state == HEALTH_GONE || now_us < h->probe_us)
        return HEALTH_WAIT;
    if (h->state == HEALTH_OPEN) {
        h->probes++;
        h->asked_us = now_us;
        h->probe_us = now_us + (down ? DOWN_US : backoff(h->probes));
        return HEALTH_PROBE;
    }
    /* The probe may still wait its turn at a busy server: see whether that answers others. */
    if (h->probed && h->good_us < h->since_us)
        return HEALTH_LOST;
    if (h->probed && h->good_us >= h->doubted_us)
        return HEALTH_FOUND;
    h->probed = true;
    h->since_us = h->asked_us = now_us;
    h->probe_us = now_us + PATIENCE_US;
    return HEALTH_PROBE;
}

static void probe_by(struct health *h, int64_t at_us)
{
    if (h->state == HEALTH_OPEN && h->probe_us > at_us)
        h->probe_us = at_us;
}

/* Of those that are not gone. */
struct tally {
    size_t all, failed, out;
};

static struct tally tally_of(const struct health *all, size_t n)
{
    struct tally t = {0};
    for (size_t k = 0; k < n; k++) {
        t.all += all[k].state != HEALTH_GONE;
        t.failed += all[k].state == HEALTH_OPEN;
        t.out += all[k].state == HEALTH_OPEN && !all[k].kept;
    }
    return t;
}

static void put_all_out(struct health *all, size_t n, int64_t now_us)
{
    for (size_t k = 0; k < n; k++) {
        all[k].kept = false;
        probe_by(&all[k], now_us + DOWN_US);
    }
}

bool health_open(struct health *all, size_t n, size_t i, int64_t now_us)
{
    struct health *h = &all[i];
    h->state = HEALTH_OPEN;
    h->since_us = now_us;
    h->probes = 0;
    h->probe_us = now_us + BACKOFF_MIN_US;
    h->kept = false;
    struct tally t = tally_of(all, n);
    if (t.failed == t.all)
        put_all_out(all, n, now_us);
    else
        h->kept = t.out > t.all / 2;
    return t.failed == t.all;
}

bool health_leave(struct health *all, size_t n, size_t i, int64_t now_us)
{
    health_init(&all[i]);
    all[i].state = HEALTH_GONE;
    all[i].probe_us = INT64_MAX;
    struct tally t = tally_of(all, n);
    if (t.failed == t.all)
        put_all_out(all, n, now_us);
    return t.failed == t.all;
}

void health_join(struct health *h, bool down, int64_t now_us)
{
    health_init(h);
    if (!down)
        return;
    h->state = HEALTH_OPEN;
    h->since_us = h->probe_us = now_us;
}

void health_close(struct health *all, size_t n, size_t i, bool down, int64_t now_us)
{
    int64_t asked_us = all[i].asked_us;
    health_init(&all[i]);
    all[i].asked_us = asked_us;
    all[i].good_us = now_us;
    for (size_t k = 0; k < n && down; k++)
        probe_by(&all[k], now_us);
}
