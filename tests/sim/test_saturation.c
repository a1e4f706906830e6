/* The real grader before four endpoints with prefix caches, with more questions than they take: who
 * goes to the place that becomes free? Measured is the share of tokens that endpoints had in their
 * caches. */
#include "unit.h"

#include <inttypes.h>

#include "base/rng.h"
#include "fixture_transport.h"
#include "grader/grader.h"
#include "grading_fixture.h"
#include "known_keys.h"

#define SECOND INT64_C(1000000)

enum {
    ENDPOINTS = 4,
    QUESTIONS = 6, /* of a completion */
    COMPLETIONS = 16, /* of a prompt */
    PRESENT = 800, /* completions, at any time */
    DONE = 20000,
    LIMIT = 64, /* an endpoint's */
    PROMPT_TOKENS = 1500,
    COMPLETION_TOKENS = 400,
    QUESTION_TOKENS = 60,
    CACHE_PROMPTS = 300, /* that an endpoint's cache holds */
    CACHE_COMPLETIONS = 1200,
    ANSWER_US = 100000,
};

static const char policy_text[] = GRADING_POLICY("R: {response}\\nQ: {question}", "");

struct job {
    struct grader_group group;
    struct judgment judgments[QUESTIONS];
    struct grading_record record;
    struct arena arena;
    struct prompt prompt;
    char text[32];
    struct sim *sim;
};

struct cache {
    uint64_t prompts[CACHE_PROMPTS], completions[CACHE_COMPLETIONS]; /* the newest, as rings */
    size_t n_prompts, n_completions;
};

struct sim {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoints[ENDPOINTS], *list[ENDPOINTS];
    struct cache caches[ENDPOINTS];
    struct grader *grader;
    struct policy *policy;
    struct rng rng;
    uint64_t asked, done;
    double tokens, cached;
};

/* The completion's number is in its text. */
static struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct sim *s = arg;
    struct cache *c = &s->caches[call->endpoint];
    uint64_t number = strtoull(call->body.p + str_find(call->body, STR("#"), 0) + 1, NULL, 10);
    bool prompt = known(c->prompts, CACHE_PROMPTS, &c->n_prompts, number / COMPLETIONS);
    bool completion = known(c->completions, CACHE_COMPLETIONS, &c->n_completions, number);
    s->tokens += PROMPT_TOKENS + COMPLETION_TOKENS + QUESTION_TOKENS;
    s->cached += prompt ? PROMPT_TOKENS : 0;
    s->cached += prompt && completion ? COMPLETION_TOKENS : 0;
    return (struct fixture_reply){.delay_us = (int64_t)(ANSWER_US * (0.5 + rng_unit(&s->rng))),
                                  .status = 200,
                                  .body = fixture_chat(text, 0.75, 0.25)};
}

static void on_done(struct grader_group *group)
{
    struct job *j = CONTAINER_OF(group, struct job, group);
    for (size_t q = 0; q < QUESTIONS; q++)
        assert_int_equal(j->judgments[q].status, JUDGMENT_GRADED);
    j->sim->done++;
    arena_done(&j->arena);
    mem_free(j);
}

static void ask(struct sim *s)
{
    struct job *j = mem_alloc(sizeof(*j));
    int n = snprintf(j->text, sizeof(j->text), "#%" PRIu64 " ", s->asked);
    j->sim = s;
    arena_init(&j->arena, 1 << 20);
    assert_int_equal(
        prompt_build(&j->arena, s->policy,
                     grading_record(&j->record, STR("u"), (struct str){j->text, (size_t)n}),
                     &j->prompt),
        ERR_OK);
    j->prompt.prompt_hash = s->asked++ / COMPLETIONS * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t q = 0; q < QUESTIONS; q++)
        j->judgments[q].status = JUDGMENT_PENDING;
    j->group = (struct grader_group){.prompt = &j->prompt,
                                     .judgments = j->judgments,
                                     .deadline_us = CLOCK_NEVER,
                                     .expires_us = CLOCK_NEVER,
                                     .done = on_done};
    grader_ask(s->grader, &j->group);
}

static int64_t tick(void *arg)
{
    struct sim *s = arg;
    while (s->asked < DONE && s->asked - s->done < PRESENT)
        ask(s);
    return grader_tick(s->grader);
}

static void a_free_place_goes_to_whose_prompt_is_there(void **state RBR_UNUSED)
{
    /* Each endpoint's first question about a prompt, and about a completion, has to be read. */
    const double each = PROMPT_TOKENS + COMPLETION_TOKENS + QUESTION_TOKENS;
    const double best = (PROMPT_TOKENS * (1 - 1. / (COMPLETIONS * QUESTIONS)) +
                         COMPLETION_TOKENS * (1 - 1. / QUESTIONS)) /
                        each;
    struct sim *s = mem_alloc(sizeof(*s));
    uint64_t seed = unit_seed(), most = 0;
    clock_fixture_init(&s->clock, 5 * SECOND, 1700000000000);
    fixture_transport_init(&s->server, &s->clock, answer, s);
    rng_init(&s->rng, seed);
    for (size_t i = 0; i < ENDPOINTS; i++) {
        s->endpoints[i].index = i;
        s->list[i] = &s->endpoints[i];
    }
    struct grader_config config = {.name = STR("main"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("judge"), .top_logprobs = 20},
                                   .endpoints = s->list,
                                   .n_endpoints = ENDPOINTS,
                                   .max_in_flight = LIMIT,
                                   .fixed_in_flight = true,
                                   .share = 1,
                                   .request_timeout_us = 30 * SECOND,
                                   .attempts_max = 3,
                                   .backoff_min_us = SECOND / 2,
                                   .backoff_max_us = 8 * SECOND};
    assert_int_equal(grader_new(&config, &s->server.port, &s->clock.clock, seed, &s->grader, NULL),
                     ERR_OK);
    s->policy = grading_policy(policy_text);
    fixture_run(&s->server, tick, s, CLOCK_NEVER - 1);
    assert_int_equal(s->done, DONE);
    for (size_t i = 0; i < ENDPOINTS; i++)
        most = s->endpoints[i].requests > most ? s->endpoints[i].requests : most;
    double seconds = (double)(s->clock.now_us - 5 * SECOND) / SECOND;
    double busy = (double)DONE * QUESTIONS * ANSWER_US / SECOND / (ENDPOINTS * LIMIT) / seconds;
    double busiest = (double)most * ENDPOINTS / (DONE * QUESTIONS);
    print_message("%.1f %% of tokens were cached, %.1f %% can be; all places were taken %.0f %% of "
                  "the time, the busiest endpoint had %.2f times the mean\n",
                  100 * s->cached / s->tokens, 100 * best, 100 * busy, busiest);
    assert_true(1 - s->cached / s->tokens < 1.5 * (1 - best));
    assert_true(busy > 0.97);
    assert_true(busiest < 1.1);
    (void)grader_free(s->grader);
    fixture_transport_done(&s->server);
    policy_free(s->policy);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_place_goes_to_whose_prompt_is_there),
    };
    return cmocka_run_group_tests_name("saturation", tests, NULL, NULL);
}
