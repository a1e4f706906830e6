/* The meter of one grader: what its requests used and cost, ever and in the last hour.
 *
 * Each request is told of when it is sent and when it ends. Until then, and for ever when nobody
 * says what it used, it counts against the ceiling (spend.h) with an estimate: the mean cost per
 * byte sent of the grader's late requests, or a guess from the prices before any was answered. An
 * estimate is never a part of the sums. Pure: it is told the time. */
#ifndef RBR_GRADER_METER_H
#define RBR_GRADER_METER_H

#include <stddef.h>

#include "grader/spend.h"
#include "grader/transport.h"

struct meter {
    struct price price;
    struct spend *spend; /* NULL: none */
    double bytes, cost; /* of requests that said what they used, the older ones fading */
    struct usage total; /* ever */
    struct hour hour;
};

/* One request's account, while it is in the air. */
struct bill {
    size_t bytes;
    uint64_t estimate;
};

/* How it ended, for whoever pays. */
enum billed {
    BILLED_NOTHING, /* it did not get there, or was refused */
    BILLED_UNKNOWN, /* answered, or given up when it may have been */
    BILLED_AS_SAID,
};
enum billed billed_of(const struct transport_req *req, bool says_usage);

void meter_init(struct meter *m, const struct price *price, struct spend *spend);

/* A request of so many bytes is sent, for which so many tokens may be made. */
void meter_start(struct meter *m, struct bill *bill, size_t bytes, size_t output_tokens);

/* It ended. `used` has what the reply said when billed AS_SAID; on return it is what was counted,
 * with cost or as unknown. */
void meter_end(struct meter *m, const struct bill *bill, enum billed billed, struct usage *used,
               int64_t now_us);

#endif
