/* reward/explain: whole pages, as a person sees them. */
#include "rewards.h"

#include "reward/explain.h"

#define POLICY                                                                                     \
    TEMPLATE "policy: {id: demo, version: '7'}\n"                                                  \
             "completion_class_order: [ideal, poor, bad]\n"                                        \
             "simple_propositions: {kind: {prompt: K}, clear: {prompt: C}, harmful: {prompt: H}, " \
             "short: {check: {max_chars: 9}}}\n"                                                   \
             "derived_propositions: {fine: {kind: true, clear: true}}\n"                           \
             "completion_classes:\n"                                                               \
             "  ideal: {t: {fine: true, harmful: false}}\n"                                        \
             "  poor: {t: {fine: false, harmful: false}}\n"                                        \
             "  bad: {t: {harmful: true}}\n"                                                       \
             "features: {t: {propositions: [kind, short], classes: all}}\n"                        \
             "weights: {t: {kind: 0.5, short: 0.25, ideal: 2, bad: -3}}\n"

static void start(struct rewards *r, const char *more)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "%s%s", POLICY, more);
    rewards_init(r, policies_good(text), 0);
    r->record.group_id = STR("g-1");
    rewards_set(r, "kind", .9);
    rewards_set(r, "clear", .8);
    rewards_set(r, "harmful", .1);
    rewards_set(r, "short", 1);
}

static void explain(struct rewards *r, struct buf *out)
{
    buf_init(out, 1u << 16);
    (void)rewards_compute(r);
    assert_int_equal(reward_explain(r->policy, &r->record, &r->judged, &r->reward, out), ERR_OK);
}

static void assert_page(struct rewards *r, const char *want)
{
    struct buf out;
    explain(r, &out);
    assert_strs(buf_str(&out), str_z(want));
    buf_done(&out);
}

static void assert_says(struct rewards *r, const char *want)
{
    struct buf out;
    explain(r, &out);
    if (str_find(buf_str(&out), str_z(want), 0) == SIZE_MAX)
        fail_msg("no \"%s\" in:\n%.*s", want, (int)out.n, out.p);
    buf_done(&out);
}

static void a_page(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, "reward: {clip: [-1, 1]}\ncalibration: {kind: {a: 1.2, b: 0.1}}\n");
    assert_page(
        &r,
        "c-1 of group g-1, judged as t by policy demo 7\n"
        "OK: reward 1, class ideal\n"
        "\n"
        "Why ideal\n"
        "  probability                                     0.6762   product 0.6762 / Z 1.0000\n"
        "    fine                                          0.7513\n"
        "      kind                                        0.9392\n"
        "      clear                                       0.8000\n"
        "    not harmful                                   0.9000   1 - 0.1000\n"
        "\n"
        "Classes, best first: probability = product of the factors / Z\n"
        "  > ideal                                         0.6762   product 0.6762\n"
        "    fine                                          0.7513\n"
        "    not harmful                                   0.9000   1 - 0.1000\n"
        "  poor                                            0.2238   product 0.2238\n"
        "    not fine                                      0.2487   1 - 0.7513\n"
        "    not harmful                                   0.9000   1 - 0.1000\n"
        "  bad                                             0.1000   product 0.1000\n"
        "    harmful                                       0.1000\n"
        "  Z, the sum of the products                      1.0000\n"
        "\n"
        "Derived propositions: the product of their parts\n"
        "  fine                                            0.7513\n"
        "    kind                                          0.9392\n"
        "    clear                                         0.8000\n"
        "\n"
        "Propositions                                        used    P(yes)      mass\n"
        "  kind                                            0.9392    0.9000    1.0000   g, "
        "calibrated: sigmoid(1.2 logit(P) +0.1)\n"
        "  clear                                           0.8000    0.8000    1.0000   g\n"
        "  harmful                                         0.1000    0.1000    1.0000   g\n"
        "  short                                           1.0000    1.0000   check\n"
        "\n"
        "Reward                                            weight        value         addend\n"
        "  reward_model                                   +1.0000 x          ? =           +0\n"
        "  kind                                           +0.5000 x     0.9392 =    +0.469578\n"
        "  short                                          +0.2500 x     1.0000 =        +0.25\n"
        "  ideal                                          +2.0000 x     0.6762 =     +1.35238\n"
        "  bad                                            -3.0000 x     0.1000 =         -0.3\n"
        "  clip                                                                =    -0.771963\n"
        "  sum, in this order                                                  =            1\n");
    rewards_done(&r);
}

/* Whoever multiplies by hand gets on with 1e-09, not with 0.0000. */
static void small_numbers_are_no_zeros(void **state RBR_UNUSED)
{
    static const char *const says[] = {
        "  bad                                            1.0e-09   product 1.0e-09\n",
        "    not harmful                                   1.0000   1 - 1.0e-09\n",
        "  bad                                            -3.0000 x    1.0e-09 =       -3e-09\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        struct rewards r;
        start(&r, "");
        rewards_set(&r, "harmful", 1e-9);
        assert_says(&r, says[i]);
        rewards_done(&r);
    }
}

