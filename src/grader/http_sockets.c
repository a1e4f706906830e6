#include "grader/http_sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

enum { TABLE_MIN = 1024, INPUTS = 64, READS_MAX = 64 };

struct socket_poll {
    uv_poll_t uv;
    struct sockets *sockets;
    curl_socket_t fd;
    int events; /* watched now; 0: stopped */
    void *owner;
    const void *wanted; /* by this transfer; NULL: idle */
};

static struct socket_poll *find(const struct sockets *s, curl_socket_t fd)
{
    return (size_t)fd < s->n_polls ? s->polls[fd] : NULL;
}

/* Not watched either, or it would spin; shutting down is an input too. curl takes it for dead when
 * nothing is left to read; where that is much, its request fails to go out. Closing it resets it: a
 * server with much to say would go on waiting to say it. */
static void spoil(struct socket_poll *p)
{
    static const struct linger hard = {1, 0};
    char bytes[4096];
    (void)uv_poll_stop(&p->uv);
    p->events = 0;
    (void)epoll_ctl(p->sockets->inputs, EPOLL_CTL_DEL, p->fd, NULL);
    (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)shutdown(p->fd, SHUT_RDWR);
    for (int i = 0; i < READS_MAX && recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; i++)
        ;
}

/* Bytes, the end or an error. */
static bool has_input(curl_socket_t fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch(struct socket_poll *p, int events)
{
    if (p->events != events && uv_poll_start(&p->uv, events, on_poll) == 0)
        p->events = events;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct socket_poll *p = handle->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (p->wanted == NULL) {
        if (status < 0 || has_input(p->fd))
            spoil(p);
        else
            watch(p, UV_READABLE); /* an old event; room to write is none either */
        return;
    }
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    p->sockets->ready(p->sockets, p->owner, p->fd, flags);
}

static void grow(struct sockets *s, size_t i)
{
    size_t n = s->n_polls > 0 ? s->n_polls : TABLE_MIN;
    while (n <= i)
        n *= 2;
    s->polls = mem_resize(s->polls, n * sizeof(struct socket_poll *));
    memset(s->polls + s->n_polls, 0, (n - s->n_polls) * sizeof(struct socket_poll *));
    s->n_polls = n;
}

static struct socket_poll *find_or_make(struct sockets *s, curl_socket_t fd)
{
    struct socket_poll *p = find(s, fd);
    if (p != NULL)
        return p;
    if ((size_t)fd >= s->n_polls)
        grow(s, (size_t)fd);
    p = mem_alloc(sizeof(*p));
    p->sockets = s;
    p->fd = fd;
    p->uv.data = p;
    if (uv_poll_init_socket(&s->loop->uv, &p->uv, fd) != 0) {
        mem_free(p);
        return NULL;
    }
    s->open++;
    s->polls[fd] = p;
    struct epoll_event input = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    (void)epoll_ctl(s->inputs, EPOLL_CTL_ADD, fd, &input); /* the kernel forgets it on close */
    return p;
}

static void on_closed(uv_handle_t *handle)
{
    struct socket_poll *p = handle->data;
    struct sockets *s = p->sockets;
    mem_free(p);
    s->open--;
    s->closed(s);
}

void sockets_drop(struct sockets *s, curl_socket_t fd)
{
    struct socket_poll *p = find(s, fd);
    if (p == NULL)
        return;
    s->polls[fd] = NULL;
    (void)uv_poll_stop(&p->uv);
    uv_close((uv_handle_t *)&p->uv, on_closed);
}

void sockets_watch(struct sockets *s, curl_socket_t fd, void *owner, const void *transfer,
                   int events)
{
    struct socket_poll *p = find_or_make(s, fd);
    if (p == NULL)
        return;
    p->owner = owner;
    p->wanted = transfer;
    watch(p, events);
}

void sockets_unwatch(struct sockets *s, curl_socket_t fd, const void *transfer, bool keep)
{
    struct socket_poll *p = find(s, fd);
    if (p == NULL || p->wanted != transfer)
        return; /* another transfer's by now */
    p->wanted = NULL;
    if (!keep)
        sockets_drop(s, fd);
    else if (has_input(fd))
        spoil(p);
}

void sockets_check(struct sockets *s)
{
    struct epoll_event inputs[INPUTS];
    int n;
    do {
        n = epoll_wait(s->inputs, inputs, INPUTS, 0);
        for (int i = 0; i < n; i++) {
            struct socket_poll *p = find(s, inputs[i].data.fd);
            if (p != NULL && p->wanted == NULL)
                spoil(p);
        }
    } while (n == INPUTS);
}

void sockets_opened(struct sockets *s, curl_socket_t fd, const void *transfer)
{
    const struct socket_poll *old = find(s, fd);
    if (old == NULL)
        return;
    void *owner = old->owner;
    int events = old->wanted == transfer ? old->events : 0; /* curl may not ask for them again */
    sockets_drop(s, fd);
    if (events != 0)
        sockets_watch(s, fd, owner, transfer, events);
}

void sockets_init(struct sockets *s, struct loop *loop,
                  void (*ready)(struct sockets *s, void *owner, curl_socket_t fd, int flags),
                  void (*closed)(struct sockets *s))
{
    *s = (struct sockets){.loop = loop, .ready = ready, .closed = closed};
    s->inputs = epoll_create1(EPOLL_CLOEXEC);
    if (s->inputs < 0)
        abort(); /* no descriptors left at the start */
}

void sockets_done(struct sockets *s)
{
    (void)close(s->inputs);
    mem_free(s->polls);
    s->polls = NULL;
    s->n_polls = 0;
}
