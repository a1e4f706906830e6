#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static RBR_NORETURN void out_of_memory(size_t size)
{
    (void)fprintf(stderr, "rbr: out of memory (%zu bytes); lower limits.memory or add memory\n",
                  size);
    abort();
}

void *mem_alloc(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (p == NULL)
        out_of_memory(size);
    return p;
}

void *mem_resize(void *p, size_t size)
{
    void *q = realloc(p, size > 0 ? size : 1);
    if (q == NULL)
        out_of_memory(size);
    return q;
}

void *mem_copy(const void *p, size_t size)
{
    char *q = mem_resize(NULL, size + 1);
    if (size > 0)
        memcpy(q, p, size);
    q[size] = '\0';
    return q;
}

char *mem_strdup(const char *s)
{
    return mem_copy(s, strlen(s));
}

void mem_grow(void **items, size_t *cap, size_t count, size_t size)
{
    if (count < *cap)
        return;
    size_t want = *cap > 0 ? *cap * 2 : 8;
    while (want <= count)
        want *= 2;
    if (want > SIZE_MAX / size)
        out_of_memory(SIZE_MAX);
    *items = mem_resize(*items, want * size);
    memset((char *)*items + *cap * size, 0, (want - *cap) * size);
    *cap = want;
}
