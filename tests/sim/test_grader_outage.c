/* pipeline and grader when the whole grader goes away, for a moment or a minute, again and again,
 * while workers are stopped, killed and started: no record fails for it, and when it is back all is
 * judged and committed. The fixture broker looks at every batch, as in test_simulation.c.
 *
 * A run is a function of its seed: RBR_SEED=n runs that seed alone, RBR_SIM_SEEDS=n so many. */
#include "unit.h"

#include "base/rng.h"
#include "fixture_worker.h"
#include "obs/log.h"

enum {
    SEEDS = 500,
    PARTITIONS_EACH = 2, /* of a worker */
    RECORDS_MAX = 300,
    CHAOS_US = 200 * SECOND,
    /* An attempt that hangs takes 10 s. Who loses attempts to several short outages, and is passed
     * over by others in between, looks like a question that the server cannot take. */
    APART_US = 13 * SECOND,
    PATIENCE_US = 300 * SECOND, /* after it; the slowest attempts and waits take less */
};

/* Not 429, which comes from a server that works. */
static const struct fixture_reply kinds[] = {
    {.delay_us = CLOCK_NEVER},
    {.delay_us = 10, .outcome = TRANSPORT_CONNECT},
    {.delay_us = 3000, .outcome = TRANSPORT_RESET},
    {.delay_us = 1000, .outcome = TRANSPORT_BAD_REPLY},
    {.delay_us = 2000, .status = 500},
    {.delay_us = 2000, .status = 503},
    {.delay_us = 2000, .status = 503, .retry_after_us = 2 * SECOND},
    {.delay_us = 2000, .status = 503, .should_not_retry = true},
    {.delay_us = 1000, .status = 401},
    {.delay_us = 1000, .status = 200, .body = STR_INIT("<html>Back soon</html>")},
};

struct sim {
    struct world w;
    struct rng rng;
    struct pipeline_config config;
    size_t n_workers, n_records, appended;
    /* the outage of now, or the next one */
    struct fixture_reply kind;
    int64_t begins_us, ends_us;
    bool cuts; /* it takes what is in the air with it */
    bool calm; /* no outages any more */
    int64_t start_us[WORLD_WORKERS]; /* of a vacant seat */
    size_t outages, stops;
};

static int64_t between(struct sim *s, int64_t from, int64_t to)
{
    return from + (int64_t)rng_below(&s->rng, (uint64_t)(to - from) + 1);
}

static bool percent(struct sim *s, uint64_t p)
{
    return rng_below(&s->rng, 100) < p;
}

/* ---- the grader's server */

static void plan_outage(struct sim *s, int64_t after_us)
{
    s->kind = kinds[rng_below(&s->rng, ARRAY_LEN(kinds))];
    s->begins_us = after_us + between(s, APART_US, INT64_C(3) * APART_US);
    s->ends_us = s->begins_us + (percent(s, 30) ? between(s, MILLISECOND, 2 * SECOND)
                                                : between(s, SECOND, 60 * SECOND));
    s->cuts = percent(s, 50);
    s->outages++;
}

static struct fixture_reply on_call(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct sim *s = arg;
    int64_t takes = between(s, MILLISECOND, percent(s, 5) ? 2 * SECOND : 50 * MILLISECOND);
    if (!s->calm && call->sent_us >= s->begins_us && call->sent_us < s->ends_us)
        return s->kind;
    if (!s->calm && s->cuts && call->sent_us < s->begins_us &&
        call->sent_us + takes >= s->begins_us)
        return (struct fixture_reply){.delay_us = s->begins_us - call->sent_us,
                                      .outcome = TRANSPORT_RESET};
    return (struct fixture_reply){
        .delay_us = takes, .status = 200, .body = fixture_chat(text, 0.9, 0.1)};
}

/* ---- records and workers */

static void append(struct sim *s)
{
    char value[256];
    int32_t partition =
        (int32_t)rng_below(&s->rng, (uint64_t)(s->n_workers * (size_t)PARTITIONS_EACH));
    int n = snprintf(value, sizeof(value),
                     "{\"id\":\"r%zu\",\"prompt\":\"u\",\"completion\":\"text %zu\","
                     "\"response_type\":\"plain\"}",
                     s->appended, s->appended);
    s->appended++;
    (void)broker_append(&s->w.broker, partition, STR("k"), (struct str){value, (size_t)n});
}

static struct batch_end on_batch(void *arg, const struct sink_batch *batch RBR_UNUSED)
{
    return (struct batch_end){.delay_us = between(arg, 500, 30000)};
}

static void fill_seats(struct sim *s)
{
    for (size_t i = 0; i < s->n_workers; i++) {
        struct worker *k = s->w.workers[i];
        if (k != NULL && pipeline_finished(k->pipeline)) {
            world_end(&s->w, i);
            s->start_us[i] = s->w.clock.now_us + between(s, 0, 8 * SECOND);
        } else if (k == NULL && s->w.clock.now_us >= s->start_us[i]) {
            k = world_start(&s->w, i, &s->config, rng_next(&s->rng), on_call, s);
            k->member.answer = on_batch;
            k->member.arg = s;
            broker_assign(&s->w.broker, &k->member, i * PARTITIONS_EACH, PARTITIONS_EACH);
        }
    }
}

