/* The table in a file: a page that says what it is, then the buckets.
 *
 * Read and written with pread and pwrite, a slot at a time. Nothing is mapped, so a file that is
 * cut short or on a failing disk gives an error and no signal; nothing is locked while it is used,
 * because a slot proves itself. Whoever is killed leaves at worst one torn slot. The file is
 * sparse: its size is its bound from the beginning, its blocks come as they are needed. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cache/slot.h"
#include "obs/log.h"

enum {
    HEADER_BYTES = 4096,
    LOCK_TRIES = 100, /* 10 ms apart */
    SURVEY_BUCKETS = 64, /* at a time */
};

/* The last byte of the magic is the version of all that follows. */
struct header {
    char magic[16];
    uint64_t byte_order;
    uint64_t n_buckets;
    uint64_t check; /* of the above */
};

static const char magic[16] = "rbr judgments 3";

#define BYTE_ORDER_MARK UINT64_C(0x0102030405060708)

struct cache_file {
    struct cache port;
    char *path;
    int fd;
    uint64_t n_buckets;
    struct bucket near[NEAR_BUCKETS]; /* as it was when it was read ahead */
    uint64_t near_at; /* its first bucket; UINT64_MAX: none */
    struct cache *spill; /* in memory, once the file could not be written; NULL: it always could */
};

/* ---- the header -------------------------------------------------------------------------------
 */

static uint64_t header_check(const struct header *header)
{
    return slot_checksum(header, offsetof(struct header, check));
}

static off_t file_bytes(uint64_t n_buckets)
{
    return (off_t)(HEADER_BYTES + n_buckets * BUCKET_BYTES);
}

enum content { CONTENT_OURS, CONTENT_NONE, CONTENT_DAMAGED, CONTENT_FOREIGN, CONTENT_UNREADABLE };

/* What the file is, by its first page and its size. */
static enum content look(int fd, uint64_t *ret_buckets)
{
    static const char zeros[HEADER_BYTES];
    char page[HEADER_BYTES] = {0};
    struct header header;
    struct stat st;
    if (fstat(fd, &st) != 0 || pread(fd, page, sizeof(page), 0) < 0)
        return CONTENT_UNREADABLE;
    if (!S_ISREG(st.st_mode))
        return CONTENT_FOREIGN;
    if (memcmp(page, zeros, sizeof(page)) == 0) /* new, or its maker was killed at it */
        return CONTENT_NONE;
    memcpy(&header, page, sizeof(header));
    if (memcmp(header.magic, magic, sizeof(magic)) != 0)
        return CONTENT_FOREIGN;
    if (header.byte_order != BYTE_ORDER_MARK || header.check != header_check(&header) ||
        header.n_buckets == 0 || header.n_buckets > INT64_MAX / BUCKET_BYTES / 2 ||
        st.st_size != file_bytes(header.n_buckets))
        return CONTENT_DAMAGED;
    *ret_buckets = header.n_buckets;
    return CONTENT_OURS;
}

static bool begin_anew(int fd, uint64_t n_buckets)
{
    struct header header = {.byte_order = BYTE_ORDER_MARK, .n_buckets = n_buckets};
    memcpy(header.magic, magic, sizeof(magic));
    header.check = header_check(&header);
    return ftruncate(fd, 0) == 0 && ftruncate(fd, file_bytes(n_buckets)) == 0 &&
           pwrite(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header);
}

