/* Arena: many small allocations, freed together. One record, one policy or one reply lives in one.
 *
 * Lifecycle: arena_init with a maximum, arena_alloc..., arena_reset to use it again (keeps the
 * first block, of 4 KB), arena_done. Allocations are aligned to 16 bytes and not zeroed. At the
 * maximum arena_alloc returns NULL: outside data that grows past its budget is an error, not a
 * crash. One thread at a time. */
#ifndef RBR_BASE_ARENA_H
#define RBR_BASE_ARENA_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    struct arena_block *large; /* of one allocation each */
    size_t used; /* bytes taken from malloc */
    size_t max; /* bytes; the bound on `used` */
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_done(struct arena *a);
void arena_reset(struct arena *a);

void *arena_alloc(struct arena *a, size_t size) RBR_MUST_CHECK; /* NULL at the maximum */
void *arena_array(struct arena *a, size_t count,
                  size_t size) RBR_MUST_CHECK; /* zeroed; NULL likewise */
bool arena_copy(struct arena *a, struct str s,
                struct str *ret) RBR_MUST_CHECK; /* NUL added; false at the maximum */

#endif
