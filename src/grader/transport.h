/* The port to a grader's server: send bytes, get a reply. The real one is grader/http (libcurl on
 * libuv); tests have a fixture that answers on virtual time. Loop thread. */
#ifndef RBR_GRADER_TRANSPORT_H
#define RBR_GRADER_TRANSPORT_H

#include <stdint.h>

#include "base/str.h"

struct transport_endpoint; /* made by the transport from a URL; holds what every request to it
                              shares */

enum transport_outcome {
    TRANSPORT_REPLY, /* a complete HTTP reply: status, headers, body */
    TRANSPORT_CONNECT, /* no connection (refused, DNS, TLS) */
    TRANSPORT_RESET, /* the connection broke before a complete reply */
    TRANSPORT_TIMEOUT, /* first byte or total time ran out */
    TRANSPORT_TOO_LARGE, /* reply body or headers above the cap */
    TRANSPORT_BAD_REPLY, /* not HTTP, bad chunking, ... */
    TRANSPORT_CANCELLED, /* `cancel` was called */
};

/* One request. Caller-owned; its parts stay valid until done is called. */
struct transport_req {
    /* in */
    struct transport_endpoint *endpoint;
    const char *path; /* on its server, instead of its own; NULL: its own */
    const struct str *parts; /* the body is their concatenation; none: a GET */
    size_t n_parts;
    int64_t timeout_us; /* for the whole request, connecting included */
    void (*done)(struct transport_req *req);
    /* out, valid inside done only */
    enum transport_outcome outcome;
    int status; /* HTTP status, 0 without a reply */
    struct str body; /* the transport's memory */
    int64_t retry_after_us; /* from retry-after-ms or retry-after; -1 when absent */
    bool should_not_retry; /* x-should-retry: false */
    int64_t waiting; /* requests in the server's queue (endpoint-load-metrics); -1: not said */
    bool resent; /* it went out twice: a kept connection had closed without a byte of reply */
    char detail[128]; /* printable, for logs: never a secret, never prompt text */
    /* private */
    void *impl;
};

struct transport {
    void (*send)(struct transport *t,
                 struct transport_req *req); /* done is never called from inside */
    void (*cancel)(struct transport *t,
                   struct transport_req *req); /* done is called later, CANCELLED */
    void (*drop)(struct transport *t,
                 struct transport_req *req); /* ends it now; done is not called */
};

#endif
