/* The real transport of grader/http on a loop, against a server in a thread that misbehaves on
 * purpose: by the path, or for /as-told as the test says. Header only.
 *
 * fixture_new, then requests (send_to, send_told) and turns of the loop (run), or both (get,
 * get_told); fixture_free. */
#ifndef RBR_TESTS_HTTP_FIXTURE_H
#define RBR_TESTS_HTTP_FIXTURE_H

#include "unit.h"

#include "base/clock.h"
#include "grader/http.h"
#include "scripted_server.h"

#define MS     INT64_C(1000)
#define SECOND INT64_C(1000000)

enum { PENDING_MAX = 64 };

#define OK_REPLY(body_length, body)                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " body_length            \
    "\r\n\r\n" body

/* One request's end, kept. */
struct result {
    struct transport_req req;
    struct str part;
    struct fixture *fixture;
    enum transport_outcome outcome;
    int status, done;
    char body[256], detail[128];
    size_t n_body;
    int64_t retry_after_us, waiting, ended_us;
    bool should_not_retry, resent;
    struct result *cancels[2]; /* from inside done */
    struct result *sends; /* likewise */
    unsigned sleeps_us; /* likewise */
};

struct fixture {
    struct scripted_server server;
    struct loop loop;
    struct http *http;
    struct transport_endpoint *endpoint;
    struct result results[PENDING_MAX];
    size_t left;
    _Atomic(const char *) told; /* what /as-told does */
    int64_t wake_us;
    bool closed_once;
    char last_head[4096];
    char *last_body;
    size_t n_last_body;
};

/* ---- the script -------------------------------------------------------------------------------
 */

static char two_replies[20000], large_body[400000], huge_body[32 << 20],
    large_headers[400000]; /* whole replies; written before the server starts */

