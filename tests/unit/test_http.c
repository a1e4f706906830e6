/* grader/http: the real transport against a server in a thread that misbehaves on purpose. */
#include "unit.h"

#include <dirent.h>

#include "base/clock.h"
#include "base/rng.h"
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

static struct server_reply wait_reply(size_t i)
{
    static char text[512];
    (void)snprintf(text, sizeof(text), "HTTP/1.1 429 x\r\n%s\r\nContent-Length: 0\r\n\r\n",
                   waits[i].header);
    return (struct server_reply){str_z(text), SERVER_KEEP, 0};
}

static struct server_reply answer(void *arg, const struct server_request *req)
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

static size_t open_descriptors(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

static int64_t maintain(void *arg)
{
    struct fixture *f = arg;
    if (f->left == 0 || clock_mono_us(&clock_real) >= f->wake_us)
        loop_stop(&f->loop);
    return f->wake_us;
}

/* Until every request has ended, or for so long. */
static void run(struct fixture *f, int64_t us)
{
    f->wake_us = clock_mono_us(&clock_real) + us;
    loop_run(&f->loop);
}

static struct transport_endpoint *endpoint_at(struct fixture *f, unsigned port, const char *path,
                                              const char *key)
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

static struct fixture *fixture_new(const struct http_config *config)
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

static void fixture_free(struct fixture *f)
{
    assert_int_equal(f->left, 0);
    http_endpoint_free(f->endpoint);
    http_free(f->http);
    loop_done(&f->loop);
    scripted_server_stop(&f->server);
    mem_free(f->last_body);
    mem_free(f);
}

static void send_again(struct result *r);

static void on_done(struct transport_req *req)
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

static struct result *send_to(struct fixture *f, size_t i, struct transport_endpoint *e,
                              struct str body, int64_t timeout_us)
{
    struct result *r = &f->results[i];
    *r = (struct result){.fixture = f, .part = body};
    r->req = (struct transport_req){
        .endpoint = e, .parts = &r->part, .n_parts = 1, .timeout_us = timeout_us, .done = on_done};
    send_again(r);
    return r;
}

static void send_again(struct result *r)
{
    struct transport *t = http_transport(r->fixture->http);
    r->fixture->left++;
    t->send(t, &r->req);
    assert_int_equal(r->done, 0); /* never from inside send */
}

static void cancel(struct fixture *f, struct result *r)
{
    struct transport *t = http_transport(f->http);
    int before = r->done;
    t->cancel(t, &r->req);
    assert_int_equal(r->done, before); /* never from inside cancel */
}

/* To an endpoint that does as told, whose connections are its own. */
static struct result *send_told(struct fixture *f, size_t i, const char *told, struct str body,
                                int64_t timeout_us)
{
    if (f->endpoint == NULL)
        f->endpoint = endpoint_at(f, f->server.port, "/as-told", "");
    f->told = told;
    return send_to(f, i, f->endpoint, body, timeout_us);
}

static struct result *get_told(struct fixture *f, const char *told, int64_t timeout_us)
{
    struct result *r = send_told(f, 0, told, STR("{}"), timeout_us);
    run(f, timeout_us + SECOND);
    return r;
}

/* One request, to its end. */
static struct result *get(struct fixture *f, const char *path, int64_t timeout_us)
{
    http_endpoint_free(f->endpoint);
    f->endpoint = endpoint_at(f, f->server.port, path, "");
    struct result *r = send_to(f, 0, f->endpoint, STR("{}"), timeout_us);
    run(f, 5 * SECOND);
    assert_int_equal(r->done, 1);
    return r;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void make_large_replies(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    memset(large_body, 'b', sizeof(large_body));
    memset(large_headers, 'b', sizeof(large_headers));
    memcpy(large_body, head, sizeof(head) - 1);
    memcpy(large_headers, head, sizeof(head) - 3); /* its headers go on */
    for (size_t k = sizeof(head) - 3; k + 1000 < sizeof(large_headers); k += 1000) {
        memcpy(large_headers + k, "X-Pad: ", 7);
        memcpy(large_headers + k + 998, "\r\n", 2);
    }
}

static void each_behaviour_has_its_outcome(void **state RBR_UNUSED)
{
    static const struct {
        const char *path;
        enum transport_outcome outcome;
        int status;
        struct str body;
    } cases[] = {
        {"/ok", TRANSPORT_REPLY, 200, STR_INIT("hello")},
        {"/slow", TRANSPORT_REPLY, 200, STR_INIT("slow")},
        {"/chunked", TRANSPORT_REPLY, 200, STR_INIT("hello")},
        {"/trailer", TRANSPORT_REPLY, 200, STR_INIT("hello")},
        {"/until-close", TRANSPORT_REPLY, 200, STR_INIT("hello")},
        {"/empty", TRANSPORT_REPLY, 200, STR_INIT("")},
        {"/nul", TRANSPORT_REPLY, 200, STR_INIT("a\0b")},
        {"/continue", TRANSPORT_REPLY, 200, STR_INIT("hello")},
        {"/redirect", TRANSPORT_REPLY, 302, STR_INIT("")}, /* not followed */
        {"/unknown", TRANSPORT_REPLY, 404, STR_INIT("")},
        {"/close", TRANSPORT_RESET, 0, STR_INIT("")},
        {"/reset", TRANSPORT_RESET, 0, STR_INIT("")},
        {"/reset-in-body", TRANSPORT_RESET, 0, STR_INIT("")},
        {"/cut-head", TRANSPORT_RESET, 0, STR_INIT("")},
        {"/cut-after-100", TRANSPORT_RESET, 0, STR_INIT("")},
        {"/cut-body", TRANSPORT_RESET, 0, STR_INIT("")},
        {"/cut-chunk", TRANSPORT_RESET, 0, STR_INIT("")},
        {"/bad-chunk", TRANSPORT_BAD_REPLY, 0, STR_INIT("")},
        {"/not-http", TRANSPORT_BAD_REPLY, 0, STR_INIT("")},
        {"/large-body", TRANSPORT_TOO_LARGE, 0, STR_INIT("")},
        {"/large-headers", TRANSPORT_TOO_LARGE, 0, STR_INIT("")},
        {"/hang", TRANSPORT_TIMEOUT, 0, STR_INIT("")},
        {"/hang-in-body", TRANSPORT_TIMEOUT, 0, STR_INIT("")},
    };
    make_large_replies();
    size_t before = open_descriptors();
    struct fixture *f = fixture_new(NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool hangs = cases[i].outcome == TRANSPORT_TIMEOUT;
        struct result *r = get(f, cases[i].path, hangs ? 200 * MS : 3 * SECOND);
        if (r->outcome != cases[i].outcome || r->status != cases[i].status)
            fail_msg("%s: outcome %d status %d (%s)", cases[i].path, (int)r->outcome, r->status,
                     r->detail);
        assert_strs(((struct str){r->body, r->n_body}), cases[i].body);
        assert_int_equal(r->detail[0] != '\0', r->outcome != TRANSPORT_REPLY);
    }
    fixture_free(f);
    assert_int_equal(open_descriptors(), before);
}

static void a_request_may_go_elsewhere_on_its_server(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    assert_int_equal(get(f, "/ok", SECOND)->waiting, -1);
    for (int i = 0; i < 2; i++) { /* with path, and the next one by the same handle without */
        struct result *r = &f->results[1 + i];
        *r = (struct result){.fixture = f};
        r->req = (struct transport_req){.endpoint = f->endpoint,
                                        .path = i == 0 ? "/load" : NULL,
                                        .timeout_us = SECOND,
                                        .done = on_done};
        send_again(r);
        run(f, 5 * SECOND);
        assert_int_equal(r->done, 1);
        assert_int_equal(r->waiting, i == 0 ? 17 : -1);
        assert_non_null(strstr(f->last_head, i == 0 ? "GET /load " : "GET /ok "));
    }
    fixture_free(f);
}

static void load_reports_are_read(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    assert_int_equal(get(f, "/load", SECOND)->waiting, 17);
    assert_non_null(strstr(f->last_head, "endpoint-load-metrics-format: TEXT\r\n"));
    assert_int_equal(get(f, "/load-odd", SECOND)->waiting, -1);
    assert_int_equal(get(f, "/ok", SECOND)->waiting, -1); /* nothing of the last reply is left */
    fixture_free(f);
}

static void retry_headers_are_read(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        char path[32];
        (void)snprintf(path, sizeof(path), "/wait-%zu", i);
        int64_t got = get(f, path, SECOND)->retry_after_us;
        if (got != waits[i].us)
            fail_msg("%s: %lld us", waits[i].header, (long long)got);
    }
    struct result *r = get(f, "/503-odd", SECOND);
    assert_int_equal(r->retry_after_us, -1);
    assert_true(r->should_not_retry);
    r = get(f, "/ok", SECOND); /* nothing of the last reply is left */
    assert_int_equal(r->retry_after_us, -1);
    assert_false(r->should_not_retry);
    fixture_free(f);
}

static void a_connection_is_kept_and_used_again(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    for (int i = 0; i < 50; i++)
        assert_int_equal(get_told(f, "/ok", SECOND)->outcome, TRANSPORT_REPLY);
    assert_int_equal(f->server.accepted, 1);
    for (size_t i = 0; i < PENDING_MAX; i++)
        (void)send_told(f, i, "/slow", STR("{}"), 2 * SECOND);
    run(f, 2 * SECOND);
    assert_int_equal(f->left, 0);
    assert_int_equal(f->server.accepted, PENDING_MAX); /* the kept one among them */
    assert_int_equal(f->server.requests, 50 + PENDING_MAX);
    fixture_free(f);
}

/* A reply, and behind it another: more than curl reads at a time, so that it does not see it. */
static void make_two_replies(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 15000\r\n\r\n",
                      stray[] = OK_REPLY("5", "stray");
    memset(two_replies, ' ', sizeof(two_replies));
    memcpy(two_replies, head, sizeof(head) - 1);
    memcpy(two_replies + sizeof(head) - 1 + 15000, stray, sizeof(stray) - 1);
}

/* What was not asked for is nobody's reply: were it the next request's, it would be the answer to
 * another question. */
static void a_reply_that_nobody_asked_for_is_nobodys(void **state RBR_UNUSED)
{
    static const struct {
        const char *path;
        int64_t idle_us; /* the loop runs */
        unsigned asleep_us; /* it does not: the next request is begun before libuv looks */
    } cases[] = {{"/two", 0, 0}, {"/late", 60 * MS, 0}, {"/late", 0, 60000}};
    make_two_replies();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_new(NULL);
        (void)send_told(f, 0, cases[i].path, STR("{}"), SECOND);
        run(f, SECOND);
        assert_int_equal(f->results[0].outcome, TRANSPORT_REPLY);
        f->left++; /* for run */
        run(f, cases[i].idle_us);
        f->left--;
        (void)usleep(cases[i].asleep_us);
        for (int n = 0; n < 3; n++) {
            struct result *r = send_told(f, 0, "/ok", STR("{}"), SECOND);
            run(f, SECOND);
            assert_int_equal(r->outcome, TRANSPORT_REPLY);
            assert_memory_equal(r->body, "hello", 5);
        }
        assert_int_equal(f->server.accepted, 2);
        fixture_free(f);
    }
}

