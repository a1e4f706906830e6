/* A source in front of a source: what both sides say is passed on, but for what the one in front
 * wants to have said otherwise. It embeds a struct relay, calls relay_init, puts its own functions
 * over those of `port` that it changes, and its hooks where it wants to know. Loop thread. */
#ifndef RBR_STREAM_RELAY_H
#define RBR_STREAM_RELAY_H

#include "stream/source.h"

struct relay {
    struct source port; /* for who reads */
    struct source *inner; /* where it reads; outlives the relay */
    struct source_listener listener; /* of who reads */
    /* Before the listener is told; may be NULL. */
    void (*assigned)(struct relay *r, const struct source_partition *partitions, size_t n);
    void (*ended)(struct relay *r); /* the assignment: revoked or lost */
};

void relay_init(struct relay *r, struct source *inner);

#endif
