/* replay/estimate: what a sample would ask is what the judge would, less what is known: in the
 * cache, in published rewards, or asked before. Nothing is asked. */
#include "cache_fixture.h"
#include "fixture_transport.h"
#include "grading_fixture.h"
#include "unit.h"

#include "proto/reward.pb-c.h"
#include "replay/estimate.h"

enum { QUESTIONS = 6 };

struct bench {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoint, *list[1];
    struct policy *policy;
    struct judge judge;
    struct estimate *e;
};

static struct fixture_reply answer(void *arg RBR_UNUSED, const struct fixture_call *call RBR_UNUSED)
{
    fail_msg("the grader was asked");
    return (struct fixture_reply){0};
}

static void bench_init(struct bench *b, struct cache *kept)
{
    *b = (struct bench){.policy = grading_policy(GRADING_POLICY("{response} {question}", ""))};
    clock_fixture_init(&b->clock, 1000000, 0);
    fixture_transport_init(&b->server, &b->clock, answer, b);
    b->list[0] = &b->endpoint;
    const struct grader_config config = {.name = STR("g"),
                                         .dialect = STR("chat"),
                                         .ask = {.model = STR("m"), .top_logprobs = 20},
                                         .endpoints = b->list,
                                         .n_endpoints = 1,
                                         .max_in_flight = 4,
                                         .request_timeout_us = 1000000,
                                         .attempts_max = 1};
    assert_int_equal(
        grader_new(&config, &b->server.port, &b->clock.clock, 1, &b->judge.grader, NULL), ERR_OK);
    b->judge.policy = b->policy;
    b->judge.clock = &b->clock.clock;
    b->judge.cache = kept;
    b->e = estimate_new(&b->judge, &record_limits_default);
}

static void bench_done(struct bench *b)
{
    estimate_free(b->e);
    estimate_free(NULL);
    (void)grader_free(b->judge.grader);
    fixture_transport_done(&b->server);
    policy_free(b->policy);
}

static void sample(struct bench *b, const char *id, const char *text, const char *type)
{
    char value[512];
    (void)snprintf(
        value, sizeof(value),
        "{\"id\":\"%s\",\"prompt\":\"u\",\"completion\":\"%s\",\"response_type\":\"%s\"}", id, text,
        type);
    const struct source_record in = {.offset = 1, .value = str_z(value)};
    estimate_record(b->e, &in, STR("in"), 0);
}

static struct manifest_estimate result(struct bench *b, uint64_t records)
{
    struct manifest_estimate r;
    estimate_result(b->e, records, &r);
    return r;
}

/* The digests that the judge looks up for a record, noted by a cache of the test's own. */
struct noted {
    struct cache port;
    uint8_t digests[QUESTIONS][JUDGMENT_DIGEST_BYTES];
    size_t n;
};

static bool note(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                 struct cache_entry *ret)
{
    struct noted *n = CONTAINER_OF(c, struct noted, port);
    memcpy(n->digests[n->n++], digest, JUDGMENT_DIGEST_BYTES);
    *ret = (struct cache_entry){.probability = 1, .mass = 1};
    return true;
}

static void digests_of(struct bench *b, const char *text, struct noted *ret)
{
    struct grading_record record;
    struct arena arena;
    struct judge judge = b->judge;
    arena_init(&arena, 1 << 20);
    *ret = (struct noted){.port = {.get = note}};
    judge.cache = &ret->port;
    struct judge_req req = {.record = grading_record(&record, STR("u"), str_z(text)),
                            .arena = &arena,
                            .deadline_us = CLOCK_NEVER,
                            .expires_us = CLOCK_NEVER};
    assert_true(judge_start(&judge, &req));
    assert_int_equal(ret->n, QUESTIONS);
    arena_done(&arena);
}

