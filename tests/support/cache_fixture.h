/* Judgments by number, for tests of caches. Header only. */
#ifndef RBR_TESTS_CACHE_FIXTURE_H
#define RBR_TESTS_CACHE_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "cache/cache.h"

static inline void cache_digest(uint64_t number, uint8_t out[JUDGMENT_DIGEST_BYTES])
{
    uint8_t whole[SHA256_BYTES];
    struct sha256 h;
    sha256_init(&h);
    sha256_u64(&h, number);
    sha256_finish(&h, whole);
    sha256_done(&h);
    memcpy(out, whole, JUDGMENT_DIGEST_BYTES);
}

/* What is right for this number, and for no other. */
static inline struct cache_entry cache_entry_of(uint64_t number)
{
    struct cache_entry e = {.probability = (double)(number % 1000003) / 1000003,
                            .mass = 1 / (1 + (double)(number % 97)),
                            .graded_ms = (int64_t)(1700000000000 + number)};
    e.model_n =
        (size_t)snprintf(e.model, sizeof(e.model), "judge-%llu", (unsigned long long)(number % 11));
    return e;
}

static inline bool cache_entries_equal(const struct cache_entry *a, const struct cache_entry *b)
{
    return a->probability == b->probability && a->mass == b->mass && a->graded_ms == b->graded_ms &&
           a->model_n == b->model_n && memcmp(a->model, b->model, a->model_n) == 0;
}

static inline void cache_put_number(struct cache *c, uint64_t number)
{
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct cache_entry e = cache_entry_of(number);
    cache_digest(number, digest);
    c->put(c, digest, &e);
}

enum cache_answer { CACHE_MISS, CACHE_RIGHT, CACHE_WRONG };

static inline enum cache_answer cache_get_number(struct cache *c, uint64_t number)
{
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct cache_entry got, want = cache_entry_of(number);
    cache_digest(number, digest);
    if (!c->get(c, digest, &got))
        return CACHE_MISS;
    return cache_entries_equal(&got, &want) ? CACHE_RIGHT : CACHE_WRONG;
}

#endif
