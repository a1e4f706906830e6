/* Allocation that does not fail: out of memory ends the process with one line on stderr.
 *
 * Memory is bounded by explicit limits (arena, buf, budgets), which return errors; when malloc
 * itself fails the limits were set wrong for this machine, and delivery makes a crash at any point
 * safe (docs/adr/0001). Any thread. Free with mem_free (which is free; NULL is fine). */
#ifndef RBR_BASE_MEM_H
#define RBR_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

#include "base/attr.h"

void *mem_alloc(size_t size) RBR_MUST_CHECK; /* zeroed */
void *mem_array(size_t count, size_t size) RBR_MUST_CHECK; /* zeroed; overflow checked */
void *mem_resize(void *p, size_t size) RBR_MUST_CHECK; /* new bytes are not zeroed */
void *mem_copy(const void *p, size_t size) RBR_MUST_CHECK; /* NUL added after the copy */
char *mem_strdup(const char *s) RBR_MUST_CHECK;

/* Grows `*items` (elements of `size` bytes) so that index `count` exists; doubling. */
void mem_grow(void **items, size_t *cap, size_t count, size_t size);

static inline void mem_free(void *p)
{
    free(p);
}

#endif
