/* When brokers are away, and back: what is worth a line in the log, and what is not. It is shown
 * how each broker is doing, again and again, and tells of changes that have lasted for a moment:
 * once when none can be reached any more and once when one can, and else once each way of a single
 * one.
 *
 * A client connects only to brokers that it needs, so one that is not connected is away only when
 * connecting was tried meanwhile. Pure; no clock, no I/O; one thread an object. */
#ifndef RBR_STREAM_OUTAGE_H
#define RBR_STREAM_OUTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUTAGE_LASTS_US = 2000000, OUTAGE_BROKERS_MAX = 64 };

struct outage_broker {
    int32_t id; /* below 0: it has not said yet; counts for the cluster only */
    bool up;
    int64_t attempts; /* to connect, since the client was made */
};

enum outage_kind { OUTAGE_DOWN, OUTAGE_UP, OUTAGE_BROKER_DOWN, OUTAGE_BROKER_UP };

struct outage_change {
    enum outage_kind kind;
    int32_t id; /* of a BROKER_ one */
    int64_t since_us; /* of a DOWN: when it was seen first */
    int64_t lasted_us; /* of an UP: how long it was away */
};

/* What may be up or away, and what has been said of it. */
struct outage_watch {
    bool away; /* said, or nothing to say yet */
    int64_t from_us; /* when it was first seen to be other than said; NEVER: it is not */
    int64_t away_us; /* when it went away */
};

struct outage {
    struct outage_watch all;
    struct {
        int32_t id;
        struct outage_watch watch;
        int64_t attempts; /* when it was last up */
    } brokers[OUTAGE_BROKERS_MAX];
    size_t n_brokers;
};

void outage_init(struct outage *o);

/* `tell` is called for each change, from inside. Brokers above OUTAGE_BROKERS_MAX are counted for
 * the cluster only; those that are not among `brokers` any more are forgotten. */
void outage_see(struct outage *o, int64_t now_us, const struct outage_broker *brokers, size_t n,
                void (*tell)(void *arg, const struct outage_change *change), void *arg);

static inline bool outage_is_down(const struct outage *o)
{
    return o->all.away;
}

#endif
