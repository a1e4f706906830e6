/* A worker whose grader costs more than it may, for hours: it pauses and goes on, no hour costs
 * more than the ceiling and what was in the air, and no record fails. What the server charges is
 * added up here, beside the worker's own account. The fixture broker looks at every batch.
 *
 * A run is a function of its seed: RBR_SEED=n runs that seed. */
#include "unit.h"

#include "base/rng.h"
#include "fixture_worker.h"
#include "obs/log.h"

#define HOUR          (3600 * SECOND)
#define PICO_PER_CENT UINT64_C(10000000000)

enum {
    RECORDS = 7000, /* of two questions each */
    REPLIES_MAX = 20000,
    TOKENS_MIN = 200,
    TOKENS_MAX = 4000,
};

/* 1 USD per million tokens, a tenth from the cache, 4 USD for those generated. */
static const struct price price = {true, 1000000, 100000, 4000000};
#define COST_MAX (TOKENS_MAX * UINT64_C(1000000) + 4000000)

struct sim {
    struct world w;
    struct rng rng;
    uint64_t silent_percent; /* replies that do not say what they used */
    int64_t at_us[REPLIES_MAX]; /* replies that cost something, in the order sent */
    uint64_t cost[REPLIES_MAX];
    size_t n;
    uint64_t failed[500]; /* questions */
    size_t n_failed;
};

/* Whether it is the question's turn to fail: once at most, so that it has attempts left. */
static bool fails(struct sim *s, struct str body)
{
    uint64_t question = broker_hash(0, body);
    if (s->n_failed == ARRAY_LEN(s->failed) || rng_below(&s->rng, 50) != 0)
        return false;
    for (size_t i = 0; i < s->n_failed; i++)
        if (s->failed[i] == question)
            return false;
    s->failed[s->n_failed++] = question;
    return true;
}

/* A good answer, now and then a failure, and either may be charged. */
static struct fixture_reply on_call(void *arg, const struct fixture_call *call)
{
    static char text[1024], chat[1024];
    struct sim *s = arg;
    bool failure = fails(s, call->body);
    struct fixture_reply r = {
        .delay_us = 50 * MILLISECOND + (int64_t)rng_below(&s->rng, (uint64_t)(2 * SECOND)),
        .status = failure ? 500 : 200,
    };
    uint64_t in = TOKENS_MIN + rng_below(&s->rng, TOKENS_MAX - TOKENS_MIN + 1);
    uint64_t cached = rng_below(&s->rng, in + 1), out = 1;
    if (failure && s->n_failed % 2 == 0) { /* one that costs nothing */
        r.body = STR("{}");
        return r;
    }
    struct str good = fixture_chat(chat, 0.9, 0.1);
    size_t answer = str_find(good, STR("\"usage\""), 0);
    int n = snprintf(text, sizeof(text), "%.*s", (int)answer, chat);
    if (rng_below(&s->rng, 100) < s->silent_percent)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "\"usage\":null}");
    else
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
                      ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRIu64 "}}}",
                      in, out, cached);
    r.body = (struct str){text, (size_t)n};
    if (s->n == REPLIES_MAX)
        abort();
    s->at_us[s->n] = call->sent_us + r.delay_us;
    s->cost[s->n++] = (in - cached) * price.input + cached * price.cached_input + price.output;
    return r;
}

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The dearest hour of all that begin with a reply. */
static uint64_t dearest_hour(const struct sim *s)
{
    static struct {
        int64_t at;
        uint64_t cost;
    } all[REPLIES_MAX];
    uint64_t hour = 0, most = 0;
    for (size_t i = 0; i < s->n; i++) {
        all[i].at = s->at_us[i];
        all[i].cost = s->cost[i];
    }
    qsort(all, s->n, sizeof(all[0]), by_time);
    for (size_t first = 0, last = 0; last < s->n; last++) {
        hour += all[last].cost;
        while (all[first].at <= all[last].at - HOUR)
            hour -= all[first++].cost;
        most = hour > most ? hour : most;
    }
    return most;
}

static void append_all(struct sim *s)
{
    char value[256];
    for (size_t i = 0; i < RECORDS; i++) {
        int n = snprintf(value, sizeof(value),
                         "{\"id\":\"r%zu\",\"prompt\":\"u\",\"completion\":\"text %zu\","
                         "\"response_type\":\"plain\"}",
                         i, i);
        (void)broker_append(&s->w.broker, (int32_t)(i % 2), STR("k"),
                            (struct str){value, (size_t)n});
    }
}

static struct batch_end on_batch(void *arg RBR_UNUSED, const struct sink_batch *batch RBR_UNUSED)
{
    return (struct batch_end){.delay_us = 5 * MILLISECOND};
}

