#include "loop/readable.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    (void)uv_poll_stop(handle); /* the turn itself is what was asked for */
}

bool readable_now(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

bool readable_init(struct readable *r, struct loop *loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll < 0)
        return false;
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) == 0 &&
        uv_poll_init(&loop->uv, &r->poll, r->epoll) == 0)
        return true;
    (void)close(r->epoll);
    return false;
}

void readable_wait(struct readable *r)
{
    (void)uv_poll_start(&r->poll, UV_READABLE, on_readable);
}

void readable_done(struct readable *r)
{
    uv_close((uv_handle_t *)&r->poll, NULL);
    (void)close(r->epoll);
}
