#include "base/resident.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

enum {
    LARGE_BYTES = 128 * 1024,
    LARGE_MAX = 16384, /* a process may have 65,530 mappings, and threads and clients need some */
};

void resident_init(void)
{
    /* Set by hand, the threshold does not grow with the largest block that was freed. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_MMAP_MAX, LARGE_MAX);
}

size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*u %zu", &pages) != 1)
        pages = 0;
    (void)fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

void resident_give_back(void)
{
    (void)malloc_trim(0);
}