static const struct script {
    const char *path;
    struct server_reply reply;
} scripts[] = {
    {"/ok", {STR_INIT(OK_REPLY("5", "hello")), SERVER_KEEP, 0}},
    {"/closes-once", {STR_INIT(OK_REPLY("5", "hello")), SERVER_KEEP, 0}},
    {"/slow", {STR_INIT(OK_REPLY("4", "slow")), SERVER_KEEP, 150}},
    {"/hang", {STR_INIT(""), SERVER_HANG, 0}},
    {"/hang-in-body", {STR_INIT(OK_REPLY("10", "half")), SERVER_HANG, 0}},
    {"/close", {STR_INIT(""), SERVER_CLOSE, 0}},
    {"/reset", {STR_INIT(""), SERVER_RESET, 0}},
    {"/reset-in-body", {STR_INIT(OK_REPLY("10", "half")), SERVER_RESET, 20}},
    {"/cut-body", {STR_INIT(OK_REPLY("10", "half")), SERVER_CLOSE, 0}},
    {"/cut-head", {STR_INIT("HTTP/1.1 200 OK\r\nContent-Ty"), SERVER_CLOSE, 0}},
    {"/cut-after-100",
     {STR_INIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Ty"), SERVER_CLOSE, 0}},
    {"/trailer",
     {STR_INIT(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\n"
          "X: y\r\n\r\n"),
      SERVER_KEEP, 0}},
    {"/cut-chunk",
     {STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), SERVER_CLOSE, 0}},
    {"/bad-chunk",
     {STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), SERVER_HANG,
      0}},
    {"/chunked",
     {STR_INIT(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
      SERVER_KEEP, 0}},
    {"/until-close", {STR_INIT("HTTP/1.1 200 OK\r\n\r\nhello"), SERVER_CLOSE, 0}},
    {"/not-http", {STR_INIT("SSH-2.0-OpenSSH_9.2\r\n"), SERVER_CLOSE, 0}},
    {"/load",
     {STR_INIT(
          "HTTP/1.1 200 OK\r\nEndpoint-Load-Metrics: TEXT named_metrics.kv_cache_usage_perc=0.03, "
          "named_metrics.num_requests_waiting=17.0\r\nContent-Length: 0\r\n\r\n"),
      SERVER_KEEP, 0}},
    {"/load-odd",
     {STR_INIT("HTTP/1.1 200 OK\r\nendpoint-load-metrics: num_requests_waiting=many\r\n"
               "Content-Length: 0\r\n\r\n"),
      SERVER_KEEP, 0}},
    {"/empty", {STR_INIT(OK_REPLY("0", "")), SERVER_KEEP, 0}},
    {"/nul", {STR_INIT(OK_REPLY("3", "a\0b")), SERVER_KEEP, 0}},
    {"/late", {STR_INIT(OK_REPLY("5", "stray")), SERVER_REPEAT, 0}},
    {"/redirect",
     {STR_INIT("HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n"), SERVER_KEEP,
      0}},
    {"/continue",
     {STR_INIT("HTTP/1.1 100 Continue\r\n\r\n" OK_REPLY("5", "hello")), SERVER_KEEP, 0}},
    {"/429",
     {STR_INIT("HTTP/1.1 429 Too Many\r\nretry-after: 1.5\r\nContent-Length: 2\r\n\r\n{}"),
      SERVER_KEEP, 0}},
    {"/503-odd",
     {STR_INIT("HTTP/1.1 503 x\r\nRetry-After: soon, and certainly before the end of this long and "
               "useless header value\r\nContent-Length: 0\r\nx-should-retry: false\r\n\r\n"),
      SERVER_KEEP, 0}},
};

/* What a server may ask for before the next try, and what is understood. */
static const struct {
    const char *header;
    int64_t us;
} waits[] = {
    {"retry-after: 1.5", 1500 * MS},
    {"Retry-After: 0", 0},
    {"Retry-After: 9\r\nRETRY-AFTER-MS: 250", 250 * MS},
    {"retry-after-ms: 250\r\nRetry-After: 9", 250 * MS},
    {"Retry-After: Fri, 01 Jan 2199 00:00:00 GMT", 1000000 * SECOND},
    {"Retry-After: Fri, 01 Jan 1999 00:00:00 GMT", -1},
    {"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", -1},
    {"Retry-After: 86400", 86400 * SECOND},
    {"Retry-After: 31536000", 1000000 * SECOND},
    {"Retry-After: 1e300", 1000000 * SECOND},
    {"Retry-After: 1e999", -1},
    {"retry-after-ms: 1e300", 1000000 * SECOND},
    {"Retry-After: 18446744073709551615", 1000000 * SECOND},
    {"Retry-After: -5", -1},
    {"retry-after-ms: -5", -1},
    {"Retry-After: NaN", -1},
    {"Retry-After: inf", -1},
    {"Retry-After: 0x10", -1},
    {"Retry-After: 1,5", -1},
    {"Retry-After:", -1},
    {"Retry-After: soon, and certainly before the end of this long and useless header value", -1},
};

static inline struct server_reply wait_reply(size_t i)
{
    static char text[512];
    (void)snprintf(text, sizeof(text), "HTTP/1.1 429 x\r\n%s\r\nContent-Length: 0\r\n\r\n",
                   waits[i].header);
    return (struct server_reply){str_z(text), SERVER_KEEP, 0};
}

static inline struct server_reply answer(void *arg, const struct server_request *req)
{
    struct fixture *f = arg;
    const char *path = strcmp(req->path, "/as-told") == 0 ? f->told : req->path;
    if (strcmp(path, "/closes-once") == 0 && !f->closed_once) {
        f->closed_once = true;
        return (struct server_reply){STR(""), SERVER_CLOSE, 10};
    }
    size_t n = req->head.n < sizeof(f->last_head) - 1 ? req->head.n : sizeof(f->last_head) - 1;
    memcpy(f->last_head, req->head.p, n);
    f->last_head[n] = '\0';
    mem_free(f->last_body);
    f->last_body = mem_copy(req->body.p, req->body.n);
    f->n_last_body = req->body.n;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
        if (strcmp(scripts[i].path, path) == 0)
            return scripts[i].reply;
    if (strncmp(req->path, "/wait-", 6) == 0)
        return wait_reply(strtoul(req->path + 6, NULL, 10));
    if (strcmp(path, "/two") == 0)
        return (struct server_reply){{two_replies, sizeof(two_replies)}, SERVER_KEEP, 20};
    if (strcmp(req->path, "/huge-body") == 0)
        return (struct server_reply){{huge_body, sizeof(huge_body)}, SERVER_CLOSE, 0};
    if (strcmp(req->path, "/large-body") == 0)
        return (struct server_reply){{large_body, sizeof(large_body)}, SERVER_CLOSE, 0};
    if (strcmp(req->path, "/large-headers") == 0)
        return (struct server_reply){{large_headers, 300000}, SERVER_CLOSE, 0};
    return (struct server_reply){STR("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"), SERVER_KEEP,
                                 0};
}

/* ---- driving ----------------------------------------------------------------------------------
 */

static inline int64_t maintain(void *arg)
{
    struct fixture *f = arg;
    if (f->left == 0 || clock_mono_us(&clock_real) >= f->wake_us)
        loop_stop(&f->loop);
    return f->wake_us;
}

/* Until every request has ended, or for so long. */
static inline void run(struct fixture *f, int64_t us)
{
    f->wake_us = clock_mono_us(&clock_real) + us;
    loop_run(&f->loop);
}

static inline struct transport_endpoint *endpoint_at(struct fixture *f, unsigned port,
                                                     const char *path, const char *key)
{
    char url[64];
    struct err err;
    struct transport_endpoint *e = NULL;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    struct http_endpoint_config config = {str_z(url), str_z(path), str_z(key)};
    if (http_endpoint_new(f->http, &config, &e, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    return e;
}

static inline struct fixture *fixture_new(const struct http_config *config)
{
    static const struct http_config usual = {
        .reply_bytes_max = 1u << 18,
        .header_bytes_max = 1u << 16,
        .connect_timeout_us = 2 * SECOND,
        .first_byte_timeout_us = 30 * SECOND,
        .keep_alive_us = 4 * SECOND,
    };
    struct fixture *f = mem_alloc(sizeof(*f));
    scripted_server_start(&f->server, answer, f);
    loop_init(&f->loop, maintain, f);
    assert_int_equal(http_new(&f->loop, config != NULL ? config : &usual, &f->http, NULL), ERR_OK);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    assert_int_equal(f->left, 0);
    http_endpoint_free(f->endpoint);
    http_free(f->http);
    loop_done(&f->loop);
    scripted_server_stop(&f->server);
    mem_free(f->last_body);
    mem_free(f);
}

static inline void send_again(struct result *r);

static inline void on_done(struct transport_req *req)
{
    struct result *r = CONTAINER_OF(req, struct result, req);
    r->done++;
    r->outcome = req->outcome;
    r->status = req->status;
    r->n_body = req->body.n < sizeof(r->body) ? req->body.n : sizeof(r->body);
    if (r->n_body > 0)
        memcpy(r->body, req->body.p, r->n_body);
    r->retry_after_us = req->retry_after_us;
    r->should_not_retry = req->should_not_retry;
    r->resent = req->resent;
    r->waiting = req->waiting;
    r->ended_us = clock_mono_us(&clock_real);
    memcpy(r->detail, req->detail, sizeof(r->detail));
    r->fixture->left--;
    for (size_t i = 0; i < ARRAY_LEN(r->cancels); i++)
        if (r->cancels[i] != NULL)
            http_transport(r->fixture->http)
                ->cancel(http_transport(r->fixture->http), &r->cancels[i]->req);
    if (r->sends != NULL)
        send_again(r->sends);
    (void)usleep(r->sleeps_us);
}

static inline struct result *send_to(struct fixture *f, size_t i, struct transport_endpoint *e,
                                     struct str body, int64_t timeout_us)
{
    struct result *r = &f->results[i];
    *r = (struct result){.fixture = f, .part = body};
    r->req = (struct transport_req){
        .endpoint = e, .parts = &r->part, .n_parts = 1, .timeout_us = timeout_us, .done = on_done};
    send_again(r);
    return r;
}

static inline void send_again(struct result *r)
{
    struct transport *t = http_transport(r->fixture->http);
    r->fixture->left++;
    t->send(t, &r->req);
    assert_int_equal(r->done, 0); /* never from inside send */
}

/* To an endpoint that does as told, whose connections are its own. */
static inline struct result *send_told(struct fixture *f, size_t i, const char *told,
                                       struct str body, int64_t timeout_us)
{
    if (f->endpoint == NULL)
        f->endpoint = endpoint_at(f, f->server.port, "/as-told", "");
    f->told = told;
    return send_to(f, i, f->endpoint, body, timeout_us);
}

static inline struct result *get_told(struct fixture *f, const char *told, int64_t timeout_us)
{
    struct result *r = send_told(f, 0, told, STR("{}"), timeout_us);
    run(f, timeout_us + SECOND);
    return r;
}

/* One request, to its end. */
static inline struct result *get(struct fixture *f, const char *path, int64_t timeout_us)
{
    http_endpoint_free(f->endpoint);
    f->endpoint = endpoint_at(f, f->server.port, path, "");
    struct result *r = send_to(f, 0, f->endpoint, STR("{}"), timeout_us);
    run(f, 5 * SECOND);
    assert_int_equal(r->done, 1);
    return r;
}

#endif
