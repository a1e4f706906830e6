/* A grader: a model behind one or more endpoints that answers yes/no questions with probabilities.
 *
 * The unit of work is a judgment group: one completion and the propositions to be judged, in a
 * caller-owned `struct grader_group`. The dialect decides how many HTTP requests that is. Requests
 * wait in the grader's own queue (libcurl never queues), pass the limiter of their endpoint, and
 * are retried with full jitter within the group's deadline. Every judgment ends GRADED or UNGRADED
 * with a reason; then `done` is called once, from the loop, never from inside grader_ask.
 *
 * An outage is a pause. An endpoint that fails is probed and left alone until it works (pool.h).
 * While none works the grader is down: nothing is sent, what fails by it waits in the queue as if
 * it had not been asked, and `deadline_us` does not run. A question that fails although the server
 * works fails by itself after its attempts, and so does one that was in the air when outages began,
 * more than five times over. The grader logs when it goes down and comes up.
 *
 * Lifecycle: grader_new, grader_ask..., grader_cancel, grader_free (nothing may be in flight).
 * Loop thread only. Time comes from the clock port; grader_tick must be called after every loop
 * turn and when the time it returned has come. */
#ifndef RBR_GRADER_GRADER_H
#define RBR_GRADER_GRADER_H

#include "base/clock.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/rng.h"
#include "grader/dialect.h"
#include "grader/judgment.h"
#include "grader/meter.h"
#include "grader/prompt.h"
#include "grader/transport.h"

struct grader;
struct questions;

struct grader_config {
    struct str name; /* as in settings; goes into rewards */
    struct str title; /* in log lines; n == 0: the name */
    struct str dialect; /* a name in dialect.c's table */
    struct str revision;
    struct dialect_options ask; /* model and how it is asked; copied */
    size_t questions_max; /* in one request, where the dialect takes several; 0: as it does */
    struct transport_endpoint **endpoints; /* at the beginning */
    const struct str *endpoint_names; /* for the log, without credentials; NULL: none */
    size_t n_endpoints;
    size_t max_in_flight; /* per endpoint: the limiter's ceiling */
    bool fixed_in_flight; /* true: the limit is max_in_flight; false: it follows the server */
    double share; /* of all that is in flight (limiter.h); 0 is 1 */
    size_t max_tokens_in_flight; /* of prompts, per endpoint, estimated (prefill.h); 0: no bound */
    size_t warm_from; /* bytes that a completion's questions share, from which on one of them goes
                         ahead (warm.h); 0: never */
    bool polls; /* ask SGLang for its load (poll.h) */
    int64_t request_timeout_us; /* one attempt */
    unsigned attempts_max; /* per question; 3 */
    int64_t backoff_min_us, backoff_max_us; /* 500 ms, 8 s */
    struct price price;
    /* Of an endpoint that grader_leave was called for: it may be freed now. May be NULL. */
    void (*gone)(void *arg, struct transport_endpoint *e);
    void *gone_arg;
    struct spend *spend; /* the ceiling, shared by a worker's graders; NULL: none; outlives them */
};

/* What happened on behalf of one group; becomes GraderUse in the reward. */
struct grader_use {
    uint32_t requests, retries, failures;
    struct usage used;
    char response_model[96]; /* the last reply's `model`; printable ASCII */
    char system_fingerprint[64];
};

enum grader_group_end { GRADER_GROUP_ASKED, GRADER_GROUP_WINDING_DOWN, GRADER_GROUP_CANCELLED };

