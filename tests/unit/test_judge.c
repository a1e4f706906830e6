/* judge: gates, checks and given labels without a grader; the rest through one on virtual time. */
#include "unit.h"

#include "cache_fixture.h"
#include "fixture_transport.h"
#include "grading_fixture.h"
#include "judge/judge.h"

/* %s: further top-level lines. q3 and q4 are asked of type `plain` only. */
#define POLICY(options)                                                                            \
    "policy: {id: judge}\n"                                                                        \
    "prompt_template: \"{response} {question}\"\n"                                                 \
    "completion_class_order: [good, bad]\n"                                                        \
    "completion_classes:\n"                                                                        \
    "  good: {plain: {q0: true, json: true}, checks: {json: true, short: true}}\n"                 \
    "  bad: {plain: {not: {q0: true, json: true}}, checks: {not: {json: true, short: true}}}\n"    \
    "simple_propositions:\n"                                                                       \
    "  q0: {prompt: \"Is it so?\"}\n"                                                              \
    "  json: {check: {json: object}}\n"                                                            \
    "  short: {check: {max_chars: 4}}\n" options

#define SECOND INT64_C(1000000)

struct bench {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoint, *list[1];
    struct grader *grader;
    struct policy *policy;
    struct judge judge;
    struct arena arena;
    struct grading_record record;
    struct judge_req req;
    struct fixture_reply reply;
    int done;
    char body[1024];
};

static struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    static char known[1024];
    if (fixture_is_probe(call)) /* the server works: failures are the question's own */
        return (struct fixture_reply){.status = 200, .body = fixture_chat(known, 0.9, 0.1)};
    return ((struct bench *)arg)->reply;
}

static int64_t tick(void *arg)
{
    return grader_tick(((struct bench *)arg)->grader);
}

static void on_done(struct judge_req *req)
{
    CONTAINER_OF(req, struct bench, req)->done++;
}

static struct bench *bench_new(const char *policy_text)
{
    struct bench *b = mem_alloc(sizeof(*b));
    clock_fixture_init(&b->clock, SECOND, 0);
    fixture_transport_init(&b->server, &b->clock, answer, b);
    b->list[0] = &b->endpoint;
    struct grader_config config = {.name = STR("g"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("m"), .top_logprobs = 20},
                                   .endpoints = b->list,
                                   .n_endpoints = 1,
                                   .max_in_flight = 4,
                                   .request_timeout_us = SECOND,
                                   .attempts_max = 1};
    assert_int_equal(grader_new(&config, &b->server.port, &b->clock.clock, 1, &b->grader, NULL),
                     ERR_OK);
    b->policy = grading_policy(policy_text);
    b->judge = (struct judge){.policy = b->policy, .grader = b->grader, .clock = &b->clock.clock};
    arena_init(&b->arena, 1 << 20);
    b->reply = (struct fixture_reply){
        .delay_us = 5000, .status = 200, .body = fixture_chat(b->body, 0.9, 0.1)};
    (void)grading_record(&b->record, STR("u"), STR("{}"));
    b->req = (struct judge_req){.record = &b->record.record,
                                .arena = &b->arena,
                                .deadline_us = CLOCK_NEVER,
                                .expires_us = CLOCK_NEVER,
                                .done = on_done};
    return b;
}

static void bench_free(struct bench *b)
{
    (void)grader_free(b->grader);
    fixture_transport_done(&b->server);
    policy_free(b->policy);
    arena_done(&b->arena);
    mem_free(b);
}

static void run(struct bench *b)
{
    fixture_run(&b->server, tick, b, CLOCK_NEVER - 1);
}

static const struct judgment *judgment(const struct bench *b, const char *name)
{
    size_t i = policy_find_proposition(b->policy, str_z(name));
    assert_true(i != SIZE_MAX);
    return &b->req.result.judgments[i];
}

