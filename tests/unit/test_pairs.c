/* fit/pairs: which pairs there are, with which margin and base; the split; scores and losses. */
#include "fit_fixture.h"

#include "fit/pairs.h"

#define ORDERINGS                                                                                  \
    "orderings: {t: {best: [mid, odd, worst], mid: [worst]}}\nmargins: {t: {best: 2.5}}\n"

struct scene {
    struct policy *policy;
    struct rows rows;
    struct orderings orderings;
    struct pairs pairs;
};

static int load(void **state)
{
    struct scene *s = mem_alloc(sizeof(*s));
    struct err err = {0};
    s->policy = policies_good(FIT_POLICY);
    rows_init(&s->rows, s->policy);
    assert_int_equal(
        orderings_load(&s->orderings, s->policy, STR("orderings"), STR(ORDERINGS), &err), ERR_OK);
    *state = s;
    return 0;
}

static int unload(void **state)
{
    struct scene *s = *state;
    pairs_done(&s->pairs);
    orderings_done(&s->orderings);
    rows_done(&s->rows);
    policy_free(s->policy);
    mem_free(s);
    return 0;
}

static enum err_code make(struct scene *s, const struct pairs_options *o, struct err *err)
{
    *err = (struct err){0};
    pairs_done(&s->pairs);
    return pairs_make(&s->rows, &s->orderings, 0, o, &s->pairs, err);
}

/* The first feature of a row of the problem tells which row it is. */
static double kind_of(const struct pairs *p, uint32_t row)
{
    return p->features[(size_t)row * p->n_features];
}

static void test_pairs_are_of_one_prompt_and_related_labels(void **state)
{
    struct scene *s = *state;
    static const double expected[][3] = {/* P(kind) of better and worse, margin */
                                         {0.1, 0.2, 2.5},
                                         {0.1, 0.3, 2.5},
                                         {0.1, 0.4, 2.5},
                                         {0.2, 0.4, 1},
                                         {0.5, 0.6, 1}};
    struct err err;
    fit_row(&s->rows, "a", "best", 0.1, 1);
    fit_row(&s->rows, "b", "mid", 0.5, 0);
    fit_row(&s->rows, "a", "mid", 0.2, -4);
    fit_row(&s->rows, "a", "odd", 0.3, 0);
    fit_row(&s->rows, "b", "worst", 0.6, 0);
    fit_row(&s->rows, "a", "worst", 0.4, 0);
    fit_row(&s->rows, "c", "best", 0.7, 0); /* alone */
    const struct pairs_options o = {.reward_model = true};
    assert_int_equal(make(s, &o, &err), ERR_OK);
    assert_int_equal(s->pairs.n, ARRAY_LEN(expected));
    assert_int_equal(s->pairs.n_train, ARRAY_LEN(expected));
    assert_int_equal(s->pairs.n_rows, 7);
    assert_int_equal(s->pairs.n_prompts, 2);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct pair *pair = &s->pairs.items[i];
        assert_true(kind_of(&s->pairs, pair->better) == expected[i][0]);
        assert_true(kind_of(&s->pairs, pair->worse) == expected[i][1]);
        assert_true(pair->margin == expected[i][2]);
    }
    assert_true(s->pairs.base[s->pairs.items[0].better] == 0.5); /* rm_weight 0.5 */
    assert_true(s->pairs.base[s->pairs.items[0].worse] == -2);
}

static void test_the_reward_model_can_be_left_out(void **state)
{
    struct scene *s = *state;
    struct err err;
    fit_row(&s->rows, "a", "best", 0.1, 1);
    fit_row(&s->rows, "a", "worst", 0.4, 3);
    const struct pairs_options o = {.reward_model = false};
    assert_int_equal(make(s, &o, &err), ERR_OK);
    assert_true(s->pairs.base[0] == 0 && s->pairs.base[1] == 0);
}

static void test_scores_and_losses(void **state)
{
    struct scene *s = *state;
    const double w[] = {2, 1, -1}; /* kind, good, bad */
    double scores[2], bare[2];
    struct err err;
    fit_row(&s->rows, "a", "mid", 0.75, 1);
    fit_row(&s->rows, "a", "worst", 0.25, 3);
    const struct pairs_options o = {.reward_model = true};
    assert_int_equal(make(s, &o, &err), ERR_OK);
    pairs_scores(&s->pairs, true, w, scores);
    assert_true(scores[0] == 0.5 + 1.5 + 0.75 - 0.25 && scores[1] == 1.5 + 0.5 + 0.25 - 0.75);
    pairs_scores(&s->pairs, false, w, bare);
    assert_true(bare[0] == 2 && bare[1] == 0);
    assert_true(pairs_loss(&s->pairs, 0, 1, scores).mean == 0); /* exactly at the margin */
    assert_true(pairs_loss(&s->pairs, 0, 1, scores).clipped == 1);
    pairs_scores(&s->pairs, true, NULL, scores);
    assert_true(pairs_loss(&s->pairs, 0, 1, scores).mean == 2);
    assert_true(pairs_loss(&s->pairs, 0, 1, scores).clipped == 0);
    assert_true(pairs_loss(&s->pairs, 1, 1, scores).mean == 0); /* of nothing */
}

