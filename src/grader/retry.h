/* Whether and when a failed request is sent again, and whose doing the failure is. Pure.
 *
 * Not after 400, 401, 403, 404, 413, 422 or `x-should-retry: false`. Otherwise with exponential
 * backoff and full jitter, at least what Retry-After asks for (30 s at most, and not beyond the end
 * of an outage), within the attempts, the deadline, and the grader's budget: a token bucket that
 * fills by 10 % of the requests and 5 a second, so that failures are not answered with a storm.
 * What is asked once more because the server may have been away (outcome.c) has a budget of the
 * same kind. That is for a server that works; what one that does not has failed (FAULT_SERVER, also
 * a wrong key or path) waits for it: see outcome.h and health.h.
 */
#ifndef RBR_GRADER_RETRY_H
#define RBR_GRADER_RETRY_H

#include "base/attr.h"
#include "base/rng.h"
#include "grader/limiter.h"
#include "grader/transport.h"
#include "record/reason.h"

/* Whose doing it is: what an endpoint's health (health.h) is told of. */
enum failure_fault {
    FAULT_NONE, /* a usable reply, be it a refusal */
    FAULT_REQUEST, /* that one request's: refused, too long, given up by us */
    FAULT_RATE, /* 429: there are too many of us */
    FAULT_SERVER, /* it does not work, or not for us: broken, away, a wrong key or path */
};

/* What an attempt's end means. */
struct failure {
    enum reason reason;
    bool retry;
    bool elsewhere; /* another endpoint first */
    enum limiter_outcome load;
    enum failure_fault fault;
};

/* For anything but a 200. `body` is looked at only for the wording of a context overflow. */
struct failure failure_of(const struct transport_req *req);

struct retry_budget {
    double tokens, most;
    int64_t filled_us;
};

enum { RETRY_BURST = 500 };

/* Full: so many at once. */
void retry_budget_init(struct retry_budget *b, size_t most, int64_t now_us);
void retry_budget_request(struct retry_budget *b);
bool retry_budget_take(struct retry_budget *b, int64_t now_us) RBR_MUST_CHECK;

/* Wait before attempt `attempts` + 1 (attempts >= 1), microseconds. */
int64_t retry_wait_us(struct rng *rng, unsigned attempts, int64_t min_us, int64_t max_us,
                      int64_t retry_after_us);

#endif
