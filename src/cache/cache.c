#include "cache/cache.h"

#include <inttypes.h>

#include "base/mem.h"
#include "obs/log.h"

struct cache *cache_new(struct str path, uint64_t bytes)
{
    struct cache *c;
    struct err err;
    if (path.n == 0)
        return cache_mem_new(bytes);
    char *name = mem_copy(path.p, path.n);
    if (cache_file_new(name, bytes, &c, &err) == ERR_OK) {
        log_info("cache.opened", "path=%s bytes=%" PRIu64, name, c->stats.bytes);
    } else {
        log_warning("cache.unusable", "%s; judgments are kept in memory until this process ends",
                    err.msg);
        c = cache_mem_new(bytes);
    }
    mem_free(name);
    return c;
}

void cache_free(struct cache *c)
{
    if (c != NULL)
        c->free(c);
}