/* Workers that start together must not begin the file anew twice. Held for no longer than that. */
static bool lock(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        const struct timespec pause = {.tv_nsec = 10000000};
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static enum err_code refuse(enum content content, const char *path, struct err *err)
{
    if (content == CONTENT_FOREIGN)
        return err_set(err, ERR_INVALID,
                       "%s is no cache of this version of rbr; choose another cache.path, or "
                       "delete the file",
                       path);
    return err_set(err, ERR_IO, "%s: %s; make it a file on a local disk that this user may write",
                   path, strerror(errno));
}

static enum err_code settle_content(struct cache_file *f, uint64_t bytes, struct err *err)
{
    if (!lock(f->fd))
        return refuse(CONTENT_UNREADABLE, f->path, err);
    enum content content = look(f->fd, &f->n_buckets);
    if (content == CONTENT_NONE || content == CONTENT_DAMAGED) {
        if (content == CONTENT_DAMAGED)
            log_warning("cache.begun_anew", "%s was damaged; its judgments are asked for again",
                        f->path);
        f->n_buckets = bucket_count(bytes);
        content = begin_anew(f->fd, f->n_buckets) ? CONTENT_OURS : CONTENT_UNREADABLE;
    }
    int failure = errno;
    (void)flock(f->fd, LOCK_UN);
    errno = failure;
    return content == CONTENT_OURS ? ERR_OK : refuse(content, f->path, err);
}

/* ---- the port ---------------------------------------------------------------------------------
 */

static off_t place_of(uint64_t bucket, size_t slot)
{
    return (off_t)(HEADER_BYTES + bucket * BUCKET_BYTES + slot * SLOT_BYTES);
}

/* The first failure is told, all are counted. What cannot be read is as good as empty. */
static void failed(struct cache_file *f, const char *what)
{
    if (f->port.stats.errors++ == 0)
        log_warning("cache.unusable",
                    "%s cannot be %s: %s; judgments are kept in memory instead until this process "
                    "ends",
                    f->path, what, strerror(errno));
}

static bool read_buckets(struct cache_file *f, uint64_t at, uint64_t n, struct bucket *ret)
{
    size_t bytes = n * sizeof(*ret);
    memset(ret, 0, bytes);
    ssize_t got = pread(f->fd, ret, bytes, place_of(at, 0));
    if (got == (ssize_t)bytes)
        return true;
    if (got >= 0)
        errno = ENODATA; /* somebody cut it short */
    failed(f, "read");
    return false;
}

static void file_ahead(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES])
{
    struct cache_file *f = CONTAINER_OF(c, struct cache_file, port);
    uint64_t first = near_first(bucket_of(digest, f->n_buckets), f->n_buckets);
    bool read = read_buckets(f, first, near_count(f->n_buckets), f->near);
    f->near_at = read ? first : UINT64_MAX;
}

/* The bucket, out of what was read ahead or into `space`. */
static const struct bucket *bucket_at(struct cache_file *f, uint64_t at, struct bucket *space)
{
    if (near_first(at, f->n_buckets) == f->near_at)
        return &f->near[at - f->near_at];
    (void)read_buckets(f, at, 1, space);
    return space;
}

/* The bucket with the digest, else the first with room, else its own; `ret`: what is in it, perhaps
 * in `space`. A full bucket is rare, and the others of its neighbourhood are read with one call. */
static uint64_t search(struct cache_file *f, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                       struct bucket *space, const struct bucket **ret)
{
    uint64_t own = bucket_of(digest, f->n_buckets);
    for (uint64_t i = 0; i < bucket_tries(f->n_buckets); i++) {
        uint64_t at = bucket_try(own, i, f->n_buckets);
        if (i == 1 && f->near_at != near_first(own, f->n_buckets))
            file_ahead(&f->port, digest);
        *ret = bucket_at(f, at, space);
        if (bucket_settles(*ret, digest))
            return at;
    }
    *ret = bucket_at(f, own, space);
    return own;
}

static bool file_get(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                     struct cache_entry *ret)
{
    struct cache_file *f = CONTAINER_OF(c, struct cache_file, port);
    struct bucket space;
    const struct bucket *bucket;
    (void)search(f, digest, &space, &bucket);
    const struct slot *s = bucket_find(bucket, digest);
    bool found = s != NULL && slot_state(s) == SLOT_GOOD;
    c->stats.errors += s != NULL && !found;
    if (found)
        slot_read(s, ret);
    else if (f->spill != NULL)
        found = f->spill->get(f->spill, digest, ret);
    c->stats.hits += found;
    c->stats.misses += !found;
    return found;
}

static void spill(struct cache_file *f, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                  const struct cache_entry *e)
{
    failed(f, "written");
    if (f->spill == NULL)
        f->spill = cache_mem_new(f->port.stats.bytes);
    f->spill->put(f->spill, digest, e);
}

