/* The table's parts: a judgment in 128 bytes, eight of them in a bucket, 16 buckets in a
 * neighbourhood.
 *
 * All judgments of one completion belong into one neighbourhood (JUDGMENT_CONTENT_BYTES), so that
 * they can be read at once; there each has its bucket. When that is full, the judgment goes into
 * the first one after it that has room, round the neighbourhood, and when none has, into the bucket
 * at the same place of the next neighbourhood. Slots are never given back, so what is in none of
 * the buckets up to the first with room is nowhere.
 *
 * Each slot carries a checksum over all of it, its digest included, so that it proves itself
 * wherever it comes from: torn by a crash, damaged on the disk, half written by another process. No
 * slot points to another; damage costs one judgment. Written in the machine's byte order. Pure. */
#ifndef RBR_CACHE_SLOT_H
#define RBR_CACHE_SLOT_H

#include "cache/cache.h"

enum {
    SLOT_BYTES = 128,
    BUCKET_SLOTS = 8,
    BUCKET_BYTES = SLOT_BYTES * BUCKET_SLOTS,
    NEAR_BUCKETS = 16, /* of a neighbourhood; all there are in a smaller table */
};

struct slot {
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    uint64_t check; /* of all other bytes */
    double probability, mass;
    int64_t graded_ms;
    uint8_t model_n;
    char model[CACHE_MODEL_MAX];
};

struct bucket {
    struct slot slots[BUCKET_SLOTS];
};

_Static_assert(sizeof(struct slot) == SLOT_BYTES, "slots are written as they are");
_Static_assert(sizeof(struct bucket) == BUCKET_BYTES, "buckets are written as they are");

/* Of n bytes, a multiple of 8; never 0. Not a secret and not against anybody: a torn or damaged
 * slot is what it must tell. */
uint64_t slot_checksum(const void *p, size_t n);

/* How many buckets fit, whole neighbourhoods of them; at least one bucket. */
uint64_t bucket_count(uint64_t bytes);

/* Where the digest belongs, of n. */
uint64_t bucket_of(const uint8_t digest[JUDGMENT_DIGEST_BYTES], uint64_t n);

/* The i-th bucket to look into, i below bucket_tries(n); at 0 it is `own`. */
uint64_t bucket_try(uint64_t own, uint64_t i, uint64_t n);
uint64_t bucket_tries(uint64_t n);

/* The first bucket of a bucket's neighbourhood, and how many it has. */
uint64_t near_first(uint64_t bucket, uint64_t n);
uint64_t near_count(uint64_t n);

enum slot_state { SLOT_EMPTY, SLOT_GOOD, SLOT_DAMAGED };

enum slot_state slot_state(const struct slot *s);

/* False, and the slot is empty: the entry is no judgment that may be kept. */
bool slot_fill(struct slot *s, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
               const struct cache_entry *e) RBR_MUST_CHECK;
void slot_read(const struct slot *s, struct cache_entry *ret);

/* The slot of the digest, good or not; NULL when it is not here. */
const struct slot *bucket_find(const struct bucket *b, const uint8_t digest[JUDGMENT_DIGEST_BYTES]);

/* Whether the search for the digest ends here: it is here, or there is room. */
bool bucket_settles(const struct bucket *b, const uint8_t digest[JUDGMENT_DIGEST_BYTES]);

/* Which slot a new judgment takes: the digest's own, an empty one, the oldest. */
size_t bucket_place(const struct bucket *b, const uint8_t digest[JUDGMENT_DIGEST_BYTES]);

#endif
