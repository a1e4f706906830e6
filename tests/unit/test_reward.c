/* reward/reward: the sum and its components bit for bit, every status, and what is known in each.
 */
#include "rewards.h"

#define RULES                                                                                      \
    TEMPLATE "completion_class_order: [good, poor, bad]\n"                                         \
             "simple_propositions: {a: {prompt: A}, b: {prompt: B}, c: {prompt: C}, d: {prompt: "  \
             "D}}\n"                                                                               \
             "derived_propositions: {both: {a: true, b: true}}\n"                                  \
             "completion_classes:\n"                                                               \
             "  good: {t: {both: true, c: false}}\n"                                               \
             "  poor: {t: {both: false, c: false}}\n"                                              \
             "  bad: {t: {c: true}}\n"
#define FEATURES "features: {t: {propositions: [a, both, d], classes: all}}\n"
#define WEIGHTS  "weights: {t: {a: 0.5, both: 0.25, good: 2, bad: -3}}\n"
#define WEIGHED  RULES FEATURES WEIGHTS

static void start(struct rewards *r, const char *text)
{
    rewards_init(r, policies_good(text), 0);
}

/* The names, joined by blanks. */
static void assert_names(const struct reward *r, const char *want)
{
    char got[512];
    size_t n = 0;
    got[0] = '\0';
    for (size_t i = 0; i < r->n_components; i++)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%.*s", i > 0 ? " " : "",
                              STR_ARGS(r->components[i].name));
    assert_string_equal(got, want);
}

static const struct component *component(const struct reward *r, const char *name)
{
    for (size_t i = 0; i < r->n_components; i++)
        if (str_eq(r->components[i].name, str_z(name)))
            return &r->components[i];
    fail_msg("no component %s", name);
    return NULL;
}

static void assert_failed(const struct reward *r, enum reason reason, bool retryable)
{
    assert_int_equal(r->status, STATUS_FAILED);
    assert_int_equal(r->reason, reason);
    assert_int_equal(r->retryable, retryable);
    assert_true(r->detail[0] != '\0');
    assert_false(r->has_reward || r->has_bounds);
}

/* ---- the sum ----------------------------------------------------------------------------------
 */

static void the_components_and_their_sum(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED "reward: {rm_weight: 2}\n");
    rewards_set(&r, "a", .9);
    rewards_set(&r, "b", .8);
    rewards_set(&r, "c", .1);
    r.record.has_reward_model_score = true;
    r.record.reward_model_score = .3;
    const struct reward *got = rewards_compute(&r);
    double both = .9 * .8, good = both * .9, poor = (1 - both) * .9, z = good + poor + .1;
    assert_int_equal(got->status, STATUS_OK);
    assert_int_equal(got->reason, REASON_NONE);
    assert_false(got->retryable);
    assert_names(got, "reward_model a both good bad");
    assert_true(component(got, "reward_model")->value == 2 * .3);
    assert_true(component(got, "both")->raw == both);
    assert_true(component(got, "both")->weight == .25);
    assert_true(got->has_classes && got->has_score);
    assert_true(got->score == good / z);
    assert_int_equal(got->predicted_class, 0);
    assert_true(got->has_reward);
    assert_true(rewards_same_bits(got->reward, 0.0 + 2 * .3 + .5 * .9 + .25 * both +
                                                   2 * (good / z) + -3 * (.1 / z)));
    rewards_done(&r);
}

static void a_tie_goes_to_the_better_class(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, MINIMAL);
    rewards_set(&r, "kind", .5);
    assert_int_equal(rewards_compute(&r)->predicted_class, 0);
    rewards_set(&r, "kind", .4);
    assert_int_equal(rewards_compute(&r)->predicted_class, 1);
    rewards_done(&r);
}

