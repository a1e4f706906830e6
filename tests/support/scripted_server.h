/* A small HTTP server on loopback, in a thread, that behaves as badly as a test wants. Header only.
 *
 * Connections are served one after another by poll(), each reply chosen by the request's path:
 * scripted_server_start fills `port`; the counters are read after requests have ended. It reads
 * Content-Length bodies only, which is all that rbr sends. */
#ifndef RBR_TESTS_SCRIPTED_SERVER_H
#define RBR_TESTS_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

enum { SERVER_CONNECTIONS_MAX = 256 };

enum server_then {
    SERVER_KEEP, /* the connection stays for the next request */
    SERVER_CLOSE,
    SERVER_RESET, /* RST */
    SERVER_HANG, /* nothing more is said */
    SERVER_REPEAT, /* 20 ms later it says the same again, without being asked */
};

struct server_reply {
    struct str bytes; /* the whole reply, status line included */
    enum server_then then;
    int first_byte_ms; /* before anything is sent */
};

struct server_request {
    const char *path;
    struct str head, body;
    uint64_t nth; /* of this path, from 0 */
};

struct server_connection {
    int fd;
    char *in;
    size_t n, cap;
    struct timespec due; /* of a delayed reply */
    struct server_reply pending;
    bool waiting;
};

struct scripted_server {
    int fd, stop[2];
    unsigned short port;
    pthread_t thread;
    struct server_reply (*answer)(void *arg, const struct server_request *req);
    void *arg;
    struct server_connection connections[SERVER_CONNECTIONS_MAX];
    size_t n;
    atomic_ulong accepted, requests, closed_by_peer;
    atomic_bool hang_up; /* set by the test: close every connection, soon */
};

static inline void server_drop(struct scripted_server *s, size_t i, bool reset)
{
    struct server_connection *c = &s->connections[i];
    if (reset) {
        struct linger hard = {1, 0};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    }
    (void)close(c->fd);
    free(c->in);
    *c = s->connections[--s->n];
}

static inline void server_write(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes = str_sub(bytes, (size_t)n, bytes.n);
    }
}

/* Until what is pending is due. */
static inline void server_wait(struct server_connection *c)
{
    c->waiting = true;
    (void)clock_gettime(CLOCK_MONOTONIC, &c->due);
    long ns = c->due.tv_nsec + c->pending.first_byte_ms * 1000000l;
    c->due.tv_sec += ns / 1000000000;
    c->due.tv_nsec = ns % 1000000000;
}

/* False: the connection is gone. */
static inline bool server_say(struct scripted_server *s, size_t i)
{
    struct server_connection *c = &s->connections[i];
    c->waiting = false;
    server_write(c->fd, c->pending.bytes);
    if (c->pending.then == SERVER_REPEAT) {
        c->pending.then = SERVER_KEEP;
        c->pending.first_byte_ms = 20;
        server_wait(c);
        return true;
    }
    if (c->pending.then == SERVER_CLOSE || c->pending.then == SERVER_RESET) {
        server_drop(s, i, c->pending.then == SERVER_RESET);
        return false;
    }
    return true;
}

/* A complete request at the start of what was read; 0 when there is none. */
static inline size_t server_complete(const struct server_connection *c, size_t *head)
{
    char *end = c->n > 0 ? memmem(c->in, c->n, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return 0;
    *head = (size_t)(end - c->in) + 4;
    size_t length = 0;
    for (char *p = c->in; p < end; p++)
        if (strncasecmp(p, "\r\nContent-Length:", 17) == 0)
            length = strtoul(p + 17, NULL, 10);
    return c->n >= *head + length ? *head + length : 0;
}

static inline bool server_serve(struct scripted_server *s, size_t i)
{
    struct server_connection *c = &s->connections[i];
    size_t head, whole = c->waiting ? 0 : server_complete(c, &head);
    if (whole == 0)
        return true;
    char path[64] = "";
    (void)sscanf(c->in, "%*s %63s", path);
    struct server_request req = {
        path, {c->in, head}, {c->in + head, whole - head}, atomic_fetch_add(&s->requests, 1)};
    c->pending = s->answer(s->arg, &req);
    memmove(c->in, c->in + whole, c->n - whole);
    c->n -= whole;
    server_wait(c);
    return c->pending.first_byte_ms > 0 || server_say(s, i);
}

static inline bool server_read(struct scripted_server *s, size_t i)
{
    struct server_connection *c = &s->connections[i];
    if (c->cap - c->n < 65536) {
        c->cap = c->cap * 2 + 131072;
        c->in = realloc(c->in, c->cap);
        assert(c->in != NULL);
    }
    ssize_t n = recv(c->fd, c->in + c->n, c->cap - c->n, 0);
    if (n <= 0) {
        atomic_fetch_add(&s->closed_by_peer, 1);
        server_drop(s, i, false);
        return false;
    }
    c->n += (size_t)n;
    return server_serve(s, i);
}

static inline void server_accept(struct scripted_server *s)
{
    int on = 1, fd = accept(s->fd, NULL, NULL);
    if (fd < 0)
        return;
    assert(s->n < SERVER_CONNECTIONS_MAX);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    s->connections[s->n++] = (struct server_connection){.fd = fd};
    atomic_fetch_add(&s->accepted, 1);
}

static inline bool server_is_due(const struct server_connection *c)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return c->waiting && (now.tv_sec > c->due.tv_sec ||
                          (now.tv_sec == c->due.tv_sec && now.tv_nsec >= c->due.tv_nsec));
}

static inline void *server_main(void *arg)
{
    struct scripted_server *s = arg;
    struct pollfd fds[SERVER_CONNECTIONS_MAX + 2];
    for (;;) {
        fds[0] = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = s->fd, .events = POLLIN};
        for (size_t i = 0; i < s->n; i++)
            fds[i + 2] = (struct pollfd){.fd = s->connections[i].fd, .events = POLLIN};
        (void)poll(fds, s->n + 2, 5);
        if (fds[0].revents != 0)
            return NULL;
        if (atomic_exchange(&s->hang_up, false)) {
            while (s->n > 0)
                server_drop(s, 0, false);
            continue;
        }
        for (size_t i = s->n; i > 0; i--) { /* backwards: dropping moves the last one here */
            if (fds[i + 1].revents != 0 && !server_read(s, i - 1))
                continue;
            if (server_is_due(&s->connections[i - 1]) && server_say(s, i - 1))
                (void)server_serve(s, i - 1);
        }
        if (fds[1].revents != 0)
            server_accept(s);
    }
}

static inline void scripted_server_start(
    struct scripted_server *s, struct server_reply (*answer)(void *, const struct server_request *),
    void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    memset(s, 0, sizeof(*s));
    s->answer = answer;
    s->arg = arg;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc = bind(s->fd, (struct sockaddr *)&at, sizeof(at)) | listen(s->fd, 128) |
             getsockname(s->fd, (struct sockaddr *)&at, &size) | pipe(s->stop);
    assert(rc == 0);
    s->port = ntohs(at.sin_port);
    rc = pthread_create(&s->thread, NULL, server_main, s);
    assert(rc == 0);
    (void)rc;
}

static inline void scripted_server_stop(struct scripted_server *s)
{
    (void)!write(s->stop[1], "", 1);
    (void)pthread_join(s->thread, NULL);
    while (s->n > 0)
        server_drop(s, 0, false);
    (void)close(s->fd);
    (void)close(s->stop[0]);
    (void)close(s->stop[1]);
}

#endif