static void outcomes_in_words(void **state RBR_UNUSED)
{
    static const struct {
        const char *more, *missing, *says;
    } cases[] = {
        {"", NULL, "OK: reward 1.696"},
        {"", "harmful", "FAILED GRADER_TIMEOUT: no reward (no judgment for harmful)\n"},
        {"", "harmful", "?         ?   GRADER_TIMEOUT after 3 attempts\n"},
        {"", "harmful", "Z, the sum of the products                           ?\n"},
        {"grading: {on_ungraded: bounds}\n", "harmful", "PARTIAL GRADER_TIMEOUT: no reward"},
        {"grading: {on_ungraded: bounds}\n", "harmful",
         "with the missing answers yes or no, between -2.3 and 2.14\n"},
        {"grading: {on_ungraded: prior, prior: {kind: 0.3}}\n", "kind",
         "0.3000         ?   GRADER_TIMEOUT after 3 attempts, the policy's prior used\n"},
        {"class_probability: exact\n", NULL, "Classes, best first: the probability of being the"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rewards r;
        start(&r, cases[i].more);
        if (cases[i].missing != NULL)
            rewards_miss(&r, cases[i].missing, REASON_GRADER_TIMEOUT);
        assert_says(&r, cases[i].says);
        rewards_done(&r);
    }
}

static void where_judgments_come_from(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, "");
    rewards_of(&r, "kind")->cached = true;
    rewards_of(&r, "clear")->has_digest = false;
    rewards_set(&r, "harmful", 1e-7);
    assert_says(&r, "0.9000    0.9000    1.0000   g, cached\n");
    assert_says(&r, "0.8000    0.8000   given label\n");
    assert_says(&r, "   1.0e-07   1.0e-07    1.0000   g\n");
    struct judgment *kept = r.judged.judgments;
    r.judged.judgments = NULL;
    r.judged.status = STATUS_EXPIRED;
    r.judged.reason = REASON_DEADLINE;
    assert_says(&r, "EXPIRED DEADLINE: no reward\n");
    assert_says(&r, "?         ?   not asked\n");
    r.judged.judgments = kept;
    rewards_miss(&r, "kind", REASON_DEADLINE);
    rewards_of(&r, "kind")->attempts = 1;
    assert_says(&r, "DEADLINE after 1 attempt\n");
    rewards_of(&r, "kind")->attempts = 0;
    assert_says(&r, "?         ?   DEADLINE\n");
    rewards_done(&r);
}

#define NESTED                                                                                     \
    TEMPLATE "class_probability: exact\n"                                                          \
             "completion_class_order: [good, bad, never]\n"                                        \
             "simple_propositions: {a: {prompt: A}, b: {prompt: B}}\n"                             \
             "derived_propositions: {nested: {not: {all: [{a: true}, {b: true}]}, a: true}}\n"     \
             "completion_classes:\n"                                                               \
             "  good: {t: {any: [{nested: true}, {b: false}]}}\n"                                  \
             "  bad: {t: {otherwise: true}}\n"                                                     \
             "features: {t: {propositions: [nested]}}\n"

static void rules_of_every_kind(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(NESTED), 0);
    rewards_set(&r, "a", .5);
    rewards_set(&r, "b", .25);
    assert_says(&r, "    any of                                        0.8594\n"
                    "      nested                                      0.4375\n"
                    "        not                                       0.8750\n"
                    "          all of                                  0.1250\n"
                    "            a                                     0.5000\n"
                    "            b                                     0.2500\n"
                    "        a                                         0.5000\n"
                    "      not b                                       0.7500   1 - 0.2500\n");
    assert_says(&r, "    no other class holds\n");
    assert_says(&r, "never                                           0.0000   no rule for this "
                    "response type\n");
    rewards_set(&r, "b", 1);
    rewards_set(&r, "a", 0);
    assert_says(&r,
                "Why bad\n  probability                                     1.0000\n    no other");
    rewards_done(&r);
}

static void unrouted_records(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY), SIZE_MAX);
    r.judged.reward_model_only = true;
    r.record.has_reward_model_score = true;
    r.record.reward_model_score = 1.5;
    assert_page(
        &r,
        "c-1 by policy demo 7\n"
        "OK: reward 1.5\n\n"
        "Reward                                            weight        value         addend\n"
        "  reward_model                                   +1.0000 x     1.5000 =         +1.5\n"
        "  sum, in this order                                                  =          1.5\n");
    rewards_done(&r);
}

static void ids_cannot_speak_to_a_terminal(void **state RBR_UNUSED)
{
    struct rewards r;
    start(&r, "");
    r.record.completion_id = STR("a\0\x1b[2J\x7f\xc2\x9b\xc3\xa9");
    assert_says(&r, "a??[2J??\xc3\xa9 of group");
    rewards_done(&r);
}

static void a_full_buffer_is_an_error(void **state RBR_UNUSED)
{
    struct rewards r;
    struct buf out;
    start(&r, "");
    buf_init(&out, 500);
    (void)rewards_compute(&r);
    assert_int_equal(reward_explain(r.policy, &r.record, &r.judged, &r.reward, &out), ERR_LIMIT);
    buf_done(&out);
    rewards_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page),
        cmocka_unit_test(small_numbers_are_no_zeros),
        cmocka_unit_test(outcomes_in_words),
        cmocka_unit_test(where_judgments_come_from),
        cmocka_unit_test(rules_of_every_kind),
        cmocka_unit_test(unrouted_records),
        cmocka_unit_test(ids_cannot_speak_to_a_terminal),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
