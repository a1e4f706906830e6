/* loop/loop: maintain runs in every turn and no later than it asked for; a wake from anywhere is a
 * turn. */
#include "unit.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"

enum { TURNS = 50 };

struct ticker {
    struct loop loop;
    int turns, stop_at;
    int64_t wait_us; /* CLOCK_NEVER: none */
    int64_t at[TURNS];
    uv_timer_t handle;
};

static int64_t on_turn(void *arg)
{
    struct ticker *t = arg;
    int64_t now = clock_mono_us(&clock_real);
    if (t->turns < TURNS)
        t->at[t->turns] = now;
    if (++t->turns == t->stop_at)
        loop_stop(&t->loop);
    return t->wait_us == CLOCK_NEVER ? CLOCK_NEVER : now + t->wait_us;
}

static void the_first_turn_comes_by_itself(void **state RBR_UNUSED)
{
    struct ticker t = {.stop_at = 1, .wait_us = CLOCK_NEVER};
    loop_init(&t.loop, on_turn, &t);
    loop_run(&t.loop);
    assert_int_equal(t.turns, 1);
    t.stop_at = 2; /* and again */
    loop_run(&t.loop);
    assert_int_equal(t.turns, 2);
    loop_done(&t.loop);
}

static void maintain_runs_when_it_asked_to(void **state RBR_UNUSED)
{
    struct ticker t = {.stop_at = 6, .wait_us = 10000};
    loop_init(&t.loop, on_turn, &t);
    int64_t start = clock_mono_us(&clock_real);
    loop_run(&t.loop);
    int64_t took = clock_mono_us(&clock_real) - start;
    assert_true(took >= 30000);
    assert_true(took < 2000000);
    loop_done(&t.loop);
}

static void what_is_due_already_is_the_next_turn(void **state RBR_UNUSED)
{
    struct ticker t = {.stop_at = 1000, .wait_us = -5};
    loop_init(&t.loop, on_turn, &t);
    loop_run(&t.loop);
    assert_int_equal(t.turns, 1000);
    loop_done(&t.loop);
}

static void slow_close(uv_handle_t *handle RBR_UNUSED)
{
    const struct timespec wait = {.tv_nsec = 20000000};
    (void)nanosleep(&wait, NULL);
}

static int64_t close_after_arming(void *arg)
{
    struct ticker *t = arg;
    if (t->turns == 0)
        uv_close((uv_handle_t *)&t->handle,
                 slow_close); /* runs between arming and waiting, or behind it */
    return on_turn(arg);
}

/* When the timer ran out between the check and the next polling, nothing was left to end that
 * polling, and the loop slept on. */
static void a_timer_that_runs_out_before_polling_is_not_lost(void **state RBR_UNUSED)
{
    struct ticker t = {.stop_at = 2, .wait_us = 1000};
    loop_init(&t.loop, close_after_arming, &t);
    (void)uv_timer_init(&t.loop.uv, &t.handle);
    (void)alarm(10);
    loop_run(&t.loop);
    (void)alarm(0);
    assert_int_equal(t.turns, 2);
    assert_true(t.at[1] - t.at[0] < 5000000);
    loop_done(&t.loop);
}

struct errand {
    struct loop loop;
    uv_timer_t timer;
    bool done;
};

static void run_errand(uv_timer_t *timer)
{
    ((struct errand *)timer->data)->done = true;
}

static int64_t until_done(void *arg)
{
    struct errand *e = arg;
    if (e->done)
        loop_stop(&e->loop);
    return CLOCK_NEVER;
}

/* libuv runs timers once more behind the check. curl's are among them: what they finished was seen
 * only after the next polling, which nothing had to end. */
static void what_another_timer_did_is_seen_before_waiting(void **state RBR_UNUSED)
{
    struct errand e = {.done = false};
    loop_init(&e.loop, until_done, &e);
    (void)uv_timer_init(&e.loop.uv, &e.timer);
    e.timer.data = &e;
    (void)uv_timer_start(&e.timer, run_errand, 1, 0);
    (void)alarm(10);
    loop_run(&e.loop);
    (void)alarm(0);
    assert_true(e.done);
    uv_close((uv_handle_t *)&e.timer, NULL);
    loop_done(&e.loop);
}

static void *wake_later(void *arg)
{
    const struct timespec wait = {.tv_nsec = 30000000};
    (void)nanosleep(&wait, NULL);
    loop_wake(arg);
    return NULL;
}

static void a_wake_from_another_thread_is_a_turn(void **state RBR_UNUSED)
{
    struct ticker t = {.stop_at = 2, .wait_us = CLOCK_NEVER};
    pthread_t thread;
    loop_init(&t.loop, on_turn, &t);
    assert_int_equal(pthread_create(&thread, NULL, wake_later, &t.loop), 0);
    (void)alarm(10);
    loop_run(&t.loop);
    (void)alarm(0);
    (void)pthread_join(thread, NULL);
    assert_true(t.at[1] - t.at[0] >= 20000);
    loop_done(&t.loop);
}

static struct loop *interrupted;

static void on_alarm(int number RBR_UNUSED)
{
    /* That this may be done is what is tested. */
    loop_wake(interrupted); /* NOLINT(bugprone-signal-handler,cert-sig30-c) */
}

static void a_wake_from_a_signal_handler_is_a_turn(void **state RBR_UNUSED)
{
    struct ticker t = {.stop_at = 2, .wait_us = CLOCK_NEVER};
    loop_init(&t.loop, on_turn, &t);
    interrupted = &t.loop;
    (void)signal(SIGALRM, on_alarm);
    (void)alarm(1);
    loop_run(&t.loop);
    (void)signal(SIGALRM, SIG_DFL);
    assert_int_equal(t.turns, 2);
    loop_done(&t.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_turn_comes_by_itself),
        cmocka_unit_test(maintain_runs_when_it_asked_to),
        cmocka_unit_test(what_is_due_already_is_the_next_turn),
        cmocka_unit_test(a_timer_that_runs_out_before_polling_is_not_lost),
        cmocka_unit_test(what_another_timer_did_is_seen_before_waiting),
        cmocka_unit_test(a_wake_from_another_thread_is_a_turn),
        cmocka_unit_test(a_wake_from_a_signal_handler_is_a_turn),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
