#include "grader/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "grader/http_endpoint.h"
#include "grader/http_hints.h"
#include "grader/http_line.h"
#include "grader/http_sockets.h"

enum {
    JOINED_MAX = 16 * 1024, /* bodies up to this are joined: one write with the headers */
    WATCHDOG_MS = 100, /* 7.88.1 forgets its timer callback at times */
    FREE_EASY_MAX = 4096,
    REPLY_KEEP = 64 * 1024, /* of the spare reply buffer */
    DNS_CACHE_SECONDS = 60,
    MAX_LIFETIME_SECONDS = 300,
    RECEIVE_BYTES = 4096, /* a reply is about 2 KB; curl takes and frees this for each request */
    SEND_BYTES = 16384, /* the same for a body that is not joined; 64 KB would be the default, and
                           10,000 requests may hang */
};

/* An easy handle with its options set once, and the request it carries. */
struct easy {
    CURL *curl;
    struct http *http;
    struct line *line; /* that it is in, while it carries a request */
    struct transport_endpoint *endpoint; /* whose URL and headers are set */
    struct transport_req *req;
    struct buf joined, reply;
    size_t part, offset, header_bytes;
    struct http_hints hints;
    uint64_t heard_ms; /* loop time of the last byte of reply, or of sending */
    bool cancelled, too_large, silent, get;
    bool has_head; /* of a reply, to its end */
    bool begun, kept; /* sent; on a connection that was kept */
    bool again, resent; /* curl would send it again; we did */
    uint64_t began_ms;
    char error[CURL_ERROR_SIZE];
    struct easy *next; /* free list, or cancelled list */
    struct easy *prev_active, *next_active;
};

struct http {
    struct transport port;
    struct http_config config;
    struct arena texts; /* the config's, as curl wants them */
    const char *ca_file, *certificate_file, *key_file, *proxy;
    struct loop *loop;
    struct line_owner lines; /* the endpoints have them */
    CURLSH *names; /* that were looked up */
    uv_timer_t watchdog;
    struct sockets sockets;
    struct easy *free_easy, *active, *cancelled;
    size_t n_free, n_active;
    struct buf spare_reply; /* p == NULL: there is none */
    uint64_t ended; /* requests, ever */
    bool closed; /* the watchdog is, and so nothing will be opened any more */
};

/* ---- sockets ----------------------------------------------------------------------------------
 */

static void finish_transfers(struct line *l);

static struct http *http_of(const struct line *l)
{
    return CONTAINER_OF(l->owner, struct http, lines);
}

static struct easy *easy_of(CURL *curl)
{
    char *private = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_PRIVATE, &private);
    return (struct easy *)(void *)private;
}

/* Any call may begin the requests that were added since the last. */
static void run_line(struct line *l, curl_socket_t fd, int flags)
{
    int running;
    if (l->fresh)
        sockets_check(&http_of(l)->sockets);
    l->fresh = false;
    (void)curl_multi_socket_action(l->multi, fd, flags, &running);
    finish_transfers(l);
}

static void on_ready(struct sockets *s RBR_UNUSED, void *line, curl_socket_t fd, int flags)
{
    run_line(line, fd, flags);
}

/* The last handle takes the transport with it. */
static void free_when_closed(struct http *h)
{
    if (!h->closed || h->lines.open > 0 || h->sockets.open > 0)
        return;
    sockets_done(&h->sockets);
    buf_done(&h->spare_reply);
    arena_done(&h->texts);
    mem_free(h);
}

static void on_poll_closed(struct sockets *s)
{
    free_when_closed(CONTAINER_OF(s, struct http, sockets));
}

static void on_line_closed(struct line_owner *o)
{
    free_when_closed(CONTAINER_OF(o, struct http, lines));
}

static void on_socket(struct line *l, CURL *curl, curl_socket_t fd, int what)
{
    struct http *h = http_of(l);
    const struct easy *e = easy_of(curl);
    if (what == CURL_POLL_REMOVE)
        sockets_unwatch(&h->sockets, fd, e, e->header_bytes > 0);
    else
        sockets_watch(&h->sockets, fd, l, e,
                      ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                          ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0));
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose RBR_UNUSED,
                                    struct curl_sockaddr *to)
{
    struct easy *e = arg;
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    sockets_opened(&e->http->sockets, fd, e);
    return fd;
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
    struct http *h = arg;
    sockets_drop(&h->sockets, fd);
    return close(fd);
}

