/* Making a manifest: which offsets, of these which failed, and what judging them would take. Reads
 * topics; blocking, one thread. */
#ifndef RBR_REPLAY_PLAN_H
#define RBR_REPLAY_PLAN_H

#include "replay/estimate.h"
#include "replay/manifest.h"
#include "stream/kafka_ranges.h"

struct plan {
    const struct kafka_config *kafka;
    struct manifest *m; /* its input, failed_in and restore_from say what to look at */
    struct kafka_point from, to;
    /* While topics are read: records so far; may be NULL. */
    void (*progress)(const char *what, uint64_t n);
};

/* Sets the manifest's partitions, those that have something to judge. ERR_NOT_FOUND: none has. */
enum err_code plan_partitions(struct plan *p, struct err *err) RBR_MUST_CHECK;

/* Sets its estimate, from a sample of so many records, and from when on rewards may hold their
 * judgments. After plan_partitions. */
enum err_code plan_estimate(struct plan *p, struct estimate *e, uint64_t sample,
                            struct err *err) RBR_MUST_CHECK;

#endif
