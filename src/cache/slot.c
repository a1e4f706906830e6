#include "cache/slot.h"

#include <math.h>

uint64_t bucket_count(uint64_t bytes)
{
    uint64_t n = bytes >= BUCKET_BYTES ? bytes / BUCKET_BYTES : 1;
    return n < NEAR_BUCKETS ? n : n - n % NEAR_BUCKETS;
}

uint64_t near_count(uint64_t n)
{
    return n < NEAR_BUCKETS ? n : NEAR_BUCKETS;
}

uint64_t near_first(uint64_t bucket, uint64_t n)
{
    return bucket - bucket % near_count(n);
}

/* Digests are SHA-256: any bytes of one are as good as a hash. */
uint64_t bucket_of(const uint8_t digest[JUDGMENT_DIGEST_BYTES], uint64_t n)
{
    uint32_t content;
    _Static_assert(sizeof(content) == JUDGMENT_CONTENT_BYTES, "all of it");
    memcpy(&content, &digest[JUDGMENT_DIGEST_BYTES - sizeof(content)], sizeof(content));
    uint64_t near = content * (n / near_count(n)) >> 32;
    return near * near_count(n) + digest[0] % near_count(n);
}

uint64_t bucket_try(uint64_t own, uint64_t i, uint64_t n)
{
    uint64_t near = near_count(n), first = near_first(own, n);
    return i < near ? first + (own - first + i) % near : (own + near) % n;
}

uint64_t bucket_tries(uint64_t n)
{
    return near_count(n) + (n > NEAR_BUCKETS);
}

/* FNV-1a's way over whole words, with the high bits brought down: each step is a bijection of what
 * was before, so one changed word is always seen. SHA-256 was a twentieth of a replayed record. */
uint64_t slot_checksum(const void *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325), word;
    for (size_t i = 0; i < n; i += sizeof(word)) {
        memcpy(&word, (const char *)p + i, sizeof(word));
        h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    return h != 0 ? h : 1;
}

static uint64_t checksum(const struct slot *s)
{
    struct slot without = *s;
    without.check = 0;
    return slot_checksum(&without, sizeof(without));
}

enum slot_state slot_state(const struct slot *s)
{
    static const char empty[SLOT_BYTES];
    if (memcmp((const char *)s, empty, sizeof(empty)) == 0)
        return SLOT_EMPTY;
    return s->check == checksum(s) && s->model_n <= CACHE_MODEL_MAX ? SLOT_GOOD : SLOT_DAMAGED;
}

bool slot_fill(struct slot *s, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
               const struct cache_entry *e)
{
    *s = (struct slot){0};
    if (!(e->probability >= 0 && e->probability <= 1) || !isfinite(e->mass) || e->mass < 0)
        return false; /* written so that NaN is refused */
    memcpy(s->digest, digest, sizeof(s->digest));
    s->probability = e->probability;
    s->mass = e->mass;
    s->graded_ms = e->graded_ms;
    s->model_n = (uint8_t)(e->model_n < CACHE_MODEL_MAX ? e->model_n : CACHE_MODEL_MAX);
    memcpy(s->model, e->model, s->model_n);
    s->check = checksum(s);
    return true;
}

void slot_read(const struct slot *s, struct cache_entry *ret)
{
    *ret = (struct cache_entry){.probability = s->probability,
                                .mass = s->mass,
                                .graded_ms = s->graded_ms,
                                .model_n = s->model_n};
    memcpy(ret->model, s->model, s->model_n);
}

static bool is_of(const struct slot *s, const uint8_t digest[JUDGMENT_DIGEST_BYTES])
{
    return s->check != 0 && memcmp(s->digest, digest, sizeof(s->digest)) == 0;
}

const struct slot *bucket_find(const struct bucket *b, const uint8_t digest[JUDGMENT_DIGEST_BYTES])
{
    for (size_t i = 0; i < BUCKET_SLOTS; i++)
        if (is_of(&b->slots[i], digest))
            return &b->slots[i];
    return NULL;
}

bool bucket_settles(const struct bucket *b, const uint8_t digest[JUDGMENT_DIGEST_BYTES])
{
    for (size_t i = 0; i < BUCKET_SLOTS; i++)
        if (b->slots[i].check == 0 || is_of(&b->slots[i], digest)) /* empty, or as good as that */
            return true;
    return false;
}

size_t bucket_place(const struct bucket *b, const uint8_t digest[JUDGMENT_DIGEST_BYTES])
{
    const struct slot *own = bucket_find(b, digest);
    if (own != NULL)
        return (size_t)(own - b->slots);
    /* Not all begin at the first: two processes that write at the same moment rarely choose alike.
     */
    size_t first = digest[1], oldest = first % BUCKET_SLOTS;
    for (size_t i = 0; i < BUCKET_SLOTS; i++) {
        size_t at = (first + i) % BUCKET_SLOTS;
        if (b->slots[at].graded_ms < b->slots[oldest].graded_ms) /* an empty one's is 0 */
            oldest = at;
    }
    return oldest;
}
