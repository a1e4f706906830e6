/* The table in memory. Its pages are the kernel's until they are first written to. */
#include "base/mem.h"
#include "cache/slot.h"

struct cache_mem {
    struct cache port;
    struct bucket *buckets;
    uint64_t n_buckets;
};

/* The bucket with the digest, else the first with room, else its own. */
static struct bucket *search(struct cache_mem *m, const uint8_t digest[JUDGMENT_DIGEST_BYTES])
{
    uint64_t own = bucket_of(digest, m->n_buckets);
    for (uint64_t i = 0; i < bucket_tries(m->n_buckets); i++) {
        struct bucket *b = &m->buckets[bucket_try(own, i, m->n_buckets)];
        if (bucket_settles(b, digest))
            return b;
    }
    return &m->buckets[own];
}

static bool mem_get(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                    struct cache_entry *ret)
{
    struct cache_mem *m = CONTAINER_OF(c, struct cache_mem, port);
    const struct slot *s = bucket_find(search(m, digest), digest);
    if (s == NULL) {
        c->stats.misses++;
        return false;
    }
    slot_read(s, ret);
    c->stats.hits++;
    return true;
}

static void mem_put(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                    const struct cache_entry *e)
{
    struct cache_mem *m = CONTAINER_OF(c, struct cache_mem, port);
    struct slot slot;
    if (!slot_fill(&slot, digest, e))
        return;
    struct bucket *b = search(m, digest);
    b->slots[bucket_place(b, digest)] = slot;
    c->stats.stored++;
}

static void mem_done(struct cache *c)
{
    struct cache_mem *m = CONTAINER_OF(c, struct cache_mem, port);
    mem_free(m->buckets);
    mem_free(m);
}

struct cache *cache_mem_new(uint64_t bytes)
{
    struct cache_mem *m = mem_alloc(sizeof(*m));
    m->n_buckets = bucket_count(bytes);
    m->buckets = mem_array(m->n_buckets, sizeof(*m->buckets));
    m->port = (struct cache){.get = mem_get,
                             .put = mem_put,
                             .free = mem_done,
                             .stats = {.bytes = m->n_buckets * BUCKET_BYTES}};
    return &m->port;
}
