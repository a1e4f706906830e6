/* Batches that a consumer cannot read: damaged, or larger decompressed than may be. librdkafka says
 * so again and again and stays where it is; this decides where to go on.
 *
 *      from                bad              good
 *       | ?  ?  ?  ?  ?  ?  X  ?  ?  ?  ?  ?  .        X in the batch    . beyond it
 *
 * An error names the batch by its first offset, and nothing tells its last. Three errors in a row
 * for one batch make sure of it (a damaged response is not a damaged log). Then the end is searched
 * by reading at offsets further and further up, and back: the error with the same name means still
 * inside, anything else means beyond. So exactly the batch is passed over, in few steps even when
 * it holds thousands. Offsets of it that compaction removed cannot be told from the others.
 *
 * Pure code; property-tested. */
#ifndef RBR_STREAM_UNREADABLE_H
#define RBR_STREAM_UNREADABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { UNREADABLE_TIMES = 3 };

struct unreadable {
    unsigned times; /* errors in a row; 0: nothing is wrong */
    int64_t batch; /* its first offset */
    int64_t from; /* first offset of it that is ours to pass over */
    int64_t bad, good; /* of the search */
    int64_t step;
};

/* An error for `batch` when `at` was to be read. The log ends at `end` or further up. Returns the
 * offset to read at next. */
int64_t unreadable_failed(struct unreadable *u, int64_t at, int64_t batch, int64_t end);

/* While searching: something else came when `at` was to be read, to be read again in its turn, or
 * the log ended. Returns the offset to read at next. */
int64_t unreadable_read(struct unreadable *u, int64_t at);

static inline bool unreadable_searching(const struct unreadable *u)
{
    return u->times >= UNREADABLE_TIMES && u->good - u->bad > 1;
}

/* The search is over: the next offset to pass over; false when there is none (any more). */
bool unreadable_next(struct unreadable *u, int64_t *ret);

#endif