/* The same, when it is there before its connection's own reply was read, and the next request is
 * sent from that reply's done. */
static void what_is_behind_a_reply_is_nobodys(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    make_two_replies();
    struct result *first = send_told(f, 0, "/two", STR("{}"), SECOND), *next = &f->results[1];
    run(f, 5 * MS);
    (void)usleep(60000);
    f->told = "/ok";
    *next = (struct result){.fixture = f, .part = STR("{}")};
    next->req = (struct transport_req){.endpoint = f->endpoint,
                                       .parts = &next->part,
                                       .n_parts = 1,
                                       .timeout_us = SECOND,
                                       .done = on_done};
    first->sends = next;
    (void)send_told(f, 2, "/ok", STR("{}"), SECOND); /* all inputs are looked at when it begins */
    run(f, SECOND);
    assert_int_equal(next->outcome, TRANSPORT_REPLY);
    assert_memory_equal(next->body, "hello", 5);
    fixture_free(f);
}

/* Kept connections, as many as results. */
static void keep_connections(struct fixture *f)
{
    for (size_t i = 0; i < PENDING_MAX; i++)
        (void)send_told(f, i, "/slow", STR("{}"), 2 * SECOND);
    run(f, 2 * SECOND);
    assert_int_equal(f->left, 0);
}

