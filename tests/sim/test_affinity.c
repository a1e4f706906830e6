/* grader/affinity against a model of servers with prefix caches: how often a prompt's beginning is
 * found, how even the load. */
#include "unit.h"

#include "base/rng.h"
#include "grader/affinity.h"
#include "known_keys.h"

enum {
    ENDPOINTS = 8,
    PROMPTS = 4000,
    COMPLETIONS = 16, /* of a prompt */
    QUESTIONS = 10, /* of a completion */
    PROMPT_TOKENS = 1500,
    COMPLETION_TOKENS = 400,
    QUESTION_TOKENS = 60,
    CACHE_PROMPTS = 300, /* that one endpoint's cache holds */
    CALLS_MAX = 1 << 14,
};

struct server {
    uint64_t prompts[CACHE_PROMPTS], completions[CACHE_PROMPTS * 4]; /* the newest, as rings */
    size_t n_prompts, n_completions;
    size_t in_flight, served;
};

struct call {
    double ends;
    size_t server;
};

struct fleet {
    struct server servers[ENDPOINTS];
    size_t n;
    struct affinity_endpoint ends[ENDPOINTS];
    struct call calls[CALLS_MAX]; /* a heap by end */
    size_t n_calls;
    double tokens, cached;
    struct rng rng;
};

static void sift_up(struct fleet *f, size_t i)
{
    while (i > 0 && f->calls[(i - 1) / 2].ends > f->calls[i].ends) {
        struct call c = f->calls[i];
        f->calls[i] = f->calls[(i - 1) / 2];
        f->calls[i = (i - 1) / 2] = c;
    }
}

static void end_first(struct fleet *f)
{
    f->servers[f->calls[0].server].in_flight--;
    f->calls[0] = f->calls[--f->n_calls];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < f->n_calls; k++)
            if (f->calls[k].ends < f->calls[least].ends)
                least = k;
        if (least == i)
            return;
        struct call c = f->calls[i];
        f->calls[i] = f->calls[least];
        f->calls[i = least] = c;
    }
}

static void ask(struct fleet *f, double now, uint64_t prompt, uint64_t completion)
{
    for (size_t i = 0; i < f->n; i++)
        f->ends[i].load = (double)f->servers[i].in_flight;
    size_t at = affinity_pick(f->ends, f->n, prompt * UINT64_C(0x2545f4914f6cdd1d));
    assert_true(at < f->n);
    struct server *s = &f->servers[at];
    double cached = 0, tokens = PROMPT_TOKENS + COMPLETION_TOKENS + QUESTION_TOKENS;
    bool has_prompt = known(s->prompts, CACHE_PROMPTS, &s->n_prompts, prompt);
    bool has_completion =
        known(s->completions, ARRAY_LEN(s->completions), &s->n_completions, completion);
    if (has_prompt)
        cached += PROMPT_TOKENS;
    if (has_prompt && has_completion)
        cached += COMPLETION_TOKENS;
    f->tokens += tokens;
    f->cached += cached;
    s->in_flight++;
    s->served++;
    double takes = 0.02 + (tokens - cached) * 2e-5 * (1 + 0.02 * (double)s->in_flight);
    assert_true(f->n_calls < CALLS_MAX);
    f->calls[f->n_calls] = (struct call){now + takes, at};
    sift_up(f, f->n_calls++);
}

/* The share of tokens found in a cache. All prompts' completions come mixed with a few others', as
 * a trainer's step produces them; `at_a_time` questions are in flight. */
static double run(struct fleet *f, size_t n, size_t at_a_time, uint64_t seed, double *ret_share)
{
    enum { MIXED = 32 };
    double now = 0;
    *f = (struct fleet){.n = n};
    rng_init(&f->rng, seed);
    for (size_t i = 0; i < n; i++)
        f->ends[i] = (struct affinity_endpoint){.seed = rng_next(&f->rng), .may = true};
    for (uint64_t step = 0; step < PROMPTS / MIXED; step++)
        for (uint64_t k = 0; k < (uint64_t)MIXED * COMPLETIONS; k++) {
            uint64_t prompt = step * MIXED + rng_below(&f->rng, MIXED);
            for (uint64_t q = 0; q < QUESTIONS; q++) {
                while (f->n_calls >= at_a_time) {
                    now = f->calls[0].ends;
                    end_first(f);
                }
                ask(f, now, prompt + 1, step * 100000 + k + 1);
            }
        }
    size_t most = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        all += f->servers[i].served;
        most = f->servers[i].served > most ? f->servers[i].served : most;
    }
    *ret_share = (double)most * (double)n / (double)all;
    return f->cached / f->tokens;
}

