/* Names to addresses without waiting for them: a port. The real one asks the system (hosts file,
 * DNS) on libuv's pool, so a lookup that hangs holds up nothing but the end of the process, for as
 * long as the system's resolver has patience.
 *
 * Answers are IPv4 addresses, or IPv6 ones where there is no other: a server with both is one
 * server. Loop thread. */
#ifndef RBR_LOOP_RESOLVER_H
#define RBR_LOOP_RESOLVER_H

#include <stdbool.h>

#include "loop/loop.h"

enum {
    RESOLVER_ADDRESSES_MAX = 256, /* of one name; of more, the first in order */
    RESOLVER_ADDRESS_BYTES = 46, /* numeric, with NUL */
};

/* Caller-owned; stays until done. */
struct resolver_query {
    /* in */
    const char *host;
    void (*done)(struct resolver_query *q); /* never inside ask */
    /* out, valid inside done only */
    const char (*addresses)[RESOLVER_ADDRESS_BYTES]; /* in order, each once */
    size_t n; /* 0: it failed */
    const char *error; /* in words, then */
    /* private */
    uv_getaddrinfo_t request;
};

struct resolver {
    /* False: no such name can be, and done is not called. */
    bool (*ask)(struct resolver *r, struct resolver_query *q);
};

struct loop_resolver {
    struct resolver port;
    struct loop *loop;
};

void loop_resolver_init(struct loop_resolver *r, struct loop *loop);

#endif