/* All replies are there at once, and curl, which is late by its own clock when it has read some,
 * reads the others too: what libuv still has to tell of them is over by then. It was taken for an
 * input that nobody asked for, and all connections were closed. */
static void being_late_costs_no_connection(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    for (size_t i = 0; i < PENDING_MAX; i++)
        send_told(f, i, "/slow", STR("{}"), 2 * SECOND)->sleeps_us = 5000;
    run(f, 120 * MS);
    (void)usleep(50000);
    run(f, 2 * SECOND);
    assert_int_equal(f->left, 0);
    keep_connections(f);
    assert_int_equal(f->server.accepted, PENDING_MAX);
    assert_int_equal(f->server.closed_by_peer, 0);
    fixture_free(f);
}

static void a_request_that_closes_its_connection_is_sent_twice_at_most(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    keep_connections(f);
    unsigned long before = f->server.requests;
    struct result *r = get_told(f, "/close", SECOND);
    assert_int_equal(r->outcome, TRANSPORT_RESET);
    assert_true(r->resent);
    assert_int_equal(f->server.requests - before, 2);
    assert_int_equal(f->server.accepted, PENDING_MAX + 1);
    r = get_told(f, "/ok", SECOND); /* kept connections are used again */
    assert_int_equal(r->outcome, TRANSPORT_REPLY);
    assert_false(r->resent);
    assert_int_equal(f->server.accepted, PENDING_MAX + 1);
    fixture_free(f);
}