static void a_record_without_a_model_score_adds_nothing_for_it(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED);
    const struct reward *got = rewards_compute(&r);
    assert_names(got, "reward_model a both good bad");
    assert_false(component(got, "reward_model")->has_raw);
    assert_true(component(got, "reward_model")->value == 0);
    assert_true(got->has_reward && got->reward == rewards_sum(got));
    rewards_done(&r);
    start(&r, WEIGHED "reward: {reward_model: ignore}\n");
    r.record.has_reward_model_score = true;
    r.record.reward_model_score = 100;
    got = rewards_compute(&r);
    assert_names(got, "a both good bad");
    assert_true(got->reward < 10);
    rewards_done(&r);
}

/* Clipped rewards are the bound exactly, whatever bits the sum and the bound have. */
static void clipping_reaches_the_bound_exactly(void **state RBR_UNUSED)
{
    static const struct {
        const char *clip;
        double score, want;
    } cases[] = {
        {"[-20, 20]", 1e300, 20},
        {"[-20, 20]", -1e17, -20},
        {"[-20, 20]", 20.000000000000004, 20},
        {"[-0.3, 0.3]", 5.123, 0.3},
        {"[-0.3, 0.3]", 1e6, 0.3},
        {"[-0.3, 0.3]", -7.7e-1, -0.3},
        {"[0.1, 0.7]", -0.02, 0.1},
        {"[0.1, 0.7]", -1e15, 0.1},
        {"[-0.7, -0.1]", 0.05, -0.1},
        {"[-0.7, -0.1]", 3e-300, -0.1},
        {"[-1, 0]", 0.3, 0},
        {"[-1e9, 1e-9]", 12345.678, 1e-9},
        {"[-20, 20]", 3, 3},
        {"[-0.3, 0.3]", 0.3, 0.3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[2048];
        struct rewards r;
        (void)snprintf(text, sizeof(text), "%sweights: {t: {d: 1}}\nreward: {clip: %s}\n",
                       RULES FEATURES, cases[i].clip);
        start(&r, text);
        r.record.has_reward_model_score = true;
        r.record.reward_model_score = cases[i].score;
        const struct reward *got = rewards_compute(&r);
        assert_names(got, "reward_model d clip clip_rounding");
        if (!got->has_reward || got->reward != cases[i].want)
            fail_msg("%s of %g: %.17g", cases[i].clip, cases[i].score, got->reward);
        assert_true(rewards_same_bits(got->reward, rewards_sum(got)));
        bool acted = cases[i].score != cases[i].want;
        assert_int_equal(component(got, "clip")->value != 0, acted);
        rewards_done(&r);
    }
}

static double random_double(struct rng *rng)
{
    switch (rng_below(rng, 4)) {
    case 0:
        return (rng_unit(rng) - .5) * 60;
    case 1:
        return ldexp(rng_unit(rng) - .5, (int)rng_below(rng, 80) - 40);
    case 2:
        return (double)rng_below(rng, 2);
    default:
        return ldexp(rng_unit(rng) - .5, (int)rng_below(rng, 2000) - 1000);
    }
}

/* The bits of the sum of components are the bits of the reward, for any weights, bounds and
 * judgments. */
static void any_sum_is_the_reward_bit_for_bit(void **state RBR_UNUSED)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct rng rng;
    size_t clipped = 0, rounded = 0;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 400; run++) {
        char text[4096];
        double low = (rng_unit(&rng) - .5) * 4, high = low + rng_unit(&rng) * 2 + 1e-3;
        (void)snprintf(
            text, sizeof(text),
            "%sweights: {t: {a: %.17g, both: %.17g, d: %.17g, good: %.17g, bad: %.17g}}\n"
            "reward: {rm_weight: %.17g, clip: [%.17g, %.17g]}\nclass_probability: %s\n",
            RULES FEATURES, (rng_unit(&rng) - .5) * 8, rng_unit(&rng), -rng_unit(&rng),
            (rng_unit(&rng) - .5) * 1e6, rng_unit(&rng) * -5, rng_unit(&rng) * 3, low, high,
            rng_below(&rng, 2) == 0 ? "product" : "exact");
        struct rewards r;
        start(&r, text);
        for (int draw = 0; draw < 20; draw++) {
            for (size_t i = 0; i < ARRAY_LEN(names); i++)
                rewards_set(&r, names[i],
                            rng_below(&rng, 3) == 0 ? (double)rng_below(&rng, 2) : rng_unit(&rng));
            r.record.has_reward_model_score = rng_below(&rng, 3) > 0;
            r.record.reward_model_score = random_double(&rng);
            const struct reward *got = rewards_compute(&r);
            assert_int_equal(got->status, STATUS_OK);
            assert_true(rewards_same_bits(got->reward, rewards_sum(got)));
            assert_true(got->reward >= r.policy->clip_low && got->reward <= r.policy->clip_high);
            if (component(got, "clip")->value != 0) {
                clipped++;
                rounded += component(got, "clip_rounding")->value != 0;
                assert_true(got->reward == r.policy->clip_low ||
                            got->reward == r.policy->clip_high);
            }
        }
        rewards_done(&r);
    }
    assert_true(clipped > 1000 && rounded > 100);
}