static void a_question_goes_to_the_grader_and_a_check_does_not(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    assert_false(judge_start(&b->judge, &b->req));
    assert_int_equal(judgment(b, "q0")->status, JUDGMENT_PENDING);
    run(b);
    const struct judged *r = &b->req.result;
    assert_int_equal(b->done, 1);
    assert_int_equal(r->status, STATUS_OK);
    assert_int_equal(r->reason, REASON_NONE);
    assert_int_equal(judgment(b, "q0")->status, JUDGMENT_GRADED);
    assert_true(judgment(b, "q0")->probability > 0.89 && judgment(b, "q0")->has_digest);
    assert_int_equal(judgment(b, "json")->status, JUDGMENT_GRADED);
    assert_true(judgment(b, "json")->probability == 1 && judgment(b, "json")->has_digest);
    assert_int_equal(judgment(b, "short")->status, JUDGMENT_NOT_ASKED); /* of the other type */
    assert_int_equal(b->server.requests, 1);
    assert_int_equal(r->use.requests, 1);
    assert_strs(r->grader_name, STR("g"));
    assert_strs(r->grader_model, STR("m"));
    assert_int_equal(r->grading_us, 5000);
    bench_free(b);
}

static void checks_alone_are_judged_at_once(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    b->record.record.response_type = STR("Checks");
    b->record.turns[1].content = STR("[12345]");
    assert_true(judge_start(&b->judge, &b->req));
    assert_int_equal(b->req.result.status, STATUS_OK);
    assert_true(judgment(b, "json")->probability == 0);
    assert_true(judgment(b, "short")->probability == 0);
    assert_int_equal(b->req.result.grader_name.n, 0);
    assert_int_equal(b->done, 0);
    judge_cancel(&b->req); /* nothing is being asked */
    bench_free(b);
}

