/* When being fenced means that a live twin has our name. One that passes by, a restart that
 * overlaps, or a request that was answered to nobody may fence us a few times: then we go on as
 * somebody new. Fenced LIMIT times, each within a minute of the last, two live workers would only
 * throw each other out: this one ends. One thread an object. */
#ifndef RBR_STREAM_FENCING_H
#define RBR_STREAM_FENCING_H

#include <stdbool.h>
#include <stdint.h>

enum { FENCING_LIMIT = 4 };

struct fencing {
    unsigned count; /* in a row; all zero is ready for use */
    int64_t last_us;
};

/* Counts one; true when it is one too many. */
bool fencing_ends_us(struct fencing *f, int64_t now_us);

#endif
