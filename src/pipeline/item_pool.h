/* Items, used again and again, and what is held by those in use: the records and bytes that two of
 * the budgets bound. Loop thread. */
#ifndef RBR_PIPELINE_ITEM_POOL_H
#define RBR_PIPELINE_ITEM_POOL_H

#include "pipeline/item.h"

struct item_pool {
    size_t arena_bytes; /* most that one item's arena takes */
    struct item *free;
    size_t n_free;
    size_t in_use, bytes; /* now; bytes as of each item's last item_pool_charge */
};

void item_pool_init(struct item_pool *pool, size_t arena_bytes);
void item_pool_done(struct item_pool *pool); /* nothing is in use */

struct item *item_pool_take(struct item_pool *pool);
void item_pool_give(struct item_pool *pool, struct item *it);

/* To be called when an item has grown or shrunk. */
void item_pool_charge(struct item_pool *pool, struct item *it);

#endif