static void a_kept_connection_that_closes_costs_no_reply(void **state RBR_UNUSED)
{
    for (int large = 0; large < 2; large++) {
        struct fixture *f = fixture_new(NULL);
        keep_connections(f);
        struct str body = large ? (struct str){two_replies, sizeof(two_replies)} : STR("{\"a\":1}");
        struct result *r = send_told(f, 0, "/closes-once", body, SECOND);
        run(f, SECOND);
        assert_int_equal(r->outcome, TRANSPORT_REPLY);
        assert_true(r->resent);
        assert_memory_equal(r->body, "hello", 5);
        assert_int_equal(f->n_last_body, body.n);
        assert_memory_equal(f->last_body, body.p, body.n);
        assert_int_equal(f->server.accepted, PENDING_MAX + 1);
        fixture_free(f);
    }
}

/* Its server, which does one thing after another, is free for the next request. */
static void a_server_with_too_much_to_say_is_cut_off(void **state RBR_UNUSED)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    struct fixture *f = fixture_new(NULL);
    memcpy(huge_body, head, sizeof(head) - 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(get(f, "/huge-body", SECOND)->outcome, TRANSPORT_TOO_LARGE);
        assert_int_equal(get(f, "/ok", SECOND)->outcome, TRANSPORT_REPLY);
    }
    fixture_free(f);
}

/* As many as are looked at in one go. */
static void idle_connections_may_all_end_at_once(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    for (int round = 0; round < 2; round++) {
        keep_connections(f);
        for (size_t i = 0; i < PENDING_MAX; i++)
            assert_int_equal(f->results[i].outcome, TRANSPORT_REPLY);
        f->server.hang_up = true;
        (void)usleep(60000);
    }
    assert_int_equal(f->server.requests, 2 * PENDING_MAX); /* none was sent on a closed one */
    fixture_free(f);
}

static void an_idle_connection_that_the_server_closes_does_not_spin(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    f->endpoint = endpoint_at(f, f->server.port, "/ok", "");
    struct result *r = send_to(f, 0, f->endpoint, STR("{}"), SECOND);
    run(f, SECOND);
    assert_int_equal(r->outcome, TRANSPORT_REPLY);
    atomic_store(&f->server.hang_up, true);
    f->left = 1; /* only time ends this run */
    clock_t cpu = clock();
    run(f, 200 * MS);
    f->left = 0;
    assert_true((double)(clock() - cpu) / CLOCKS_PER_SEC < 0.1);
    r = send_to(f, 0, f->endpoint, STR("{}"), SECOND); /* on a new connection, unnoticed */
    run(f, SECOND);
    assert_int_equal(r->outcome, TRANSPORT_REPLY);
    assert_int_equal(f->server.accepted, 2);
    fixture_free(f);
}

static void nobody_listening_is_no_connection(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0); /* bound, not listening */
    f->endpoint = endpoint_at(f, ntohs(at.sin_port), "/ok", "");
    struct result *r = send_to(f, 0, f->endpoint, STR("{}"), SECOND);
    run(f, SECOND);
    assert_int_equal(r->outcome, TRANSPORT_CONNECT);
    (void)close(fd);
    fixture_free(f);
}

