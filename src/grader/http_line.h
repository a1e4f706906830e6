/* A multi handle of curl, for a bounded number of requests to one endpoint.
 *
 * curl 7.88 goes through the connections of a multi handle when a request begins, to find an idle
 * one, and again when it ends: of 5,000 that is four fifths of a request's CPU, and of 128 still a
 * quarter of what misses the processor's first cache. So an endpoint has as many lines as it needs;
 * a request takes the first that has room, which keeps few connections in use. A line that had no
 * request for long is closed, while others have some. Names are looked up for all of them together.
 * Private to grader/http. Loop thread. */
#ifndef RBR_GRADER_HTTP_LINE_H
#define RBR_GRADER_HTTP_LINE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "loop/loop.h"

struct line;

/* Who has lines. */
struct line_owner {
    struct loop *loop;
    /* curl's wish for a socket of a request (CURL_POLL_*). */
    void (*socket)(struct line *l, CURL *curl, curl_socket_t fd, int what);
    /* curl's timer has come. */
    void (*timeout)(struct line *l);
    bool (*hurried)(struct line_owner *o); /* that is to be at once, whatever curl wants */
    void (*closed)(struct line_owner *o); /* the loop let go of one; may free the owner */
    uint64_t idle_ms; /* after which a line is closed */
    /* private, but for reading; all zero at first */
    struct line *first; /* of all */
    size_t open; /* that the loop still knows */
    uint64_t looked_ms; /* for idle ones, loop time */
};

struct line {
    struct line_owner *owner;
    CURLM *multi;
    uv_timer_t timer;
    size_t n; /* requests in it */
    uint64_t left_ms; /* loop time when the last one left it */
    bool fresh; /* some were added and not begun */
    struct line *next, **at; /* of the endpoint's; what points to this one */
    struct line *prev_of_all, *next_of_all;
};

/* One with room, of the list; a new one if need be. */
struct line *line_take(struct line **list, struct line_owner *o);

void line_add(struct line *l, CURL *curl);
void line_remove(struct line *l, CURL *curl);
void line_hurry(struct line *l); /* timeout, soon */

/* All of the list, with their connections; no request is in them. Their memory goes when the loop
 * has closed their timers. */
void lines_free(struct line **list);

#endif
