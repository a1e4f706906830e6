/* A growing byte buffer with a maximum. It cannot be made without one.
 *
 * Lifecycle: buf_init, buf_append..., buf_reset to use it again (keeps the memory), buf_done. An
 * append past the maximum sets `failed`, empties the buffer and returns false, and so does every
 * later append until buf_reset: a run of appends may be checked once, at its end. One thread. */
#ifndef RBR_BASE_BUF_H
#define RBR_BASE_BUF_H

#include "base/attr.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t n; /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* bytes; the bound on n */
    bool failed; /* an append went past max since the last reset */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);
void buf_reset(struct buf *b);

bool buf_append(struct buf *b, const void *p, size_t n);
bool buf_append_str(struct buf *b, struct str s);
bool buf_append_z(struct buf *b, const char *z);
bool buf_printf(struct buf *b, const char *fmt, ...) RBR_PRINTF(2, 3);

/* Room for n more bytes to be written by the caller, who then adds to b->n; NULL past the maximum.
 */
char *buf_reserve(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->n};
}

#endif