/* ---- timers -----------------------------------------------------------------------------------
 */

/* Timers run before the loop polls, and maintenance after: without a wake, what ended here would
 * wait for the next event, which may never come. */
static void on_timeout(struct line *l)
{
    struct http *h = http_of(l);
    uint64_t ended = h->ended;
    run_line(l, CURL_SOCKET_TIMEOUT, 0);
    if (h->ended != ended)
        loop_wake(h->loop);
}

/* http_cancel wants a turn now. */
static bool is_hurried(struct line_owner *o)
{
    return CONTAINER_OF(o, struct http, lines)->cancelled != NULL;
}

static void end_later(struct http *h, struct easy *e)
{
    e->cancelled = true;
    e->next = h->cancelled;
    h->cancelled = e;
}

/* While requests are in flight. Ends those that have not heard a byte for too long: curl's own
 * low-speed check averages over seconds that include the upload, and costs a timer a request. */
static void on_watchdog(uv_timer_t *timer)
{
    struct http *h = timer->data;
    uint64_t now = uv_now(&h->loop->uv);
    uint64_t most = (uint64_t)h->config.first_byte_timeout_us / 1000;
    for (struct easy *e = h->active; e != NULL; e = e->next_active) {
        if (e->cancelled || now - e->heard_ms < most)
            continue;
        e->silent = true;
        (void)snprintf(e->error, sizeof(e->error), "no byte of a reply for %llu ms",
                       (unsigned long long)(now - e->heard_ms));
        end_later(h, e);
    }
    for (struct line *l = h->lines.first; l != NULL; l = l->next_of_all)
        if (l->n > 0)
            on_timeout(l);
}

/* ---- data -------------------------------------------------------------------------------------
 */

/* A reply that comes in one piece, as most do, is read and done with before the next one comes:
 * they use the same memory, which stays in the processor's cache. */
static void take_reply(struct easy *e)
{
    struct buf *spare = &e->http->spare_reply;
    if (e->reply.p != NULL || spare->p == NULL)
        return;
    e->reply = *spare;
    buf_init(spare, 0);
}

static void give_reply(struct easy *e)
{
    struct buf *spare = &e->http->spare_reply;
    buf_reset(&e->reply);
    if (spare->p != NULL || e->reply.cap > REPLY_KEEP)
        buf_done(&e->reply);
    else
        *spare = e->reply;
    buf_init(&e->reply, e->http->config.reply_bytes_max);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct easy *e = arg;
    e->heard_ms = uv_now(&e->http->loop->uv);
    take_reply(e);
    if (buf_append(&e->reply, data, size * n))
        return size * n;
    e->too_large = true;
    return 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct easy *e = arg;
    struct str line = {data, size * n};
    e->heard_ms = uv_now(&e->http->loop->uv);
    e->header_bytes += line.n;
    if (e->header_bytes > e->http->config.header_bytes_max) {
        e->too_large = true;
        return 0;
    }
    if (line.n <= 2 || str_has_prefix(line, STR("HTTP/"))) /* 100 has one too */
        e->has_head = line.n <= 2;
    http_hints_line(&e->hints, line);
    return line.n;
}

/* Large bodies are streamed from the request's parts. */
static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    struct easy *e = arg;
    size_t room = size * n, wrote = 0;
    while (wrote < room && e->part < e->req->n_parts) {
        struct str part = e->req->parts[e->part];
        size_t take = part.n - e->offset < room - wrote ? part.n - e->offset : room - wrote;
        if (take > 0)
            memcpy(to + wrote, part.p + e->offset, take);
        wrote += take;
        e->offset += take;
        if (e->offset == part.n) {
            e->part++;
            e->offset = 0;
        }
    }
    return wrote;
}

