/* blackbox: deaths are counted by place, over processes, and forgotten with the record. */
#include "unit.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "obs/log.h"
#include "pipeline/blackbox.h"

static char folder[64];

static struct blackbox *open_of(const char *group)
{
    struct blackbox *b;
    struct err err = {0};
    if (blackbox_open(str_z(folder), str_z(group), STR("completions"), &b, &err) == ERR_OK)
        return b;
    print_error("%s\n", err.msg);
    fail();
    return NULL;
}

static int new_folder(void **state RBR_UNUSED)
{
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_TEXT);
    (void)snprintf(folder, sizeof(folder), "/tmp/rbr-blackbox-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state RBR_UNUSED)
{
    struct blackbox *b = open_of("g");
    (void)unlink(blackbox_path(b));
    blackbox_close(b);
    return rmdir(folder);
}

/* A process of its own that dies, by SIGKILL, at work on that record or (offset < 0) on none. */
static void die_at(int32_t partition, int64_t offset)
{
    pid_t child = fork();
    if (child == 0) {
        struct blackbox *b = open_of("g");
        blackbox_mark(b, partition, offset + 1000);
        blackbox_clear(b);
        if (offset >= 0)
            blackbox_mark(b, partition, offset);
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* A good end, with records done in between; a letter each:
 *   a..z  dies at work on offset 0..25       .  dies at work on nothing
 *   A..Z  a good run that commits that offset    _  a good run that commits nothing */
static void live(char what)
{
    if (what == '.' || (what >= 'a' && what <= 'z')) {
        die_at(0, what == '.' ? -1 : what - 'a');
        return;
    }
    struct blackbox *b = open_of("g");
    if (what != '_')
        blackbox_forget(b, 0, what - 'A');
    blackbox_close(b);
}

static void deaths_are_counted_by_place(void **state RBR_UNUSED)
{
    static const struct {
        const char *lives;
        unsigned deaths[4]; /* then, at offsets 0 to 3 */
    } table[] = {
        {"", {0}},          {"_", {0}},
        {"a", {1}},         {"aa", {2}},
        {"aaa", {3}},       {"aaaa", {4}},
        {"a_a_a", {3}}, /* a good end proves nothing about a record it did not get to */
        {"aAa", {1}}, /* it got through */
        {"aaAa", {1}},      {"abcd", {1, 1, 1, 1}},
        {"ababab", {3, 3}}, {"aBa", {2}},
        {"...", {0}},       {"a.a.a", {3}},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        for (const char *c = table[i].lives; *c != '\0'; c++)
            live(*c);
        struct blackbox *b = open_of("g");
        for (int64_t o = 0; o < 4; o++) {
            if (blackbox_deaths(b, 0, o) != table[i].deaths[o])
                print_error("%s: offset %d\n", table[i].lives, (int)o);
            assert_int_equal(blackbox_deaths(b, 0, o), table[i].deaths[o]);
            assert_int_equal(blackbox_deaths(b, 1, o), 0);
        }
        blackbox_forget_below(b, 0, 26);
        blackbox_close(b);
    }
}

/* Kills at moments of chance, most of them at work on something: what was not done is worked on
 * again by the next, as the log is read again from what was committed. No record is condemned. */
static void kills_at_random_condemn_nobody(void **state RBR_UNUSED)
{
    enum { RECORDS = 200, KILLS = 60 };
    struct rng rng;
    rng_init(&rng, unit_seed());
    int64_t committed = 0;
    for (int i = 0; i < KILLS; i++) {
        int64_t got_to = committed + (int64_t)(rng_next(&rng) % RECORDS);
        int64_t done = committed + (got_to - committed) / 2;
        struct blackbox *b = open_of("g");
        for (int64_t o = committed; o < committed + RECORDS; o++)
            assert_in_range(blackbox_deaths(b, 0, o), 0, BLACKBOX_DEATHS_MAX - 1);
        for (int64_t o = committed; o < done; o++)
            blackbox_forget(b, 0, o);
        blackbox_close(b);
        die_at(0, got_to);
        committed = done;
    }
    struct blackbox *b = open_of("g");
    blackbox_forget_below(b, 0, INT64_MAX);
    blackbox_close(b);
}

/* The partition of a record that kills goes from worker to worker; all of them share the count,
 * those that have been running for long too. */
static void workers_of_one_host_share_the_count(void **state RBR_UNUSED)
{
    struct blackbox *last = open_of("g");
    struct blackbox *workers[BLACKBOX_DEATHS_MAX];
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        workers[i] = open_of("g");
    for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
        blackbox_look(workers[i]); /* is given the partition */
        assert_int_equal(blackbox_deaths(workers[i], 3, 77), i);
        blackbox_mark(workers[i], 3, 77);
        blackbox_look(last); /* it lives: no death */
        assert_int_equal(blackbox_deaths(last, 3, 77), i);
        blackbox_close(workers[i]); /* and ends with its mark set */
    }
    blackbox_look(last);
    assert_int_equal(blackbox_deaths(last, 3, 77), BLACKBOX_DEATHS_MAX);
    struct blackbox *other = open_of("g");
    blackbox_forget(last, 3, 77);
    blackbox_look(other);
    assert_int_equal(blackbox_deaths(other, 3, 77), 0);
    blackbox_close(other);
    blackbox_close(last);
}

static void groups_have_boxes_of_their_own(void **state RBR_UNUSED)
{
    struct blackbox *a = open_of("g"), *b = open_of("another/../group");
    assert_string_not_equal(blackbox_path(a), blackbox_path(b));
    blackbox_mark(b, 0, 1);
    (void)unlink(blackbox_path(b));
    blackbox_close(b);
    blackbox_look(a);
    assert_int_equal(blackbox_deaths(a, 0, 1), 0);
    blackbox_close(a);
}

/* Whatever is in the file: never a crash, and what is not ours is begun anew. */
static void a_file_that_is_not_ours_is_begun_anew(void **state RBR_UNUSED)
{
    struct blackbox *b = open_of("g");
    char *path = mem_strdup(blackbox_path(b));
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    blackbox_mark(b, 0, 5);
    blackbox_close(b);
    static const char *const texts[] = {"x", "rbr black box 9\n", "rbr black box 1\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        FILE *f = fopen(path, "we");
        assert_int_equal(fputs(texts[i], f) >= 0, true);
        (void)fclose(f);
        if (i == 1)
            assert_int_equal(truncate(path, s.st_size), 0);
        b = open_of("g");
        assert_int_equal(blackbox_deaths(b, 0, 5), 0);
        blackbox_mark(b, 0, 5);
        blackbox_close(b);
        b = open_of("g");
        assert_int_equal(blackbox_deaths(b, 0, 5), 1);
        blackbox_forget(b, 0, 5);
        blackbox_close(b);
    }
    mem_free(path);
}

static void nonsense_in_the_file_does_no_harm(void **state RBR_UNUSED)
{
    for (int round = 0; round < 3; round++) {
        struct blackbox *b = open_of("g");
        char *path = mem_strdup(blackbox_path(b));
        struct stat s;
        blackbox_close(b);
        assert_int_equal(stat(path, &s), 0);
        FILE *f = fopen(path, "r+e");
        (void)fseek(f, 320, SEEK_SET);
        for (long at = 320; at < s.st_size; at++)
            (void)fputc(round == 0 ? 0xff : round == 1 ? 0x80 : (int)(at * 7919 % 251), f);
        (void)fclose(f);
        b = open_of("g");
        blackbox_mark(b, 1, 1);
        blackbox_close(b);
        b = open_of("g");
        assert_int_equal(blackbox_deaths(b, 1, 1), 1);
        blackbox_close(b);
        (void)unlink(path);
        mem_free(path);
    }
}

static void the_oldest_suspect_gives_way(void **state RBR_UNUSED)
{
    struct blackbox *b;
    for (int64_t o = 0; o <= BLACKBOX_SUSPECTS_MAX; o++) {
        b = open_of("g");
        blackbox_mark(b, 0, o);
        blackbox_close(b);
    }
    b = open_of("g");
    assert_int_equal(blackbox_deaths(b, 0, 0), 0);
    assert_int_equal(blackbox_deaths(b, 0, 1), 1);
    assert_int_equal(blackbox_deaths(b, 0, BLACKBOX_SUSPECTS_MAX), 1);
    blackbox_forget_below(b, 0, BLACKBOX_SUSPECTS_MAX);
    assert_int_equal(blackbox_deaths(b, 0, 1), 0);
    assert_int_equal(blackbox_deaths(b, 0, BLACKBOX_SUSPECTS_MAX), 1);
    blackbox_forget_below(b, 0, INT64_MAX);
    blackbox_close(b);
}

static void one_worker_too_many_is_told_so(void **state RBR_UNUSED)
{
    struct blackbox *boxes[BLACKBOX_WORKERS_MAX], *b;
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(boxes); i++)
        boxes[i] = open_of("g");
    assert_int_equal(blackbox_open(str_z(folder), STR("g"), STR("completions"), &b, &err),
                     ERR_LIMIT);
    assert_non_null(strstr(err.msg, "64 workers use it"));
    for (size_t i = 0; i < ARRAY_LEN(boxes); i++)
        blackbox_close(boxes[i]);
}

static void a_folder_that_cannot_be_used_is_told(void **state RBR_UNUSED)
{
    struct blackbox *b;
    struct err err = {0};
    assert_int_equal(blackbox_open(STR("/nowhere/at/all"), STR("g"), STR("completions"), &b, &err),
                     ERR_IO);
    assert_non_null(strstr(err.msg, "state.dir: /nowhere/at/all"));
    assert_int_equal(blackbox_open(STR("/dev/null"), STR("g"), STR("completions"), &b, &err),
                     ERR_IO);
}

static void without_a_box_nothing_happens(void **state RBR_UNUSED)
{
    blackbox_mark(NULL, 0, 0);
    blackbox_clear(NULL);
    blackbox_look(NULL);
    blackbox_forget(NULL, 0, 0);
    blackbox_forget_below(NULL, 0, 0);
    assert_int_equal(blackbox_deaths(NULL, 0, 0), 0);
    blackbox_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deaths_are_counted_by_place),
        cmocka_unit_test(kills_at_random_condemn_nobody),
        cmocka_unit_test(workers_of_one_host_share_the_count),
        cmocka_unit_test(groups_have_boxes_of_their_own),
        cmocka_unit_test(a_file_that_is_not_ours_is_begun_anew),
        cmocka_unit_test(nonsense_in_the_file_does_no_harm),
        cmocka_unit_test(the_oldest_suspect_gives_way),
        cmocka_unit_test(one_worker_too_many_is_told_so),
        cmocka_unit_test(a_folder_that_cannot_be_used_is_told),
        cmocka_unit_test(without_a_box_nothing_happens),
    };
    return cmocka_run_group_tests(tests, new_folder, remove_folder);
}
