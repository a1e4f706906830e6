/* Judgments out of published rewards: a source in front of a source that lets records through when
 * the judgments of their partitions are in the cache, or when it has waited long enough.
 *
 *   assigned --> thread: partition p of each reward topic, to its end --> batches --> cache (loop)
 *   next     --> nothing, until all is there or `wait_us` has passed; then what the source has
 *
 * Rewards lie in the partition of their records when both topics have as many partitions; otherwise
 * the whole topic of rewards is read. What was read once is not read again while the process lives,
 * but for what has come since. A topic that cannot be read is tried again while the brokers may be
 * away; for any other reason it is told in the log and left out: its questions are asked again.
 *
 * Lifecycle: restore_new, its port instead of the source's, restore_free after `closed`. Loop
 * thread; the reading is on a thread of its own, which never touches the cache. */
#ifndef RBR_REPLAY_RESTORE_H
#define RBR_REPLAY_RESTORE_H

#include "cache/cache.h"
#include "stream/kafka.h"

struct restore_config {
    const struct kafka_config *kafka; /* brokers and input; outlives the restore */
    const struct str *topics; /* of rewards; likewise */
    size_t n_topics;
    int64_t since_ms; /* rewards from then on, by their timestamps; 0: all */
    int64_t wait_us; /* CLOCK_NEVER: until all is there */
};

struct restore_stats {
    uint64_t rewards, judgments;
    uint64_t unreadable; /* records of the topics that are no rewards */
    bool running;
};

struct restore;

/* All outlive it. */
struct restore *restore_new(struct loop *loop, struct source *source, struct cache *cache,
                            const struct restore_config *config) RBR_MUST_CHECK;
void restore_free(struct restore *r); /* waits for its thread: at most 15 s; NULL is fine */

struct source *restore_port(struct restore *r);
void restore_stats(const struct restore *r, struct restore_stats *ret);

#endif
