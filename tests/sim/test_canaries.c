/* A worker whose grader begins to say yes to everything: the canaries find it within their period,
 * and with on_failure: stop nothing is published from then on, until a worker with an honest grader
 * takes over and does all of it. The fixture broker looks at every batch. */
#include "unit.h"

#include "fixture_worker.h"
#include "obs/log.h"

enum { RECORDS = 3000, EVERY = 100, IN_FLIGHT = 64 };

struct sim {
    struct world w;
    int64_t gullible_us; /* from then on */
    int64_t published_us; /* the last batch began */
    size_t appended;
};

static struct fixture_reply on_call(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    const struct sim *s = arg;
    bool yes = call->sent_us >= s->gullible_us;
    return (struct fixture_reply){.delay_us = 50 * MILLISECOND,
                                  .status = 200,
                                  .body = fixture_chat(text, yes ? 0.9 : 0.1, yes ? 0.1 : 0.9)};
}

static struct batch_end on_batch(void *arg, const struct sink_batch *batch RBR_UNUSED)
{
    struct sim *s = arg;
    s->published_us = s->w.clock.now_us;
    return (struct batch_end){.delay_us = 5 * MILLISECOND};
}

static void append_all(struct sim *s)
{
    char value[256];
    for (size_t i = 0; i < RECORDS; i++) {
        int n = snprintf(value, sizeof(value),
                         "{\"id\":\"r%zu\",\"prompt\":\"u\",\"completion\":\"text %zu\","
                         "\"response_type\":\"plain\"}",
                         i, i);
        (void)broker_append(&s->w.broker, 0, STR("k"), (struct str){value, (size_t)n});
    }
}

static struct worker *start(struct sim *s)
{
    struct pipeline_config config = pipeline_config_default;
    config.records_in_flight = IN_FLIGHT;
    struct worker *k = world_start(&s->w, 0, &config, 1, on_call, s);
    k->member.answer = on_batch;
    k->member.arg = s;
    broker_assign(&s->w.broker, &k->member, 0, 1);
    return k;
}

static struct sim *begin(struct policy *policy, bool stop)
{
    struct sim *s = mem_alloc(sizeof(*s));
    world_init(&s->w, policy);
    s->w.canary = "{\"id\":\"key\",\"prompt\":\"u\",\"completion\":\":\","
                  "\"propositions\":{\"q0\":false,\"q1\":false}}";
    s->w.canaries = (struct canaries_config){.every = EVERY, .stop = stop};
    s->gullible_us = CLOCK_NEVER;
    append_all(s);
    return s;
}

static void end(struct sim *s)
{
    struct worker *k = s->w.workers[0];
    canaries_cancel(k->canaries);
    pipeline_stop(k->pipeline);
    world_run(&s->w, pipeline_config_default.drain_us + SECOND);
    assert_true(pipeline_finished(k->pipeline));
    assert_true(canaries_idle(k->canaries));
    assert_string_equal(s->w.broker.violation, "");
    world_end(&s->w, 0);
}

/* Until a third has been published; from then on the grader is of no use. */
static void turn_gullible(struct sim *s)
{
    while (s->w.broker.n_messages < RECORDS / 3)
        world_run(&s->w, 10 * MILLISECOND);
    s->gullible_us = s->w.clock.now_us;
}

static void stop_publishes_nothing_more(void **state)
{
    struct sim *s = begin(*state, true);
    struct worker *k = start(s);
    turn_gullible(s);
    size_t before = s->w.broker.n_messages;
    while (canaries_stats(k->canaries)->failed == 0)
        world_run(&s->w, MILLISECOND);
    size_t out = s->w.broker.n_messages;
    int64_t found_us = s->w.clock.now_us;
    print_message("%zu rewards after the grader turned, with %d records between rounds and %d in "
                  "flight\n",
                  out - before, EVERY, IN_FLIGHT);
    assert_in_range(out - before, 1, EVERY + 2 * IN_FLIGHT);
    world_run(&s->w, 600 * SECOND);
    assert_int_equal(canaries_stats(k->canaries)->failed, 1);
    end(s); /* its drain publishes nothing either */
    assert_true(s->published_us <= found_us);

    s->gullible_us = CLOCK_NEVER;
    (void)start(s);
    while (!broker_all_committed(&s->w.broker) && s->w.broker.violation[0] == '\0')
        world_run(&s->w, SECOND);
    assert_int_equal(s->w.broker.n_messages, RECORDS);
    end(s);
    world_done(&s->w);
    mem_free(s);
}

static void stop_reads_nothing_of_a_grader_that_is_wrong_from_the_start(void **state)
{
    struct sim *s = begin(*state, true);
    s->gullible_us = 0;
    struct worker *k = start(s);
    world_run(&s->w, 600 * SECOND);
    assert_int_equal(canaries_stats(k->canaries)->failed, 1);
    assert_int_equal(k->member.reads, 0);
    assert_int_equal(k->server.requests, 2);
    end(s);
    world_done(&s->w);
    mem_free(s);
}

static void alarm_goes_on(void **state)
{
    struct sim *s = begin(*state, false);
    struct worker *k = start(s);
    turn_gullible(s);
    while (!broker_all_committed(&s->w.broker) && s->w.broker.violation[0] == '\0')
        world_run(&s->w, SECOND);
    assert_in_range(canaries_stats(k->canaries)->failed, RECORDS / 3 / EVERY, RECORDS / EVERY);
    end(s);
    world_done(&s->w);
    mem_free(s);
}

static int set_up(void **state)
{
    log_configure((enum log_level)(LOG_LEVEL_ERROR + 1), LOG_FORMAT_TEXT); /* these are meant */
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
        cmocka_unit_test(stop_publishes_nothing_more),
        cmocka_unit_test(stop_reads_nothing_of_a_grader_that_is_wrong_from_the_start),
        cmocka_unit_test(alarm_goes_on),
    };
    return cmocka_run_group_tests_name("canaries", tests, set_up, tear_down);
}