static void begin(struct sim *s, struct policy *policy, uint64_t ceiling, uint64_t silent_percent)
{
    *s = (struct sim){.silent_percent = silent_percent};
    rng_init(&s->rng, unit_seed());
    world_init(&s->w, policy);
    s->w.price = price;
    s->w.ceiling = ceiling;
    append_all(s);
    struct worker *k = world_start(&s->w, 0, &pipeline_config_default, 1, on_call, s);
    k->member.answer = on_batch;
    broker_assign(&s->w.broker, &k->member, 0, 2);
}

static void all_were_judged(struct sim *s)
{
    const struct broker *b = &s->w.broker;
    assert_string_equal(b->violation, "");
    assert_true(broker_all_committed(b));
    assert_int_equal(b->n_messages, RECORDS);
    for (size_t i = 0; i < b->n_messages; i++)
        assert_int_equal(b->messages[i].status, STATUS_OK);
}

static void end(struct sim *s)
{
    pipeline_stop(s->w.workers[0]->pipeline);
    world_run(&s->w, 60 * SECOND);
    world_done(&s->w);
    mem_free(s);
}

static void no_hour_is_dearer_than_the_ceiling_and_nothing_fails(void **state)
{
    const uint64_t ceiling = 250 * PICO_PER_CENT;
    struct sim *s = mem_alloc(sizeof(*s));
    struct grader_stats g;
    begin(s, *state, ceiling, 0);
    int64_t began = s->w.clock.now_us;
    while (!broker_all_committed(&s->w.broker) && s->w.clock.now_us < began + 20 * HOUR)
        world_run(&s->w, 60 * SECOND);
    double hours = (double)(s->w.clock.now_us - began) / (double)HOUR;
    all_were_judged(s);
    uint64_t dearest = dearest_hour(s), in_all = 0;
    for (size_t i = 0; i < s->n; i++)
        in_all += s->cost[i];
    grader_stats(s->w.workers[0]->grader, &g);
    print_message("%.1f hours, %zu requests charged, %.2f USD; ceiling %.2f, dearest hour %.4f\n",
                  hours, s->n, (double)in_all / 1e12, (double)ceiling / 1e12,
                  (double)dearest / 1e12);
    assert_true(hours >= 5);
    assert_in_range(dearest, ceiling, ceiling + 64 * COST_MAX);
    assert_true(g.used.cost_pico == in_all); /* to the last pico-USD */
    assert_int_equal(g.used.unknown, 0);
    end(s);
}

/* What the silent ones cost is estimated from the others. */
static void replies_that_do_not_say_count_too(void **state)
{
    const uint64_t ceiling = 250 * PICO_PER_CENT;
    struct sim *s = mem_alloc(sizeof(*s));
    struct grader_stats g;
    begin(s, *state, ceiling, 30);
    while (!broker_all_committed(&s->w.broker))
        world_run(&s->w, 60 * SECOND);
    all_were_judged(s);
    grader_stats(s->w.workers[0]->grader, &g);
    uint64_t dearest = dearest_hour(s);
    print_message("ceiling %.2f, dearest hour %.4f, %" PRIu64 " of %zu did not say\n",
                  (double)ceiling / 1e12, (double)dearest / 1e12, g.used.unknown, s->n);
    assert_in_range(g.used.unknown, s->n / 4, s->n * 35 / 100);
    assert_in_range(dearest, ceiling - ceiling / 8, ceiling + ceiling / 20 + 64 * COST_MAX);
    end(s);
}

static void a_stop_in_a_pause_leaves_the_rest_unread(void **state)
{
    struct sim *s = mem_alloc(sizeof(*s));
    begin(s, *state, 10 * PICO_PER_CENT, 0);
    world_run(&s->w, 600 * SECOND);
    struct worker *k = s->w.workers[0];
    assert_int_equal(grader_held(k->grader), GRADER_HELD_BY_COST);
    size_t done = s->w.broker.n_messages;
    assert_in_range(done, 1, RECORDS - 1);
    pipeline_stop(k->pipeline);
    world_run(&s->w, pipeline_config_default.drain_us + SECOND);
    assert_true(pipeline_finished(k->pipeline));
    assert_string_equal(s->w.broker.violation, "");
    for (size_t i = 0; i < s->w.broker.n_messages; i++)
        assert_int_equal(s->w.broker.messages[i].status, STATUS_OK);
    end(s);
}

static int set_up(void **state)
{
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    *state = grading_policy(WORLD_POLICY);
    return 0;
}

static int tear_down(void **state)
{
    policy_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_hour_is_dearer_than_the_ceiling_and_nothing_fails),
        cmocka_unit_test(replies_that_do_not_say_count_too),
        cmocka_unit_test(a_stop_in_a_pause_leaves_the_rest_unread),
    };
    return cmocka_run_group_tests_name("ceiling", tests, set_up, tear_down);
}
