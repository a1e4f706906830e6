/* Why a record or a judgment has no number: the values of Status and Reason in proto/reward.proto.
 * A failure is never a number (promise P3); it is one of these. Pure. */
#ifndef RBR_RECORD_REASON_H
#define RBR_RECORD_REASON_H

#include "base/str.h"

/* name, value on the wire */
#define STATUSES(X)                                                                                \
    X(UNSPECIFIED, 0)                                                                              \
    X(OK, 1)                                                                                       \
    X(PARTIAL, 2)                                                                                  \
    X(FAILED, 3)                                                                                   \
    X(SKIPPED, 4)                                                                                  \
    X(EXPIRED, 5)                                                                                  \
    X(CANCELLED, 6)

enum status {
#define X(name, value) STATUS_##name = (value),
    STATUSES(X)
#undef X
};

/* name, value on the wire, whether a later try could succeed */
#define REASONS(X)                                                                                 \
    X(NONE, 0, false)                                                                              \
    X(GRADER_TIMEOUT, 1, true)                                                                     \
    X(GRADER_UNAVAILABLE, 2, true)                                                                 \
    X(GRADER_RATE_LIMITED, 3, true)                                                                \
    X(GRADER_REJECTED, 4, false)                                                                   \
    X(UNPARSEABLE_VERDICT, 5, true)                                                                \
    X(LOW_PROBABILITY_MASS, 6, false)                                                              \
    X(GRADER_CONTEXT_EXCEEDED, 7, false)                                                           \
    X(DEADLINE, 8, true)                                                                           \
    X(BUDGET, 9, true)                                                                             \
    X(INVALID_RECORD, 10, false)                                                                   \
    X(NO_POLICY, 11, false)                                                                        \
    X(EMPTY_COMPLETION, 12, false)                                                                 \
    X(TRUNCATED_COMPLETION, 13, false)                                                             \
    X(STALE, 14, false)                                                                            \
    X(NOT_FINITE, 15, false)                                                                       \
    X(MISSING_INPUT, 16, false)

enum reason {
#define X(name, value, retryable) REASON_##name = (value),
    REASONS(X)
#undef X
};

const char *status_name(enum status s); /* "OK" */
const char *reason_name(enum reason r); /* "GRADER_TIMEOUT" */
bool reason_retryable(enum reason r);

#endif
