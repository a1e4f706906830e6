#include "base/arena.h"

#include "base/mem.h"

struct arena_block {
    struct arena_block *next;
    size_t size; /* usable bytes */
    size_t at; /* bytes handed out */
    _Alignas(16) char data[];
};

enum { BLOCK_MIN = 4096 - sizeof(struct arena_block), BLOCK_MAX = 256 * 1024 };

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max = max_bytes};
}

static void free_all(struct arena_block **list)
{
    while (*list != NULL) {
        struct arena_block *b = *list;
        *list = b->next;
        mem_free(b);
    }
}

void arena_done(struct arena *a)
{
    free_all(&a->large);
    free_all(&a->blocks);
    a->used = 0;
}

void arena_reset(struct arena *a)
{
    free_all(&a->large);
    a->used = 0;
    if (a->blocks == NULL)
        return;
    struct arena_block *first = a->blocks;
    while (first->next != NULL) {
        a->blocks = first->next;
        mem_free(first);
        first = a->blocks;
    }
    first->at = 0;
    a->used = sizeof(*first) + first->size;
}

/* What is larger than the next block would be gets a block of its own: one long text must not make
 * all that follow as large. */
static struct arena_block *new_block(struct arena *a, size_t size)
{
    size_t want = a->blocks == NULL ? (size_t)BLOCK_MIN : a->blocks->size * 2;
    size_t room = a->max > a->used ? a->max - a->used : 0;
    if (want > BLOCK_MAX)
        want = BLOCK_MAX;
    struct arena_block **list = want < size ? &a->large : &a->blocks;
    if (want < size)
        want = size;
    if (room < sizeof(struct arena_block) + size)
        return NULL;
    if (want > room - sizeof(struct arena_block))
        want = room - sizeof(struct arena_block);
    struct arena_block *b = mem_resize(NULL, sizeof(*b) + want);
    *b = (struct arena_block){.next = *list, .size = want};
    *list = b;
    a->used += sizeof(*b) + want;
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t rounded = (size + 15) & ~(size_t)15;
    struct arena_block *b = a->blocks;
    if (b == NULL || b->size - b->at < rounded) {
        b = new_block(a, rounded);
        if (b == NULL)
            return NULL;
    }
    void *p = b->data + b->at;
    b->at += rounded;
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *p = arena_alloc(a, bytes);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

bool arena_copy(struct arena *a, struct str s, struct str *ret)
{
    char *p = arena_alloc(a, s.n + 1);
    if (p == NULL)
        return false;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    *ret = (struct str){p, s.n};
    return true;
}
