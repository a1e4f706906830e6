/* Records whose assignment ended while a judge worked on them.
 *
 * They ask nothing more, but calls that are on their way are left to finish until a given time:
 * they are paid for, and their answers are kept should the partition come back. Then they are
 * cancelled. Whoever owns the items takes one out when its judge is done. The list is in the order
 * of `until`. Loop thread. */
#ifndef RBR_PIPELINE_ORPHANS_H
#define RBR_PIPELINE_ORPHANS_H

#include "pipeline/judging.h"

struct orphans {
    struct item *first, **end; /* zero-initialised: none */
};

/* `until_us` is no earlier than that of any before. */
void orphans_add(struct orphans *o, struct item *it, int64_t until_us);
void orphans_remove(struct orphans *o, struct item *it);

/* Cancels those whose time is up; when the next one's is. Their `done` follows, never inside. */
int64_t orphans_expire(struct orphans *o, int64_t now_us);

#endif
