/* Judgments by digest: what a grader has answered once is not asked again.
 *
 * A port with two implementations: in memory, and in a file that outlives the process and is shared
 * by those of one host. Both are tables of a fixed size (cache/slot.h): a digest has its place in
 * one bucket, where a new judgment takes the place of the oldest. Only graded judgments of a grader
 * belong here; a failure is asked again.
 *
 * A cache never fails its user. What cannot be read, or is not what was written, is a miss; what
 * cannot be written to the file is kept in memory; both are counted. Nothing here waits for another
 * process. One thread per cache; the file takes any number of caches. */
#ifndef RBR_CACHE_CACHE_H
#define RBR_CACHE_CACHE_H

#include "base/err.h"
#include "base/str.h"
#include "grader/judgment.h"

enum { CACHE_MODEL_MAX = 79 }; /* bytes of the model's name that are kept */

struct cache_entry {
    double probability, mass; /* as in struct judgment */
    int64_t graded_ms; /* wall time of the answer */
    size_t model_n;
    char model[CACHE_MODEL_MAX]; /* the one that answered; printable ASCII, no NUL after it */
};

struct cache_stats {
    uint64_t hits, misses, stored;
    uint64_t errors; /* reads and writes that failed, judgments that were damaged */
    uint64_t bytes; /* taken when full */
};

struct cache {
    /* False: not here. */
    bool (*get)(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                struct cache_entry *ret);
    /* Replaces what is there for the digest. Not kept: no probability, no mass. */
    void (*put)(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                const struct cache_entry *e);
    void (*free)(struct cache *c);
    /* The next gets are of this digest and of others about the same completion: what is near may be
     * read at once, and is as it was then until the next call or put. A get may do so by itself.
     * NULL: there is no need. */
    void (*ahead)(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES]);
    struct cache_stats stats; /* of this cache; the file may serve others too */
};

/* `path` n == 0: in memory. A file that cannot be used is logged, and memory takes its place. */
struct cache *cache_new(struct str path, uint64_t bytes) RBR_MUST_CHECK;
void cache_free(struct cache *c); /* NULL is fine */

static inline void cache_ahead(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES])
{
    if (c->ahead != NULL)
        c->ahead(c, digest);
}

struct cache *cache_mem_new(uint64_t bytes) RBR_MUST_CHECK;

/* Opens the file, or makes it; an existing one keeps its size. One that was damaged is begun anew,
 * one that is something else is refused. */
enum err_code cache_file_new(const char *path, uint64_t bytes, struct cache **ret,
                             struct err *err) RBR_MUST_CHECK;

/* What the file holds, by reading all of it. It may be in use. */
struct cache_survey {
    uint64_t judgments, room; /* room: for so many */
    uint64_t damaged; /* are not what was written; they are never served */
    int64_t oldest_ms, newest_ms; /* 0: none */
    uint64_t bytes, bytes_on_disk;
};
enum err_code cache_file_survey(const char *path, struct cache_survey *ret,
                                struct err *err) RBR_MUST_CHECK;

#endif
