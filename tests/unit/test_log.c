/* obs/log: one event, one line, in both shapes; levels; ten lines a second and then a sum. */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "obs/log.h"

static char said[256 * 1024];

/* stderr into a file while `say` runs; what was said is in `said`. */
static void capture(void (*say)(void))
{
    FILE *f = tmpfile();
    int kept = dup(STDERR_FILENO);
    assert_non_null(f);
    (void)dup2(fileno(f), STDERR_FILENO);
    say();
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    rewind(f);
    said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
    (void)fclose(f);
}

static size_t lines(void)
{
    size_t n = 0;
    for (const char *p = said; *p != '\0'; p++)
        n += *p == '\n';
    return n;
}

static void say_levels(void)
{
    log_configure(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    log_debug("test.levels", "one");
    log_info("test.levels", "two");
    log_warning("test.levels", "three n=%d", 3);
    log_error("test.levels", "four");
}

static void levels_below_the_threshold_are_silent(void **state RBR_UNUSED)
{
    capture(say_levels);
    assert_int_equal(lines(), 2);
    assert_non_null(strstr(said, "Z warning test.levels three n=3\n"));
    assert_non_null(strstr(said, "Z error test.levels four\n"));
    assert_int_equal(said[4], '-'); /* 2026-01-02T03:04:05.678Z */
    assert_int_equal(said[19], '.');
    assert_int_equal(said[23], 'Z');
}

static void say_controls(void)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("test.controls", "a\nb\x1b[31m\"");
}

static void a_line_stays_one_line(void **state RBR_UNUSED)
{
    capture(say_controls);
    assert_int_equal(lines(), 1);
    assert_non_null(strstr(said, "a\\x0ab\\x1b[31m\"\n"));
}

static void say_json(void)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("test.json", "a\n\"b\"\\ \x7f");
}

static void json_lines_are_json(void **state RBR_UNUSED)
{
    struct arena a;
    struct json_fault fault;
    capture(say_json);
    arena_init(&a, 1u << 20);
    const struct json *v = json_parse(&a, str_z(said), &fault);
    assert_non_null(v);
    assert_str(json_get(v, STR("level"))->string, "info");
    assert_str(json_get(v, STR("event"))->string, "test.json");
    assert_str(json_get(v, STR("text"))->string, "a\n\"b\"\\ \x7f");
    assert_int_equal(json_get(v, STR("time"))->string.n, 24);
    arena_done(&a);
}

static void say_long(void)
{
    static char big[20000];
    memset(big, '\x01', sizeof(big) - 1);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("test.long", "%s", big);
    memset(big, '"', sizeof(big) - 1);
    log_info("test.long", "%s", big);
}

static void long_lines_are_cut_and_still_json(void **state RBR_UNUSED)
{
    struct arena a;
    struct json_fault fault;
    capture(say_long);
    arena_init(&a, 1u << 20);
    assert_int_equal(lines(), 2);
    struct str all = str_z(said);
    size_t end = str_find(all, STR("\n"), 0);
    assert_true(end < 4400);
    assert_non_null(json_parse(&a, str_sub(all, 0, end), &fault));
    assert_non_null(json_parse(&a, str_sub(all, end, all.n), &fault));
    arena_done(&a);
}

/* From the start of a second, so that all lines fall into one. */
static void say_often(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const struct timespec wait = {.tv_nsec = 999999999 - now.tv_nsec};
    (void)nanosleep(&wait, NULL);
    const struct timespec little = {.tv_nsec = 20000000};
    (void)nanosleep(&little, NULL);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 500; i++)
        log_info("test.often", "i=%d", i);
    log_info("test.seldom", "another event");
    const struct timespec second = {.tv_sec = 1, .tv_nsec = 10000000};
    (void)nanosleep(&second, NULL);
    log_info("test.often", "later");
}

static void ten_lines_a_second_and_then_a_sum(void **state RBR_UNUSED)
{
    capture(say_often);
    assert_int_equal(lines(), 12);
    assert_non_null(strstr(said, "test.often i=9\n"));
    assert_null(strstr(said, "test.often i=10\n"));
    assert_non_null(strstr(said, "another event\n"));
    assert_non_null(strstr(said, "test.often later suppressed=490\n"));
}

static void say_many_events(void)
{
    static char names[200][24];
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (size_t i = 0; i < 200; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "test.many.%zu", i);
        log_info(names[i], "x");
    }
}

static void more_events_than_are_watched_still_log(void **state RBR_UNUSED)
{
    capture(say_many_events);
    assert_int_equal(lines(), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_below_the_threshold_are_silent),
        cmocka_unit_test(a_line_stays_one_line),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(long_lines_are_cut_and_still_json),
        cmocka_unit_test(ten_lines_a_second_and_then_a_sum),
        cmocka_unit_test(more_events_than_are_watched_still_log),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
