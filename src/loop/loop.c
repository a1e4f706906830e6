#include "loop/loop.h"

#include <assert.h>

#include "base/clock.h"

static void on_wake(uv_async_t *handle)
{
    (void)handle; /* the turn itself is what was asked for */
}

static void on_timer(uv_timer_t *handle)
{
    (void)handle; /* maintenance follows */
}

/* In a prepare handle: libuv runs those behind timers and I/O and right before it waits. A check
 * handle, right after I/O, would miss what timers did behind it, ours or curl's, and the loop would
 * go to sleep on it. The timer exists to end the waiting in time. */
static void maintain(struct loop *l)
{
    int64_t due = l->maintain(l->arg);
    if (l->stopping) {
        uv_stop(&l->uv); /* do not wait */
        return;
    }
    if (due == CLOCK_NEVER) {
        (void)uv_timer_stop(&l->timer);
        return;
    }
    int64_t wait_us = due - clock_mono_us(&clock_real);
    if (wait_us <= 0) {
        (void)uv_async_send(&l->wake);
        return;
    }
    uv_update_time(&l->uv);
    (void)uv_timer_start(&l->timer, on_timer, (uint64_t)(wait_us + 999) / 1000, 0);
}

static void on_prepare(uv_prepare_t *handle)
{
    struct loop *l = handle->data;
    maintain(l);
}

void loop_init(struct loop *l, int64_t (*fn)(void *arg), void *arg)
{
    int rc = uv_loop_init(&l->uv);
    assert(rc == 0);
    (void)rc;
    l->maintain = fn;
    l->arg = arg;
    l->stopping = 0;
    (void)uv_async_init(&l->uv, &l->wake, on_wake);
    (void)uv_timer_init(&l->uv, &l->timer);
    (void)uv_prepare_init(&l->uv, &l->prepare);
    l->prepare.data = l;
    (void)uv_prepare_start(&l->prepare, on_prepare);
}

void loop_run(struct loop *l)
{
    l->stopping = 0;
    while (!l->stopping)
        (void)uv_run(&l->uv, UV_RUN_ONCE);
}

void loop_stop(struct loop *l)
{
    l->stopping = 1;
}

void loop_wake(struct loop *l)
{
    (void)uv_async_send(&l->wake);
}

void loop_done(struct loop *l)
{
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->timer, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0 && "a handle was left open");
    (void)rc;
}