static void a_sum_that_is_not_finite_is_no_reward(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED "reward: {rm_weight: 1000000, clip: [-1, 1]}\n");
    r.record.has_reward_model_score = true;
    r.record.reward_model_score = 1e306;
    const struct reward *got = rewards_compute(&r);
    assert_failed(got, REASON_NOT_FINITE, false);
    assert_true(got->has_classes); /* they are known all the same */
    rewards_done(&r);
}

/* ---- calibration ------------------------------------------------------------------------------
 */

static void calibration_corrects_a_grader_and_nothing_else(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED "calibration: {a: {a: 1.1, b: -0.2}}\n");
    size_t a = policy_find_proposition(r.policy, STR("a"));
    rewards_set(&r, "a", .8);
    double want = 1 / (1 + exp(-(1.1 * log(.8 / (1 - .8)) - .2)));
    assert_true(fabs(rewards_compute(&r)->probability[a] - want) < 1e-15);
    assert_true(r.reward.components[1].raw == r.reward.probability[a]);
    rewards_set(&r, "a", 1); /* as sure as a grader may be taken to be */
    want = 1 / (1 + exp(-(1.1 * log((1 - 1e-6) / 1e-6) - .2)));
    assert_true(fabs(rewards_compute(&r)->probability[a] - want) < 1e-12);
    rewards_set(&r, "a", 0);
    assert_true(rewards_compute(&r)->probability[a] > 0);
    rewards_of(&r, "a")->has_digest = false; /* a label that came with the record */
    assert_true(rewards_compute(&r)->probability[a] == 0);
    rewards_done(&r);
}

/* ---- missing judgments ------------------------------------------------------------------------
 */

static void fail_names_the_first_reason(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED);
    rewards_set(&r, "a", .75);
    rewards_miss(&r, "b", REASON_GRADER_TIMEOUT);
    const struct reward *got = rewards_compute(&r);
    assert_failed(got, REASON_GRADER_TIMEOUT, true);
    assert_string_equal(got->detail, "no judgment for b");
    assert_names(got, "reward_model a both good bad");
    assert_true(component(got, "a")->has_raw && component(got, "a")->raw == .75);
    assert_false(component(got, "both")->has_raw || component(got, "good")->has_raw);
    assert_false(got->has_classes || got->has_score);
    assert_true(isnan(got->class_probability[0]));
    rewards_miss(&r, "c", REASON_LOW_PROBABILITY_MASS); /* no retry brings this one */
    got = rewards_compute(&r);
    assert_failed(got, REASON_GRADER_TIMEOUT, false);
    assert_string_equal(got->detail, "no judgment for b and 1 more");
    rewards_done(&r);
}

static void what_nothing_uses_may_be_missing(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED); /* d is a feature without weight */
    rewards_miss(&r, "d", REASON_GRADER_TIMEOUT);
    assert_int_equal(rewards_compute(&r)->status, STATUS_OK);
    assert_true(r.reward.has_reward && r.reward.detail[0] == '\0');
    rewards_done(&r);
}

