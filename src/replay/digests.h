/* A table from digests to numbers, for things of which millions are kept: 24 bytes a place, at most
 * three of four in use. Nothing is ever taken out. One thread. */
#ifndef RBR_REPLAY_DIGESTS_H
#define RBR_REPLAY_DIGESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum { DIGEST_BYTES = 16 }; /* of a SHA-256: two that are equal are of the same thing */

struct digests_place {
    uint8_t digest[DIGEST_BYTES];
    uint32_t value;
    bool used;
};

struct digests {
    struct digests_place *places; /* a power of two of them */
    size_t cap, n;
};

/* All zero is an empty table. */
void digests_done(struct digests *d);

/* The number kept for the digest; when there is none yet, `value` is kept and given back. */
uint32_t digests_put(struct digests *d, const uint8_t digest[DIGEST_BYTES],
                     uint32_t value) RBR_MUST_CHECK;

/* False: there is no number for it. */
bool digests_find(const struct digests *d, const uint8_t digest[DIGEST_BYTES],
                  uint32_t *ret) RBR_MUST_CHECK;

#endif
