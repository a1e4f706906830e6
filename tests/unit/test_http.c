/* grader/http: what becomes of a request, in every way that it can go. */
#include "http_fixture.h"

#include <dirent.h>

#include "base/rng.h"

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

static void cancel(struct fixture *f, struct result *r)
{
    struct transport *t = http_transport(f->http);
    int before = r->done;
    t->cancel(t, &r->req);
    assert_int_equal(r->done, before); /* never from inside cancel */
}

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
        cmocka_unit_test(a_server_with_too_much_to_say_is_cut_off),
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
