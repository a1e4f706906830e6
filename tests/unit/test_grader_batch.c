/* grader with a dialect that asks many questions in one request: what is in a request, which
 * answers end a question, and what is asked again. Virtual time. */
#include "unit.h"

#include "base/json.h"
#include "fixture_transport.h"
#include "grader/grader.h"
#include "grading_fixture.h"

#define SECOND INT64_C(1000000)

enum { QUESTIONS = 6, REQUESTS_MAX = 16 };

struct bench {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoint, *list;
    struct grader *grader;
    struct policy *policy;
    struct arena arena;
    struct grading_record record;
    struct prompt prompt;
    struct grader_group group;
    struct judgment judgments[QUESTIONS];
    int done;
    /* the script: one body a request, NULL or the last: all answered */
    const char *bodies[REQUESTS_MAX];
    struct str asked[REQUESTS_MAX]; /* first letters of each request's questions */
    size_t n_asked;
};

/* Each question of the policy by its third word's first letter; enough to tell them apart. */
static struct str questions_of(struct bench *b, struct str body)
{
    struct json_fault fault;
    const struct json *root = json_parse(&b->arena, body, &fault);
    const struct json *questions = json_get(root, STR("questions"));
    assert_non_null(questions);
    char *out = arena_alloc(&b->arena, questions->count + 1);
    size_t n = 0;
    for (const struct json *q = questions->child; q != NULL; q = q->next) {
        struct str text = json_get(q, STR("instructions"))->string;
        for (size_t i = 0; i < b->policy->n_propositions; i++)
            if (str_has_prefix(text, b->policy->propositions[i].question))
                out[n++] = (char)('0' + i);
    }
    return (struct str){out, n};
}

/* P = 0.5 + (the question's number in the request) / 64. */
static struct str all_answered(struct bench *b, size_t n)
{
    struct buf out;
    struct str ret;
    buf_init(&out, 1 << 16);
    (void)buf_append_z(&out, "{\"model\":\"m-1\",\"answers\":{");
    for (size_t i = 0; i < n; i++)
        (void)buf_printf(&out, "%s\"q%zu\":{\"type\":\"noul\",\"noul\":%.17g}", i > 0 ? "," : "", i,
                         0.5 + (double)i / 64);
    (void)buf_append_z(&out, "},\"usage\":{\"input_tokens\":100,\"output_tokens\":2}}");
    assert_true(arena_copy(&b->arena, buf_str(&out), &ret));
    buf_done(&out);
    return ret;
}

static struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    struct bench *b = arg;
    if (fixture_is_probe(call)) /* the server works */
        return (struct fixture_reply){.status = 200, .body = all_answered(b, 1)};
    assert_in_range(b->n_asked, 0, REQUESTS_MAX - 1);
    const char *body = b->bodies[b->n_asked];
    struct str asked = questions_of(b, call->body);
    b->asked[b->n_asked++] = asked;
    if (body != NULL && strcmp(body, "503") == 0)
        return (struct fixture_reply){.delay_us = 1000, .status = 503};
    return (struct fixture_reply){.delay_us = 1000,
                                  .status = 200,
                                  .body = body != NULL ? str_z(body) : all_answered(b, asked.n)};
}

static void on_done(struct grader_group *group)
{
    CONTAINER_OF(group, struct bench, group)->done++;
}

static int64_t tick(void *arg)
{
    return grader_tick(((struct bench *)arg)->grader);
}

static struct bench *bench_new(size_t questions_per_request)
{
    struct bench *b = mem_alloc(sizeof(*b));
    clock_fixture_init(&b->clock, 5 * SECOND, 0);
    fixture_transport_init(&b->server, &b->clock, answer, b);
    arena_init(&b->arena, 16u << 20);
    b->list = &b->endpoint;
    b->policy = grading_policy(GRADING_POLICY("R: {response}\\nQ: {question}", ""));
    assert_int_equal(prompt_build(&b->arena, b->policy,
                                  grading_record(&b->record, STR("u"), STR("a")), &b->prompt),
                     ERR_OK);
    struct grader_config config = {.name = STR("main"),
                                   .dialect = STR("systemone"),
                                   .ask = {.model = STR("judge-1")},
                                   .questions_max = questions_per_request,
                                   .endpoints = &b->list,
                                   .n_endpoints = 1,
                                   .max_in_flight = 8,
                                   .fixed_in_flight = true,
                                   .request_timeout_us = 10 * SECOND,
                                   .attempts_max = 3,
                                   .backoff_min_us = SECOND / 2,
                                   .backoff_max_us = 8 * SECOND};
    assert_int_equal(grader_new(&config, &b->server.port, &b->clock.clock, 1, &b->grader, NULL),
                     ERR_OK);
    return b;
}

static void bench_free(struct bench *b)
{
    b->grader = grader_free(b->grader);
    fixture_transport_done(&b->server);
    arena_done(&b->arena);
    policy_free(b->policy);
    mem_free(b);
}