/* curl closes a socket that did not connect behind our back; the next one gets its number. */
static void a_descriptor_is_used_again_after_a_refused_connection(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    struct transport_endpoint *nobody = endpoint_at(f, 1, "/ok", "");
    f->endpoint = endpoint_at(f, f->server.port, "/slow", "");
    for (int i = 0; i < 10; i++) {
        struct result *refused = send_to(f, 0, nobody, STR("{}"), SECOND);
        run(f, SECOND);
        assert_int_equal(refused->outcome, TRANSPORT_CONNECT);
        struct result *r = send_to(f, 1, f->endpoint, STR("{}"), SECOND);
        int64_t began = clock_mono_us(&clock_real);
        run(f, 2 * SECOND);
        assert_int_equal(r->outcome, TRANSPORT_REPLY);
        assert_true(clock_mono_us(&clock_real) - began < 600 * MS);
        r = send_to(f, 1, f->endpoint, STR("{}"),
                    10 * MS); /* closes the connection: a new one next */
        run(f, SECOND);
        assert_int_equal(r->outcome, TRANSPORT_TIMEOUT);
    }
    http_endpoint_free(nobody);
    fixture_free(f);
}

/* Where "localhost" is ::1 and 127.0.0.1, the first refuses and the second gets its descriptor. */
static void the_next_address_of_a_host_is_tried(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://localhost:%u", f->server.port);
    struct http_endpoint_config config = {str_z(url), STR("/slow"), {0}};
    assert_int_equal(http_endpoint_new(f->http, &config, &f->endpoint, NULL), ERR_OK);
    for (int i = 0; i < 5; i++) {
        int64_t began = clock_mono_us(&clock_real);
        struct result *r = send_to(f, 0, f->endpoint, STR("{}"), 3 * SECOND);
        run(f, 4 * SECOND);
        assert_int_equal(r->outcome, TRANSPORT_REPLY);
        assert_true(clock_mono_us(&clock_real) - began < SECOND);
    }
    fixture_free(f);
}

/* Another endpoint at the address of a freed one is not taken for it. */
static void an_endpoint_is_told_from_one_that_was_there_before(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(get(f, "/ok", SECOND)->status, 200);
        assert_int_equal(get(f, "/429", SECOND)->status, 429);
    }
    fixture_free(f);
}

/* The time of connecting is zero on a kept connection: it must not pass for "never connected". */
static void a_hang_on_a_kept_connection_is_a_timeout(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    assert_int_equal(get_told(f, "/ok", SECOND)->outcome, TRANSPORT_REPLY);
    assert_int_equal(get_told(f, "/hang", 100 * MS)->outcome, TRANSPORT_TIMEOUT);
    assert_int_equal(f->server.accepted, 1);
    fixture_free(f);
}

static void the_first_byte_has_its_own_time(void **state RBR_UNUSED)
{
    struct http_config config = {.reply_bytes_max = 1024,
                                 .header_bytes_max = 1024,
                                 .connect_timeout_us = SECOND,
                                 .first_byte_timeout_us = SECOND,
                                 .keep_alive_us = SECOND};
    struct fixture *f = fixture_new(&config);
    int64_t began = clock_mono_us(&clock_real);
    assert_int_equal(get(f, "/hang", 30 * SECOND)->outcome, TRANSPORT_TIMEOUT);
    assert_in_range(clock_mono_us(&clock_real) - began, 950 * MS, 1500 * MS);
    assert_non_null(strstr(f->results[0].detail, "no byte of a reply"));
    began = clock_mono_us(&clock_real);
    assert_int_equal(get(f, "/hang-in-body", 30 * SECOND)->outcome, TRANSPORT_TIMEOUT);
    assert_in_range(clock_mono_us(&clock_real) - began, 950 * MS, 1500 * MS);
    fixture_free(f);
}

