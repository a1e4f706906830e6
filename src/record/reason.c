#include "record/reason.h"

const char *status_name(enum status s)
{
    switch (s) {
#define X(name, value)                                                                             \
    case STATUS_##name:                                                                            \
        return #name;
        STATUSES(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

const char *reason_name(enum reason r)
{
    switch (r) {
#define X(name, value, retryable)                                                                  \
    case REASON_##name:                                                                            \
        return #name;
        REASONS(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

bool reason_retryable(enum reason r)
{
    static const bool may_pass[] = {
#define X(name, value, retryable) [value] = (retryable),
        REASONS(X)
#undef X
    };
    return (size_t)r < sizeof(may_pass) && may_pass[r];
}
