/* cache_file: what files and other processes do to it. Never a wrong judgment, never a crash. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "cache/slot.h"
#include "cache_fixture.h"
#include "obs/log.h"

enum { HEADER = 4096 };

#define KIB   UINT64_C(1024)
#define BYTES (512 * KIB)
#define N     UINT64_C(500)

static char folder[64], path[96];

static struct cache *open_file(void)
{
    struct cache *c;
    struct err err;
    if (cache_file_new(path, BYTES, &c, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    return c;
}

static void make(uint64_t n)
{
    (void)unlink(path);
    struct cache *c = open_file();
    for (uint64_t i = 0; i < n; i++)
        cache_put_number(c, i);
    cache_free(c);
}

/* How many of the first n are there; none may be wrong. */
static size_t right_ones(struct cache *c, uint64_t n)
{
    size_t right = 0;
    for (uint64_t i = 0; i < n; i++) {
        enum cache_answer answer = cache_get_number(c, i);
        assert_int_not_equal(answer, CACHE_WRONG);
        right += answer == CACHE_RIGHT;
    }
    return right;
}

static struct cache_survey survey(void)
{
    struct cache_survey s;
    struct err err;
    if (cache_file_survey(path, &s, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    return s;
}

static void write_at(long at, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(pwrite(fd, p, n, at), n);
    (void)close(fd);
}

static void it_outlives_the_process(void **state RBR_UNUSED)
{
    make(N);
    struct cache *c = open_file();
    assert_int_equal(right_ones(c, N), N);
    cache_free(c);
    struct cache_survey s = survey();
    assert_int_equal(s.judgments, N);
    assert_int_equal(s.room, BYTES / 128);
    assert_int_equal(s.damaged, 0);
    assert_int_equal(s.oldest_ms, cache_entry_of(0).graded_ms);
    assert_int_equal(s.newest_ms, cache_entry_of(N - 1).graded_ms);
    assert_int_equal(s.bytes, HEADER + BYTES);
    assert_true(s.bytes_on_disk <= s.bytes + HEADER);
}

static void a_file_keeps_its_size(void **state RBR_UNUSED)
{
    struct cache *c;
    make(N);
    assert_int_equal(cache_file_new(path, 16 * BYTES, &c, NULL), ERR_OK);
    assert_int_equal(c->stats.bytes, BYTES);
    assert_int_equal(right_ones(c, N), N);
    cache_free(c);
}

/* Each byte of a stretch, and one of each slot, in turn: at most the judgment it is in goes. */
static void a_changed_byte_costs_one_judgment(void **state RBR_UNUSED)
{
    make(N);
    struct str whole = unit_read_file(path);
    size_t lost = 0, begun_anew = 0;
    for (size_t at = 0; at < whole.n;
         at += at < 64 || (at >= HEADER && at < HEADER + 1100) ? 1 : 61) {
        char byte = whole.p[at], changed = (char)(byte ^ (1 << at % 8));
        struct cache *c;
        write_at((long)at, &changed, 1);
        if (cache_file_new(path, BYTES, &c, NULL) != ERR_OK) {
            assert_true(at < 16); /* another version's, or another program's */
            write_at((long)at, &byte, 1);
            continue;
        }
        size_t right = right_ones(c, N);
        if (right == 0) {
            assert_true(at < 40); /* the header */
            begun_anew++;
            write_at(0, whole.p, whole.n);
        } else {
            assert_true(right >= N - 1);
            assert_int_equal(survey().damaged, at >= HEADER); /* in an empty slot too */
            lost += right < N;
        }
        cache_free(c);
        write_at((long)at, &byte, 1);
    }
    assert_int_equal(begun_anew, 24);
    assert_true(lost > 500);
    struct cache *c = open_file();
    assert_int_equal(right_ones(c, N), N);
    cache_free(c);
    mem_free((void *)(uintptr_t)whole.p);
}

/* Pages that came from elsewhere: zeros, noise, another page of the file. */
static void lost_and_swapped_pages_serve_nothing_wrong(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    make(N);
    struct str whole = unit_read_file(path);
    for (int round = 0; round < 200; round++) {
        char page[4096] = {0};
        size_t at = HEADER + 4096 * rng_below(&rng, BYTES / 4096);
        uint64_t kind = rng_below(&rng, 3);
        for (size_t i = 0; kind == 1 && i < sizeof(page); i++)
            page[i] = (char)rng_next(&rng);
        if (kind == 2 && whole.p != NULL)
            memcpy(page, whole.p + HEADER + 4096 * rng_below(&rng, BYTES / 4096), sizeof(page));
        write_at((long)at, page, sizeof(page));
        struct cache *c = open_file();
        assert_true(right_ones(c, N) >= N - 32);
        for (uint64_t i = 2 * N; i < 2 * N + 20; i++) { /* and it is written to as ever */
            cache_put_number(c, i);
            assert_int_equal(cache_get_number(c, i), CACHE_RIGHT);
        }
        cache_free(c);
        write_at(0, whole.p, whole.n);
    }
    mem_free((void *)(uintptr_t)whole.p);
}

static void survey_counts_the_damaged(void **state RBR_UNUSED)
{
    make(N);
    struct str whole = unit_read_file(path);
    size_t found = 0;
    for (size_t at = HEADER; found < 3 && at < whole.n; at += 128) {
        if (whole.p[at] == 0)
            continue;
        char changed = (char)(whole.p[at + 40] ^ 4);
        write_at((long)at + 40, &changed, 1);
        found++;
    }
    assert_int_equal(survey().damaged, 3);
    assert_int_equal(survey().judgments, N - 3);
    mem_free((void *)(uintptr_t)whole.p);
}

/* Also while it is open: nothing is mapped, so nothing faults. */
static void a_file_cut_short_is_missed_and_counted(void **state RBR_UNUSED)
{
    make(N);
    struct cache *c = open_file();
    assert_int_equal(truncate(path, HEADER + 10 * 1024 + 300), 0);
    assert_true(right_ones(c, N) < N / 4);
    assert_true(c->stats.errors > N / 2);
    cache_put_number(c, 5);
    assert_int_equal(cache_get_number(c, 5), CACHE_RIGHT);
    cache_free(c);
    c = open_file(); /* the size is wrong: begun anew */
    assert_int_equal(right_ones(c, N), 0);
    assert_int_equal(survey().bytes, HEADER + BYTES);
    cache_free(c);
}

/* As it was then, until it is read ahead again or something is put; what is not near is read as
 * ever. */
static void what_was_read_ahead_is_what_was_there(void **state RBR_UNUSED)
{
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    make(N);
    struct cache *c = open_file(), *other = open_file();
    for (uint64_t i = 0; i < N; i += 7) {
        cache_digest(i, digest);
        cache_ahead(c, digest);
        for (uint64_t k = i; k < N; k += 31)
            assert_int_equal(cache_get_number(c, k), CACHE_RIGHT);
    }
    cache_digest(N, digest);
    cache_ahead(c, digest);
    cache_put_number(other, N); /* another process */
    assert_int_equal(cache_get_number(c, N), CACHE_MISS);
    cache_ahead(c, digest);
    assert_int_equal(cache_get_number(c, N), CACHE_RIGHT);
    cache_put_number(other, N + 1);
    cache_digest(N + 2, digest);
    cache_ahead(c, digest);
    cache_put_number(c, N + 2);
    assert_int_equal(cache_get_number(c, N + 2), CACHE_RIGHT);
    cache_free(c);
    cache_free(other);
}

static void what_is_no_cache_is_left_alone(void **state RBR_UNUSED)
{
    struct cache *c;
    struct err err;
    struct cache_survey s;
    (void)unlink(path);
    write_at(0, "kafka: {brokers: b}\n", 20);
    assert_int_equal(cache_file_new(path, BYTES, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "choose another cache.path"));
    assert_int_equal(cache_file_survey(path, &s, &err), ERR_INVALID);
    struct str whole = unit_read_file(path);
    assert_str(whole, "kafka: {brokers: b}\n");
    mem_free((void *)(uintptr_t)whole.p);
    assert_int_equal(cache_file_new(folder, BYTES, &c, &err), ERR_IO); /* a folder */
    assert_int_equal(cache_file_new("/dev/null", BYTES, &c, &err), ERR_INVALID);
    assert_int_equal(cache_file_survey("/nowhere/x", &s, &err), ERR_IO);
    make(N);
    write_at(14, "2", 1); /* the version before */
    assert_int_equal(cache_file_new(path, BYTES, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "is no cache of this version of rbr"));
    assert_int_equal(cache_file_survey(path, &s, &err), ERR_INVALID);
    (void)unlink(path);
    write_at(0, "", 0); /* empty, as `touch` leaves it */
    c = open_file();
    cache_put_number(c, 1);
    assert_int_equal(cache_get_number(c, 1), CACHE_RIGHT);
    cache_free(c);
}

/* Runs `body` in a process of its own; its exit code. The limits it sets are its own. */
static int in_child(int (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* As on a full disk: writes fail from some offset on. */
static int with_no_room(void)
{
    struct cache *c;
    struct rlimit limit = {HEADER + BYTES / 4, HEADER + BYTES / 4};
    (void)signal(SIGXFSZ, SIG_IGN);
    if (cache_file_new(path, BYTES, &c, NULL) != ERR_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    for (uint64_t i = N; i < 2 * N; i++)
        cache_put_number(c, i);
    for (uint64_t i = 0; i < 2 * N; i++) /* what does not fit is in memory */
        if (cache_get_number(c, i) != CACHE_RIGHT)
            return 2;
    if (c->stats.errors < N / 4 || c->stats.stored != N)
        return 3;
    cache_free(c);
    return 0;
}

static void on_a_full_disk_memory_takes_what_is_new(void **state RBR_UNUSED)
{
    make(N);
    assert_int_equal(in_child(with_no_room), 0);
    assert_int_equal(survey().damaged, 0);
    struct cache *c = open_file();
    assert_int_equal(right_ones(c, N), N);
    cache_free(c);
}

/* No room for the file itself. */
static int with_no_room_at_all(void)
{
    struct cache *c;
    struct err err;
    struct rlimit limit = {HEADER, HEADER};
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    return cache_file_new(path, BYTES, &c, &err) == ERR_IO ? 0 : 2;
}

static void without_room_for_the_file_it_says_so(void **state RBR_UNUSED)
{
    (void)unlink(path);
    assert_int_equal(in_child(with_no_room_at_all), 0);
    struct cache *c = open_file(); /* what it left behind is no obstacle */
    cache_put_number(c, 1);
    assert_int_equal(cache_get_number(c, 1), CACHE_RIGHT);
    cache_free(c);
}

static int as_nobody(void)
{
    struct cache *c;
    struct err err;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    return cache_file_new(path, BYTES, &c, &err) == ERR_IO && strstr(err.msg, path) != NULL ? 0 : 2;
}

static void a_read_only_place_is_refused_by_name(void **state RBR_UNUSED)
{
    make(1);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(in_child(as_nobody), 0); /* may not write the file */
    (void)unlink(path);
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(in_child(as_nobody), 0); /* may not make it */
    assert_int_equal(chmod(folder, 0700), 0);
}

static uint64_t turn; /* of the processes that write at a time */

static int write_until_killed(void)
{
    struct cache *c;
    if (cache_file_new(path, BYTES, &c, NULL) != ERR_OK)
        return 1;
    for (uint64_t i = 0;; i++)
        cache_put_number(c, turn * N + i % N);
}

/* Two at a time on one file, killed with -9 while they write, with a third that reads. */
static void killed_writers_leave_nothing_wrong(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    (void)unlink(path);
    for (turn = 0; turn < 20;) {
        pid_t writers[2];
        int status;
        for (size_t i = 0; i < 2; i++, turn++) {
            writers[i] = fork();
            if (writers[i] == 0)
                _exit(write_until_killed());
        }
        struct cache *c = open_file();
        for (uint64_t reads = rng_below(&rng, 6000); reads > 0; reads--)
            assert_int_not_equal(cache_get_number(c, rng_below(&rng, turn * N)), CACHE_WRONG);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(kill(writers[i], SIGKILL), 0);
            assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
            assert_true(WIFSIGNALED(status));
        }
        (void)right_ones(c, turn * N);
        cache_free(c);
    }
    assert_int_equal(survey().damaged, 0);
    assert_true(survey().judgments > BYTES / 128 / 2);
}

static uint64_t apart[6];

/* The first numbers with a bucket each: in one, two that write in the same microsecond may choose
 * the same slot. */
static void choose_apart(void)
{
    bool taken[BYTES / BUCKET_BYTES] = {false};
    size_t found = 0;
    for (uint64_t number = 0; found < ARRAY_LEN(apart); number++) {
        uint8_t digest[JUDGMENT_DIGEST_BYTES];
        cache_digest(number, digest);
        uint64_t at = bucket_of(digest, ARRAY_LEN(taken));
        if (!taken[at])
            apart[found++] = number;
        taken[at] = true;
    }
}

static int start_and_keep(void)
{
    struct cache *c;
    if (cache_file_new(path, BYTES, &c, NULL) != ERR_OK)
        return 1;
    cache_put_number(c, apart[turn]);
    bool kept = cache_get_number(c, apart[turn]) == CACHE_RIGHT;
    cache_free(c);
    return kept ? 0 : 2;
}

/* None of several that start together on nothing begins anew what another began. */
static void several_start_on_one_new_file(void **state RBR_UNUSED)
{
    choose_apart();
    for (int round = 0; round < 20; round++) {
        pid_t started[ARRAY_LEN(apart)];
        int status;
        (void)unlink(path);
        for (turn = 0; turn < ARRAY_LEN(started); turn++) {
            started[turn] = fork();
            if (started[turn] == 0)
                _exit(start_and_keep());
        }
        for (size_t i = 0; i < ARRAY_LEN(started); i++) {
            assert_int_equal(waitpid(started[i], &status, 0), started[i]);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        struct cache *c = open_file();
        for (size_t i = 0; i < ARRAY_LEN(apart); i++)
            assert_int_equal(cache_get_number(c, apart[i]), CACHE_RIGHT);
        cache_free(c);
    }
}

static int set_up(void **state RBR_UNUSED)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/rbr-cache-file-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/cache", folder);
    return 0;
}

static int tear_down(void **state RBR_UNUSED)
{
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_outlives_the_process),
        cmocka_unit_test(a_file_keeps_its_size),
        cmocka_unit_test(a_changed_byte_costs_one_judgment),
        cmocka_unit_test(lost_and_swapped_pages_serve_nothing_wrong),
        cmocka_unit_test(survey_counts_the_damaged),
        cmocka_unit_test(a_file_cut_short_is_missed_and_counted),
        cmocka_unit_test(what_was_read_ahead_is_what_was_there),
        cmocka_unit_test(what_is_no_cache_is_left_alone),
        cmocka_unit_test(on_a_full_disk_memory_takes_what_is_new),
        cmocka_unit_test(without_room_for_the_file_it_says_so),
        cmocka_unit_test(a_read_only_place_is_refused_by_name),
        cmocka_unit_test(killed_writers_leave_nothing_wrong),
        cmocka_unit_test(several_start_on_one_new_file),
    };
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests_name("cache_file", tests, set_up, tear_down);
}
