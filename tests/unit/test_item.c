/* pipeline/item: what an item says it holds, against what the heap says. The memory budget is as
 * true as this. */
#include "unit.h"

#include <malloc.h>

#include "fixture_transport.h"
#include "grading_fixture.h"
#include "pipeline/item_pool.h"

enum { ARENA_MAX = 64 << 20 };

struct bench {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoint, *endpoints[1];
    struct grader *grader;
    struct judge judge;
    struct policy *policy;
    struct item_pool pool;
};

static struct fixture_reply never(void *arg, const struct fixture_call *call)
{
    (void)arg;
    (void)call;
    return (struct fixture_reply){.delay_us = CLOCK_NEVER};
}

static void bench_init(struct bench *b)
{
    *b = (struct bench){.endpoints = {&b->endpoint}};
    clock_fixture_init(&b->clock, 1000000, 1000000);
    fixture_transport_init(&b->server, &b->clock, never, NULL);
    struct grader_config config = {.name = STR("g"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("m"), .top_logprobs = 20},
                                   .endpoints = b->endpoints,
                                   .n_endpoints = 1,
                                   .max_in_flight = 1,
                                   .request_timeout_us = 10000000,
                                   .attempts_max = 1};
    assert_int_equal(grader_new(&config, &b->server.port, &b->clock.clock, 1, &b->grader, NULL),
                     ERR_OK);
    b->policy = grading_policy(GRADING_POLICY("{conversation} {response} {question}", ""));
    b->judge = (struct judge){.policy = b->policy, .grader = b->grader, .clock = &b->clock.clock};
    item_pool_init(&b->pool, ARENA_MAX);
}

static void bench_done(struct bench *b)
{
    item_pool_done(&b->pool);
    (void)grader_free(b->grader);
    fixture_transport_done(&b->server);
    policy_free(b->policy);
}

static void on_judged(struct judge_req *req)
{
    struct ruling *r = CONTAINER_OF(req, struct ruling, judge);
    ruling_make_reward(r, STR("replay-7"), 0);
    item_let_go(r->item);
}

/* `text`: the completion, `size` bytes in all. */
static struct item *begin(struct bench *b, size_t size, char filler)
{
    struct item *it = item_pool_take(&b->pool);
    struct refusal refusal;
    struct record_limits limits = {
        .value_bytes = 4u << 20, .memory_bytes = 32u << 20, .fields = 1000};
    struct buf json;
    buf_init(&json, SIZE_MAX / 2);
    (void)buf_printf(
        &json, "{\"id\":\"r\",\"prompt\":\"u\",\"response_type\":\"plain\",\"completion\":\"");
    for (size_t i = 0; i < size; i++)
        (void)buf_append(&json, filler == '\n' ? "\\n" : &filler, filler == '\n' ? 2 : 1);
    (void)buf_printf(&json, "\"}");
    struct source_record in = {.value = buf_str(&json), .key = STR("key")};
    it->origin.topic = STR("in");
    if (!item_decode(it, &in, &limits, &refusal))
        fail_msg("refused");
    buf_done(&json);
    it->live.judge = (struct judge_req){.record = it->record,
                                        .arena = &it->live.arena,
                                        .deadline_us = CLOCK_NEVER,
                                        .expires_us = CLOCK_NEVER,
                                        .done = on_judged};
    assert_false(judge_start(&b->judge, &it->live.judge));
    item_pool_charge(&b->pool, it);
    return it;
}

static void end_judging(struct bench *b, struct item *const *items, size_t n)
{
    for (size_t k = 0; k < n; k++)
        judge_cancel(&items[k]->live.judge);
    (void)grader_tick(b->grader);
    fixture_deliver(&b->server);
    for (size_t k = 0; k < n; k++)
        item_pool_charge(&b->pool, items[k]);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void assert_charged(const struct bench *b, size_t before, const char *when)
{
    double held = (double)(heap_bytes() - before), charged = (double)b->pool.bytes;
    if (held > 1.1 * charged || charged > 1.1 * held)
        fail_msg("%s: %.0f bytes held, %.0f charged", when, held, charged);
}

static void what_is_charged_is_what_is_held(void **state RBR_UNUSED)
{
    static const struct {
        size_t size, n;
        char filler; /* '\n' is two bytes in JSON */
    } cases[] = {{10, 1000, 'x'},    {700, 1000, 'x'},  {3000, 1000, '\n'}, {20000, 200, 'x'},
                 {20000, 200, '\n'}, {300000, 20, 'x'}, {1000000, 8, 'x'}};
#ifdef RBR_SANITIZED
    print_message("skipped: a sanitizer's allocator does not say what is held\n");
    skip();
#endif
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        struct item *items[1000], *first;
        bench_init(&b);
        first = begin(&b, 10, 'x'); /* what the grader keeps from its first request on */
        end_judging(&b, &first, 1);
        size_t before = heap_bytes() - b.pool.bytes;
        for (size_t k = 0; k < cases[i].n; k++)
            items[k] = begin(&b, cases[i].size, cases[i].filler);
        assert_charged(&b, before, "being judged");
        end_judging(&b, items, cases[i].n);
        assert_charged(&b, before, "ready");
        for (size_t k = 0; k < cases[i].n; k++)
            item_pool_give(&b.pool, items[k]);
        item_pool_give(&b.pool, first);
        assert_int_equal(b.pool.bytes, 0);
        bench_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_charged_is_what_is_held),
    };
    return cmocka_run_group_tests_name("item", tests, NULL, NULL);
}