static void bodies_arrive_as_written(void **state RBR_UNUSED)
{
    static const size_t sizes[] = {0, 1, 4096, 65536, 65537, 3000000};
    struct fixture *f = fixture_new(NULL);
    char *text = mem_alloc(3000000);
    for (size_t i = 0; i < 3000000; i++)
        text[i] = (char)(i * 2654435761u >> 13);
    f->endpoint = endpoint_at(f, f->server.port, "/ok", "");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct str parts[] = {
            {text, sizes[i] / 3}, {NULL, 0}, {text + sizes[i] / 3, sizes[i] - sizes[i] / 3}};
        struct result *r = &f->results[0];
        *r = (struct result){.fixture = f};
        r->req = (struct transport_req){.endpoint = f->endpoint,
                                        .parts = parts,
                                        .n_parts = 3,
                                        .timeout_us = 5 * SECOND,
                                        .done = on_done};
        send_again(r);
        run(f, 5 * SECOND);
        assert_int_equal(r->outcome, TRANSPORT_REPLY);
        assert_int_equal(f->n_last_body, sizes[i]);
        assert_memory_equal(f->last_body, text, sizes[i]);
    }
    assert_int_equal(f->server.accepted, 1);
    assert_null(strstr(f->last_head, "Expect"));
    mem_free(text);
    fixture_free(f);
}

static void no_parts_are_a_get_and_the_next_is_a_post_again(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    struct str hello = STR("hello");
    f->endpoint = endpoint_at(f, f->server.port, "/ok", "");
    for (size_t i = 0; i < 4; i++) {
        struct result *r = &f->results[0];
        *r = (struct result){.fixture = f};
        r->req = (struct transport_req){.endpoint = f->endpoint,
                                        .parts = &hello,
                                        .n_parts = i % 2,
                                        .timeout_us = 5 * SECOND,
                                        .done = on_done};
        send_again(r);
        run(f, 5 * SECOND);
        assert_int_equal(r->outcome, TRANSPORT_REPLY);
        assert_int_equal(f->n_last_body, i % 2 * hello.n);
        assert_non_null(strstr(f->last_head, i % 2 == 1 ? "POST /ok" : "GET /ok"));
    }
    fixture_free(f);
}

static void the_key_goes_into_the_header_only(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    f->endpoint = endpoint_at(f, f->server.port, "/ok", "sk-123");
    (void)setenv("http_proxy", "http://127.0.0.1:1/", 1); /* not used */
    (void)send_to(f, 0, f->endpoint, STR("{}"), SECOND);
    run(f, SECOND);
    assert_int_equal(f->results[0].outcome, TRANSPORT_REPLY);
    assert_non_null(strstr(f->last_head, "\r\nAuthorization: Bearer sk-123\r\n"));
    assert_non_null(strstr(f->last_head, "\r\nContent-Type: application/json\r\n"));
    assert_null(strstr(http_endpoint_url(f->endpoint), "sk-"));
    (void)unsetenv("http_proxy");
    fixture_free(f);
}

static void the_environment_makes_no_exception_from_the_proxy(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    char proxy[64];
    (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", f->server.port);
    const struct http_config config = {.reply_bytes_max = 1024,
                                       .header_bytes_max = 1024,
                                       .connect_timeout_us = SECOND,
                                       .first_byte_timeout_us = SECOND,
                                       .keep_alive_us = SECOND,
                                       .proxy = str_z(proxy)};
    http_free(f->http);
    assert_int_equal(http_new(&f->loop, &config, &f->http, NULL), ERR_OK);
    f->endpoint = endpoint_at(f, 1, "/ok", "");
    (void)setenv("no_proxy", "127.0.0.1", 1);
    (void)send_to(f, 0, f->endpoint, STR("{}"), SECOND);
    run(f, SECOND);
    (void)unsetenv("no_proxy");
    assert_int_equal(f->results[0].outcome, TRANSPORT_REPLY);
    assert_non_null(strstr(f->last_head, "POST http://127.0.0.1:1/ok "));
    fixture_free(f);
}

static void a_cancelled_request_ends_soon_and_once(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    f->endpoint = endpoint_at(f, f->server.port, "/hang", "");
    for (size_t i = 0; i < 20; i++)
        (void)send_to(f, i, f->endpoint, STR("{}"), 20 * SECOND);
    run(f, 50 * MS);
    int64_t began = clock_mono_us(&clock_real);
    for (size_t i = 0; i < 20; i++) {
        cancel(f, &f->results[i]);
        cancel(f, &f->results[i]);
    }
    run(f, 2 * SECOND);
    assert_true(clock_mono_us(&clock_real) - began < 500 * MS);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(f->results[i].done, 1);
        assert_int_equal(f->results[i].outcome, TRANSPORT_CANCELLED);
        cancel(f, &f->results[i]); /* after its end: nothing */
    }
    struct result *r = get(f, "/ok", SECOND);
    assert_int_equal(r->outcome, TRANSPORT_REPLY);
    fixture_free(f);
}

