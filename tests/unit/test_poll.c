/* poll: SGLang's page of loads, and what a grader makes of it on virtual time. */
#include "grader_bench.h"

#include "grader/poll.h"

static void pages_are_read(void **state RBR_UNUSED)
{
    static const struct {
        const char *what, *page;
        bool is_one, ready;
        size_t waiting;
    } cases[] = {
        {"one rank",
         "{\"timestamp\":\"2026-08-06T09:15:23+00:00\",\"version\":\"0.5.9\",\"loads\":[{\"dp_"
         "rank\":"
         "0,\"num_running_reqs\":12,\"num_waiting_reqs\":3,\"num_used_tokens\":8123,"
         "\"max_total_num_tokens\":528896,\"token_usage\":0.0154}]}",
         true, true, 3},
        {"two",
         "{\"loads\":[{\"num_waiting_reqs\":3,\"max_total_num_tokens\":5},"
         "{\"num_waiting_reqs\":4,\"max_total_num_tokens\":5}]}",
         true, true, 7},
        {"without tokens it is not ready",
         "{\"loads\":[{\"num_waiting_reqs\":0,\"max_total_num_tokens\":0}]}", true, false, 0},
        {"nor with one rank without",
         "{\"loads\":[{\"num_waiting_reqs\":1,\"max_total_num_tokens\":9},"
         "{\"num_waiting_reqs\":0,\"max_total_num_tokens\":0}]}",
         true, false, 1},
        {"nor without ranks", "{\"loads\":[]}", true, false, 0},
        {"tokens are not said", "{\"loads\":[{\"num_waiting_reqs\":2}]}", true, true, 2},
        {"an older page", "[{\"dp_rank\":0,\"num_reqs\":1,\"num_waiting_reqs\":0}]", false, false,
         0},
        {"another page", "{\"detail\":\"Not Found\"}", false, false, 0},
        {"a rank that says nothing", "{\"loads\":[{}]}", false, false, 0},
        {"a second rank that says nothing",
         "{\"loads\":[{\"num_waiting_reqs\":7,\"max_total_num_tokens\":5},{}]}", false, false, 0},
        {"less than nothing waits", "{\"loads\":[{\"num_waiting_reqs\":-1}]}", false, false, 0},
        {"more than there can be", "{\"loads\":[{\"num_waiting_reqs\":1e300}]}", false, false, 0},
        {"no ranks but text", "{\"loads\":\"none\"}", false, false, 0},
        {"half a page", "{\"loads\":[{\"num_wai", false, false, 0},
        {"nothing", "", false, false, 0},
    };
    struct arena a;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loads l = {0};
        arena_reset(&a);
        bool is_one = loads_read(&a, str_z(cases[i].page), &l);
        if (is_one != cases[i].is_one || l.ready != cases[i].ready || l.waiting != cases[i].waiting)
            fail_msg("%s", cases[i].what);
    }
    arena_done(&a);
}

/* ---- through the grader ---- */

static char page[256];
static int page_status;
static uint64_t polls;

static struct fixture_reply answer_and_tell(void *arg, const struct fixture_call *call)
{
    if (call->path == NULL)
        return answer(arg, call);
    assert_string_equal(call->path, "/v1/loads");
    assert_int_equal(call->body.n, 0);
    polls++;
    return (struct fixture_reply){.delay_us = 3000, .status = page_status, .body = str_z(page)};
}

static int64_t tick_alone(void *arg)
{
    struct bench *b = arg;
    return grader_tick(b->grader);
}

static void run_for(struct bench *b, int64_t us)
{
    int64_t until = b->clock.now_us + us;
    fixture_run(&b->server, tick_alone, b, until);
    b->clock.now_us = until;
}

static void tell(int status, size_t waiting, size_t tokens)
{
    page_status = status;
    (void)snprintf(page, sizeof(page),
                   "{\"loads\":[{\"num_waiting_reqs\":%zu,\"max_total_num_tokens\":%zu}]}", waiting,
                   tokens);
}

static struct bench *polling(void)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = 512;
    struct grader_config config = config_of(b, 1);
    config.polls = true;
    config.fixed_in_flight = false;
    start(b, &config, 7);
    b->server.answer = answer_and_tell;
    b->good_from = 0;
    polls = 0;
    return b;
}

static void keep_busy(struct bench *b, int64_t us)
{
    for (int64_t t = 0; t < us; t += 100000) {
        for (size_t i = 0; i < GROUPS_MAX; i++)
            if (b->groups[i].bench == NULL || b->groups[i].done > 0)
                (void)ask(b, i, 1, CLOCK_NEVER);
        run_for(b, 100000);
    }
}

static size_t limit(const struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    return s.limit;
}

static void a_queue_there_holds_the_limit(void **state RBR_UNUSED)
{
    struct bench *b = polling();
    tell(200, 0, 1000);
    keep_busy(b, 20 * SECOND);
    assert_int_equal(limit(b), 512); /* nothing waits: it has grown */
    bench_free(b);
    b = polling();
    tell(200, 1, 1000);
    keep_busy(b, 20 * SECOND);
    assert_in_range(limit(b), 8, 32); /* one waits, always */
    run_for(b, 10 * SECOND);
    bench_free(b);
}

static void it_is_asked_twice_a_second_while_it_is_busy(void **state RBR_UNUSED)
{
    struct bench *b = polling();
    tell(200, 0, 1000);
    run_for(b, 10 * SECOND);
    assert_int_equal(polls, 0);
    keep_busy(b, 10 * SECOND);
    assert_in_range(polls, 19, 21);
    run_for(b, 10 * SECOND);
    uint64_t before = polls;
    run_for(b, 10 * SECOND);
    assert_int_equal(polls, before);
    bench_free(b);
}

static void one_that_does_not_know_the_page_is_left_in_peace(void **state RBR_UNUSED)
{
    struct bench *b = polling();
    tell(404, 0, 0);
    keep_busy(b, 70 * SECOND);
    assert_int_equal(polls, 3);
    assert_int_equal(limit(b), 512);
    run_for(b, 10 * SECOND);
    bench_free(b);
}

/* Its probe decides, once: here it works. */
static void one_that_is_not_ready_is_doubted(void **state RBR_UNUSED)
{
    struct bench *b = polling();
    tell(200, 0, 1000);
    keep_busy(b, 2 * SECOND);
    assert_int_equal(b->probes, 0);
    tell(200, 0, 0);
    keep_busy(b, 5 * SECOND);
    assert_int_equal(b->probes, 1);
    tell(200, 0, 1000);
    keep_busy(b, 2 * SECOND);
    tell(200, 0, 0);
    keep_busy(b, 2 * SECOND);
    assert_int_equal(b->probes, 2);
    run_for(b, 10 * SECOND);
    bench_free(b);
}

static void freeing_ends_a_poll(void **state RBR_UNUSED)
{
    struct bench *b = polling();
    tell(200, 0, 1000);
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    run_for(b, 1000);
    assert_int_equal(polls, 1);
    grader_cancel(&g->group);
    fixture_deliver(&b->server);
    (void)grader_tick(b->grader);
    assert_int_equal(b->server.in_flight, 1);
    bench_free(b); /* checks that nothing is in the air */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_read),
        cmocka_unit_test(a_queue_there_holds_the_limit),
        cmocka_unit_test(it_is_asked_twice_a_second_while_it_is_busy),
        cmocka_unit_test(one_that_does_not_know_the_page_is_left_in_peace),
        cmocka_unit_test(one_that_is_not_ready_is_doubted),
        cmocka_unit_test(freeing_ends_a_poll),
    };
    return cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