static void bounds_are_the_least_and_the_greatest_reward(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED "grading: {on_ungraded: bounds}\n");
    double low = INFINITY, high = -INFINITY;
    rewards_set(&r, "a", .9);
    for (int answers = 0; answers < 4; answers++) {
        rewards_set(&r, "b", answers & 1);
        rewards_set(&r, "c", answers >> 1);
        double one = rewards_compute(&r)->reward;
        low = fmin(low, one);
        high = fmax(high, one);
    }
    rewards_miss(&r, "b", REASON_GRADER_UNAVAILABLE);
    rewards_miss(&r, "c", REASON_GRADER_TIMEOUT);
    const struct reward *got = rewards_compute(&r);
    assert_int_equal(got->status, STATUS_PARTIAL);
    assert_int_equal(got->reason, REASON_GRADER_UNAVAILABLE);
    assert_true(got->retryable && !got->has_reward && got->has_bounds);
    assert_true(got->reward_lower == low && got->reward_upper == high && low < high);
    assert_false(got->has_classes || got->has_score);
    assert_true(isnan(got->probability[policy_find_proposition(r.policy, STR("b"))]));
    assert_true(component(got, "a")->has_raw && !component(got, "good")->has_raw);
    rewards_done(&r);
}

static void bounds_that_agree_are_a_reward(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED "grading: {on_ungraded: bounds}\n");
    rewards_set(&r, "a", 0); /* then `both` is false whatever b is */
    rewards_miss(&r, "b", REASON_GRADER_TIMEOUT);
    const struct reward *got = rewards_compute(&r);
    assert_int_equal(got->status, STATUS_OK);
    assert_int_equal(got->reason, REASON_NONE);
    assert_true(got->has_reward && got->has_classes && got->has_score && !got->has_bounds);
    assert_true(rewards_same_bits(got->reward, rewards_sum(got)));
    assert_int_equal(got->predicted_class, 1);
    assert_true(got->score == 0);
    rewards_done(&r);
}

/* Clipped to one reward by every answer: the reward is known, the clipped addends are not. */
static void bounds_keep_to_themselves_what_depends_on_an_answer(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, RULES FEATURES "weights: {t: {d: 5}}\nreward: {clip: [-1, 1]}\n"
                             "grading: {on_ungraded: bounds}\n");
    rewards_miss(&r, "d", REASON_GRADER_TIMEOUT);
    r.record.has_reward_model_score = true;
    r.record.reward_model_score = 40;
    const struct reward *got = rewards_compute(&r);
    assert_int_equal(got->status, STATUS_OK);
    assert_true(got->has_reward && got->reward == 1);
    assert_false(component(got, "d")->has_raw);
    assert_true(component(got, "d")->value == 0);
    assert_true(rewards_same_bits(got->reward, rewards_sum(got)));
    rewards_done(&r);
}

