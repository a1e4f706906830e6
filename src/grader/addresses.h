/* Endpoints whose URL has a name that stands for several servers, as that of a headless service in
 * Kubernetes does: each address is an endpoint.
 *
 * A name is looked up again and again. From the first answer with more than one address on, the
 * endpoint by name gives its place to one for each address; new ones join, and those that are no
 * longer there leave (grader_leave: what is on its way may be answered). As long as there is only
 * one, or none is found, the name stays as it is, and the transport looks it up by itself. An
 * answer that is none changes nothing: the last addresses are asked.
 *
 * Names are looked up one at a time. One log line for what changed (grader.addresses), and one each
 * way for a name that cannot be looked up (grader.name_unknown, grader.name_known).
 *
 * Lifecycle: addresses_new, addresses_watch for each name, addresses_serve for each grader, ticks;
 * then the graders' end, addresses_free, the resolver's. Loop thread. */
#ifndef RBR_GRADER_ADDRESSES_H
#define RBR_GRADER_ADDRESSES_H

#include "base/clock.h"
#include "grader/grader.h"
#include "loop/resolver.h"

enum { ADDRESSES_GRADERS_MAX = 2 }; /* that have the same endpoints */

struct addresses_config {
    struct resolver *resolver;
    const struct clock *clock;
    int64_t every_us; /* between two look-ups of a name */
    struct str grader; /* for the log */
    /* The transport's: an endpoint like `named` at this address, what it is called, its end. */
    struct transport_endpoint *(*at)(struct transport_endpoint *named, const char *address);
    const char *(*name)(const struct transport_endpoint *e);
    void (*free)(struct transport_endpoint *e);
};

struct addresses;

struct addresses *addresses_new(const struct addresses_config *config);
void addresses_free(
    struct addresses *a); /* NULL is fine; its memory may go with the last look-up */

/* `named` is the graders' i-th endpoint, and outlives this; `host` its name, copied. */
void addresses_watch(struct addresses *a, struct transport_endpoint *named, size_t i,
                     const char *host);

/* Has these endpoints, and no others yet; its `gone` is addresses_gone. Before the first tick. */
void addresses_serve(struct addresses *a, struct grader *g);

/* An endpoint that left; `arg` is a struct addresses. */
void addresses_gone(void *arg, struct transport_endpoint *e);

/* When it wants to be called again. */
int64_t addresses_tick(struct addresses *a);

#endif