/* curl rewinds when it would send again. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct easy *e = arg;
    if (origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    e->part = 0;
    e->offset = 0;
    return CURL_SEEKFUNC_OK;
}

/* Right before it is sent. When a kept connection closes without a byte, curl may send again, up to
 * five times if those are kept ones too: a question that kills its server would do so six times an
 * attempt. Sending again is ours to do. */
static int on_begin(void *arg, char *to RBR_UNUSED, char *from RBR_UNUSED, int to_port RBR_UNUSED,
                    int from_port RBR_UNUSED)
{
    struct easy *e = arg;
    long made = 1;
    e->again = e->begun;
    e->begun = true;
    if (!e->again && curl_easy_getinfo(e->curl, CURLINFO_NUM_CONNECTS, &made) == CURLE_OK)
        e->kept = made == 0;
    return e->again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- easy handles -----------------------------------------------------------------------------
 */

static void set_once(struct easy *e)
{
    const struct http *h = e->http;
    const struct http_config *c = &h->config;
    CURL *curl = e->curl;
#define SET(option, value) (void)curl_easy_setopt(curl, option, value)
    SET(CURLOPT_PRIVATE, e);
    SET(CURLOPT_ERRORBUFFER, e->error);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SHARE, h->names);
    SET(CURLOPT_PROXY, h->proxy); /* "": none, whatever the environment says */
    SET(CURLOPT_NOPROXY, ""); /* as for the exceptions */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (h->ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, h->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* only that file's */
    }
    if (h->certificate_file[0] != '\0') {
        SET(CURLOPT_SSLCERT, h->certificate_file);
        SET(CURLOPT_SSLKEY, h->key_file[0] != '\0' ? h->key_file : h->certificate_file);
    }
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_SECONDS);
    SET(CURLOPT_MAXAGE_CONN, (long)((c->keep_alive_us + 999999) / 1000000));
    SET(CURLOPT_MAXLIFETIME_CONN, (long)MAX_LIFETIME_SECONDS);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(c->connect_timeout_us / 1000));
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, e);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, e);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, e);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, e);
    SET(CURLOPT_PREREQFUNCTION, on_begin);
    SET(CURLOPT_PREREQDATA, e);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, e);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, e->http);
    SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BYTES);
    SET(CURLOPT_POST, 1L);
}

static struct easy *take_easy(struct http *h)
{
    struct easy *e = h->free_easy;
    if (e != NULL) {
        h->free_easy = e->next;
        h->n_free--;
        return e;
    }
    e = mem_alloc(sizeof(*e));
    e->http = h;
    e->curl = curl_easy_init();
    if (e->curl == NULL)
        abort(); /* out of memory */
    buf_init(&e->joined, JOINED_MAX);
    buf_init(&e->reply, h->config.reply_bytes_max);
    set_once(e);
    return e;
}

static void free_easy(struct easy *e)
{
    curl_easy_cleanup(e->curl);
    buf_done(&e->joined);
    buf_done(&e->reply);
    mem_free(e);
}

static void give_easy(struct http *h, struct easy *e)
{
    e->req = NULL;
    give_reply(e);
    if (e->resent)
        (void)curl_easy_setopt(e->curl, CURLOPT_FRESH_CONNECT, 0L);
    if (h->n_free == FREE_EASY_MAX) {
        free_easy(e);
        return;
    }
    e->next = h->free_easy;
    h->free_easy = e;
    h->n_free++;
}

static void link_active(struct http *h, struct easy *e)
{
    e->prev_active = NULL;
    e->next_active = h->active;
    if (h->active != NULL)
        h->active->prev_active = e;
    h->active = e;
    h->n_active++;
}

