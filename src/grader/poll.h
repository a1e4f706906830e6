/* How many requests wait at a server that does not say so with its replies: it is asked twice a
 * second while it has some of ours.
 *
 * SGLang: GET /v1/loads, {"loads": [{"num_waiting_reqs": 3, "max_total_num_tokens": 900000, ...}]},
 * one for each data-parallel rank. Without ranks, or with one that has no tokens, it is not ready
 * to work. A server that has no such page is left in peace for half a minute. One object for one
 * endpoint; part of the pool; loop thread. */
#ifndef RBR_GRADER_POLL_H
#define RBR_GRADER_POLL_H

#include "base/arena.h"
#include "base/clock.h"
#include "grader/transport.h"

struct loads {
    size_t waiting; /* requests, at all ranks */
    bool ready;
};

/* False: that is no such page, and *ret is as it was. */
bool loads_read(struct arena *a, struct str body, struct loads *ret) RBR_MUST_CHECK;

struct poll_config {
    struct transport *transport;
    struct transport_endpoint *endpoint;
    const struct clock *clock;
    /* NULL: it does not say. Not called from inside poll_tick. */
    void (*report)(void *arg, size_t index, const struct loads *loads, int64_t sent_us);
    void *arg;
    size_t index;
};

struct poll;

struct poll *poll_new(const struct poll_config *config) RBR_MUST_CHECK;
struct poll *poll_free(struct poll *p); /* what is in the air ends here; returns NULL */

/* `busy`: it has requests of ours. When it wants to be called again. */
int64_t poll_tick(struct poll *p, bool busy, int64_t now_us);

#endif
