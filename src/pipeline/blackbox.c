#include "pipeline/blackbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "obs/log.h"

enum {
    HEADER_BYTES = 320, /* the product and layout, then group and input, for who reads the file */
    PATH_HEX = 16,
    OPEN_TRIES = 100, /* each fails only because another worker replaced the file meanwhile */
};

#define MAGIC "rbr black box 1\n"

/* Both are what a dead process left, so any bits are possible and none is trusted. */
struct cell {
    int64_t offset;
    int32_t partition;
    uint32_t marked;
};

struct suspect {
    int64_t offset;
    int32_t partition;
    uint32_t deaths; /* 0: the end of the list */
};

struct file {
    char header[HEADER_BYTES];
    struct cell cells[BLACKBOX_WORKERS_MAX];
    struct suspect suspects[BLACKBOX_SUSPECTS_MAX]; /* the oldest first */
};

/* Lock number 0 is for the whole file, 1 + i for cell i. */
struct blackbox {
    int fd;
    char *path;
    struct str input;
    struct file *file;
    struct cell *cell;
    struct suspect suspects[BLACKBOX_SUSPECTS_MAX]; /* as of the last look */
    size_t n_suspects;
};

/* ---- locks ------------------------------------------------------------------------------------
 */

/* Of the open file and not of the process, so that they exclude two black boxes of one process too.
 * EINTR aside, waiting for one does not fail. */
static bool lock(int fd, size_t number, short type, bool wait)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    int failed;
    do
        failed = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
    while (failed != 0 && errno == EINTR);
    return failed == 0;
}

static void lock_file(struct blackbox *b)
{
    (void)lock(b->fd, 0, F_WRLCK, true);
}

static void unlock_file(struct blackbox *b)
{
    (void)lock(b->fd, 0, F_UNLCK, false);
}

/* ---- suspects: under the file's lock ------------------------------------------------------------
 */

static size_t count_suspects(const struct file *f)
{
    size_t n = 0;
    while (n < BLACKBOX_SUSPECTS_MAX && f->suspects[n].deaths > 0)
        n++;
    return n;
}

static void remove_suspect(struct suspect *list, size_t *n, size_t i)
{
    memmove(&list[i], &list[i + 1], (*n - i - 1) * sizeof(*list));
    list[--*n] = (struct suspect){0};
}

static unsigned count_death(struct file *f, const struct cell *at)
{
    size_t n = count_suspects(f);
    for (size_t i = 0; i < n; i++) {
        struct suspect *s = &f->suspects[i];
        if (s->partition == at->partition && s->offset == at->offset)
            return s->deaths += s->deaths < UINT32_MAX;
    }
    if (n == BLACKBOX_SUSPECTS_MAX)
        remove_suspect(f->suspects, &n, 0);
    f->suspects[n] =
        (struct suspect){.offset = at->offset, .partition = at->partition, .deaths = 1};
    return 1;
}

/* A cell whose owner is gone. */
static void judge_cell(struct blackbox *b, struct cell *cell)
{
    if (cell->marked == 0)
        return;
    unsigned deaths = count_death(b->file, cell);
    log_warning("blackbox.death",
                "a worker died at work on %.*s[%" PRId32 "] offset %" PRId64
                "; deaths there: %u, at %d it is put aside",
                STR_ARGS(b->input), cell->partition, cell->offset, deaths, BLACKBOX_DEATHS_MAX);
    cell->marked = 0;
}

/* Goes through all cells but our own; one that is free becomes ours when we have none. */
static void look(struct blackbox *b)
{
    for (size_t i = 0; i < BLACKBOX_WORKERS_MAX; i++) {
        struct cell *cell = &b->file->cells[i];
        if (cell == b->cell || (b->cell != NULL && cell->marked == 0))
            continue;
        if (!lock(b->fd, 1 + i, F_WRLCK, false))
            continue;
        judge_cell(b, cell);
        if (b->cell == NULL)
            b->cell = cell;
        else
            (void)lock(b->fd, 1 + i, F_UNLCK, false);
    }
    b->n_suspects = count_suspects(b->file);
    memcpy(b->suspects, b->file->suspects, sizeof(b->suspects));
}

/* ---- the file -----------------------------------------------------------------------------------
 */

static enum err_code failed(struct err *err, const char *path, const char *what)
{
    return err_set(err, ERR_IO, "state.dir: %s: %s: %s", path, what, strerror(errno));
}

/* Space is taken now: a store into a hole of a full disk would be the end of the process. */
static enum err_code begin(struct blackbox *b, struct str group, struct err *err)
{
    char header[HEADER_BYTES] = {0};
    (void)snprintf(header, sizeof(header), MAGIC "group %.*s\ninput %.*s\n", STR_ARGS(group),
                   STR_ARGS(b->input));
    int problem = posix_fallocate(b->fd, 0, sizeof(struct file));
    if (problem != 0) {
        errno = problem;
        return failed(err, b->path, "no space for it");
    }
    return pwrite(b->fd, header, sizeof(header), 0) == (ssize_t)sizeof(header)
               ? ERR_OK
               : failed(err, b->path, "writing it");
}