static void unlink_active(struct http *h, struct easy *e)
{
    if (e->prev_active != NULL)
        e->prev_active->next_active = e->next_active;
    else
        h->active = e->next_active;
    if (e->next_active != NULL)
        e->next_active->prev_active = e->prev_active;
    h->n_active--;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static void set_body(struct easy *e, const struct transport_req *req)
{
    size_t total = 0;
    bool get = req->n_parts == 0;
    if (get != e->get) {
        e->get = get;
        (void)curl_easy_setopt(e->curl, get ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
    }
    if (get)
        return;
    for (size_t i = 0; i < req->n_parts; i++)
        total += req->parts[i].n;
    e->part = 0;
    e->offset = 0;
    buf_reset(&e->joined);
    if (total <= JOINED_MAX) {
        for (size_t i = 0; i < req->n_parts; i++)
            (void)buf_append_str(&e->joined, req->parts[i]);
        (void)curl_easy_setopt(e->curl, CURLOPT_POSTFIELDS, e->joined.p);
    } else {
        (void)curl_easy_setopt(e->curl, CURLOPT_POSTFIELDS, NULL);
    }
    (void)curl_easy_setopt(e->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)total);
}

/* curl keeps a copy; the endpoint's own URL is set again for the next request. */
static void set_path(struct easy *e, const char *path)
{
    struct str base = str_z(e->endpoint->base);
    struct buf b;
    buf_init(&b, base.n + strlen(path) + 1);
    (void)buf_printf(&b, "%s%s", base.p, path);
    (void)curl_easy_setopt(e->curl, CURLOPT_URL, b.p);
    (void)curl_easy_setopt(e->curl, CURLOPT_CURLU, NULL);
    buf_done(&b);
    e->endpoint = NULL;
}

static void begin(struct http *h, struct easy *e, int64_t timeout_ms)
{
    (void)curl_easy_setopt(e->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    set_body(e, e->req);
    buf_reset(&e->reply);
    e->header_bytes = 0;
    http_hints_init(&e->hints);
    e->has_head = e->begun = e->kept = e->again = false;
    e->error[0] = '\0';
    e->heard_ms = uv_now(&h->loop->uv);
    e->line = line_take(&e->req->endpoint->lines, &h->lines);
    line_add(e->line, e->curl);
}

static void http_send(struct transport *t, struct transport_req *req)
{
    struct http *h = CONTAINER_OF(t, struct http, port);
    struct easy *e = take_easy(h);
    e->req = req;
    req->impl = e;
    if (e->endpoint != req->endpoint) {
        e->endpoint = req->endpoint;
        (void)curl_easy_setopt(e->curl, CURLOPT_URL, e->endpoint->url);
        (void)curl_easy_setopt(e->curl, CURLOPT_CURLU, e->endpoint->parsed);
        (void)curl_easy_setopt(e->curl, CURLOPT_CONNECT_TO, e->endpoint->connect_to);
        (void)curl_easy_setopt(e->curl, CURLOPT_UNIX_SOCKET_PATH, e->endpoint->socket);
        (void)curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER, e->endpoint->headers);
    }
    if (req->path != NULL)
        set_path(e, req->path);
    e->cancelled = e->too_large = e->silent = e->resent = false;
    if (h->n_active == 0)
        uv_update_time(&h->loop->uv); /* it may have slept for long */
    e->began_ms = uv_now(&h->loop->uv);
    link_active(h, e);
    begin(h, e, (req->timeout_us + 999) / 1000);
    if (!uv_is_active((uv_handle_t *)&h->watchdog))
        (void)uv_timer_start(&h->watchdog, on_watchdog, WATCHDOG_MS, WATCHDOG_MS);
}

static enum transport_outcome outcome_of(const struct easy *e, CURLcode code)
{
    if (e->cancelled && !e->silent)
        return TRANSPORT_CANCELLED;
    if (e->again)
        return TRANSPORT_RESET;
    if (e->too_large)
        return TRANSPORT_TOO_LARGE;
    switch (code) {
    case CURLE_OK:
        return TRANSPORT_REPLY;
    case CURLE_OPERATION_TIMEDOUT: {
        long sent = 0; /* not the time of connecting: that is 0 on a kept connection */
        (void)curl_easy_getinfo(e->curl, CURLINFO_REQUEST_SIZE, &sent);
        return sent > 0 ? TRANSPORT_TIMEOUT : TRANSPORT_CONNECT;
    }
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
        return TRANSPORT_CONNECT;
    case CURLE_RECV_ERROR: /* curl's code for bad chunking too; only its text tells */
        return strstr(e->error, "chunk") != NULL ? TRANSPORT_BAD_REPLY : TRANSPORT_RESET;
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return TRANSPORT_RESET;
    default:
        return TRANSPORT_BAD_REPLY;
    }
}

/* The request's end. The handle goes back after done, which reads the reply in it. */
static void end_request(struct http *h, struct easy *e, CURLcode code)
{
    struct transport_req *req = e->req;
    long status = 0;
    if (code == CURLE_OK && !e->has_head) /* closed within the headers: curl takes it for all */
        code = CURLE_PARTIAL_FILE;
    (void)curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &status);
    line_remove(e->line, e->curl);
    unlink_active(h, e);
    h->ended++;
    req->outcome = outcome_of(e, code);
    req->status = req->outcome == TRANSPORT_REPLY ? (int)status : 0;
    req->body = req->outcome == TRANSPORT_REPLY ? buf_str(&e->reply) : (struct str){0};
    req->retry_after_us = e->hints.retry_after_us;
    req->should_not_retry = e->hints.should_not_retry;
    req->waiting = e->hints.waiting;
    req->resent = e->resent;
    req->detail[0] = '\0';
    if (code != CURLE_OK)
        (void)snprintf(req->detail, sizeof(req->detail), "%.120s",
                       e->error[0] != '\0' ? e->error : curl_easy_strerror(code));
    req->impl = NULL;
    req->done(req);
    give_easy(h, e);
}