static void eight_find_what_one_finds_and_share_the_load(void **state RBR_UNUSED)
{
    static const size_t at_a_time[] = {64, 256, 2000};
    uint64_t seed = unit_seed();
    struct fleet *f = mem_alloc(sizeof(*f));
    for (size_t i = 0; i < ARRAY_LEN(at_a_time); i++) {
        double share, one_share;
        double one = run(f, 1, at_a_time[i] / ENDPOINTS, seed, &one_share);
        double eight = run(f, ENDPOINTS, at_a_time[i], seed, &share);
        print_message("%4zu in flight: %.1f %% of tokens cached by one endpoint, %.1f %% by eight; "
                      "the busiest has %.2f times the "
                      "mean\n",
                      at_a_time[i], 100 * one, 100 * eight, share);
        assert_true(eight >= 0.9 * one);
        assert_true(share <= 1.3);
    }
    mem_free(f);
}

/* ---- rules ---- */

static void setup(struct affinity_endpoint *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        e[i] = (struct affinity_endpoint){.seed = 1000 + i * 7919, .may = true};
}

static void a_prompt_stays_where_it_is(void **state RBR_UNUSED)
{
    struct affinity_endpoint e[ENDPOINTS];
    size_t count[ENDPOINTS] = {0};
    setup(e, ENDPOINTS);
    for (uint64_t prompt = 0; prompt < 8000; prompt++) {
        size_t at = affinity_pick(e, ENDPOINTS, prompt);
        count[at]++;
        assert_int_equal(affinity_pick(e, ENDPOINTS, prompt), at);
        size_t gone = (at + 1 + prompt % (ENDPOINTS - 1)) % ENDPOINTS;
        e[gone].may = false; /* another one is lost: nothing moves */
        assert_int_equal(affinity_pick(e, ENDPOINTS, prompt), at);
        e[gone].may = true;
        e[at].may = false; /* its own is: it moves, and comes back */
        assert_int_not_equal(affinity_pick(e, ENDPOINTS, prompt), at);
        e[at].may = true;
    }
    for (size_t i = 0; i < ENDPOINTS; i++)
        assert_in_range(count[i], 850, 1150);
}

static void a_busy_one_is_passed_over(void **state RBR_UNUSED)
{
    struct affinity_endpoint e[4];
    setup(e, 4);
    size_t at = affinity_pick(e, 4, 5);
    for (size_t i = 0; i < 4; i++)
        e[i].load = 10;
    e[at].load = 13; /* the mean is 10.75 */
    assert_int_equal(affinity_pick(e, 4, 5), at);
    e[at].load = 14; /* more than 1.25 times 11 */
    size_t second = affinity_pick(e, 4, 5);
    assert_int_not_equal(second, at);
    e[at].load = 20;
    assert_int_equal(affinity_pick(e, 4, 5), second); /* always the same one */
}

static void those_that_may_not_are_never_taken(void **state RBR_UNUSED)
{
    struct affinity_endpoint e[3];
    setup(e, 3);
    for (size_t i = 0; i < 3; i++)
        e[i].may = false;
    assert_true(affinity_pick(e, 3, 1) == AFFINITY_NONE);
    e[2].may = true;
    e[2].load = 1e6; /* far above the mean, and the only one */
    assert_int_equal(affinity_pick(e, 3, 1), 2);
    assert_true(affinity_pick(e, 0, 1) == AFFINITY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_stays_where_it_is),
        cmocka_unit_test(a_busy_one_is_passed_over),
        cmocka_unit_test(those_that_may_not_are_never_taken),
        cmocka_unit_test(eight_find_what_one_finds_and_share_the_load),
    };
    return cmocka_run_group_tests_name("affinity", tests, NULL, NULL);
}
