#include "grader/retry.h"

#include "base/attr.h"

enum { BUDGET_PER_SECOND = 5, RETRY_AFTER_CAP_US = 30000000, CONTEXT_LOOK = 4096 };

static const double budget_per_request = 0.1;

/* The wordings of an over-long prompt, server by server. */
static bool is_context_overflow(struct str body)
{
    static const struct str wordings[] = {
        STR_INIT("context_length_exceeded"), STR_INIT("maximum context length"),
        STR_INIT("exceed context window"),   STR_INIT("exceeds the context"),
        STR_INIT("context window of"),       STR_INIT("too many tokens"),
        STR_INIT("input is too long"),       STR_INIT("longer than the maximum model length"),
        STR_INIT("exceed_context_size"),     STR_INIT("must have less than"),
    };
    if (body.n > CONTEXT_LOOK)
        body.n = CONTEXT_LOOK;
    for (size_t i = 0; i < ARRAY_LEN(wordings); i++)
        if (str_find(body, wordings[i], 0) != SIZE_MAX)
            return true;
    return false;
}

static struct failure rejected(const struct transport_req *req)
{
    bool too_long = is_context_overflow(req->body);
    return (struct failure){too_long ? REASON_GRADER_CONTEXT_EXCEEDED : REASON_GRADER_REJECTED,
                            false, false, LIMITER_NEUTRAL, FAULT_REQUEST};
}

static struct failure status_failure(const struct transport_req *req)
{
    switch (req->status) {
    case 429:
        return (struct failure){REASON_GRADER_RATE_LIMITED, true, false, LIMITER_OVERLOAD,
                                FAULT_RATE};
    case 503:
    case 529:
        return (struct failure){REASON_GRADER_UNAVAILABLE, true, true, LIMITER_OVERLOAD,
                                FAULT_SERVER};
    case 408:
        return (struct failure){REASON_GRADER_TIMEOUT, true, true, LIMITER_OVERLOAD, FAULT_SERVER};
    case 409:
        return (struct failure){REASON_GRADER_UNAVAILABLE, true, false, LIMITER_NEUTRAL,
                                FAULT_REQUEST};
    case 400:
    case 413:
    case 422:
        return rejected(req);
    default:
        break;
    }
    if (req->status >= 500)
        return (struct failure){REASON_GRADER_UNAVAILABLE, true, true, LIMITER_NEUTRAL,
                                FAULT_SERVER};
    return (struct failure){REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL, FAULT_SERVER};
}

struct failure failure_of(const struct transport_req *req)
{
    struct failure f = {REASON_GRADER_UNAVAILABLE, true, true, LIMITER_NEUTRAL, FAULT_SERVER};
    switch (req->outcome) {
    case TRANSPORT_REPLY:
        f = status_failure(req);
        break;
    case TRANSPORT_TIMEOUT:
        f.reason = REASON_GRADER_TIMEOUT;
        f.load = LIMITER_OVERLOAD;
        break;
    case TRANSPORT_TOO_LARGE:
    case TRANSPORT_BAD_REPLY:
        f.reason = REASON_UNPARSEABLE_VERDICT;
        break;
    case TRANSPORT_CANCELLED:
        f = (struct failure){REASON_DEADLINE, false, false, LIMITER_NEUTRAL, FAULT_REQUEST};
        break;
    case TRANSPORT_CONNECT:
    case TRANSPORT_RESET:
        break;
    }
    if (req->should_not_retry)
        f.retry = false;
    return f;
}

void retry_budget_init(struct retry_budget *b, size_t most, int64_t now_us)
{
    *b = (struct retry_budget){.tokens = (double)most, .most = (double)most, .filled_us = now_us};
}

static void fill(struct retry_budget *b, double tokens)
{
    b->tokens += tokens;
    if (b->tokens > b->most)
        b->tokens = b->most;
}

void retry_budget_request(struct retry_budget *b)
{
    fill(b, budget_per_request);
}

bool retry_budget_take(struct retry_budget *b, int64_t now_us)
{
    fill(b, (double)(now_us - b->filled_us) * BUDGET_PER_SECOND / 1e6);
    b->filled_us = now_us;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

int64_t retry_wait_us(struct rng *rng, unsigned attempts, int64_t min_us, int64_t max_us,
                      int64_t retry_after_us)
{
    int64_t most = min_us;
    for (unsigned i = 1; i < attempts && most < max_us; i++)
        most *= 2;
    if (most > max_us)
        most = max_us;
    int64_t wait = (int64_t)rng_below(rng, (uint64_t)most + 1);
    if (retry_after_us > RETRY_AFTER_CAP_US)
        retry_after_us = RETRY_AFTER_CAP_US;
    return retry_after_us > wait ? retry_after_us : wait;
}