static void a_request_cancelled_before_it_is_sent_ends(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    f->endpoint = endpoint_at(f, f->server.port, "/ok", "");
    struct result *r = send_to(f, 0, f->endpoint, STR("{}"), SECOND);
    cancel(f, r);
    run(f, SECOND);
    assert_int_equal(r->done, 1);
    assert_int_equal(r->outcome, TRANSPORT_CANCELLED);
    fixture_free(f);
}

/* Two time out in one turn; the first one's done cancels the second and a third. The second must
 * not be ended as timed out while it is in the list of cancelled ones: the third would be lost. */
static void cancelling_from_done_loses_nobody(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    f->endpoint = endpoint_at(f, f->server.port, "/hang", "");
    for (int order = 0; order < 2; order++) {
        struct result *a = send_to(f, 0, f->endpoint, STR("{}"), 100 * MS);
        struct result *b = send_to(f, 1, f->endpoint, STR("{}"), 100 * MS);
        struct result *c = send_to(f, 2, f->endpoint, STR("{}"), 60 * SECOND);
        a->cancels[order] = c;
        a->cancels[1 - order] = b;
        b->cancels[order] = c;
        b->cancels[1 - order] = a;
        run(f, 3 * SECOND);
        assert_int_equal(f->left, 0);
        assert_int_equal(a->done + b->done + c->done, 3);
        assert_int_equal(c->outcome, TRANSPORT_CANCELLED);
    }
    fixture_free(f);
}

/* What ends in a timer's turn is seen by the loop's maintenance at once. */
static void the_end_of_the_last_request_wakes_the_loop(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    f->endpoint = endpoint_at(f, f->server.port, "/hang", "");
    for (int i = 0; i < 3; i++) {
        struct result *r = send_to(f, 0, f->endpoint, STR("{}"), 20 * SECOND);
        run(f, 30 * MS);
        int64_t began = clock_mono_us(&clock_real);
        cancel(f, r);
        run(f, 3 * SECOND);
        assert_true(clock_mono_us(&clock_real) - began < 500 * MS);
    }
    fixture_free(f);
}

static void done_may_send_the_next(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    f->endpoint = endpoint_at(f, f->server.port, "/ok", "");
    for (size_t i = 1; i < 10; i++) {
        struct result *r = &f->results[i];
        *r = (struct result){.fixture = f, .part = STR("{}")};
        r->req = (struct transport_req){.endpoint = f->endpoint,
                                        .parts = &r->part,
                                        .n_parts = 1,
                                        .timeout_us = SECOND,
                                        .done = on_done};
        r->sends = i + 1 < 10 ? &f->results[i + 1] : NULL;
    }
    struct result *first = send_to(f, 0, f->endpoint, STR("{}"), SECOND);
    first->sends = &f->results[1];
    run(f, 3 * SECOND);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(f->results[i].outcome, TRANSPORT_REPLY);
    assert_int_equal(f->server.accepted, 1);
    fixture_free(f);
}

static void an_endpoint_that_cannot_work_is_refused(void **state RBR_UNUSED)
{
    static const struct {
        const char *url, *key, *says;
    } cases[] = {
        {"ftp://host", "", "http:// or https://"},
        {"", "", "http:// or https://"},
        {"http://user:secret@host", "", "credentials"},
        {"ftp://user:secret@host", "", "credentials"},
        {"http://ho st", "", "spaces"},
        {"http://host\r\nX: y", "", "control"},
        {"http://host?a=b", "", "'?'"},
        {"http://host/#x", "", "'#'"},
        {"http://", "", "http://"},
        {"http://host:99999", "", "host:99999"},
        {"http://host", "key\n", "byte 3"},
        {"http://host", "a b", "byte 1"},
    };
    struct fixture *f = fixture_new(NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct transport_endpoint *e = NULL;
        struct err err = {0};
        struct http_endpoint_config config = {str_z(cases[i].url), STR("/p"), str_z(cases[i].key)};
        if (http_endpoint_new(f->http, &config, &e, &err) == ERR_OK)
            fail_msg("%s was accepted", cases[i].url);
        if (strstr(err.msg, cases[i].says) == NULL || strstr(err.msg, "secret") != NULL)
            fail_msg("%s: %s", cases[i].url, err.msg);
        assert_null(e);
    }
    http_endpoint_free(NULL);
    fixture_free(f);
    http_free(NULL);
}

