/* loop/inbox: what several threads post arrives once, on the loop, in each thread's order. */
#include "unit.h"

#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"

enum { THREADS = 4, ITEMS = 2000 };

struct post {
    struct inbox_item item;
    int thread, number;
};

struct scene {
    struct loop loop;
    struct inbox inbox;
    struct post posts[THREADS][ITEMS];
    int next[THREADS]; /* number expected from each */
    int taken;
    bool in_order;
};

static int64_t take(void *arg)
{
    struct scene *s = arg;
    for (struct inbox_item *i = inbox_take(&s->inbox); i != NULL; i = i->next) {
        const struct post *p = CONTAINER_OF(i, struct post, item);
        s->in_order = s->in_order && p->number == s->next[p->thread];
        s->next[p->thread]++;
        s->taken++;
    }
    if (s->taken == THREADS * ITEMS)
        loop_stop(&s->loop);
    return CLOCK_NEVER; /* only a post wakes it */
}

struct poster {
    struct scene *scene;
    int thread;
};

static void *post_all(void *arg)
{
    const struct poster *p = arg;
    for (int i = 0; i < ITEMS; i++) {
        struct post *post = &p->scene->posts[p->thread][i];
        *post = (struct post){.thread = p->thread, .number = i};
        inbox_post(&p->scene->inbox, &post->item);
        if (i % 100 == 0)
            (void)usleep(100); /* so that the loop goes to sleep in between */
    }
    return NULL;
}

static void every_post_arrives_once_and_in_order(void **state RBR_UNUSED)
{
    struct scene *s = mem_alloc(sizeof(*s));
    pthread_t threads[THREADS];
    struct poster posters[THREADS];
    s->in_order = true;
    loop_init(&s->loop, take, s);
    inbox_init(&s->inbox, &s->loop);
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){s, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    (void)alarm(60);
    loop_run(&s->loop);
    (void)alarm(0);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_true(s->in_order);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(s->next[i], ITEMS);
    assert_null(inbox_take(&s->inbox));
    inbox_done(&s->inbox);
    loop_done(&s->loop);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_post_arrives_once_and_in_order)};
    return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
