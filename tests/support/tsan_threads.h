/* librdkafka uses the threads and locks of C11 (thrd_create, mtx_lock, ...), which ThreadSanitizer
 * does not know: the first allocation in such a thread crashes, and what a lock orders looks like a
 * race. In a program built with it these definitions come before the C library's, and go through
 * pthread calls, which it does know; glibc's types are the same underneath. Header only; include it
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

#include <errno.h>
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

static inline int tsan_result(int rc)
{
    return rc == 0 ? thrd_success : rc == ETIMEDOUT ? thrd_timedout : thrd_error;
}

int mtx_init(mtx_t *m, int type)
{
    pthread_mutexattr_t attributes;
    (void)pthread_mutexattr_init(&attributes);
    if ((type & mtx_recursive) != 0)
        (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    int rc = pthread_mutex_init((pthread_mutex_t *)m, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    return tsan_result(rc);
}

void mtx_destroy(mtx_t *m)
{
    (void)pthread_mutex_destroy((pthread_mutex_t *)m);
}

int mtx_lock(mtx_t *m)
{
    return tsan_result(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
    return tsan_result(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
    return tsan_result(pthread_cond_init((pthread_cond_t *)c, NULL));
}

void cnd_destroy(cnd_t *c)
{
    (void)pthread_cond_destroy((pthread_cond_t *)c);
}

int cnd_signal(cnd_t *c)
{
    return tsan_result(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
    return tsan_result(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
    return tsan_result(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
    return tsan_result(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}

#endif
#endif
