/* One process's part in a replay: the ranges of a manifest as the source's start and end, and the
 * watch over how far all processes together have come, which is what the group has committed.
 *
 * The pipeline knows nothing of it: it reads a source that ends (stream/bounded.h). A process whose
 * partitions are done stays in the group, so that it can take over another one's, until every
 * partition is committed up to its stop. A replay that is done finds that out before it has read a
 * record.
 *
 * Lifecycle: replay_new; replay_source while the graph is built; replay_watch when the loop runs;
 * replay_tick in every turn; replay_free after the source has closed. Loop thread; committed
 * offsets are looked up on libuv's pool, about twice a second. */
#ifndef RBR_REPLAY_REPLAY_H
#define RBR_REPLAY_REPLAY_H

#include "replay/manifest.h"
#include "stream/kafka.h"

struct replay;

/* The manifest outlives it. */
struct replay *replay_new(const struct manifest *m) RBR_MUST_CHECK;
void replay_free(struct replay *r); /* waits for a look-up: at most 10 s; NULL is fine */

const struct kafka_range *replay_ranges(const struct replay *r, size_t *ret_n);

/* What is to be read instead of `inner`; both outlive whoever reads. */
struct source *replay_source(struct replay *r, struct source *inner);

/* Begins to look; `config` is the replay's: its group and input. */
enum err_code replay_watch(struct replay *r, struct loop *loop, const struct kafka_config *config,
                           struct err *err) RBR_MUST_CHECK;
int64_t replay_tick(struct replay *r, int64_t now_us); /* when it wants to be called again */

/* Every partition is committed up to its stop. */
bool replay_finished(const struct replay *r);

/* Offsets, of all partitions together. Also what `rbr replay status` counts. */
struct replay_progress {
    uint64_t done, total;
    size_t partitions_done, partitions;
};
void replay_progress(const struct replay *r, struct replay_progress *ret);
void replay_progress_of(const struct manifest *m, const int64_t *committed,
                        struct replay_progress *ret);

#endif
