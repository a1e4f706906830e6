#include "base/heap.h"

#include <assert.h>

#include "base/mem.h"

static void place(struct heap *h, struct heap_node *node, size_t i)
{
    h->nodes[i] = node;
    node->at = i + 1;
}

static void rise(struct heap *h, struct heap_node *node, size_t i)
{
    while (i > 0 && h->nodes[(i - 1) / 2]->due_us > node->due_us) {
        place(h, h->nodes[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(h, node, i);
}

static void sink(struct heap *h, struct heap_node *node, size_t i)
{
    for (;;) {
        size_t kid = 2 * i + 1;
        if (kid >= h->n)
            break;
        if (kid + 1 < h->n && h->nodes[kid + 1]->due_us < h->nodes[kid]->due_us)
            kid++;
        if (h->nodes[kid]->due_us >= node->due_us)
            break;
        place(h, h->nodes[kid], i);
        i = kid;
    }
    place(h, node, i);
}

void heap_done(struct heap *h)
{
    mem_free(h->nodes);
    *h = (struct heap){0};
}

void heap_push(struct heap *h, struct heap_node *node, int64_t due_us)
{
    assert(node->at == 0);
    mem_grow((void **)&h->nodes, &h->cap, h->n, sizeof(struct heap_node *));
    node->due_us = due_us;
    rise(h, node, h->n++);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (node->at == 0)
        return;
    size_t i = node->at - 1;
    struct heap_node *last = h->nodes[--h->n];
    node->at = 0;
    if (last == node)
        return;
    if (i > 0 && h->nodes[(i - 1) / 2]->due_us > last->due_us)
        rise(h, last, i);
    else
        sink(h, last, i);
}