static void file_put(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                     const struct cache_entry *e)
{
    struct cache_file *f = CONTAINER_OF(c, struct cache_file, port);
    struct bucket space;
    const struct bucket *bucket;
    struct slot slot;
    if (!slot_fill(&slot, digest, e))
        return;
    f->near_at = UINT64_MAX; /* others may have written since */
    uint64_t at = search(f, digest, &space, &bucket);
    ssize_t n = pwrite(f->fd, &slot, sizeof(slot), place_of(at, bucket_place(bucket, digest)));
    f->near_at = UINT64_MAX;
    if (n != (ssize_t)sizeof(slot)) {
        if (n >= 0)
            errno = ENOSPC;
        spill(f, digest, e);
    }
    c->stats.stored++;
}

static void file_done(struct cache *c)
{
    struct cache_file *f = CONTAINER_OF(c, struct cache_file, port);
    cache_free(f->spill);
    if (f->fd >= 0)
        (void)close(f->fd);
    mem_free(f->path);
    mem_free(f);
}

enum err_code cache_file_new(const char *path, uint64_t bytes, struct cache **ret, struct err *err)
{
    struct cache_file *f = mem_alloc(sizeof(*f));
    f->port =
        (struct cache){.get = file_get, .put = file_put, .free = file_done, .ahead = file_ahead};
    f->near_at = UINT64_MAX;
    f->path = mem_strdup(path);
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    enum err_code code = f->fd < 0 ? refuse(CONTENT_UNREADABLE, path, err) : ERR_OK;
    if (code == ERR_OK)
        code = settle_content(f, bytes, err);
    if (code != ERR_OK) {
        file_done(&f->port);
        return code;
    }
    f->port.stats.bytes = f->n_buckets * BUCKET_BYTES;
    *ret = &f->port;
    return ERR_OK;
}

/* ---- survey -----------------------------------------------------------------------------------
 */

static void survey_slot(const struct slot *s, struct cache_survey *to)
{
    switch (slot_state(s)) {
    case SLOT_EMPTY:
        return;
    case SLOT_DAMAGED:
        to->damaged++;
        return;
    case SLOT_GOOD:
        to->judgments++;
        if (to->oldest_ms == 0 || s->graded_ms < to->oldest_ms)
            to->oldest_ms = s->graded_ms;
        if (s->graded_ms > to->newest_ms)
            to->newest_ms = s->graded_ms;
    }
}

static bool survey_all(int fd, uint64_t n_buckets, struct cache_survey *to)
{
    struct bucket *buckets = mem_array(SURVEY_BUCKETS, sizeof(*buckets));
    bool ok = true;
    for (uint64_t at = 0; ok && at < n_buckets; at += SURVEY_BUCKETS) {
        uint64_t n = n_buckets - at < SURVEY_BUCKETS ? n_buckets - at : SURVEY_BUCKETS;
        ok = pread(fd, buckets, n * BUCKET_BYTES, place_of(at, 0)) == (ssize_t)(n * BUCKET_BYTES);
        for (uint64_t i = 0; ok && i < n * BUCKET_SLOTS; i++)
            survey_slot(&buckets[i / BUCKET_SLOTS].slots[i % BUCKET_SLOTS], to);
    }
    mem_free(buckets);
    return ok;
}

static enum err_code survey(int fd, const char *path, struct cache_survey *ret, struct err *err)
{
    struct stat st;
    uint64_t n_buckets = 0;
    enum content content = look(fd, &n_buckets);
    if (content == CONTENT_DAMAGED || content == CONTENT_NONE)
        return err_set(err, ERR_INVALID,
                       "%s: its first page or its size is damaged; the next worker begins it anew",
                       path);
    if (content != CONTENT_OURS)
        return refuse(content, path, err);
    *ret = (struct cache_survey){.room = n_buckets * BUCKET_SLOTS};
    if (!survey_all(fd, n_buckets, ret) || fstat(fd, &st) != 0)
        return refuse(CONTENT_UNREADABLE, path, err);
    ret->bytes = (uint64_t)st.st_size;
    ret->bytes_on_disk = (uint64_t)st.st_blocks * 512;
    return ERR_OK;
}

enum err_code cache_file_survey(const char *path, struct cache_survey *ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    enum err_code code = survey(fd, path, ret, err);
    (void)close(fd);
    return code;
}
