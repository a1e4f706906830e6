/* curl's sockets on libuv: a poll handle that lives as long as its socket.
 *
 * curl's multi_socket mode says REMOVE when a transfer ends and ADDs the same socket for the next;
 * making and closing a uv_poll each time costs a third of the client's CPU. So REMOVE marks the
 * poll idle, the next transfer finds it by its descriptor, and CLOSESOCKETFUNCTION, which is ours,
 * closes both.
 *
 * What comes on an idle socket, its end or bytes, was not asked for, and the next request must not
 * take it for its reply: it would be the answer to another question. curl before 8.0 uses such a
 * connection again. So it is shut down, which curl sees, when it has something at its transfer's
 * end, when its idle poll fires, and, for what libuv has not looked at yet, by sockets_check before
 * requests begin. What comes after a request went out cannot be told from its reply. An idle poll
 * may fire for what is over: curl reads for any transfer whose timer is due, while libuv has yet to
 * tell of the same input. So it counts only with something to read.
 *
 * A socket that never got as far as a reply is another matter: curl closes it without
 * CLOSESOCKETFUNCTION when connecting fails or is given up, and says REMOVE afterwards. Its poll
 * goes with REMOVE, before libuv looks at a closed descriptor (it aborts). And when curl opens a
 * socket with a number that still has a poll (the next address of one host, between two
 * callbacks), the opened one gets a new poll.
 *
 * Private to grader/http. `transfer` tells one transfer from another, no more. Loop thread. */
#ifndef RBR_GRADER_HTTP_SOCKETS_H
#define RBR_GRADER_HTTP_SOCKETS_H

#include <curl/curl.h>
#include <stdbool.h>

#include "loop/loop.h"

struct sockets {
    struct loop *loop;
    struct socket_poll **polls; /* by descriptor */
    size_t n_polls;
    void (*ready)(struct sockets *s, void *owner, curl_socket_t fd, int flags); /* CURL_CSELECT_* */
    void (*closed)(struct sockets *s); /* libuv let go of one poll; may free `s` with the last */
    size_t open; /* polls that libuv still knows */
    int inputs; /* an epoll of all sockets, edge-triggered: where something came since the last
                   check */
};

void sockets_init(struct sockets *s, struct loop *loop,
                  void (*ready)(struct sockets *s, void *owner, curl_socket_t fd, int flags),
                  void (*closed)(struct sockets *s));
void sockets_done(struct sockets *s); /* when none is open */

/* curl wants to hear of these events (UV_READABLE, UV_WRITABLE), by `ready` with this owner. When
 * no poll can be had, the transfer's own timeout ends it. */
void sockets_watch(struct sockets *s, curl_socket_t fd, void *owner, const void *transfer,
                   int events);

/* The transfer no longer cares; `keep` the poll for the next one. */
void sockets_unwatch(struct sockets *s, curl_socket_t fd, const void *transfer, bool keep);

/* Before requests begin: none may get an idle socket on which something came. */
void sockets_check(struct sockets *s);

/* A socket of this number was opened for the transfer. */
void sockets_opened(struct sockets *s, curl_socket_t fd, const void *transfer);

/* The socket is about to be closed. */
void sockets_drop(struct sockets *s, curl_socket_t fd);

#endif
