/* grader/http_sockets, through the real transport: connections are kept and used again, nobody gets
 * what was not asked for, and a descriptor is told from one that had its number. */
#include "http_fixture.h"

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
    assert_int_equal(f->server.accepted, PENDING_MAX);
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
        assert_int_equal(f->server.accepted, PENDING_MAX);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept_and_used_again),
        cmocka_unit_test(a_reply_that_nobody_asked_for_is_nobodys),
        cmocka_unit_test(what_is_behind_a_reply_is_nobodys),
        cmocka_unit_test(being_late_costs_no_connection),
        cmocka_unit_test(a_request_that_closes_its_connection_is_sent_twice_at_most),
        cmocka_unit_test(a_kept_connection_that_closes_costs_no_reply),
        cmocka_unit_test(idle_connections_may_all_end_at_once),
        cmocka_unit_test(an_idle_connection_that_the_server_closes_does_not_spin),
        cmocka_unit_test(nobody_listening_is_no_connection),
        cmocka_unit_test(a_descriptor_is_used_again_after_a_refused_connection),
        cmocka_unit_test(the_next_address_of_a_host_is_tried),
        cmocka_unit_test(an_endpoint_is_told_from_one_that_was_there_before),
        cmocka_unit_test(a_hang_on_a_kept_connection_is_a_timeout),
    };
    return cmocka_run_group_tests_name("http_sockets", tests, NULL, NULL);
}
