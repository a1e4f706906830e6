/* The pipeline: from an offset in the input topic to a committed message in an output topic.
 *
 *   source -> admit (budgets, window) -> decode -> judge -> reward (compute, encode) -> READY
 *          -> batch (what is READY, in any order) -> sink -> committed, DONE
 *
 * Every record admitted ends in exactly one message: a Reward, or a dead letter when it cannot be
 * decoded (promise P1). With a shadow policy, a record that is decoded ends in two, one of each
 * policy, and is finished when both are there. Budgets (pipeline/budget.h) bound what is held; when
 * one is used up, partitions are simply not read. Records finish and are published in any order;
 * with each batch goes the watermark of its partitions and the map of what is done above it, so one
 * slow record holds up nobody but itself. Work belongs to an assignment: after a revoke, what is
 * unpublished is dropped here, and the next owner reads it again and passes over what the map says
 * is done.
 *
 * Lifecycle: pipeline_new (starts listening), pipeline_tick after every loop turn and when the time
 * it returned has come, pipeline_stop, until pipeline_finished; pipeline_free. Loop thread. Time
 * comes from the clock port, records and batches through ports: the simulation runs this very code.
 */
#ifndef RBR_PIPELINE_PIPELINE_H
#define RBR_PIPELINE_PIPELINE_H

#include "judge/judge.h"
#include "pipeline/blackbox.h"
#include "record/record.h"
#include "stream/sink.h"
#include "stream/source.h"

struct pipeline_config {
    struct record_limits record;
    size_t records_in_flight; /* admitted and not yet committed */
    size_t memory_bytes; /* held by them, and by the partitions they come from */
    size_t partition_bytes; /* of that, what the source may take for each partition */
    size_t window; /* span per partition, offsets */
    int64_t record_deadline_us;
    int64_t drain_us; /* after a revoke or stop: time to finish what is in flight; and again for
                         calls that are on their way then */
    int64_t publish_interval_us; /* a batch at most this often, unless it is full */
    size_t batch_records;
    size_t batch_bytes;
    struct blackbox *blackbox; /* NULL: none; outlives the pipeline */
    struct judge *shadow; /* judges every record too (judging.h); NULL: none; likewise */
    int64_t shadow_wait_us;
    /* n == 0: live traffic. Otherwise the records are history: until when they were wanted
     * (deadline_ms) is not asked, and the id is in every reward. Outlives the pipeline. */
    struct str replay_id;
};

extern const struct pipeline_config pipeline_config_default;

struct pipeline_stats {
    uint64_t admitted, committed, dead_letters, batches, batches_aborted, dropped, stale;
    uint64_t already_done; /* read again and passed over: the map said so */
    uint64_t maps_refused; /* partitions that began without the map they should have had */
    uint64_t settled_early; /* by the head-of-line rule */
    uint64_t lost; /* offsets that the log dropped before they were done */
    uint64_t rewards[7], shadow_rewards[7]; /* by enum status */
    uint64_t publish_us; /* time spent with a batch on its way */
    size_t in_flight; /* records now */
    size_t unfinished; /* of them being judged */
    size_t bytes; /* held now */
    size_t partitions; /* assigned now */
    size_t windows_full; /* of them; these are not read */
    const char *held_by; /* the budget that stops reading, by name; "none" */
};

struct pipeline;

/* judge, source, sink and clock outlive the pipeline. */
struct pipeline *pipeline_new(const struct pipeline_config *config, struct judge *judge,
                              struct source *source, struct sink *sink,
                              const struct clock *clock) RBR_MUST_CHECK;
void pipeline_free(struct pipeline *p); /* when finished */

int64_t pipeline_tick(struct pipeline *p);

/* Stop reading, finish or give up within `drain`, publish, commit, leave the group. */
void pipeline_stop(struct pipeline *p);

bool pipeline_finished(const struct pipeline *p);

/* Why it finished by itself; NULL when it was stopped or runs. */
const struct err *pipeline_error(const struct pipeline *p);

void pipeline_stats(const struct pipeline *p, struct pipeline_stats *ret);

#endif
