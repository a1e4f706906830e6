#include "stream/outage.h"

#include "base/clock.h"

struct teller {
    void (*tell)(void *arg, const struct outage_change *change);
    void *arg;
};

void outage_init(struct outage *o)
{
    *o = (struct outage){.all = {.from_us = CLOCK_NEVER}};
}

/* True when what is seen has differed from what was said for long enough. */
static bool has_turned(struct outage_watch *w, bool away, int64_t now_us)
{
    if (away == w->away) {
        w->from_us = CLOCK_NEVER;
        return false;
    }
    if (w->from_us == CLOCK_NEVER)
        w->from_us = now_us;
    return now_us - w->from_us >= OUTAGE_LASTS_US;
}

static void turn(struct outage_watch *w, enum outage_kind down, enum outage_kind up, int32_t id,
                 const struct teller *t)
{
    struct outage_change change = {.kind = w->away ? up : down, .id = id};
    w->away = !w->away;
    if (w->away)
        change.since_us = w->away_us = w->from_us;
    else
        change.lasted_us = w->from_us - w->away_us;
    w->from_us = CLOCK_NEVER;
    t->tell(t->arg, &change);
}

/* Keeps those that are still there, in the order of `brokers`. */
static void match(struct outage *o, const struct outage_broker *brokers, size_t n)
{
    struct outage before = *o;
    o->n_brokers = n < OUTAGE_BROKERS_MAX ? n : OUTAGE_BROKERS_MAX;
    for (size_t i = 0; i < o->n_brokers; i++) {
        o->brokers[i].id = brokers[i].id;
        o->brokers[i].watch = (struct outage_watch){.from_us = CLOCK_NEVER};
        o->brokers[i].attempts = brokers[i].attempts;
        for (size_t k = 0; k < before.n_brokers; k++)
            if (before.brokers[k].id == brokers[i].id)
                o->brokers[i] = before.brokers[k];
    }
}

static void see_broker(struct outage *o, size_t i, const struct outage_broker *b, int64_t now_us,
                       const struct teller *t)
{
    struct outage_watch *w = &o->brokers[i].watch;
    /* Another client counts anew. */
    if (b->up || b->attempts < o->brokers[i].attempts)
        o->brokers[i].attempts = b->attempts;
    bool away = !b->up && (w->away || b->attempts > o->brokers[i].attempts);
    if (has_turned(w, away, now_us))
        turn(w, OUTAGE_BROKER_DOWN, OUTAGE_BROKER_UP, b->id, t);
}

void outage_see(struct outage *o, int64_t now_us, const struct outage_broker *brokers, size_t n,
                void (*tell)(void *arg, const struct outage_change *change), void *arg)
{
    const struct teller t = {tell, arg};
    size_t up = 0;
    for (size_t i = 0; i < n; i++)
        up += brokers[i].up;
    match(o, brokers, n);
    if (has_turned(&o->all, up == 0, now_us))
        turn(&o->all, OUTAGE_DOWN, OUTAGE_UP, -1, &t);
    /* Of a cluster that is away, or may be, no single broker is told. */
    if (up == 0 || o->all.away)
        return;
    for (size_t i = 0; i < o->n_brokers; i++)
        if (brokers[i].id >= 0)
            see_broker(o, i, &brokers[i], now_us, &t);
}
