/* http_line: more requests to one endpoint than a multi handle of curl is given. */
#include "unit.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "grader/http.h"
#include "scripted_server.h"

#define SECOND INT64_C(1000000)

enum { MANY = 200 }; /* a line has 32; the server takes 256 */

struct fixture {
    struct loop loop;
    struct scripted_server server;
    struct http *http;
    struct transport_endpoint *endpoint;
    struct transport_req reqs[MANY];
    size_t left, replies, cancelled;
};

static struct fixture *fixture; /* requests have no argument */

static struct server_reply answer(void *arg, const struct server_request *req)
{
    (void)arg;
    (void)req;
    return (struct server_reply){STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), SERVER_KEEP,
                                 50};
}

static int64_t maintain(void *arg)
{
    struct fixture *f = arg;
    if (f->left == 0)
        loop_stop(&f->loop);
    return CLOCK_NEVER;
}

/* Instead of libc's: every name is this machine's. Called by curl's threads. */
static atomic_int looked_up;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): libc's are not for others */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    (void)name;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    atomic_fetch_add(&looked_up, 1);
    return real("127.0.0.1", service, hints, ret);
}

static struct transport_endpoint *endpoint_of(struct fixture *f, const char *host)
{
    struct transport_endpoint *e = NULL;
    char url[64];
    (void)snprintf(url, sizeof(url), "http://%s:%u", host, f->server.port);
    const struct http_endpoint_config config = {str_z(url), STR("/ask"), {0}};
    assert_int_equal(http_endpoint_new(f->http, &config, &e, NULL), ERR_OK);
    return e;
}

static struct fixture *fixture_new(void)
{
    static const struct http_config config = {
        .reply_bytes_max = 1u << 18,
        .header_bytes_max = 1u << 16,
        .connect_timeout_us = 5 * SECOND,
        .first_byte_timeout_us = 30 * SECOND,
        .keep_alive_us = SECOND,
    };
    struct fixture *f = fixture = mem_alloc(sizeof(*f));
    scripted_server_start(&f->server, answer, f);
    loop_init(&f->loop, maintain, f);
    assert_int_equal(http_new(&f->loop, &config, &f->http, NULL), ERR_OK);
    f->endpoint = endpoint_of(f, "127.0.0.1");
    return f;
}

static void fixture_free(struct fixture *f)
{
    http_endpoint_free(f->endpoint);
    http_free(f->http);
    loop_done(&f->loop);
    scripted_server_stop(&f->server);
    mem_free(f);
}

static void on_done(struct transport_req *req)
{
    fixture->left--;
    fixture->replies += req->outcome == TRANSPORT_REPLY;
    fixture->cancelled += req->outcome == TRANSPORT_CANCELLED;
}

static void send_many(struct fixture *f, size_t n)
{
    static const struct str body = STR_INIT("{}");
    struct transport *t = http_transport(f->http);
    for (size_t i = 0; i < n; i++, f->left++) {
        f->reqs[i] = (struct transport_req){.endpoint = f->endpoint,
                                            .parts = &body,
                                            .n_parts = 1,
                                            .timeout_us = 20 * SECOND,
                                            .done = on_done};
        t->send(t, &f->reqs[i]);
    }
}

static void many_at_once_are_all_in_the_air(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    send_many(f, MANY);
    loop_run(&f->loop);
    assert_int_equal(f->replies, MANY);
    assert_int_equal(f->server.accepted, MANY);
    fixture_free(f);
}

/* Fewer use those connections that are kept, of the first line. */
static void fewer_use_what_is_kept(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    send_many(f, MANY);
    loop_run(&f->loop);
    for (int i = 0; i < 3; i++) {
        send_many(f, 100);
        loop_run(&f->loop);
    }
    assert_int_equal(f->replies, MANY + 300);
    assert_int_equal(f->server.accepted, MANY);
    fixture_free(f);
}

/* Fewer do not begin in the other lines, where curl would look for connections that are too old. */
static void what_a_peak_opened_is_closed(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    send_many(f, MANY);
    loop_run(&f->loop);
    for (int i = 0; i < 60; i++) { /* 50 ms each */
        send_many(f, 1);
        loop_run(&f->loop);
    }
    assert_int_equal(f->replies, MANY + 60);
    assert_int_equal(f->server.closed_by_peer, MANY - 1);
    fixture_free(f);
}

static void a_name_is_looked_up_once_for_all_lines(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    http_endpoint_free(f->endpoint);
    f->endpoint = endpoint_of(f, "grader.test");
    send_many(f, 1);
    loop_run(&f->loop);
    send_many(f, MANY);
    loop_run(&f->loop);
    assert_int_equal(f->replies, 1 + MANY);
    assert_int_equal(looked_up, 1);
    fixture_free(f);
}

static void all_can_be_cancelled(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    struct transport *t = http_transport(f->http);
    send_many(f, MANY);
    for (size_t i = 0; i < MANY; i++)
        t->cancel(t, &f->reqs[i]);
    loop_run(&f->loop);
    assert_int_equal(f->cancelled, MANY);
    send_many(f, MANY); /* and all are as good as new */
    loop_run(&f->loop);
    assert_int_equal(f->replies, MANY);
    fixture_free(f);
}

static void dropped_ones_leave_room(void **state RBR_UNUSED)
{
    struct fixture *f = fixture_new();
    struct transport *t = http_transport(f->http);
    for (int i = 0; i < 5; i++) {
        send_many(f, MANY);
        for (size_t k = 0; k < MANY; k++)
            t->drop(t, &f->reqs[k]);
        f->left = 0;
    }
    send_many(f, MANY);
    loop_run(&f->loop);
    assert_int_equal(f->replies, MANY);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once_are_all_in_the_air),
        cmocka_unit_test(fewer_use_what_is_kept),
        cmocka_unit_test(what_a_peak_opened_is_closed),
        cmocka_unit_test(a_name_is_looked_up_once_for_all_lines),
        cmocka_unit_test(all_can_be_cancelled),
        cmocka_unit_test(dropped_ones_leave_room),
    };
    return cmocka_run_group_tests_name("http_line", tests, NULL, NULL);
}