static void gates_settle_before_anything_is_asked(void **state RBR_UNUSED)
{
    static const struct {
        const char *policy, *type;
        struct str response;
        int64_t deadline_us;
        enum status status;
        enum reason reason;
        unsigned tripwires;
        bool reward_model_only;
    } cases[] = {
        {POLICY(""), "other", STR_INIT("x"), CLOCK_NEVER, STATUS_SKIPPED, REASON_NO_POLICY, 0,
         false},
        {POLICY(""), "", STR_INIT("x"), CLOCK_NEVER, STATUS_SKIPPED, REASON_NO_POLICY, 0, false},
        {POLICY("response_types: {unrouted: fail}\n"), "other", STR_INIT("x"), CLOCK_NEVER,
         STATUS_FAILED, REASON_NO_POLICY, 0, false},
        {POLICY("response_types: {unrouted: reward_model_only}\n"), "other", STR_INIT("x"),
         CLOCK_NEVER, STATUS_OK, REASON_NONE, 0, true},
        {POLICY(""), "plain", STR_INIT("x"), SECOND, STATUS_EXPIRED, REASON_DEADLINE, 0, false},
        {POLICY("grading: {empty_completion: skip}\n"), "plain", STR_INIT(""), CLOCK_NEVER,
         STATUS_SKIPPED, REASON_EMPTY_COMPLETION, TRIPWIRE_EMPTY_COMPLETION, false},
        {POLICY("grading: {empty_completion: fail}\n"), "plain", STR_INIT(" :\n..."), CLOCK_NEVER,
         STATUS_FAILED, REASON_EMPTY_COMPLETION, TRIPWIRE_EMPTY_COMPLETION, false},
        {POLICY("grading: {empty_completion: fail}\n"), "plain", STR_INIT("\0"), CLOCK_NEVER,
         STATUS_FAILED, REASON_EMPTY_COMPLETION, TRIPWIRE_EMPTY_COMPLETION | TRIPWIRE_EMBEDDED_NUL,
         false},
        {POLICY("reward: {reward_model: require}\n"), "plain", STR_INIT("x"), CLOCK_NEVER,
         STATUS_FAILED, REASON_MISSING_INPUT, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new(cases[i].policy);
        b->record.record.response_type = str_z(cases[i].type);
        b->record.turns[1].content = cases[i].response;
        b->req.deadline_us = cases[i].deadline_us;
        assert_true(judge_start(&b->judge, &b->req));
        const struct judged *r = &b->req.result;
        assert_int_equal(r->status, cases[i].status);
        assert_int_equal(r->reason, cases[i].reason);
        assert_int_equal(r->tripwires, cases[i].tripwires);
        assert_int_equal(r->reward_model_only, cases[i].reward_model_only);
        assert_int_equal(r->detail[0] == '\0', r->status == STATUS_OK);
        assert_int_equal(b->server.requests + (uint64_t)b->done, 0);
        bench_free(b);
    }
}

static void text_that_gates_let_through_is_judged(void **state RBR_UNUSED)
{
    static const struct {
        struct str response;
        unsigned tripwires;
    } cases[] = {
        {STR_INIT(""), TRIPWIRE_EMPTY_COMPLETION}, /* empty_completion: grade */
        {STR_INIT("a\0b"), TRIPWIRE_EMBEDDED_NUL},
        {STR_INIT("\xe2\x82\xac"), 0},
        {STR_INIT("7"), 0},
        {STR_INIT("Thought process:"), TRIPWIRE_TRIVIAL_COMPLETION},
        {STR_INIT("\xe2\x80\xa6"), TRIPWIRE_TRIVIAL_COMPLETION}, /* an ellipsis */
        {STR_INIT("Z <|im_end|>"), TRIPWIRE_CONTROL_TOKENS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new(POLICY(""));
        b->record.turns[1].content = cases[i].response;
        assert_false(judge_start(&b->judge, &b->req));
        run(b);
        assert_int_equal(b->req.result.status, STATUS_OK);
        assert_int_equal(b->req.result.tripwires, cases[i].tripwires);
        bench_free(b);
    }
}

static void given_labels_are_used_on_request_only(void **state RBR_UNUSED)
{
    for (int use = 0; use < 2; use++) {
        struct bench *b = bench_new(POLICY(""));
        struct known_judgment known[] = {{STR("short"), 0.5}, {STR("q0"), 0.25}};
        b->record.record.known = known;
        b->record.record.n_known = 2;
        b->judge.use_known = use;
        b->judge.grader = use ? NULL : b->grader;
        assert_int_equal(judge_start(&b->judge, &b->req), use);
        run(b);
        assert_int_equal(b->server.requests, 1 - use);
        assert_int_equal(judgment(b, "q0")->probability == 0.25, use);
        assert_int_equal(judgment(b, "q0")->cached, use);
        bench_free(b);
    }
}

static void without_a_grader_a_question_stays_open_by_name(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    b->judge.grader = NULL;
    assert_true(judge_start(&b->judge, &b->req));
    assert_int_equal(b->req.result.status, STATUS_OK);
    assert_int_equal(judgment(b, "q0")->status, JUDGMENT_UNGRADED);
    assert_int_equal(judgment(b, "q0")->reason, REASON_MISSING_INPUT);
    assert_int_equal(judgment(b, "json")->status, JUDGMENT_GRADED);
    bench_free(b);
}

static void a_grader_failure_leaves_the_judgment_ungraded(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    b->reply = (struct fixture_reply){.status = 500};
    assert_false(judge_start(&b->judge, &b->req));
    run(b);
    assert_int_equal(b->req.result.status, STATUS_OK); /* the reward decides what it means */
    assert_int_equal(judgment(b, "q0")->reason, REASON_GRADER_UNAVAILABLE);
    bench_free(b);
}

static void a_record_that_is_late_is_expired(void **state RBR_UNUSED)
{
    static const struct {
        const char *policy;
        bool cancel;
        enum status status;
    } cases[] = {
        {POLICY(""), false, STATUS_EXPIRED},
        {POLICY(""), true, STATUS_EXPIRED},
        {POLICY("grading: {on_ungraded: bounds}\n"), false, STATUS_OK}, /* may still be bounded */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_new(cases[i].policy);
        b->reply.delay_us = CLOCK_NEVER;
        b->req.deadline_us = b->clock.now_us + SECOND / 2;
        assert_false(judge_start(&b->judge, &b->req));
        (void)tick(b);
        if (cases[i].cancel)
            judge_cancel(&b->req);
        assert_int_equal(b->done, 0);
        run(b);
        assert_int_equal(b->done, 1);
        assert_int_equal(b->req.result.status, cases[i].status);
        assert_int_equal(judgment(b, "q0")->reason, REASON_DEADLINE);
        bench_free(b);
    }
}

/* ---- judgments that are kept */

static void again(struct bench *b)
{
    arena_reset(&b->arena);
    b->done = 0;
}

static void a_question_is_asked_once(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    assert_false(judge_start(&b->judge, &b->req));
    run(b);
    struct judgment first = *judgment(b, "q0");
    assert_false(first.cached);
    assert_int_equal(cache->stats.stored, 1); /* of the checks, none */
    again(b);
    assert_true(judge_start(&b->judge, &b->req)); /* settled at once */
    const struct judged *r = &b->req.result;
    assert_int_equal(b->server.requests, 1);
    assert_int_equal(r->status, STATUS_OK);
    assert_int_equal(judgment(b, "q0")->status, JUDGMENT_GRADED);
    assert_true(judgment(b, "q0")->cached && judgment(b, "q0")->has_digest);
    assert_true(judgment(b, "q0")->probability == first.probability);
    assert_true(judgment(b, "q0")->mass == first.mass);
    assert_int_equal(judgment(b, "q0")->attempts, 0);
    assert_int_equal(r->use.requests, 0);
    assert_string_equal(r->use.response_model, "m-1"); /* whoever answered then */
    assert_strs(r->grader_name, STR("g"));
    bench_free(b);
    cache_free(cache);
}

/* Equal completions of a batch: their answer is kept once. */
static void a_question_that_is_being_asked_is_not_asked(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    struct bench other = {.req = b->req};
    assert_false(judge_start(&b->judge, &b->req));
    assert_false(judge_start(&b->judge, &other.req));
    run(b);
    assert_int_equal(b->done + other.done, 2);
    assert_int_equal(b->server.requests, 1);
    assert_false(judgment(b, "q0")->cached);
    const struct judgment *same = &other.req.result.judgments[0];
    assert_true(same->cached && same->probability == judgment(b, "q0")->probability);
    assert_int_equal(other.req.result.status, STATUS_OK);
    assert_string_equal(other.req.result.use.response_model, "m-1");
    assert_int_equal(cache->stats.stored, 1);
    cache_free(cache);
    bench_free(b);
}

static void another_question_or_text_is_asked(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    assert_false(judge_start(&b->judge, &b->req));
    run(b);
    again(b);
    b->record.turns[1].content = STR("{ }");
    assert_false(judge_start(&b->judge, &b->req));
    run(b);
    assert_int_equal(b->server.requests, 2);
    bench_free(b);
    cache_free(cache);
}

static void only_what_is_missing_is_asked(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(GRADING_POLICY("{response} {question}", ""));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    struct cache_entry known = {.probability = 0.25, .mass = 1}, got;
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    assert_false(judge_start(&b->judge, &b->req));
    memcpy(digest, judgment(b, "q2")->digest, sizeof(digest));
    judge_cancel(&b->req);
    run(b);
    assert_int_equal(cache->stats.stored, 0);
    cache->put(cache, digest, &known);
    again(b);
    assert_false(judge_start(&b->judge, &b->req));
    run(b);
    assert_int_equal(b->server.requests, 5);
    assert_true(judgment(b, "q2")->cached && judgment(b, "q2")->probability == known.probability);
    assert_false(judgment(b, "q1")->cached);
    assert_string_equal(b->req.result.use.response_model, "m-1"); /* the last one's */
    assert_true(cache->get(cache, judgment(b, "q1")->digest, &got));
    assert_true(got.probability == judgment(b, "q1")->probability);
    assert_int_equal(got.graded_ms, 1005); /* it was among the first four */
    bench_free(b);
    cache_free(cache);
}

/* min_mass is no part of the digest: another policy may have taken less for an answer. */
static void too_little_mass_for_this_policy_is_asked_again(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY("grading: {min_mass: 0.5}\n"));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    struct cache_entry e = {.probability = 0.25, .mass = 0.4};
    assert_false(judge_start(&b->judge, &b->req));
    cache->put(cache, judgment(b, "q0")->digest, &e);
    judge_cancel(&b->req);
    run(b);
    again(b);
    assert_false(judge_start(&b->judge, &b->req));
    run(b);
    assert_int_equal(b->server.requests, 1);
    assert_true(judgment(b, "q0")->probability > 0.8);
    again(b);
    assert_true(judge_start(&b->judge, &b->req));
    bench_free(b);
    cache_free(cache);
}

static void a_failure_is_not_kept(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    b->reply.status = 500;
    for (size_t i = 1; i < 3; i++) {
        again(b);
        assert_false(judge_start(&b->judge, &b->req));
        run(b);
        assert_int_equal(judgment(b, "q0")->status, JUDGMENT_UNGRADED);
        assert_int_equal(b->server.requests, 4 * i); /* twice, and a probe after each */
    }
    assert_int_equal(cache->stats.stored, 0);
    bench_free(b);
    cache_free(cache);
}

static void given_labels_are_not_kept(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(POLICY(""));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    struct known_judgment known = {.name = STR("q0"), .probability = 0.25};
    b->record.record.known = &known;
    b->record.record.n_known = 1;
    b->judge.use_known = true;
    assert_true(judge_start(&b->judge, &b->req));
    assert_int_equal(cache->stats.stored + cache->stats.hits + cache->stats.misses, 0);
    bench_free(b);
    cache_free(cache);
}

/* The first answers are kept while the last is still awaited: a crash now loses only that one. */
static void each_answer_is_kept_when_it_comes(void **state RBR_UNUSED)
{
    struct bench *b = bench_new(GRADING_POLICY("{response} {question}", ""));
    struct cache *cache = b->judge.cache = cache_mem_new(1 << 16);
    assert_false(judge_start(&b->judge, &b->req)); /* four at a time, of six */
    fixture_run(&b->server, tick, b, b->clock.now_us + 6000);
    assert_int_equal(b->done, 0);
    assert_int_equal(cache->stats.stored, 4);
    judge_wind_down(&b->req); /* two are on their way */
    run(b);
    assert_int_equal(b->done, 1);
    assert_int_equal(cache->stats.stored, 6);
    bench_free(b);
    cache_free(cache);
}

/* ---- two policies */

/* The second asks q0 too, of all types; and another. */
#define SECOND_POLICY(options)                                                                     \
    "policy: {id: second}\n"                                                                       \
    "prompt_template: \"{response} {question}\"\n"                                                 \
    "completion_class_order: [good, bad]\n"                                                        \
    "completion_classes:\n"                                                                        \
    "  good: {plain: {other: true, so: true}}\n"                                                   \
    "  bad: {plain: {not: {other: true, so: true}}}\n"                                             \
    "simple_propositions:\n"                                                                       \
    "  other: {prompt: \"Is it kind?\"}\n"                                                         \
    "  so: {prompt: \"Is it so?\"}\n" options

/* The bench's own request is the first; `second` is the other policy's. */
struct pair {
    struct bench *b;
    struct judge judge;
    struct arena arena;
    struct judge_req second;
    int done;
};

static void on_second_done(struct judge_req *req)
{
    CONTAINER_OF(req, struct pair, second)->done++;
}

static struct pair *pair_new(const char *first, const char *second)
{
    struct pair *p = mem_alloc(sizeof(*p));
    p->b = bench_new(first);
    p->judge = p->b->judge;
    p->judge.policy = grading_policy(second);
    arena_init(&p->arena, 1 << 20);
    p->second = p->b->req;
    p->second.arena = &p->arena;
    p->second.done = on_second_done;
    p->second.first = &p->b->req;
    return p;
}

static void pair_free(struct pair *p)
{
    policy_free((struct policy *)(uintptr_t)p->judge.policy);
    arena_done(&p->arena);
    bench_free(p->b);
    mem_free(p);
}

static const struct judgment *second_of(const struct pair *p, const char *name)
{
    return &p->second.result.judgments[policy_find_proposition(p->judge.policy, str_z(name))];
}

static void a_question_of_both_policies_is_asked_once(void **state RBR_UNUSED)
{
    struct pair *p = pair_new(POLICY(""), SECOND_POLICY(""));
    assert_false(judge_start(&p->b->judge, &p->b->req));
    assert_false(judge_start(&p->judge, &p->second));
    assert_int_equal(second_of(p, "so")->status, JUDGMENT_SHARED);
    assert_int_equal(second_of(p, "other")->status, JUDGMENT_PENDING);
    run(p->b);
    assert_int_equal(p->b->done, 1);
    assert_int_equal(p->done, 0); /* all of its own is answered, and it waits to be told */
    assert_true(judge_follow(&p->second, CLOCK_NEVER));
    assert_int_equal(p->done, 0);
    assert_int_equal(p->b->server.requests, 2);
    assert_int_equal(p->second.result.status, STATUS_OK);
    assert_int_equal(second_of(p, "so")->status, JUDGMENT_GRADED);
    assert_true(second_of(p, "so")->probability == judgment(p->b, "q0")->probability);
    assert_true(second_of(p, "so")->mass == judgment(p->b, "q0")->mass);
    assert_true(second_of(p, "so")->cached && second_of(p, "so")->attempts == 0);
    assert_false(second_of(p, "other")->cached);
    assert_int_equal(p->second.result.use.requests, 1);
    pair_free(p);
}

static void what_the_first_has_at_once_the_second_has_at_once(void **state RBR_UNUSED)
{
    struct pair *p = pair_new(POLICY(""), SECOND_POLICY(""));
    struct cache *cache = p->b->judge.cache = cache_mem_new(1 << 16);
    assert_false(judge_start(&p->b->judge, &p->b->req));
    run(p->b);
    again(p->b);
    assert_true(judge_start(&p->b->judge, &p->b->req)); /* the judge of the second has no cache */
    assert_false(judge_start(&p->judge, &p->second));
    assert_int_equal(second_of(p, "so")->status, JUDGMENT_GRADED);
    assert_string_equal(p->second.result.use.response_model, "m-1");
    assert_false(judge_follow(&p->second, CLOCK_NEVER));
    run(p->b);
    assert_int_equal(p->done, 1);
    assert_int_equal(p->b->server.requests, 2);
    pair_free(p);
    cache_free(cache);
}

static void the_same_questions_alone_need_no_request(void **state RBR_UNUSED)
{
    struct pair *p = pair_new(SECOND_POLICY(""), SECOND_POLICY(""));
    assert_false(judge_start(&p->b->judge, &p->b->req));
    assert_false(judge_start(&p->judge, &p->second));
    run(p->b);
    assert_true(judge_follow(&p->second, CLOCK_NEVER));
    assert_int_equal(p->b->server.requests, 2);
    assert_int_equal(p->second.result.use.requests, 0);
    assert_string_equal(p->second.result.use.response_model, "m-1");
    assert_strs(p->second.result.grader_name, STR("g"));
    pair_free(p);
}

/* One question has one fate. */
static void what_failed_for_the_first_is_not_asked_again(void **state RBR_UNUSED)
{
    struct pair *p = pair_new(SECOND_POLICY(""), SECOND_POLICY(""));
    p->b->reply = (struct fixture_reply){.delay_us = 1000, .status = 400};
    assert_false(judge_start(&p->b->judge, &p->b->req));
    assert_false(judge_start(&p->judge, &p->second));
    run(p->b);
    assert_true(judge_follow(&p->second, CLOCK_NEVER));
    assert_int_equal(p->b->server.requests, 2);
    assert_int_equal(second_of(p, "so")->status, JUDGMENT_UNGRADED);
    assert_int_equal(second_of(p, "so")->reason, judgment(p->b, "so")->reason);
    assert_false(second_of(p, "so")->cached);
    pair_free(p);
}

/* What is too little for the first has no number that the second could take. */
static void each_policy_has_its_own_least_mass(void **state RBR_UNUSED)
{
    static const char *const least[] = {"grading: {min_mass: 0.3}\n", "grading: {min_mass: 0.6}\n"};
    for (size_t i = 0; i < 2; i++) {
        char first[2048], second[2048];
        (void)snprintf(first, sizeof(first), "%s%s", SECOND_POLICY(""), least[i]);
        (void)snprintf(second, sizeof(second), "%s%s", SECOND_POLICY(""), least[1 - i]);
        struct pair *p = pair_new(first, second);
        p->b->reply.body = fixture_chat(p->b->body, 0.4, 0.1);
        assert_false(judge_start(&p->b->judge, &p->b->req));
        assert_false(judge_start(&p->judge, &p->second));
        run(p->b);
        assert_int_equal(p->done, i);
        if (i == 0)
            assert_true(judge_follow(&p->second, CLOCK_NEVER));
        assert_int_equal(p->b->server.requests, i == 0 ? 2 : 4);
        const struct judgment *strict = i == 0 ? second_of(p, "so") : judgment(p->b, "so");
        const struct judgment *lax = i == 0 ? judgment(p->b, "so") : second_of(p, "so");
        assert_int_equal(strict->status, JUDGMENT_UNGRADED);
        assert_int_equal(strict->reason, REASON_LOW_PROBABILITY_MASS);
        assert_true(strict->mass > 0.49 && strict->mass < 0.51);
        assert_int_equal(lax->status, JUDGMENT_GRADED);
        assert_true(lax->probability > 0.79 && lax->probability < 0.81);
        pair_free(p);
    }
}

static void the_second_has_until_then_and_no_longer(void **state RBR_UNUSED)
{
    struct pair *p = pair_new(POLICY(""), SECOND_POLICY(""));
    p->b->record.record.response_type = STR("checks"); /* the first is settled at once */
    assert_true(judge_start(&p->b->judge, &p->b->req));
    p->b->record.record.response_type = STR("plain");
    p->b->reply.delay_us = CLOCK_NEVER;
    assert_false(judge_start(&p->judge, &p->second));
    int64_t until = p->b->clock.now_us + SECOND / 2;
    assert_false(judge_follow(&p->second, until));
    run(p->b);
    assert_int_equal(p->b->clock.now_us, until);
    assert_int_equal(p->done, 1);
    assert_int_equal(p->second.result.status, STATUS_EXPIRED);
    assert_int_equal(p->second.result.reason, REASON_DEADLINE);
    assert_non_null(strstr(p->second.result.detail, "other reward"));
    pair_free(p);
}

static void what_a_first_leaves_at_its_deadline_the_second_leaves(void **state RBR_UNUSED)
{
    struct pair *p = pair_new(SECOND_POLICY(""), SECOND_POLICY(""));
    p->b->reply.delay_us = CLOCK_NEVER;
    assert_false(judge_start(&p->b->judge, &p->b->req));
    assert_false(judge_start(&p->judge, &p->second));
    (void)tick(p->b);
    judge_cancel(&p->b->req);
    judge_cancel(&p->second);
    run(p->b);
    assert_int_equal(p->b->done, 1);
    assert_true(judge_follow(&p->second, CLOCK_NEVER));
    assert_int_equal(p->second.result.status, STATUS_EXPIRED);
    pair_free(p);
}

static void a_prompt_that_does_not_fit_fails_by_name(void **state RBR_UNUSED)
{
    char *text = mem_alloc(100000);
    memset(text, 'x', 100000);
    for (int i = 0; i < 2; i++) {
        struct bench *b = bench_new(POLICY(""));
        b->arena.max = i == 0 ? 40000 : 0; /* room for judgments, not for the prompt; for nothing */
        b->record.turns[1].content = (struct str){text, 100000};
        assert_true(judge_start(&b->judge, &b->req));
        assert_int_equal(b->req.result.status, STATUS_FAILED);
        assert_int_equal(b->req.result.reason, REASON_INVALID_RECORD);
        if (i == 0)
            assert_int_equal(judgment(b, "q0")->status, JUDGMENT_UNGRADED); /* never left open */
        bench_free(b);
    }
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_goes_to_the_grader_and_a_check_does_not),
        cmocka_unit_test(checks_alone_are_judged_at_once),
        cmocka_unit_test(gates_settle_before_anything_is_asked),
        cmocka_unit_test(text_that_gates_let_through_is_judged),
        cmocka_unit_test(given_labels_are_used_on_request_only),
        cmocka_unit_test(without_a_grader_a_question_stays_open_by_name),
        cmocka_unit_test(a_grader_failure_leaves_the_judgment_ungraded),
        cmocka_unit_test(a_record_that_is_late_is_expired),
        cmocka_unit_test(a_question_is_asked_once),
        cmocka_unit_test(a_question_that_is_being_asked_is_not_asked),
        cmocka_unit_test(another_question_or_text_is_asked),
        cmocka_unit_test(only_what_is_missing_is_asked),
        cmocka_unit_test(too_little_mass_for_this_policy_is_asked_again),
        cmocka_unit_test(a_failure_is_not_kept),
        cmocka_unit_test(given_labels_are_not_kept),
        cmocka_unit_test(each_answer_is_kept_when_it_comes),
        cmocka_unit_test(a_question_of_both_policies_is_asked_once),
        cmocka_unit_test(what_the_first_has_at_once_the_second_has_at_once),
        cmocka_unit_test(the_same_questions_alone_need_no_request),
        cmocka_unit_test(what_failed_for_the_first_is_not_asked_again),
        cmocka_unit_test(each_policy_has_its_own_least_mass),
        cmocka_unit_test(the_second_has_until_then_and_no_longer),
        cmocka_unit_test(what_a_first_leaves_at_its_deadline_the_second_leaves),
        cmocka_unit_test(a_prompt_that_does_not_fit_fails_by_name),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
