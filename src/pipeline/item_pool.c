#include "pipeline/item_pool.h"

#include <assert.h>

#include "base/mem.h"

enum { FREE_MAX = 1024 }; /* kept for reuse */

void item_pool_init(struct item_pool *pool, size_t arena_bytes)
{
    *pool = (struct item_pool){.arena_bytes = arena_bytes};
}

static void free_item(struct item *it)
{
    item_done(it);
    mem_free(it);
}

void item_pool_done(struct item_pool *pool)
{
    assert(pool->in_use == 0);
    while (pool->free != NULL) {
        struct item *it = pool->free;
        pool->free = it->next;
        free_item(it);
    }
}

struct item *item_pool_take(struct item_pool *pool)
{
    struct item *it = pool->free;
    if (it != NULL) {
        pool->free = it->next;
        pool->n_free--;
    } else {
        it = mem_alloc(sizeof(*it));
        item_init(it, pool->arena_bytes);
    }
    it->next = NULL;
    pool->in_use++;
    return it;
}

void item_pool_charge(struct item_pool *pool, struct item *it)
{
    size_t now = item_bytes(it);
    pool->bytes += now - it->bytes;
    it->bytes = now;
}

void item_pool_give(struct item_pool *pool, struct item *it)
{
    pool->in_use--;
    pool->bytes -= it->bytes;
    item_reset(it);
    if (pool->n_free == FREE_MAX) {
        free_item(it);
        return;
    }
    it->next = pool->free;
    pool->free = it;
    pool->n_free++;
}
