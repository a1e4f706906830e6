/* A source that ends: of each partition the records below a given offset, and of these all or only
 * some; in front of one that goes on. What it leaves out is, to who reads, not there: so the
 * partition's position gets to where it ends, and is committed, also when no record is left before.
 *
 * Of a partition without a bound nothing is read. Loop thread. */
#ifndef RBR_STREAM_BOUNDED_H
#define RBR_STREAM_BOUNDED_H

#include "stream/offset_set.h"
#include "stream/relay.h"

struct bound {
    int32_t partition;
    int64_t stop; /* the first offset that is not read */
    const struct offset_set *only; /* NULL: all below it */
};

struct bounded {
    struct relay relay;
    const struct bound *bounds; /* the caller's */
    size_t n_bounds;
    struct bounded_partition *partitions; /* of the assignment */
};

void bounded_init(struct bounded *b, struct source *inner, const struct bound *bounds, size_t n);
void bounded_done(struct bounded *b); /* after `closed` */

#endif