static void bounds_have_a_limit(void **state RBR_UNUSED)
{
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof(text),
                                TEMPLATE ORDER "grading: {on_ungraded: bounds}\n"
                                               "simple_propositions: {");
    for (int i = 0; i < 11; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%sp%d: {prompt: P}", i > 0 ? ", " : "",
                              i);
    n += (size_t)snprintf(text + n, sizeof(text) - n,
                          "}\ncompletion_classes: {good: {t: {p0: true}}, bad: {t: {p0: false}}}\n"
                          "features: {t: {propositions: [");
    for (int i = 0; i < 11; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%sp%d", i > 0 ? ", " : "", i);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "]}}\nweights: {t: {");
    for (int i = 0; i < 11; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%sp%d: 1", i > 0 ? ", " : "", i);
    (void)snprintf(text + n, sizeof(text) - n, "}}\n");
    struct rewards r;
    start(&r, text);
    for (int i = 1; i < 11; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "p%d", i);
        rewards_miss(&r, name, REASON_GRADER_TIMEOUT);
    }
    assert_int_equal(rewards_compute(&r)->status, STATUS_PARTIAL); /* ten */
    assert_true(r.reward.reward_lower == 0 && r.reward.reward_upper == 10);
    assert_true(r.reward.has_classes &&
                r.reward.predicted_class == 1); /* p0 decides, and is known */
    rewards_miss(&r, "p0", REASON_GRADER_TIMEOUT);
    assert_failed(rewards_compute(&r), REASON_GRADER_TIMEOUT, true);
    rewards_done(&r);
}

static void a_prior_makes_a_partial_reward(void **state RBR_UNUSED)
{
    static const struct {
        const char *more;
        enum status status;
        bool reward;
    } cases[] = {
        {"grading: {on_ungraded: prior, prior: {b: 0.3}}\n", STATUS_PARTIAL, false},
        {"grading: {on_ungraded: prior, prior: {b: 0.3}, train_on_partial: true}\n", STATUS_PARTIAL,
         true},
        {"grading: {on_ungraded: prior, prior: {a: 0.3}, train_on_partial: true}\n", STATUS_FAILED,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[2048];
        struct rewards r;
        (void)snprintf(text, sizeof(text), "%s%s", WEIGHED, cases[i].more);
        start(&r, text);
        rewards_set(&r, "a", .5);
        rewards_miss(&r, "b", REASON_UNPARSEABLE_VERDICT);
        const struct reward *got = rewards_compute(&r);
        assert_int_equal(got->status, cases[i].status);
        assert_int_equal(got->reason, REASON_UNPARSEABLE_VERDICT);
        assert_int_equal(got->has_reward, cases[i].reward);
        assert_int_equal(got->has_classes, cases[i].status == STATUS_PARTIAL);
        if (got->status == STATUS_PARTIAL)
            assert_true(component(got, "both")->raw == .5 * .3);
        if (got->has_reward)
            assert_true(rewards_same_bits(got->reward, rewards_sum(got)));
        rewards_done(&r);
    }
}

/* ---- no number --------------------------------------------------------------------------------
 */

/* Only a policy too large to be checked can have such rules. */
static void no_possible_class_is_a_failure(void **state RBR_UNUSED)
{
    static const char *const more[] = {"", "grading: {on_ungraded: bounds}\n",
                                       "grading: {on_ungraded: prior, prior: {d: 0.5}}\n"};
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        char text[2048];
        struct rewards r;
        (void)snprintf(text, sizeof(text), "%sweights: {t: {d: 1}}\n%s", RULES FEATURES, more[i]);
        start(&r, text);
        r.policy->response_types[0].rules[1].kids[0].want = true; /* good or poor need both */
        assert_failed(rewards_compute(&r), REASON_NOT_FINITE, false);
        assert_false(r.reward.has_classes);
        rewards_miss(&r, "d", REASON_GRADER_TIMEOUT);
        assert_int_equal(rewards_compute(&r)->status, STATUS_FAILED);
        assert_false(r.reward.has_reward);
        rewards_done(&r);
    }
}

static void policies_without_rewards_are_ok_without_one(void **state RBR_UNUSED)
{
    static const char *const policies[] = {RULES, WEIGHED "reward: {classify_only: true}\n",
                                           RULES
                                           "weights: {t: {}}\nreward: {reward_model: ignore}\n",
                                           RULES "grading: {on_ungraded: bounds}\n"};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct rewards r;
        start(&r, policies[i]);
        const struct reward *got = rewards_compute(&r);
        assert_int_equal(got->status, STATUS_OK);
        assert_true(got->has_classes && got->has_score && !got->has_reward && got->mask_sample);
        assert_int_equal(got->n_components, 0);
        rewards_miss(&r, "c", REASON_GRADER_TIMEOUT);
        got = rewards_compute(&r);
        assert_false(got->has_reward || got->has_bounds);
        assert_int_equal(got->status, i == 3 ? STATUS_PARTIAL : STATUS_FAILED);
        rewards_done(&r);
    }
}

static void a_missing_model_score_can_be_a_failure(void **state RBR_UNUSED)
{
    static const char *const policies[] = {WEIGHED "reward: {reward_model: require}\n",
                                           RULES "weights: {t: {}}\n",
                                           RULES "weights: {t: {}}\nreward: {clip: [1, 2]}\n"};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct rewards r;
        start(&r, policies[i]);
        assert_failed(rewards_compute(&r), REASON_MISSING_INPUT, false);
        r.record.has_reward_model_score = true;
        r.record.reward_model_score = 1.5;
        assert_int_equal(rewards_compute(&r)->status, STATUS_OK);
        assert_true(r.reward.has_reward);
        rewards_done(&r);
    }
}

