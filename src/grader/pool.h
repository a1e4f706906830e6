/* The endpoints of one grader: which of them to ask, and what to do about those that do not work.
 *
 * Each has its limiter and its health (health.h). The pool sends the probes that health asks for:
 * known.h's question through the grader's dialect, never a record of a user, so that no record can
 * keep a grader down. A well-formed 200 is a yes, whatever it says, unless it is worth less than
 * what the others give (quality.h) or has no probabilities. A probe that hangs does not hold up the
 * next one. When no endpoint works, the grader is down: nothing but probes is sent, and
 * the pool's own clock stands still, from the first failure on, so that a deadline kept on it does
 * not run.
 *
 * One log line each way: grader.down and grader.up; with several endpoints also
 * grader.endpoint_ejected and grader.endpoint_back for each. Part of the grader; loop thread. */
#ifndef RBR_GRADER_POOL_H
#define RBR_GRADER_POOL_H

#include "grader/affinity.h"
#include "grader/dialect.h"
#include "grader/health.h"
#include "grader/known.h"
#include "grader/limiter.h"
#include "grader/meter.h"
#include "grader/poll.h"
#include "grader/prefill.h"
#include "grader/quality.h"
#include "grader/retry.h"
#include "grader/silence.h"
#include "grader/stopclock.h"
#include "grader/transport.h"

struct pool;

/* A request in the air; the caller's. */
struct pool_flight {
    size_t endpoint;
    size_t tokens; /* that the endpoint has to read for it */
    int64_t sent_us;
    struct pool_flight *prev, *next;
};

struct pool_config {
    struct str grader; /* for the log, and so are the endpoints' names (may be NULL) */
    const struct str *names;
    struct transport_endpoint **endpoints;
    size_t n; /* at the beginning */
    size_t max_in_flight; /* as in grader_config */
    double share;
    bool fixed_in_flight;
    size_t max_tokens_in_flight;
    bool polls; /* their load (poll.h) */
    int64_t request_timeout_us; /* of a probe too */
    const struct dialect *dialect;
    const struct dialect_frame *frame;
    struct transport *transport;
    struct meter *meter; /* for probes; NULL: none */
    const struct clock *clock;
    /* A doubt about the endpoint ended. Never inside a call that does not say so. */
    void (*decided)(void *arg, size_t endpoint, bool works);
    /* Its endpoint has fallen silent (silence.h): may be cancelled and asked elsewhere. */
    void (*recall)(void *arg, struct pool_flight *flight);
    size_t (*waiting)(void *arg); /* questions not answered, for the log */
    void *arg;
    /* Of an endpoint that left: no request is on its way to it any more. May be NULL. */
    void (*gone)(void *arg, struct transport_endpoint *e);
    void *gone_arg;
};

struct pool_endpoint {
    struct transport_endpoint *transport; /* NULL: nobody's place */
    struct str name; /* n == 0: none */
    struct limiter limiter;
    struct prefill prefill;
    struct poll *poll; /* NULL: none */
    size_t waiting; /* by the last poll */
    bool ready, says_no_load; /* by the last poll; it was told so */
    struct pool_probe *probes; /* in the air, the latest first */
    enum quality_flaw flaw; /* of its last 200 */
    struct pool_flight *flights;
    bool silent; /* until something comes back, or its probe decides */
    bool low; /* its mass collapsed: its probes are measured too */
    char error[160]; /* the last failure in words */
    const char *advice;
};

struct pool {
    struct pool_config config;
    size_t n; /* places of endpoints; those that left keep theirs until nothing is on its way */
    struct pool_endpoint *endpoints;
    struct health *health;
    struct silence *silence;
    struct affinity_endpoint *affinity;
    struct quality quality;
    size_t tokens_most; /* in flight, per endpoint; 0: no bound */
    size_t opened_last; /* by whose error an outage is explained */
    struct known known;
    struct arena reply;
    bool down;
    int64_t down_since_us, up_since_us;
    struct stopclock stopclock; /* reasons: enum pool_stop */
    uint64_t outages, probes; /* ever */
    size_t probes_in_flight;
};

/* Why the pool's clock stands still. */
enum pool_stop {
    POOL_STOPPED_BY_OUTAGE = 1,
    POOL_STOPPED_BY_HOLD = 2, /* the grader's (hold.h) */
};

enum { POOL_NOBODY = -1 };

/* What is pointed to outlives the pool. */
void pool_init(struct pool *p, const struct pool_config *config);
void pool_done(struct pool *p); /* fine when zeroed; probes in the air end here */

/* A new endpoint, asked from now on; its name stays until it is gone. Its place. */
size_t pool_join(struct pool *p, struct transport_endpoint *transport, struct str name);

/* Is asked no more; another is there. What is on its way may be answered, then it is `gone`. May
 * call `decided`. */
void pool_leave(struct pool *p, size_t i);

/* Of those that work and have room, the one that has this prompt's beginning in its cache
 * (affinity.h); `avoid` only when no other has room. */
enum pool_place {
    POOL_NONE, /* nobody has room */
    POOL_OTHER, /* there is room, but not where it should go */
    POOL_FIRST,
};
enum pool_place pool_pick(struct pool *p, const struct prompt *prompt,
                          const struct prefill_request *r, int avoid, size_t *ret);

/* What an endpoint would have to read for a request. */
size_t pool_tokens(const struct pool *p, size_t endpoint, const struct prefill_request *r);

/* A request begins; `ret` stays where it is until pool_end. */
void pool_start(struct pool *p, size_t endpoint, const struct prefill_request *r, int64_t now_us,
                struct pool_flight *ret);

/* It ended as f says. */
void pool_end(struct pool *p, struct pool_flight *flight, const struct transport_req *req,
              const struct failure *f, int64_t now_us);

/* Before pool_end, of a 200 that was read: answers that another endpoint may do better are marked
 * for another try. What the flaw is, if there is one. */
enum quality_flaw pool_weigh(struct pool *p, size_t endpoint, const struct dialect_reply *reply,
                             struct answer *answers, size_t n, int64_t now_us);

/* A question is out of attempts by failures there. True: `decided` will be called. False: it is
 * decided already, the endpoint does not work. */
bool pool_doubt(struct pool *p, size_t endpoint, int64_t now_us);

/* Sends what probes are due; may call `decided` and `recall`. When it wants to be called again. */
int64_t pool_tick(struct pool *p, int64_t now_us);

/* Asks those that have requests for their load, where that is due. When it wants to be called
 * again. */
int64_t pool_poll(struct pool *p, int64_t now_us);

/* The clock that stands still while the grader is down. */
int64_t pool_clock_us(const struct pool *p, int64_t now_us);

/* When the last usable reply came, of an endpoint or of any; INT64_MIN: never. */
int64_t pool_replied_us(const struct pool *p, size_t endpoint);
int64_t pool_last_reply_us(const struct pool *p);

/* In words, while the grader is down: the last error, which endpoint, what to do. */
enum { POOL_WORDS_MAX = 512 };
void pool_explain(const struct pool *p, char out[POOL_WORDS_MAX]);

size_t pool_size(const struct pool *p); /* endpoints */
size_t pool_tokens_in_flight(const struct pool *p);
size_t pool_limit(const struct pool *p); /* requests at a time, of all */
size_t pool_working(const struct pool *p); /* endpoints that are asked */

#endif