/* Asks those of "012345". */
static void begin(struct bench *b, const char *questions, struct grader_group *group,
                  struct judgment *judgments, void (*done)(struct grader_group *g))
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        judgments[i] = (struct judgment){.status = JUDGMENT_NOT_ASKED, .has_digest = true};
        grader_digest(b->grader, &b->prompt, i, judgments[i].digest);
    }
    for (const char *q = questions; *q != '\0'; q++)
        judgments[*q - '0'].status = JUDGMENT_PENDING;
    *group = (struct grader_group){.prompt = &b->prompt,
                                   .judgments = judgments,
                                   .deadline_us = b->clock.now_us + 60 * SECOND,
                                   .expires_us = CLOCK_NEVER,
                                   .done = done};
    grader_ask(b->grader, group);
}

/* And runs to the end. */
static void ask(struct bench *b, const char *questions)
{
    begin(b, questions, &b->group, b->judgments, on_done);
    fixture_run(&b->server, tick, b, b->clock.now_us + 120 * SECOND);
    assert_int_equal(b->done, 1);
}

static void expect(const struct bench *b, size_t question, enum reason reason, unsigned attempts)
{
    const struct judgment *j = &b->judgments[question];
    assert_int_equal(j->status, reason == REASON_NONE ? JUDGMENT_GRADED : JUDGMENT_UNGRADED);
    assert_int_equal(j->reason, reason);
    assert_int_equal(j->attempts, attempts);
    if (reason != REASON_NONE)
        assert_true(j->probability == 0);
}

static void one_request_asks_them_all(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(64);
    struct grader_stats s;
    ask(b, "0245");
    assert_int_equal(b->n_asked, 1);
    assert_str(b->asked[0], "0245");
    for (size_t i = 0; i < 4; i++) {
        size_t question = (size_t[]){0, 2, 4, 5}[i];
        expect(b, question, REASON_NONE, 1);
        assert_true(b->judgments[question].probability == 0.5 + (double)i / 64);
    }
    assert_int_equal(b->judgments[1].status, JUDGMENT_NOT_ASKED);
    assert_int_equal(b->group.use.requests, 1);
    assert_int_equal(b->group.use.used.input_tokens, 100);
    grader_stats(b->grader, &s);
    assert_int_equal(s.requests, 1);
    assert_int_equal(s.judgments, 4);
    bench_free(b);
}

static void more_than_fit_are_more_requests(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(4);
    ask(b, "012345");
    assert_int_equal(b->n_asked, 2);
    assert_str(b->asked[0], "0123");
    assert_str(b->asked[1], "45");
    for (size_t i = 0; i < QUESTIONS; i++)
        expect(b, i, REASON_NONE, 1);
    bench_free(b);
}

static void only_what_is_missing_is_asked_again(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(64);
    b->bodies[0] =
        "{\"answers\":{\"q1\":{\"type\":\"noul\",\"noul\":0.25},\"q2\":{\"type\":\"noul\","
        "\"noul\":7}}}";
    b->bodies[1] = "{\"answers\":{\"q0\":{\"type\":\"noul\",\"noul\":0.75}}}";
    ask(b, "123");
    assert_int_equal(b->n_asked, 3);
    assert_str(b->asked[0], "123");
    assert_str(b->asked[1], "13"); /* 2 was answered; 3 with a number that is no probability */
    assert_str(b->asked[2], "3");
    expect(b, 1, REASON_NONE, 2);
    expect(b, 2, REASON_NONE, 1);
    expect(b, 3, REASON_NONE, 3);
    assert_true(b->judgments[1].probability == 0.75);
    assert_true(b->judgments[2].probability == 0.25);
    assert_int_equal(b->group.use.retries, 2);
    bench_free(b);
}

/* A refusal or too little mass is an answer, of this question alone. */
static void an_unusable_answer_ends_its_question_alone(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(64);
    struct grader_stats s;
    b->bodies[0] =
        "{\"answers\":{\"q0\":{\"type\":\"refusal\"},\"q1\":{\"type\":\"noul\",\"noul\":0.9},"
        "\"q2\":{\"type\":\"noul\",\"noul\":0.5}},\"diagnostics\":{\"q1\":{\"label_mass\":"
        "0.01}}}";
    ask(b, "123");
    assert_int_equal(b->n_asked, 1);
    expect(b, 1, REASON_GRADER_REJECTED, 1);
    expect(b, 2, REASON_LOW_PROBABILITY_MASS, 1);
    expect(b, 3, REASON_NONE, 1);
    grader_stats(b->grader, &s);
    assert_int_equal(s.judgments, 3);
    assert_int_equal(s.ungraded, 2);
    assert_int_equal(s.retries, 0);
    bench_free(b);
}

static void a_failed_request_is_asked_again_whole_and_given_up_whole(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(64);
    b->bodies[0] = "503";
    b->bodies[1] = "not json";
    ask(b, "012345");
    assert_int_equal(b->n_asked, 3);
    for (size_t i = 0; i < 3; i++)
        assert_str(b->asked[i], "012345");
    for (size_t i = 0; i < QUESTIONS; i++)
        expect(b, i, REASON_NONE, 3);
    b->n_asked = 0;
    b->done = 0;
    for (size_t i = 0; i < 6; i++)
        b->bodies[i] = "{}";
    ask(b, "05");
    assert_int_equal(b->n_asked, 6); /* once more, since the server works */
    expect(b, 0, REASON_UNPARSEABLE_VERDICT, 6);
    expect(b, 5, REASON_UNPARSEABLE_VERDICT, 6);
    bench_free(b);
}