/* Everything at once, in random order; every request ends once and no descriptor stays. */
static void a_mix_of_everything_ends(void **state RBR_UNUSED)
{
    static const char *const paths[] = {"/ok",       "/slow",     "/hang",       "/close",
                                        "/reset",    "/cut-body", "/bad-chunk",  "/chunked",
                                        "/not-http", "/429",      "/until-close"};
    struct transport_endpoint *endpoints[ARRAY_LEN(paths)];
    uint64_t seed = unit_seed();
    size_t before = open_descriptors();
    struct fixture *f = fixture_new(NULL);
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        endpoints[i] = endpoint_at(f, f->server.port, paths[i], "");
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < PENDING_MAX; i++) {
            (void)send_to(f, i, endpoints[rng_below(&rng, ARRAY_LEN(paths))], STR("{\"a\":1}"),
                          (int64_t)(rng_below(&rng, 300) + 1) * MS);
            if (rng_below(&rng, 8) == 0)
                cancel(f, &f->results[rng_below(&rng, i + 1)]);
            if (rng_below(&rng, 16) == 0)
                run(f, 2 * MS);
        }
        run(f, 5 * SECOND);
        assert_int_equal(f->left, 0);
        for (size_t i = 0; i < PENDING_MAX; i++)
            assert_int_equal(f->results[i].done, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        http_endpoint_free(endpoints[i]);
    fixture_free(f);
    assert_int_equal(open_descriptors(), before);
}

/* libuv and libcurl open descriptors of their own once in a process. */
static int warm_up(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new(NULL);
    (void)get(f, "/ok", SECOND);
    fixture_free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_behaviour_has_its_outcome),
        cmocka_unit_test(a_request_may_go_elsewhere_on_its_server),
        cmocka_unit_test(load_reports_are_read),
        cmocka_unit_test(retry_headers_are_read),
        cmocka_unit_test(a_connection_is_kept_and_used_again),
        cmocka_unit_test(a_reply_that_nobody_asked_for_is_nobodys),
        cmocka_unit_test(what_is_behind_a_reply_is_nobodys),
        cmocka_unit_test(being_late_costs_no_connection),
        cmocka_unit_test(a_request_that_closes_its_connection_is_sent_twice_at_most),
        cmocka_unit_test(a_kept_connection_that_closes_costs_no_reply),
        cmocka_unit_test(a_server_with_too_much_to_say_is_cut_off),
        cmocka_unit_test(idle_connections_may_all_end_at_once),
        cmocka_unit_test(an_idle_connection_that_the_server_closes_does_not_spin),
        cmocka_unit_test(nobody_listening_is_no_connection),
        cmocka_unit_test(a_descriptor_is_used_again_after_a_refused_connection),
        cmocka_unit_test(the_next_address_of_a_host_is_tried),
        cmocka_unit_test(an_endpoint_is_told_from_one_that_was_there_before),
        cmocka_unit_test(a_hang_on_a_kept_connection_is_a_timeout),
        cmocka_unit_test(the_first_byte_has_its_own_time),
        cmocka_unit_test(bodies_arrive_as_written),
        cmocka_unit_test(no_parts_are_a_get_and_the_next_is_a_post_again),
        cmocka_unit_test(the_key_goes_into_the_header_only),
        cmocka_unit_test(the_environment_makes_no_exception_from_the_proxy),
        cmocka_unit_test(a_cancelled_request_ends_soon_and_once),
        cmocka_unit_test(a_request_cancelled_before_it_is_sent_ends),
        cmocka_unit_test(cancelling_from_done_loses_nobody),
        cmocka_unit_test(the_end_of_the_last_request_wakes_the_loop),
        cmocka_unit_test(done_may_send_the_next),
        cmocka_unit_test(an_endpoint_that_cannot_work_is_refused),
        cmocka_unit_test(a_mix_of_everything_ends),
    };
    return cmocka_run_group_tests_name("http", tests, warm_up, NULL);
}
