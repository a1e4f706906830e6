/* librdkafka starts its threads with C11's thrd_create, which ThreadSanitizer does not know: the
 * first allocation in such a thread crashes. In a program built with it these definitions come
 * before the C library's, and go through pthread calls, which it does know. Header only; include it
 * in one file of a program. */
#ifndef RBR_TESTS_TSAN_THREADS_H
#define RBR_TESTS_TSAN_THREADS_H

#if defined(__SANITIZE_THREAD__)
#define RBR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RBR_TSAN 1
#endif
#endif

#ifdef RBR_TSAN

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct tsan_thread {
    thrd_start_t start;
    void *arg;
};

static inline void *tsan_thread_main(void *p)
{
    struct tsan_thread t = *(struct tsan_thread *)p;
    free(p);
    return (void *)(intptr_t)t.start(t.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
    struct tsan_thread *t = malloc(sizeof(*t));
    if (t == NULL)
        return thrd_nomem;
    *t = (struct tsan_thread){start, arg};
    return pthread_create(thread, NULL, tsan_thread_main, t) == 0 ? thrd_success : thrd_error;
}

int thrd_join(thrd_t thread, int *ret)
{
    void *value;
    if (pthread_join(thread, &value) != 0)
        return thrd_error;
    if (ret != NULL)
        *ret = (int)(intptr_t)value;
    return thrd_success;
}

#endif
#endif