static void on_other_done(struct grader_group *group)
{
    assert_true(group->judgments[1].status != JUDGMENT_PENDING);
}

/* The other gets what is answered, question by question, and asks the rest in one request. */
static void a_request_answers_others_in_part(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(64);
    struct grader_group other;
    struct judgment judgments[QUESTIONS];
    begin(b, "0123", &other, judgments, on_other_done); /* sent first */
    b->bodies[1] = "{\"answers\":{\"q0\":{\"type\":\"noul\",\"noul\":0.5}}}";
    b->bodies[0] = "{\"answers\":{\"q0\":{\"type\":\"refusal\"},\"q1\":{\"type\":\"noul\","
                   "\"noul\":0.25},\"q2\":{\"type\":\"refusal\"},\"q3\":{\"type\":\"noul\","
                   "\"noul\":0.75}}}";
    ask(b, "01235");
    assert_int_equal(b->n_asked, 3);
    assert_str(b->asked[0], "0123");
    assert_str(b->asked[1], "5");
    assert_str(b->asked[2], "02");
    for (size_t i = 1; i < 4; i += 2) {
        expect(b, i, REASON_NONE, 0);
        assert_true(b->judgments[i].cached);
        assert_true(b->judgments[i].probability == judgments[i].probability);
    }
    expect(b, 0, REASON_NONE, 1);
    expect(b, 2, REASON_NONE, 1);
    expect(b, 5, REASON_NONE, 1);
    assert_int_equal(b->group.use.requests, 2);
    assert_int_equal(other.use.requests, 1);
    bench_free(b);
}

/* Judgments that were come by in another way are never taken for one another; how many questions go
 * together is no such way. */
static void the_way_of_asking_is_in_the_digest(void **state RBR_UNUSED)
{
    static const uint32_t ids[] = {1, 2};
    static const struct {
        const char *dialect;
        struct dialect_options ask;
    } ways[] = {
        {"chat", {.top_logprobs = 20}},
        {"chat", {.top_logprobs = 5}},
        {"chat", {.top_logprobs = 20, .mode = DIALECT_VERDICT}},
        {"chat", {.top_logprobs = 20, .mode = DIALECT_SAMPLE, .samples = 8}},
        {"chat", {.top_logprobs = 20, .mode = DIALECT_SAMPLE, .samples = 16}},
        {"chat", {.top_logprobs = 20, .thinking = THINKING_OFF_BY_TEMPLATE}},
        {"chat", {.top_logprobs = 20, .thinking = THINKING_ALLOWED, .thinking_tokens = 100}},
        {"chat",
         {.top_logprobs = 20, .yes_ids = ids, .n_yes_ids = 1, .no_ids = ids, .n_no_ids = 1}},
        {"chat_batch", {.top_logprobs = 20}},
        {"completions", {.top_logprobs = 20}},
        {"completions", {.top_logprobs = 20, .prompt_before = STR_INIT("[INST]")}},
        {"completions", {.top_logprobs = 20, .prompt_after = STR_INIT("[INST]")}},
        {"systemone", {.top_logprobs = 20}},
    };
    struct bench *b = bench_new(64);
    uint8_t digests[ARRAY_LEN(ways)][JUDGMENT_DIGEST_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        for (size_t questions = 1; questions < 3; questions++) {
            struct grader_config config = {.name = STR("main"),
                                           .dialect = str_z(ways[i].dialect),
                                           .ask = ways[i].ask,
                                           .questions_max = questions,
                                           .endpoints = &b->list,
                                           .n_endpoints = 1,
                                           .max_in_flight = 8,
                                           .attempts_max = 1};
            struct grader *g = NULL;
            uint8_t digest[JUDGMENT_DIGEST_BYTES];
            assert_int_equal(grader_new(&config, &b->server.port, &b->clock.clock, 1, &g, NULL),
                             ERR_OK);
            grader_digest(g, &b->prompt, 0, digest);
            assert_null(grader_free(g));
            if (questions > 1)
                assert_memory_equal(digest, digests[i], sizeof(digest));
            memcpy(digests[i], digest, sizeof(digest));
            for (size_t k = 0; k < i; k++)
                assert_memory_not_equal(digest, digests[k], sizeof(digest));
        }
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_asks_them_all),
        cmocka_unit_test(more_than_fit_are_more_requests),
        cmocka_unit_test(only_what_is_missing_is_asked_again),
        cmocka_unit_test(an_unusable_answer_ends_its_question_alone),
        cmocka_unit_test(a_failed_request_is_asked_again_whole_and_given_up_whole),
        cmocka_unit_test(a_request_answers_others_in_part),
        cmocka_unit_test(the_way_of_asking_is_in_the_digest),
    };
    return cmocka_run_group_tests_name("grader_batch", tests, NULL, NULL);
}