static void end_cancelled(struct http *h)
{
    while (h->cancelled != NULL) {
        struct easy *e = h->cancelled;
        h->cancelled = e->next;
        end_request(h, e, e->silent ? CURLE_OPERATION_TIMEDOUT : CURLE_ABORTED_BY_CALLBACK);
    }
}

/* A kept connection closed without a byte: it may have ended just then, or the request ended it.
 * Once more, on a new one (RFC 9112, 9.3.1), in the time that is left. */
static bool resend(struct http *h, struct easy *e, CURLcode code)
{
    int64_t left = e->req->timeout_us / 1000 - (int64_t)(uv_now(&h->loop->uv) - e->began_ms);
    bool unheard = e->kept && e->header_bytes == 0 && outcome_of(e, code) == TRANSPORT_RESET;
    if (!unheard || e->resent || left <= 0)
        return false;
    line_remove(e->line, e->curl);
    (void)curl_easy_setopt(e->curl, CURLOPT_FRESH_CONNECT, 1L);
    e->resent = true;
    begin(h, e, left);
    return true;
}

/* A done callback may cancel others, whose transfers may be over too: those go first, so that no
 * handle of the cancelled list ends as a message and joins the free list as well. */
static void finish_transfers(struct line *l)
{
    struct http *h = http_of(l);
    CURLMsg *m;
    int left;
    end_cancelled(h);
    while ((m = curl_multi_info_read(l->multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        struct easy *e = easy_of(m->easy_handle);
        if (resend(h, e, code))
            continue;
        end_request(h, e, code);
        end_cancelled(h);
    }
    if (h->n_active == 0)
        (void)uv_timer_stop(&h->watchdog);
}

static void http_cancel(struct transport *t, struct transport_req *req)
{
    struct http *h = CONTAINER_OF(t, struct http, port);
    struct easy *e = req->impl;
    if (e == NULL || e->cancelled)
        return;
    end_later(h, e);
    line_hurry(e->line);
}

static void http_drop(struct transport *t, struct transport_req *req)
{
    struct http *h = CONTAINER_OF(t, struct http, port);
    struct easy *e = req->impl;
    if (e == NULL)
        return;
    for (struct easy **at = &h->cancelled; e->cancelled && *at != NULL; at = &(*at)->next) {
        if (*at != e)
            continue;
        *at = e->next;
        break;
    }
    line_remove(e->line, e->curl);
    unlink_active(h, e);
    req->impl = NULL;
    give_easy(h, e);
}

/* ---- endpoints --------------------------------------------------------------------------------
 */

enum err_code http_endpoint_new(struct http *h, const struct http_endpoint_config *config,
                                struct transport_endpoint **ret, struct err *err)
{
    enum err_code code = endpoint_make(config, ret, err);
    if (code == ERR_OK)
        (*ret)->http = h;
    return code;
}

void http_endpoint_free(struct transport_endpoint *e)
{
    if (e == NULL)
        return;
    for (struct easy *easy = e->http->free_easy; easy != NULL; easy = easy->next)
        if (easy->endpoint == e)
            easy->endpoint = NULL; /* the next one may get the same address */
    lines_free(&e->lines);
    endpoint_unmake(e);
}

/* ---- lifecycle --------------------------------------------------------------------------------
 */

static const char *keep(struct http *h, struct str s)
{
    char *z = arena_alloc(&h->texts, s.n + 1);
    if (z == NULL)
        abort(); /* out of memory */
    memcpy(z, s.p != NULL ? s.p : "", s.n);
    z[s.n] = '\0';
    return z;
}

static void keep_texts(struct http *h)
{
    arena_init(&h->texts, SIZE_MAX / 2);
    h->ca_file = keep(h, h->config.ca_file);
    h->certificate_file = keep(h, h->config.certificate_file);
    h->key_file = keep(h, h->config.key_file);
    h->proxy = keep(h, h->config.proxy);
}

/* curl would say so at the first request, and again at each. */
static enum err_code check_pem(struct str path, const char *what, struct err *err)
{
    char text[64 * 1024];
    if (path.n == 0)
        return ERR_OK;
    char *z = mem_copy(path.p, path.n);
    FILE *f = fopen(z, "re");
    int reason = errno;
    mem_free(z);
    if (f == NULL)
        return err_set(err, ERR_IO, "%s: %.*s: %s", what, STR_ARGS(path), strerror(reason));
    size_t n = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    if (memmem(text, n, "-----BEGIN ", 11) != NULL)
        return ERR_OK;
    return err_set(err, ERR_INVALID, "%s: %.*s: not in PEM format (-----BEGIN ...)", what,
                   STR_ARGS(path));
}

enum err_code http_new(struct loop *loop, const struct http_config *config, struct http **ret,
                       struct err *err)
{
    static bool global;
    if (!global && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return err_set(err, ERR_INTERNAL, "libcurl does not start");
    global = true;
    enum err_code code = check_pem(config->ca_file, "tls.ca_file", err);
    if (code == ERR_OK)
        code = check_pem(config->certificate_file, "tls.certificate_file", err);
    if (code == ERR_OK)
        code = check_pem(config->key_file, "tls.key_file", err);
    if (code != ERR_OK)
        return code;
    struct http *h = mem_alloc(sizeof(*h));
    h->port = (struct transport){.send = http_send, .cancel = http_cancel, .drop = http_drop};
    h->config = *config;
    keep_texts(h);
    h->loop = loop;
    h->names = curl_share_init();
    if (h->names == NULL)
        abort(); /* out of memory */
    (void)curl_share_setopt(h->names, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    sockets_init(&h->sockets, loop, on_ready, on_poll_closed);
    h->lines = (struct line_owner){
        .loop = loop,
        .socket = on_socket,
        .timeout = on_timeout,
        .hurried = is_hurried,
        .closed = on_line_closed,
        .idle_ms = (uint64_t)config->keep_alive_us / 1000,
    };
    (void)uv_timer_init(&loop->uv, &h->watchdog);
    h->watchdog.data = h;
    *ret = h;
    return ERR_OK;
}

static void on_watchdog_closed(uv_handle_t *handle)
{
    struct http *h = handle->data;
    h->closed = true;
    free_when_closed(h);
}

void http_free(struct http *h)
{
    if (h == NULL)
        return;
    assert(h->n_active == 0);
    while (h->free_easy != NULL) {
        struct easy *e = h->free_easy;
        h->free_easy = e->next;
        free_easy(e);
    }
    (void)curl_share_cleanup(h->names);
    uv_close((uv_handle_t *)&h->watchdog, on_watchdog_closed);
}

struct transport *http_transport(struct http *h)
{
    return &h->port;
}