/* ---- the split --------------------------------------------------------------------------------
 */

/* 40 prompts of three pairs each; P(kind) / 100 is the prompt's number. */
static void add_prompts(struct scene *s)
{
    for (int i = 0; i < 40; i++) {
        char prompt[8];
        (void)snprintf(prompt, sizeof(prompt), "p%02d", i);
        fit_row(&s->rows, prompt, "best", i / 100.0, 0);
        fit_row(&s->rows, prompt, "mid", i / 100.0, 0);
        fit_row(&s->rows, prompt, "worst", i / 100.0, 0);
    }
}

static size_t prompts_on_both_sides(const struct pairs *p)
{
    size_t n = 0;
    for (int prompt = 0; prompt < 40; prompt++) {
        bool on[2] = {false, false};
        for (size_t i = 0; i < p->n; i++)
            if (kind_of(p, p->items[i].better) == prompt / 100.0)
                on[i < p->n_train] = true;
        assert_true(on[0] || on[1]);
        n += on[0] && on[1];
    }
    return n;
}

static void test_a_split_by_prompt_shares_no_prompt(void **state)
{
    struct scene *s = *state;
    struct err err;
    add_prompts(s);
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct pairs_options o = {.held_out = 0.25, .seed = seed};
        assert_int_equal(make(s, &o, &err), ERR_OK);
        assert_int_equal(s->pairs.n, 120);
        assert_int_equal(s->pairs.n_train, 90);
        assert_int_equal(prompts_on_both_sides(&s->pairs), 0);
    }
}

static void test_a_split_by_pair_shares_prompts(void **state)
{
    struct scene *s = *state;
    struct err err;
    add_prompts(s);
    const struct pairs_options o = {.split = SPLIT_PAIR, .held_out = 0.25, .seed = 1};
    assert_int_equal(make(s, &o, &err), ERR_OK);
    assert_int_equal(s->pairs.n_train, 90);
    assert_true(prompts_on_both_sides(&s->pairs) > 0);
}

static void test_the_seed_decides_the_split(void **state)
{
    struct scene *s = *state;
    struct err err;
    struct pair first[120];
    add_prompts(s);
    for (unsigned split = SPLIT_PROMPT; split <= SPLIT_PAIR; split++) {
        struct pairs_options o = {.split = (enum split)split, .held_out = 0.25, .seed = 5};
        assert_int_equal(make(s, &o, &err), ERR_OK);
        memcpy(first, s->pairs.items, sizeof(first));
        assert_int_equal(make(s, &o, &err), ERR_OK);
        assert_memory_equal(first, s->pairs.items, sizeof(first));
        o.seed = 6;
        assert_int_equal(make(s, &o, &err), ERR_OK);
        assert_memory_not_equal(first, s->pairs.items, sizeof(first));
    }
}

static void test_one_prompt_is_trained_on(void **state)
{
    struct scene *s = *state;
    struct err err;
    fit_row(&s->rows, "a", "best", 0.1, 1);
    fit_row(&s->rows, "a", "worst", 0.4, 3);
    const struct pairs_options o = {.held_out = 0.5};
    assert_int_equal(make(s, &o, &err), ERR_OK);
    assert_int_equal(s->pairs.n_train, 1);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

static void test_what_makes_no_pairs_is_refused(void **state)
{
    static const struct {
        const char *rows[3][2]; /* prompt, label */
        const char *sentence;
    } cases[] = {
        {{{"a", "best"}, {"a", "poor"}, {"b", "mid"}},
         "line 2: label 'poor' is not in the orderings of t (best, mid, odd, worst); correct it, "
         "or add it to them"},
        {{{"b", "mid"}, {"a", "mid"}, {"a", "mid"}},
         "line 1: all 3 rows of t are labelled 'mid'; a pair needs a better and a worse one: add "
         "completions with other labels"},
        {{{"c", "best"}, {"b", "mid"}, {"a", "worst"}},
         "line 1: the 3 rows of t, beginning here, make no pair: no prompt has two completions of "
         "which one ranks above the other; see prompt_id and labels.rank"},
        {{{"a", "mid"}, {"a", "odd"}, {"a", "mid"}},
         "line 1: the 3 rows of t, beginning here, make no pair: no prompt has two completions of "
         "which one ranks above the other; see prompt_id and labels.rank"},
    };
    struct scene *s = *state;
    const struct pairs_options o = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        rows_done(&s->rows);
        rows_init(&s->rows, s->policy);
        for (size_t r = 0; r < 3; r++)
            fit_row(&s->rows, cases[i].rows[r][0], cases[i].rows[r][1], 0.5, 0);
        assert_int_equal(make(s, &o, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i].sentence);
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, load, unload)
    const struct CMUnitTest tests[] = {
        CASE(test_pairs_are_of_one_prompt_and_related_labels),
        CASE(test_the_reward_model_can_be_left_out),
        CASE(test_scores_and_losses),
        CASE(test_a_split_by_prompt_shares_no_prompt),
        CASE(test_a_split_by_pair_shares_prompts),
        CASE(test_the_seed_decides_the_split),
        CASE(test_one_prompt_is_trained_on),
        CASE(test_what_makes_no_pairs_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
