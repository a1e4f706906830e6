#include "base/resident.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    char line[128] = ""; /* size resident ...; in pages */
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    bool got = fgets(line, sizeof(line), f) != NULL;
    (void)fclose(f);
    const char *second = got ? strchr(line, ' ') : NULL;
    return second != NULL ? strtoull(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

void resident_give_back(void)
{
    (void)malloc_trim(0);
}
