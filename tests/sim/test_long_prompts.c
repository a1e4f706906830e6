/* The real grader before four endpoints that read prompts one after another: what a few prompts of
 * 100 KB do to the many of 1 KB. Measured is how long all questions about a short one take. */
#include "unit.h"

#include <inttypes.h>

#include "base/rng.h"
#include "fixture_transport.h"
#include "grader/grader.h"
#include "grading_fixture.h"
#include "obs/log.h"

#define SECOND INT64_C(1000000)

enum {
    ENDPOINTS = 4,
    QUESTIONS = 6,
    SHORT_BYTES = 1000,
    LONG_BYTES = 50000,
    TOKENS_A_SECOND = 5000, /* that an endpoint reads */
    ANSWER_US = 20000, /* on top of reading */
    SHORT_EVERY_US = 250000, /* four a second */
    LONG_EVERY_US = 8000000, /* shown twice, each keeps an endpoint busy for 5 s */
    SECONDS = 2000,
    TIMES_MAX = 1 << 15,
};

static const char policy_text[] = GRADING_POLICY("R: {response}\\nQ: {question}", "");

struct job {
    struct grader_group group;
    struct judgment judgments[QUESTIONS];
    struct grading_record record;
    struct arena arena;
    struct prompt prompt;
    struct sim *sim;
    int64_t asked_us;
    bool is_long;
};

struct sim {
    struct clock_fixture clock;
    struct fixture_transport server;
    struct transport_endpoint endpoints[ENDPOINTS], *list[ENDPOINTS];
    int64_t busy_us[ENDPOINTS]; /* until then it reads what it has */
    uint64_t cached[ENDPOINTS][1024]; /* completions' numbers */
    struct grader *grader;
    struct policy *policy;
    struct rng rng;
    char text[LONG_BYTES];
    bool closed;
    uint64_t asked;
    int64_t next_us[2]; /* short, long */
    int64_t times[2][TIMES_MAX];
    size_t n_times[2];
};

/* What is in its cache it need not read; the completion's number is in its text. */
static struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct sim *s = arg;
    int64_t *busy = &s->busy_us[call->endpoint], now = s->clock.now_us;
    uint64_t number = strtoull(call->body.p + str_find(call->body, STR("#"), 0) + 1, NULL, 10);
    uint64_t *slot = &s->cached[call->endpoint][number % 1024];
    int64_t tokens = *slot == number ? 30 : (int64_t)call->body.n / 4;
    *slot = number;
    *busy = (*busy > now ? *busy : now) + tokens * SECOND / TOKENS_A_SECOND;
    return (struct fixture_reply){
        .delay_us = *busy - now + ANSWER_US, .status = 200, .body = fixture_chat(text, 0.75, 0.25)};
}

static void on_done(struct grader_group *group)
{
    struct job *j = CONTAINER_OF(group, struct job, group);
    struct sim *s = j->sim;
    assert_true(s->n_times[j->is_long] < TIMES_MAX);
    s->times[j->is_long][s->n_times[j->is_long]++] = s->clock.now_us - j->asked_us;
    for (size_t q = 0; q < QUESTIONS; q++)
        assert_int_equal(j->judgments[q].status, JUDGMENT_GRADED);
    arena_done(&j->arena);
    mem_free(j);
}

static void ask(struct sim *s, bool is_long)
{
    struct job *j = mem_alloc(sizeof(*j));
    *j = (struct job){.sim = s, .asked_us = s->clock.now_us, .is_long = is_long};
    int n = snprintf(s->text, sizeof(s->text), "#%" PRIu64, ++s->asked);
    s->text[n] = ' ';
    struct str text = {s->text, is_long ? LONG_BYTES : SHORT_BYTES};
    arena_init(&j->arena, 4 << 20);
    assert_int_equal(
        prompt_build(&j->arena, s->policy, grading_record(&j->record, STR("u"), text), &j->prompt),
        ERR_OK);
    j->prompt.prompt_hash = rng_next(&s->rng);
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
    static const int64_t every[] = {SHORT_EVERY_US, LONG_EVERY_US};
    int64_t due = CLOCK_NEVER;
    for (size_t k = 0; k < 2 && !s->closed; k++) {
        while (s->next_us[k] <= s->clock.now_us) {
            ask(s, k == 1);
            s->next_us[k] += (int64_t)rng_below(&s->rng, 2 * (uint64_t)every[k]);
        }
        due = s->next_us[k] < due ? s->next_us[k] : due;
    }
    int64_t grader_due = grader_tick(s->grader);
    return grader_due < due ? grader_due : due;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile(struct sim *s, size_t kind, double q)
{
    qsort(s->times[kind], s->n_times[kind], sizeof(int64_t), by_size);
    return (double)s->times[kind][(size_t)(q * (double)s->n_times[kind])] / 1000;
}

/* Milliseconds that the slowest hundredth of the short ones takes. */
static double run(size_t max_tokens, bool with_long, uint64_t seed)
{
    struct sim *s = mem_alloc(sizeof(*s));
    clock_fixture_init(&s->clock, 5 * SECOND, 1700000000000);
    fixture_transport_init(&s->server, &s->clock, answer, s);
    rng_init(&s->rng, seed);
    memset(s->text, 'a', sizeof(s->text));
    for (size_t i = 0; i < ENDPOINTS; i++) {
        s->endpoints[i].index = i;
        s->list[i] = &s->endpoints[i];
    }
    s->next_us[0] = s->clock.now_us;
    s->next_us[1] = with_long ? s->clock.now_us : CLOCK_NEVER;
    struct grader_config config = {.name = STR("main"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("judge"), .top_logprobs = 20},
                                   .endpoints = s->list,
                                   .n_endpoints = ENDPOINTS,
                                   .max_in_flight = 64,
                                   .fixed_in_flight = true,
                                   .max_tokens_in_flight = max_tokens,
                                   .request_timeout_us = 60 * SECOND,
                                   .attempts_max = 3,
                                   .backoff_min_us = SECOND / 2,
                                   .backoff_max_us = 8 * SECOND};
    assert_int_equal(grader_new(&config, &s->server.port, &s->clock.clock, seed, &s->grader, NULL),
                     ERR_OK);
    s->policy = grading_policy(policy_text);
    fixture_run(&s->server, tick, s, s->clock.now_us + SECONDS * SECOND);
    s->closed = true;
    fixture_run(&s->server, tick, s, CLOCK_NEVER - 1);
    assert_int_equal(s->n_times[0] + s->n_times[1], s->asked);
    double slow = quantile(s, 0, 0.99);
    print_message("%s, at most %6zu tokens in flight: short p50 %4.0f ms, p99 %5.0f ms",
                  with_long ? "with long ones" : "short ones alone", max_tokens,
                  quantile(s, 0, 0.5), slow);
    if (with_long)
        print_message("; long p50 %5.0f ms, p99 %5.0f ms", quantile(s, 1, 0.5),
                      quantile(s, 1, 0.99));
    print_message("\n");
    (void)grader_free(s->grader);
    fixture_transport_done(&s->server);
    policy_free(s->policy);
    mem_free(s);
    return slow;
}

static void long_prompts_hold_up_few_short_ones(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed();
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    double alone = run(0, false, seed);
    /* To compare with: without a limit one seed in ten has a short one in a hundred behind a long
     * one, whole seconds. */
    (void)run(0, true, seed);
    assert_true(run(8000, true, seed) < 2 * alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_prompts_hold_up_few_short_ones),
    };
    return cmocka_run_group_tests_name("long_prompts", tests, NULL, NULL);
}
