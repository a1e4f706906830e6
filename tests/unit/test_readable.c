/* loop/readable: the loop sleeps until there is something to read, and the descriptor stays as it
 * was. */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/readable.h"

#define MS INT64_C(1000)

struct scene {
    struct loop loop;
    struct readable readable;
    int ends[2]; /* of a pipe */
    int turns;
    int64_t give_up_us;
    bool ignores, woken; /* ignores: does not stop for what there is to read */
};

static int64_t maintain(void *arg)
{
    struct scene *s = arg;
    s->turns++;
    s->woken = !s->ignores && readable_now(s->ends[0]);
    if (s->woken || clock_mono_us(&clock_real) >= s->give_up_us)
        loop_stop(&s->loop);
    return s->give_up_us;
}

static void start(struct scene *s)
{
    *s = (struct scene){.turns = 0};
    assert_int_equal(pipe(s->ends), 0);
    loop_init(&s->loop, maintain, s);
    assert_true(readable_init(&s->readable, &s->loop, s->ends[0]));
}

static void stop(struct scene *s)
{
    readable_done(&s->readable);
    loop_done(&s->loop);
    (void)close(s->ends[0]);
    (void)close(s->ends[1]);
}

/* Whether it woke the loop within that time. */
static bool wakes(struct scene *s, int64_t us)
{
    s->turns = 0;
    s->give_up_us = clock_mono_us(&clock_real) + us;
    loop_run(&s->loop);
    return s->woken;
}

static void *write_later(void *arg)
{
    struct scene *s = arg;
    (void)usleep(50000);
    assert_int_equal(write(s->ends[1], "x", 1), 1);
    return NULL;
}

static void a_byte_wakes_the_loop_each_time_it_is_waited_for(void **state RBR_UNUSED)
{
    struct scene s;
    pthread_t thread;
    char byte;
    start(&s);
    for (int i = 0; i < 3; i++) {
        assert_false(readable_now(s.ends[0]));
        readable_wait(&s.readable);
        assert_int_equal(pthread_create(&thread, NULL, write_later, &s), 0);
        assert_true(wakes(&s, 20000 * MS));
        assert_in_range(s.turns, 2, 4); /* and slept until then */
        (void)pthread_join(thread, NULL);
        assert_int_equal(read(s.ends[0], &byte, 1), 1);
    }
    stop(&s);
}

static void the_end_wakes_it_too(void **state RBR_UNUSED)
{
    struct scene s;
    start(&s);
    readable_wait(&s.readable);
    (void)close(s.ends[1]);
    assert_true(wakes(&s, 20000 * MS));
    stop(&s);
}

/* Whoever has no room for more does not wait, and is not woken for it in each turn. */
static void what_is_not_waited_for_wakes_nobody(void **state RBR_UNUSED)
{
    struct scene s;
    start(&s);
    assert_int_equal(write(s.ends[1], "x", 1), 1);
    readable_wait(&s.readable);
    assert_true(wakes(&s, 20000 * MS)); /* once */
    s.ignores = true;
    assert_false(wakes(&s, 100 * MS));
    assert_in_range(s.turns, 1, 4);
    stop(&s);
}

static void it_still_blocks_for_those_who_share_it(void **state RBR_UNUSED)
{
    struct scene s;
    start(&s);
    readable_wait(&s.readable);
    assert_false(wakes(&s, 10 * MS));
    assert_int_equal(fcntl(s.ends[0], F_GETFL) & O_NONBLOCK, 0);
    stop(&s);
}

static void a_file_is_not_waited_for(void **state RBR_UNUSED)
{
    struct loop loop;
    struct readable r;
    int fd = open(SOURCE_DIR "/CMakeLists.txt", O_RDONLY | O_CLOEXEC);
    loop_init(&loop, maintain, NULL);
    assert_true(fd >= 0 && readable_now(fd));
    assert_false(readable_init(&r, &loop, fd));
    loop_done(&loop);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_wakes_the_loop_each_time_it_is_waited_for),
        cmocka_unit_test(the_end_wakes_it_too),
        cmocka_unit_test(what_is_not_waited_for_wakes_nobody),
        cmocka_unit_test(it_still_blocks_for_those_who_share_it),
        cmocka_unit_test(a_file_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("readable", tests, NULL, NULL);
}