struct grader_group {
    /* in */
    const struct prompt *prompt; /* with its policy; valid until done */
    struct judgment *judgments; /* n_propositions of the policy; those PENDING are asked */
    int64_t deadline_us; /* monotonic; later by as long as the grader is down; CLOCK_NEVER: none */
    int64_t expires_us; /* monotonic; whatever happens; CLOCK_NEVER: never */
    uint64_t run; /* a hash: groups of different runs share the grader alike */
    void (*judged)(struct grader_group *g, size_t proposition); /* each that is GRADED, when it is;
                                                                   may be NULL */
    void (*done)(struct grader_group *g);
    /* out */
    struct grader_use use;
    /* private */
    struct heap_node timer, expiry; /* deadline_us by the pool's clock, expires_us */
    struct heap_node warm;
    struct grader_call *ahead; /* the others wait for its reply (warm.h); NULL: none */
    struct grader_call *calls;
    size_t n_calls, calls_left;
    struct flight *flights; /* for others to join */
    size_t n_flights, bytes;
    struct grader *grader;
    struct questions *questions;
    struct grader_group *next_finished;
    enum grader_group_end end;
};

/* The transport, clock and rng outlive the grader. Fails on an unknown dialect or no endpoint. */
enum err_code grader_new(const struct grader_config *config, struct transport *transport,
                         const struct clock *clock, uint64_t seed, struct grader **ret,
                         struct err *err) RBR_MUST_CHECK;
struct grader *grader_free(struct grader *g); /* returns NULL */

/* A new endpoint, asked from now on; `name` stays until it is gone. Says what to call it by. */
size_t grader_join(struct grader *g, struct transport_endpoint *e, struct str name);

/* It is asked no more; there must be another. What is on its way may be answered, and then
 * `gone` is called, from grader_tick. */
void grader_leave(struct grader *g, size_t endpoint);

void grader_ask(struct grader *g, struct grader_group *group);

/* Asks nothing more: what is on its way may still be answered, the rest is UNGRADED(DEADLINE). */
void grader_wind_down(struct grader_group *group);
void grader_cancel(
    struct grader_group *group); /* settles the rest as UNGRADED(DEADLINE); done follows */

/* Moves `expires_us` to that time, if it is later now. */
void grader_expire_by(struct grader_group *group, int64_t at_us);

/* Bytes that the grader holds for a group while it is asked, not counting requests in the air. */
size_t grader_group_bytes(const struct grader_group *group);

/* Starts what may start; returns the monotonic time at which it wants to be called again. */
int64_t grader_tick(struct grader *g);

/* Digest of one judgment: grader, dialect, layout, template, question, content. */
void grader_digest(struct grader *g, const struct prompt *p, size_t proposition,
                   uint8_t out[JUDGMENT_DIGEST_BYTES]);

struct str grader_name(const struct grader *g);
struct str grader_title(const struct grader *g);
struct str grader_model(const struct grader *g);

struct grader_stats {
    uint64_t requests, replies, retries, failures, timeouts, rate_limited;
    uint64_t judgments, ungraded;
    uint64_t joined; /* judgments by the answer to another's request */
    struct usage used, hour; /* ever, and in the last hour; probes included */
    bool has_price; /* else their costs are 0 */
    size_t tokens_in_flight; /* now; of prompts, estimated */
    size_t queued, in_flight, limit; /* now; limit is the sum over endpoints */
    size_t endpoints, endpoints_working; /* now; none: it is down */
    size_t probes_in_flight; /* not counted elsewhere */
    uint64_t outages, probes; /* ever */
};
void grader_stats(const struct grader *g, struct grader_stats *ret);

/* A grader that works, and is not asked: a pause like an outage. */
enum grader_hold {
    GRADER_HELD_BY_COST = 1, /* by itself: config.spend */
    GRADER_HELD_BY_ORDER = 2, /* of grader_hold, for good */
};
void grader_hold(struct grader *g);
unsigned grader_held(const struct grader *g); /* bit set; 0: it is asked */

/* None of its endpoints works. */
bool grader_is_down(const struct grader *g);
int64_t grader_down_for_us(const struct grader *g); /* 0 when it is not */
const char *grader_last_error(const struct grader *g); /* in words; "" when there was none */

/* While it is down, in one line: the last error, which endpoint, what to do. */
enum { GRADER_WORDS_MAX = 512 };
void grader_explain(const struct grader *g, char out[GRADER_WORDS_MAX]);

#endif