/* A reward that carries the first n of them. */
static void reward(struct bench *b, const struct noted *from, size_t n, float mass)
{
    char packed[1024];
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    Rbr__V1__Proposition items[QUESTIONS], *list[QUESTIONS];
    m.status = RBR__V1__STATUS__STATUS_OK;
    m.propositions = list;
    m.n_propositions = n;
    for (size_t i = 0; i < n; i++) {
        list[i] = &items[i];
        items[i] = (Rbr__V1__Proposition)RBR__V1__PROPOSITION__INIT;
        items[i].grader.data = (uint8_t *)(uintptr_t) "g";
        items[i].grader.len = 1;
        items[i].digest.data = (uint8_t *)(uintptr_t)from->digests[i];
        items[i].digest.len = JUDGMENT_DIGEST_BYTES;
        items[i].probability_presence_case = RBR__V1__PROPOSITION__PROBABILITY_PRESENCE_PROBABILITY;
        items[i].mass = mass;
    }
    size_t size = rbr__v1__reward__pack(&m, (uint8_t *)packed);
    estimate_reward(b->e, (struct str){packed, size});
}

static void every_question_of_a_new_record_is_asked(void **state RBR_UNUSED)
{
    struct bench b;
    bench_init(&b, NULL);
    assert_true(estimate_is_complete(b.e)); /* of nothing */
    sample(&b, "a", "one", "plain");
    sample(&b, "b", "two", "plain");
    sample(&b, "c", "three", "unheard of"); /* skipped: it has no questions */
    const struct source_record broken = {.value = STR("{")};
    estimate_record(b.e, &broken, STR("in"), 0); /* a dead letter */
    struct manifest_estimate r = result(&b, 400);
    assert_int_equal(r.sampled, 4);
    assert_int_equal(r.records, 400);
    assert_int_equal(r.asked, 2 * QUESTIONS * 100);
    assert_int_equal(r.saved, 0);
    assert_true(r.input_tokens > 0);
    assert_false(estimate_is_complete(b.e));
    bench_done(&b);
}

static void the_same_text_is_asked_about_once(void **state RBR_UNUSED)
{
    struct bench b;
    bench_init(&b, NULL);
    sample(&b, "a", "same", "plain");
    sample(&b, "b", "same", "plain");
    struct manifest_estimate r = result(&b, 2);
    assert_int_equal(r.asked, QUESTIONS);
    assert_int_equal(r.saved, QUESTIONS);
    bench_done(&b);
}

static void kept_judgments_are_saved(void **state RBR_UNUSED)
{
    struct bench b;
    struct noted noted;
    struct cache *kept = cache_mem_new(1 << 20);
    bench_init(&b, kept);
    digests_of(&b, "known", &noted);
    const struct cache_entry good = {.probability = 0.1, .mass = 1, .graded_ms = 1};
    const struct cache_entry poor = {.probability = 0.1, .mass = 0.01, .graded_ms = 1};
    for (size_t i = 0; i < QUESTIONS; i++)
        kept->put(kept, noted.digests[i], i < 4 ? &good : &poor); /* poor: below min_mass */
    sample(&b, "a", "known", "plain");
    assert_int_equal(result(&b, 1).asked, 2);
    assert_int_equal(result(&b, 1).saved, 4);
    bench_done(&b);
    cache_free(kept);
}

static void judgments_in_rewards_are_saved(void **state RBR_UNUSED)
{
    struct bench b;
    struct noted known, other;
    bench_init(&b, NULL);
    digests_of(&b, "known", &known);
    digests_of(&b, "other", &other);
    sample(&b, "a", "known", "plain");
    reward(&b, &other, QUESTIONS, 1);
    reward(&b, &known, 3, 0.01f); /* too little mass for this policy */
    estimate_reward(b.e, STR("no reward"));
    assert_int_equal(result(&b, 1).asked, QUESTIONS);
    reward(&b, &known, 4, 1);
    reward(&b, &known, 4, 1);
    assert_int_equal(result(&b, 1).asked, 2);
    assert_false(estimate_is_complete(b.e));
    reward(&b, &known, QUESTIONS, 1);
    assert_true(estimate_is_complete(b.e));
    assert_int_equal(result(&b, 1).saved, QUESTIONS);
    assert_int_equal(result(&b, 1).input_tokens, 0);
    bench_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_question_of_a_new_record_is_asked),
        cmocka_unit_test(the_same_text_is_asked_about_once),
        cmocka_unit_test(kept_judgments_are_saved),
        cmocka_unit_test(judgments_in_rewards_are_saved),
    };
    return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
