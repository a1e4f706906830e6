/* The event loop: libuv, a maintenance call in every turn, and the one door between threads.
 *
 * All of rbr's own work happens on the loop thread. In each turn, behind I/O and timers and right
 * before it waits, the loop calls `maintain` once: there the pipeline admits, the grader starts
 * requests, batches are handed over. maintain returns the monotonic time at which it wants to be
 * called at the latest; the loop keeps one timer for that. Other threads only ever call loop_wake
 * or inbox_post. Lifecycle: loop_init, loop_run (returns after loop_stop), loop_done (asserts no
 * handle is left open). */
#ifndef RBR_LOOP_LOOP_H
#define RBR_LOOP_LOOP_H

#include <pthread.h>
#include <stdint.h>
#include <uv.h>

struct loop {
    uv_loop_t uv;
    /* private */
    uv_async_t wake;
    uv_timer_t timer;
    uv_prepare_t prepare;
    int64_t (*maintain)(void *arg);
    void *arg;
    int stopping;
};

void loop_init(struct loop *l, int64_t (*fn)(void *arg), void *arg); /* fn: maintain */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* loop thread: loop_run returns after this turn */
void loop_wake(struct loop *l); /* any thread, a signal handler too: one more turn, soon */
void loop_done(struct loop *l);

/* Items posted from other threads, delivered in order on the loop thread. Intrusive: embed
 * inbox_item. */
struct inbox_item {
    struct inbox_item *next;
};

struct inbox {
    pthread_mutex_t lock;
    struct inbox_item *first, **last;
    struct loop *loop;
};

void inbox_init(struct inbox *in, struct loop *loop);
void inbox_done(struct inbox *in);
void inbox_post(struct inbox *in, struct inbox_item *item); /* any thread */
struct inbox_item *inbox_take(
    struct inbox *in); /* loop thread: the whole chain, oldest first; NULL when empty */

#endif
