/* http_endpoint: a name's endpoints at its addresses. */
#include "unit.h"

#include <stdio.h>

#include "base/clock.h"
#include "grader/http.h"
#include "scripted_server.h"

#define SECOND INT64_C(1000000)

struct fixture {
    struct loop loop;
    struct scripted_server server;
    struct http *http;
    struct transport_endpoint *named;
    struct transport_req req;
    bool waits;
    enum transport_outcome outcome;
    char head[1024];
};

static struct server_reply answer(void *arg, const struct server_request *req)
{
    struct fixture *f = arg;
    (void)snprintf(f->head, sizeof(f->head), "%.*s", STR_ARGS(req->head));
    return (struct server_reply){STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), SERVER_KEEP,
                                 0};
}

static int64_t maintain(void *arg)
{
    struct fixture *f = arg;
    if (!f->waits)
        loop_stop(&f->loop);
    return CLOCK_NEVER;
}

static struct transport_endpoint *endpoint_of(struct fixture *f, const char *url)
{
    struct transport_endpoint *e = NULL;
    const struct http_endpoint_config config = {str_z(url), STR("/ask"), STR("a-key")};
    assert_int_equal(http_endpoint_new(f->http, &config, &e, NULL), ERR_OK);
    return e;
}

static struct fixture *fixture_new(void)
{
    static const struct http_config config = {
        .reply_bytes_max = 1u << 18,
        .header_bytes_max = 1u << 16,
        .connect_timeout_us = 2 * SECOND,
        .first_byte_timeout_us = 30 * SECOND,
        .keep_alive_us = 4 * SECOND,
    };
    struct fixture *f = mem_alloc(sizeof(*f));
    char url[64];
    scripted_server_start(&f->server, answer, f);
    loop_init(&f->loop, maintain, f);
    assert_int_equal(http_new(&f->loop, &config, &f->http, NULL), ERR_OK);
    (void)snprintf(url, sizeof(url), "http://judge.invalid:%u", f->server.port);
    f->named = endpoint_of(f, url);
    return f;
}

static void fixture_free(struct fixture *f)
{
    http_endpoint_free(f->named);
    http_free(f->http);
    loop_done(&f->loop);
    scripted_server_stop(&f->server);
    mem_free(f);
}

static void on_done(struct transport_req *req)
{
    struct fixture *f = CONTAINER_OF(req, struct fixture, req);
    f->outcome = req->outcome;
    f->waits = false;
}

static enum transport_outcome ask(struct fixture *f, struct transport_endpoint *e)
{
    static const struct str body = STR_INIT("{}");
    struct transport *t = http_transport(f->http);
    f->req = (struct transport_req){
        .endpoint = e, .parts = &body, .n_parts = 1, .timeout_us = 5 * SECOND, .done = on_done};
    f->waits = true;
    f->head[0] = '\0';
    t->send(t, &f->req);
    loop_run(&f->loop);
    return f->outcome;
}

static void an_address_is_asked_in_the_names_name(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    char host[64];
    struct transport_endpoint *e = http_endpoint_at(f->named, "127.0.0.1");
    assert_int_equal(ask(f, e), TRANSPORT_REPLY);
    (void)snprintf(host, sizeof(host), "Host: judge.invalid:%u\r\n", f->server.port);
    assert_non_null(strstr(f->head, host));
    assert_non_null(strstr(f->head, "POST /ask HTTP/1.1"));
    assert_non_null(strstr(f->head, "Authorization: Bearer a-key\r\n"));
    (void)snprintf(host, sizeof(host), "http://judge.invalid:%u (127.0.0.1)", f->server.port);
    assert_string_equal(http_endpoint_url(e), host);
    http_endpoint_free(e);
    fixture_free(f);
}

/* The kept connection to one address is no connection to the other. */
static void addresses_are_told_apart(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    struct transport_endpoint *one = http_endpoint_at(f->named, "127.0.0.1");
    struct transport_endpoint *nobody = http_endpoint_at(f->named, "127.0.0.2");
    struct transport_endpoint *six = http_endpoint_at(f->named, "::1");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(f, one), TRANSPORT_REPLY);
        assert_int_equal(ask(f, nobody), TRANSPORT_CONNECT);
        assert_int_equal(ask(f, six), TRANSPORT_CONNECT);
    }
    assert_int_equal(f->server.accepted, 1);
    http_endpoint_free(nobody);
    http_endpoint_free(six);
    http_endpoint_free(one);
    fixture_free(f);
}

static void names_are_told_from_numbers_and_sockets(void **state RBR_UNUSED)
{
    static const struct {
        const char *url, *host; /* NULL: no name */
    } cases[] = {
        {"http://judge:8000", "judge"},
        {"https://judge.example.org/base", "judge.example.org"},
        {"http://localhost", "localhost"},
        {"http://127.0.0.1:8000", NULL},
        {"http://[::1]:8000", NULL},
        {"unix:/run/judge.sock", NULL},
        {"http://1.2.3.4.example.org", "1.2.3.4.example.org"},
    };
    struct fixture *f = fixture_new();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char host[HTTP_HOST_BYTES] = "";
        struct transport_endpoint *e = endpoint_of(f, cases[i].url);
        assert_int_equal(http_endpoint_host(e, host), cases[i].host != NULL);
        assert_string_equal(host, cases[i].host != NULL ? cases[i].host : "");
        http_endpoint_free(e);
    }
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_asked_in_the_names_name),
        cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(names_are_told_from_numbers_and_sockets),
    };
    return cmocka_run_group_tests_name("http_endpoint", tests, NULL, NULL);
}