static void what_the_judge_settled_stays_so(void **state RBR_UNUSED)
{
    static const struct {
        enum status status;
        enum reason reason;
        bool retryable;
    } cases[] = {
        {STATUS_SKIPPED, REASON_EMPTY_COMPLETION, false},
        {STATUS_EXPIRED, REASON_DEADLINE, true},
        {STATUS_FAILED, REASON_INVALID_RECORD, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int judgments = 0; judgments < 2; judgments++) {
            struct rewards r;
            start(&r, WEIGHED "reward: {clip: [-1, 1]}\n");
            struct judgment *kept = r.judged.judgments;
            r.judged.status = cases[i].status;
            r.judged.reason = cases[i].reason;
            (void)snprintf(r.judged.detail, sizeof(r.judged.detail), "why");
            r.judged.judgments = judgments ? kept : NULL;
            const struct reward *got = rewards_compute(&r);
            assert_int_equal(got->status, cases[i].status);
            assert_int_equal(got->reason, cases[i].reason);
            assert_int_equal(got->retryable, cases[i].retryable);
            assert_string_equal(got->detail, "why");
            assert_false(got->has_reward || got->has_classes || got->has_score);
            assert_names(got, "reward_model a both good bad clip clip_rounding");
            assert_int_equal(component(got, "a")->has_raw, judgments);
            r.judged.judgments = kept;
            rewards_done(&r);
        }
}

/* A judgment that the judge left without saying why is missing input, not a zero. */
static void an_unasked_question_is_missing(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, WEIGHED);
    rewards_of(&r, "a")->status = JUDGMENT_NOT_ASKED;
    assert_failed(rewards_compute(&r), REASON_MISSING_INPUT, false);
    rewards_done(&r);
}

/* ---- outside all response types ---------------------------------------------------------------
 */

