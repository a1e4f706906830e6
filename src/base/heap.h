/* Timers without an event loop: a binary min-heap of intrusive nodes, ordered by due time. One
 * thread. */
#ifndef RBR_BASE_HEAP_H
#define RBR_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t due_us;
    size_t at; /* position + 1; 0: not in a heap */
};

struct heap {
    struct heap_node **nodes;
    size_t n, cap;
};

void heap_done(struct heap *h);
void heap_push(struct heap *h, struct heap_node *node, int64_t due_us);
void heap_remove(struct heap *h, struct heap_node *node); /* fine when it is in none */

/* The earliest; NULL when empty. */
static inline struct heap_node *heap_first(const struct heap *h)
{
    return h->n > 0 ? h->nodes[0] : NULL;
}

#endif
