/* A set of offsets of one partition, as runs: for a few records out of many. Text: "3,7-9", numbers
 * ascending, runs apart from one another. Pure. */
#ifndef RBR_STREAM_OFFSET_SET_H
#define RBR_STREAM_OFFSET_SET_H

#include <stdint.h>

#include "base/buf.h"

struct offset_run {
    int64_t from, to; /* [from, to) */
};

struct offset_set {
    struct offset_run *runs; /* ascending, with gaps between them */
    size_t n, cap;
    uint64_t count; /* offsets */
};

/* Zeroed is empty. */
void offset_set_done(struct offset_set *s);

/* An offset above all that are in it. */
void offset_set_add(struct offset_set *s, int64_t offset);
bool offset_set_has(const struct offset_set *s, int64_t offset);

/* The one at `index`, in order; below `count`. */
int64_t offset_set_at(const struct offset_set *s, uint64_t index);

/* False, and what was there before is gone, when the text is no set. */
bool offset_set_parse(struct str text, struct offset_set *ret) RBR_MUST_CHECK;
void offset_set_print(const struct offset_set *s, struct buf *out);

#endif