static void unrouted_records(void **state RBR_UNUSED)
{
    static const struct {
        const char *more;
        bool only, has_score;
        double score;
        enum status status;
        bool reward;
    } cases[] = {
        {"", true, true, 1.25, STATUS_OK, true},
        {"", true, false, 0, STATUS_FAILED, false},
        {"reward: {rm_weight: 1000000}\n", true, true, 1e306, STATUS_FAILED, false},
        {"reward: {reward_model: ignore}\n", true, true, 1.25, STATUS_OK, true},
        {"reward: {classify_only: true}\n", true, true, 1.25, STATUS_OK, false},
        {"", false, true, 1.25, STATUS_SKIPPED, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[2048];
        struct rewards r;
        (void)snprintf(text, sizeof(text), "%s%s", WEIGHED, cases[i].more);
        rewards_init(&r, policies_good(text), SIZE_MAX);
        r.judged.reward_model_only = cases[i].only;
        if (!cases[i].only) {
            r.judged.status = STATUS_SKIPPED;
            r.judged.reason = REASON_NO_POLICY;
        }
        r.record.has_reward_model_score = cases[i].has_score;
        r.record.reward_model_score = cases[i].score;
        const struct reward *got = rewards_compute(&r);
        assert_int_equal(got->status, cases[i].status);
        assert_int_equal(got->has_reward, cases[i].reward);
        assert_false(got->has_classes || got->has_score);
        if (got->has_reward) {
            assert_names(got, "reward_model");
            assert_true(got->reward == 1.25);
        }
        rewards_done(&r);
    }
}

static void clipping_holds_outside_too(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(WEIGHED "reward: {clip: [-0.3, 0.3]}\n"), SIZE_MAX);
    r.judged.reward_model_only = true;
    r.record.has_reward_model_score = true;
    r.record.reward_model_score = 17.7;
    assert_true(rewards_compute(&r)->reward == 0.3);
    assert_true(rewards_same_bits(r.reward.reward, rewards_sum(&r.reward)));
    rewards_done(&r);
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

static void names_are_the_same_in_every_status(void **state RBR_UNUSED)
{
    static const char *const want = "reward_model a both good bad clip clip_rounding";
    struct rewards r;
    start(&r, WEIGHED "reward: {clip: [-1, 1]}\ngrading: {on_ungraded: bounds}\n");
    rewards_set(&r, "a", .5);
    assert_names(rewards_compute(&r), want);
    r.record.has_reward_model_score = true;
    r.record.reward_model_score = 99;
    assert_names(rewards_compute(&r), want);
    r.record.reward_model_score = 0;
    rewards_miss(&r, "c", REASON_GRADER_TIMEOUT);
    assert_names(rewards_compute(&r), want);
    assert_int_equal(r.reward.status, STATUS_PARTIAL);
    r.judged.status = STATUS_FAILED;
    assert_names(rewards_compute(&r), want);
    rewards_done(&r);
}

static void a_full_arena_is_an_error(void **state RBR_UNUSED)
{
    struct rewards r;
    struct arena small;
    start(&r, WEIGHED);
    for (size_t max = 0; max < 400; max += 16) {
        struct reward reward;
        arena_init(&small, max);
        enum err_code code = reward_compute(&small, r.policy, &r.record, &r.judged, &reward);
        assert_true(code == ERR_LIMIT || (code == ERR_OK && max > 200));
        arena_done(&small);
    }
    rewards_done(&r);
}

static void the_id_is_of_record_and_policy(void **state RBR_UNUSED)
{
    struct rewards r;
    char first[33], other[33];
    start(&r, WEIGHED);
    r.record.run_id = STR("run");
    reward_id(r.policy, &r.record, first);
    reward_id(r.policy, &r.record, other);
    assert_string_equal(first, other);
    assert_int_equal(strlen(first), 32);
    r.record.attempt = 1;
    reward_id(r.policy, &r.record, other);
    assert_string_not_equal(first, other);
    r.record.attempt = 0;
    r.record.run_id = STR("runc"); /* "run" + "c-1" is not "runc" + "-1" */
    r.record.completion_id = STR("-1");
    reward_id(r.policy, &r.record, other);
    assert_string_not_equal(first, other);
    rewards_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_components_and_their_sum),
        cmocka_unit_test(a_tie_goes_to_the_better_class),
        cmocka_unit_test(a_record_without_a_model_score_adds_nothing_for_it),
        cmocka_unit_test(clipping_reaches_the_bound_exactly),
        cmocka_unit_test(any_sum_is_the_reward_bit_for_bit),
        cmocka_unit_test(a_sum_that_is_not_finite_is_no_reward),
        cmocka_unit_test(calibration_corrects_a_grader_and_nothing_else),
        cmocka_unit_test(fail_names_the_first_reason),
        cmocka_unit_test(what_nothing_uses_may_be_missing),
        cmocka_unit_test(bounds_are_the_least_and_the_greatest_reward),
        cmocka_unit_test(bounds_that_agree_are_a_reward),
        cmocka_unit_test(bounds_keep_to_themselves_what_depends_on_an_answer),
        cmocka_unit_test(bounds_have_a_limit),
        cmocka_unit_test(a_prior_makes_a_partial_reward),
        cmocka_unit_test(no_possible_class_is_a_failure),
        cmocka_unit_test(policies_without_rewards_are_ok_without_one),
        cmocka_unit_test(a_missing_model_score_can_be_a_failure),
        cmocka_unit_test(what_the_judge_settled_stays_so),
        cmocka_unit_test(an_unasked_question_is_missing),
        cmocka_unit_test(unrouted_records),
        cmocka_unit_test(clipping_holds_outside_too),
        cmocka_unit_test(names_are_the_same_in_every_status),
        cmocka_unit_test(a_full_arena_is_an_error),
        cmocka_unit_test(the_id_is_of_record_and_policy),
    };
    return cmocka_run_group_tests_name("reward", tests, NULL, NULL);
}