static bool is_ours(int fd, off_t size)
{
    char magic[sizeof(MAGIC) - 1];
    return size == (off_t)sizeof(struct file) &&
           pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
           memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

/* Opened and locked, and still the file of that name. False without *err: try again. */
static bool open_locked(struct blackbox *b, struct str group, struct err *err)
{
    struct stat here, there;
    b->fd = open(b->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (b->fd < 0 || !lock(b->fd, 0, F_WRLCK, true) || fstat(b->fd, &here) != 0) {
        (void)failed(err, b->path, "opening it");
        return false;
    }
    if (stat(b->path, &there) != 0 || here.st_ino != there.st_ino)
        return false;
    if (here.st_size == 0)
        return begin(b, group, err) == ERR_OK;
    if (is_ours(b->fd, here.st_size))
        return true;
    log_warning("blackbox.begun_anew", "%s is not a black box of this version; begun anew",
                b->path);
    if (unlink(b->path) != 0) /* who has it mapped keeps it */
        (void)failed(err, b->path, "removing it");
    return false;
}

static enum err_code open_file(struct blackbox *b, struct str group, struct err *err)
{
    err->code = ERR_OK;
    for (int i = 0; i < OPEN_TRIES; i++) {
        if (open_locked(b, group, err))
            return ERR_OK;
        if (b->fd >= 0)
            (void)close(b->fd);
        b->fd = -1;
        if (err->code != ERR_OK)
            return err->code;
    }
    return err_set(err, ERR_BUSY, "state.dir: %s is replaced again and again", b->path);
}

static char *path_of(struct str folder, struct str group, struct str input)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX], *path;
    struct sha256 h;
    sha256_init(&h);
    sha256_field(&h, group);
    sha256_field(&h, input);
    sha256_finish(&h, digest);
    sha256_done(&h);
    hex_encode(digest, PATH_HEX / 2, hex);
    size_t size = folder.n + PATH_HEX + sizeof("/.blackbox");
    path = mem_alloc(size);
    (void)snprintf(path, size, "%.*s/%s.blackbox", STR_ARGS(folder), hex);
    return path;
}

/* ---- the outside ------------------------------------------------------------------------------
 */

enum err_code blackbox_open(struct str folder, struct str group, struct str input,
                            struct blackbox **ret, struct err *err)
{
    char *dir = mem_copy(folder.p, folder.n);
    int made = mkdir(dir, 0700);
    enum err_code code = made == 0 || errno == EEXIST ? ERR_OK : failed(err, dir, "making it");
    mem_free(dir);
    if (code != ERR_OK)
        return code;
    struct blackbox *b = mem_alloc(sizeof(*b));
    b->fd = -1;
    b->path = path_of(folder, group, input);
    b->input = (struct str){mem_copy(input.p, input.n), input.n};
    code = open_file(b, group, err);
    if (code == ERR_OK) {
        void *map = mmap(NULL, sizeof(*b->file), PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
        if (map == MAP_FAILED)
            code = failed(err, b->path, "mapping it");
        else
            b->file = map;
    }
    if (code == ERR_OK) {
        look(b);
        unlock_file(b);
        if (b->cell == NULL)
            code = err_set(err, ERR_LIMIT,
                           "state.dir: %s: %d workers use it already; give some "
                           "another folder",
                           b->path, BLACKBOX_WORKERS_MAX);
    }
    if (code != ERR_OK) {
        blackbox_close(b);
        return code;
    }
    *ret = b;
    return ERR_OK;
}

/* The locks go with the file. */
void blackbox_close(struct blackbox *b)
{
    if (b == NULL)
        return;
    if (b->file != NULL)
        (void)munmap(b->file, sizeof(*b->file));
    if (b->fd >= 0)
        (void)close(b->fd);
    mem_free((char *)(uintptr_t)b->input.p);
    mem_free(b->path);
    mem_free(b);
}

const char *blackbox_path(const struct blackbox *b)
{
    return b->path;
}

/* The fences are for a signal that ends us between two instructions: the compiler keeps the mark
 * around what it is about. */
void blackbox_mark(struct blackbox *b, int32_t partition, int64_t offset)
{
    if (b == NULL)
        return;
    b->cell->partition = partition;
    b->cell->offset = offset;
    atomic_signal_fence(memory_order_seq_cst);
    b->cell->marked = 1;
    atomic_signal_fence(memory_order_seq_cst);
}

void blackbox_clear(struct blackbox *b)
{
    if (b == NULL)
        return;
    atomic_signal_fence(memory_order_seq_cst);
    b->cell->marked = 0;
    atomic_signal_fence(memory_order_seq_cst);
}

void blackbox_look(struct blackbox *b)
{
    if (b == NULL)
        return;
    lock_file(b);
    look(b);
    unlock_file(b);
}

unsigned blackbox_deaths(const struct blackbox *b, int32_t partition, int64_t offset)
{
    for (size_t i = 0; b != NULL && i < b->n_suspects; i++)
        if (b->suspects[i].partition == partition && b->suspects[i].offset == offset)
            return b->suspects[i].deaths;
    return 0;
}

/* Out of the file first, then out of what we know of it. */
static void forget(struct blackbox *b, int32_t partition, int64_t from, int64_t to)
{
    bool known = false;
    for (size_t i = 0; b != NULL && !known && i < b->n_suspects; i++)
        known = b->suspects[i].partition == partition && b->suspects[i].offset >= from &&
                b->suspects[i].offset < to;
    if (!known)
        return;
    lock_file(b);
    size_t n = count_suspects(b->file);
    for (size_t i = n; i-- > 0;) {
        const struct suspect *s = &b->file->suspects[i];
        if (s->partition == partition && s->offset >= from && s->offset < to)
            remove_suspect(b->file->suspects, &n, i);
    }
    b->n_suspects = n;
    memcpy(b->suspects, b->file->suspects, sizeof(b->suspects));
    unlock_file(b);
}

void blackbox_forget(struct blackbox *b, int32_t partition, int64_t offset)
{
    forget(b, partition, offset, offset + 1);
}

void blackbox_forget_below(struct blackbox *b, int32_t partition, int64_t offset)
{
    forget(b, partition, INT64_MIN, offset);
}