static void disturb(struct sim *s)
{
    size_t i = rng_below(&s->rng, s->n_workers);
    struct worker *k = s->w.workers[i];
    if (s->appended < s->n_records && percent(s, 50))
        append(s);
    if (s->w.clock.now_us >= s->ends_us)
        plan_outage(s, s->w.clock.now_us);
    if (k == NULL || rng_below(&s->rng, 150) != 0)
        return;
    s->stops++;
    if (percent(s, 50)) {
        pipeline_stop(k->pipeline);
        return;
    }
    world_kill(&s->w, i, percent(s, 50));
    s->start_us[i] = s->w.clock.now_us + between(s, 0, 8 * SECOND);
}

static void turn(struct sim *s)
{
    fill_seats(s);
    int64_t due = world_turn(&s->w);
    for (size_t i = 0; i < s->n_workers; i++)
        if (s->w.workers[i] == NULL)
            earlier(&due, s->start_us[i]);
    if (!s->calm) {
        disturb(s);
        earlier(&due, s->w.clock.now_us + between(s, MILLISECOND, SECOND));
    }
    world_move(&s->w, due);
}

/* ---- a run */

struct outcome {
    char violation[512];
    uint64_t trace;
    size_t outages, stops, messages, turns;
};

static void check_messages(struct sim *s)
{
    struct broker *b = &s->w.broker;
    for (size_t i = 0; i < b->n_messages; i++)
        if ((int)b->messages[i].status != STATUS_OK)
            broker_violation(b, "partition %" PRId32 ", offset %" PRId64 ": status %d, reason %d",
                             b->messages[i].record.partition, b->messages[i].offset,
                             (int)b->messages[i].status, (int)b->messages[i].reason);
    if (b->n_messages != s->n_records)
        broker_violation(b, "%zu records, %zu messages", s->n_records, b->n_messages);
}

static void leave(struct sim *s)
{
    for (size_t i = 0; i < s->n_workers; i++)
        if (s->w.workers[i] != NULL)
            pipeline_stop(s->w.workers[i]->pipeline);
    world_run(&s->w, PATIENCE_US);
}

static void run(struct policy *policy, uint64_t seed, struct outcome *ret)
{
    struct sim s = {.n_records = 0};
    struct broker *b = &s.w.broker;
    rng_init(&s.rng, seed);
    world_init(&s.w, policy);
    s.n_workers = 1 + rng_below(&s.rng, 2);
    s.n_records = (size_t)between(&s, 1, RECORDS_MAX);
    s.config = pipeline_config_default;
    s.config.record_deadline_us = 300 * SECOND; /* runs on while an outage is not yet known */
    plan_outage(&s, s.w.clock.now_us);
    while (b->violation[0] == '\0' && s.w.clock.now_us < CHAOS_US)
        turn(&s);
    s.calm = true;
    while (s.appended < s.n_records)
        append(&s);
    int64_t until = s.w.clock.now_us + PATIENCE_US;
    while (b->violation[0] == '\0' && !broker_all_committed(b)) {
        turn(&s);
        if (s.w.clock.now_us > until)
            broker_violation(b, "stuck: something stays uncommitted");
    }
    leave(&s);
    check_messages(&s);
    *ret = (struct outcome){.trace = b->trace,
                            .outages = s.outages,
                            .stops = s.stops,
                            .messages = b->n_messages,
                            .turns = s.w.turns};
    (void)snprintf(ret->violation, sizeof(ret->violation), "%s", b->violation);
    if (b->violation[0] == '\0') /* what did not finish cannot be taken apart */
        world_done(&s.w);
}

/* ---- the tests */

static void no_record_fails_for_an_outage(void **state)
{
    const char *given = getenv("RBR_SIM_SEEDS");
    size_t n = given != NULL ? strtoull(given, NULL, 0) : getenv("RBR_SEED") != NULL ? 1 : SEEDS;
    uint64_t first = unit_seed();
    struct outcome sum = {.trace = 0};
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct outcome o;
        run(*state, seed, &o);
        if (o.violation[0] != '\0')
            fail_msg("RBR_SEED=%" PRIu64 ": %s", seed, o.violation);
        sum.outages += o.outages;
        sum.stops += o.stops;
        sum.messages += o.messages;
    }
    print_message("%zu seeds: %zu outages, %zu stops and kills, %zu rewards\n", n, sum.outages,
                  sum.stops, sum.messages);
    if (n >= 100)
        assert_true(sum.outages > n && sum.stops > n && sum.messages > 100 * n);
}

static void a_seed_replays_exactly(void **state)
{
    uint64_t first = unit_seed(), before = 0;
    for (uint64_t seed = first; seed < first + 10; seed++) {
        struct outcome a, b;
        run(*state, seed, &a);
        run(*state, seed, &b);
        assert_true(a.trace == b.trace && a.turns == b.turns);
        assert_true(a.trace != before);
        before = a.trace;
    }
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
        cmocka_unit_test(no_record_fails_for_an_outage),
        cmocka_unit_test(a_seed_replays_exactly),
    };
    return cmocka_run_group_tests_name("grader_outage", tests, set_up, tear_down);
}
