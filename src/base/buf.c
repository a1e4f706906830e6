#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_done(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed || n > b->max - b->n) {
        b->failed = true;
        b->n = 0;
        return NULL;
    }
    if (b->p == NULL || b->cap - b->n < n) {
        size_t want = b->cap > 0 ? b->cap : 256;
        while (want - b->n < n)
            want *= 2;
        if (want > b->max)
            want = b->max;
        b->p = mem_resize(b->p, want + 1); /* one more, for the NUL of buf_printf */
        b->cap = want;
    }
    return b->p + b->n;
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
    char *to = buf_reserve(b, n);
    if (to == NULL)
        return false;
    if (n > 0)
        memcpy(to, p, n);
    b->n += n;
    return true;
}

bool buf_append_str(struct buf *b, struct str s)
{
    return buf_append(b, s.p, s.n);
}

bool buf_append_z(struct buf *b, const char *z)
{
    return buf_append(b, z, strlen(z));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    bool ok = false;
    char *to = n >= 0 ? buf_reserve(b, (size_t)n) : NULL;
    if (to != NULL) {
        (void)vsnprintf(to, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
        ok = true;
    } else {
        b->failed = true;
        b->n = 0;
    }
    va_end(again);
    return ok;
}
