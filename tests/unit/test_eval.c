/* fit/eval: where a proposition applies; what is counted; classes of labels and judgments. Figures
 * of many rows: tests/process/test_eval.py. */
#include "unit.h"

#include "policies.h"

#include "fit/eval.h"

#define POLICY                                                                                     \
    TEMPLATE ORDER                                                                                 \
        "completion_classes: {good: {t: {kind: true}, u: {warm: true}, v: {both: true}},\n"        \
        "                     bad: {t: {kind: false}, u: {warm: false}, v: {both: false}}}\n"      \
        "derived_propositions: {both: {kind: true, warm: true}}\n"                                 \
        "simple_propositions: {kind: {prompt: Is it kind?}, warm: {prompt: Is it warm?}}\n"        \
        "features: {t: {propositions: [warm]}, u: {propositions: []}, v: {propositions: "          \
        "[both]}}\n"

enum { KIND, WARM, N };

struct scene {
    struct policy *policy;
    struct eval eval;
};

static int load(void **state)
{
    struct scene *s = mem_alloc(sizeof(*s));
    s->policy = policies_good(POLICY);
    eval_init(&s->eval, s->policy);
    *state = s;
    return 0;
}

static int unload(void **state)
{
    struct scene *s = *state;
    eval_done(&s->eval);
    policy_free(s->policy);
    mem_free(s);
    return 0;
}

/* A row of response type t; a probability below 0 stands for low mass, a label below 0 for none. */
static enum err_code add(struct scene *s, const double labels[N], const double p[N],
                         struct err *err)
{
    static const struct str names[N] = {STR_INIT("kind"), STR_INIT("warm")};
    struct known_judgment known[N];
    struct judgment judgments[N];
    struct record record = {.known = known};
    struct judged judged = {.status = STATUS_OK, .judgments = judgments};
    for (size_t i = 0; i < N; i++) {
        judgments[i] = (struct judgment){
            .status = JUDGMENT_GRADED, .probability = p[i], .mass = 1, .has_digest = true};
        if (p[i] < 0)
            judgments[i] = (struct judgment){.status = JUDGMENT_UNGRADED,
                                             .reason = REASON_LOW_PROBABILITY_MASS};
        if (labels[i] >= 0)
            known[record.n_known++] = (struct known_judgment){names[i], labels[i]};
    }
    return eval_add(&s->eval, &record, &judged, err);
}

static void test_a_proposition_applies_where_it_is_a_feature(void **state)
{
    const struct scene *s = *state;
    const struct eval_type *t = s->eval.types;
    assert_true(!t[0].applies[KIND] && t[0].applies[WARM]); /* listed: warm alone */
    assert_true(!t[1].applies[KIND] && t[1].applies[WARM]); /* classes only: what rules use */
    assert_true(t[2].applies[KIND] && t[2].applies[WARM]); /* in a derived proposition */
}

static void test_what_is_counted(void **state)
{
    static const double rows[][2][N] = {/* labels, probabilities */
                                        {{1, 1}, {0.9, 0.8}},
                                        {{0, 1}, {0.6, -1}},
                                        {{1, -1}, {0.2, 0.3}},
                                        {{-1, 0}, {0.2, 0.1}}};
    struct scene *s = *state;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(add(s, rows[i][0], rows[i][1], &err), ERR_OK);
    assert_true(s->eval.rows == 4 && s->eval.answers == 2);
    assert_true(s->eval.ungraded == 1 && s->eval.low_mass == 1);
    struct eval_answers warm = eval_answers(&s->eval, WARM, SIZE_MAX);
    assert_true(warm.n == 2 && warm.ungraded == 1 && warm.unlabelled == 1);
    assert_true(warm.used[0].p == 0.8 && warm.used[0].truth);
    assert_true(warm.asked[1].p == 0.1 && !warm.asked[1].truth);
    mem_free(warm.used);
    mem_free(warm.asked);
    assert_int_equal(eval_answers(&s->eval, KIND, SIZE_MAX).n, 0);
    /* Rows 0 to 2 have a class by kind; the last has no label for it. */
    assert_int_equal(eval_classified(&s->eval, 0), 3);
    assert_int_equal(eval_right(&s->eval, 0), 1);
    assert_true(eval_class(&s->eval, 0, 0).labelled == 2 && eval_class(&s->eval, 0, 0).both == 1);
    assert_true(eval_class(&s->eval, 0, 1).labelled == 1 && eval_class(&s->eval, 0, 1).judged == 1);
}

static void test_what_is_settled_without_a_question_is_counted(void **state)
{
    struct scene *s = *state;
    struct known_judgment known = {STR("kind"), 1};
    const struct record record = {.known = &known, .n_known = 1};
    const struct judged judged = {.response_type = SIZE_MAX, .status = STATUS_SKIPPED};
    struct err err;
    assert_int_equal(eval_add(&s->eval, &record, &judged, &err), ERR_OK);
    assert_true(s->eval.rows == 1 && s->eval.unjudged == 1 && s->eval.answers == 0);
}

static void test_labels_are_true_or_false(void **state)
{
    static const double none[N] = {-1, -1}, half[N] = {-1, 0.5}, p[N] = {0.5, 0.5};
    struct scene *s = *state;
    struct err err;
    assert_int_equal(add(s, none, p, &err), ERR_INVALID);
    assert_string_equal(err.msg, "no labels; give them as propositions: {NAME: true or false}");
    assert_int_equal(add(s, half, p, &err), ERR_INVALID);
    assert_string_equal(err.msg, "the label of 'warm' is 0.5; a label is true or false: correct "
                                 "it, or leave it out");
    assert_int_equal(s->eval.rows, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, load, unload)
    const struct CMUnitTest tests[] = {
        CASE(test_a_proposition_applies_where_it_is_a_feature),
        CASE(test_what_is_counted),
        CASE(test_what_is_settled_without_a_question_is_counted),
        CASE(test_labels_are_true_or_false),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
