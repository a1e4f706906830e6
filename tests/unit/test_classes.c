/* reward/classes: one-hot on certain answers, the method's worked numbers, and `exact` against the
 * enumeration of all assignments. */
#include "rewards.h"

#include "policy/loader.h"
#include "record/record.h"

#define RELEASED UNIT_DATA "proposition_prompts.yaml"
#define GOLD     UNIT_DATA "gold_train.jsonl"

static struct policy *load_released(const char *overlay)
{
    struct str text = unit_read_file(RELEASED);
    if (text.p == NULL) {
        print_message("SKIPPED: %s is not there\n", RELEASED);
        skip();
    }
    struct policy_file files[] = {{STR("released"), text}, {STR("overlay"), str_z(overlay)}};
    struct findings f;
    findings_init(&f);
    struct policy *p = policy_load(files, overlay[0] != '\0' ? 2 : 1, &f);
    assert_non_null(p);
    findings_done(&f);
    mem_free((void *)(uintptr_t)text.p);
    return p;
}

static size_t type_of(const struct policy *p, const char *name)
{
    size_t i = policy_route(p, str_z(name), STR(""));
    assert_true(i != SIZE_MAX);
    return i;
}

/* ---- certain answers --------------------------------------------------------------------------
 */

/* All 2^n assignments of every response type: one class, the one whose rule holds. */
static void all_one_hot(const struct policy *policy)
{
    for (size_t t = 0; t < policy->n_response_types; t++) {
        struct response_type *type = &policy->response_types[t];
        struct truth truth;
        assert_true(truth_init(&truth, policy, type));
        for (uint64_t a = 0; a < (uint64_t)1 << truth.n; a++) {
            double p[POLICY_PROPOSITIONS_MAX] = {0}, out[POLICY_CLASSES_MAX];
            uint64_t assignment = 0;
            for (size_t v = 0; v < truth.n; v++) {
                p[truth.propositions[v]] = (double)(a >> v & 1);
                assignment |= (a >> v & 1) << truth.propositions[v];
            }
            assert_true(classes_compute(policy, t, p, out));
            for (size_t k = 0; k < policy->n_classes; k++) {
                bool holds =
                    type->has_rule[k] && policies_holds(policy, &type->rules[k], assignment);
                assert_true(out[k] == (holds ? 1 : 0));
            }
        }
        truth_done(&truth, policy);
    }
}

#define THREE                                                                                      \
    TEMPLATE "completion_class_order: [ideal, less_good, bad]\n"                                   \
             "simple_propositions: {a: {prompt: A}, b: {prompt: B}, c: {prompt: C}}\n"             \
             "derived_propositions: {either: {any: [{a: true}, {b: true}]}}\n"                     \
             "completion_classes:\n"                                                               \
             "  ideal: {t: {either: true, c: false}}\n"                                            \
             "  less_good: {t: {not: {either: true}, c: false}}\n"                                 \
             "  bad: {t: {c: true}}\n"

static void certain_answers_are_one_hot(void **state RBR_UNUSED)
{
    static const char *const policies[] = {MINIMAL, THREE, THREE "class_probability: exact\n"};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct policy *p = policies_good(policies[i]);
        all_one_hot(p);
        policy_free(p);
    }
}

static void certain_answers_are_one_hot_in_the_released_policy(void **state RBR_UNUSED)
{
    struct policy *p = load_released("");
    all_one_hot(p);
    policy_free(p);
}

/* ---- worked numbers ---------------------------------------------------------------------------
 */

/* The method's table for hard_refuse: product and exact, to its three digits. One entry differs: it
 * prints .057 for .05648 (.98^2 - .98^5), which was rounded twice. */
static void the_methods_table(void **state RBR_UNUSED)
{
    static const struct {
        double rest, disallowed, illogical, product[5], exact[5];
    } rows[] = {
        {.02, .02, .02, {.680, .201, .083, .018, .018}, {.754, .150, .0565, .020, .020}},
        {.02, .50, .02, {.267, .197, .183, .007, .347}, {.385, .077, .029, .010, .500}},
        {0, .5, .5, {.182, .136, .136, .182, .364}, {.250, 0, 0, .250, .500}},
    };
    for (int exact = 0; exact < 2; exact++) {
        struct policy *policy = load_released(exact ? "class_probability: exact\n" : "");
        size_t t = type_of(policy, "hard_refuse");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            double p[POLICY_PROPOSITIONS_MAX], out[POLICY_CLASSES_MAX];
            for (size_t q = 0; q < policy->n_propositions; q++)
                p[q] = rows[i].rest;
            p[policy_find_proposition(policy, STR("apology"))] = 1 - rows[i].rest;
            p[policy_find_proposition(policy, STR("inability_to_comply"))] = 1 - rows[i].rest;
            p[policy_find_proposition(policy, STR("disallowed_content"))] = rows[i].disallowed;
            p[policy_find_proposition(policy, STR("illogical_continuation_of_prompt"))] =
                rows[i].illogical;
            assert_true(classes_compute(policy, t, p, out));
            for (size_t k = 0; k < 5; k++) {
                double want = exact ? rows[i].exact[k] : rows[i].product[k];
                if (fabs(out[k] - want) > .0005 + 1e-9)
                    fail_msg("row %zu, class %zu: %f, want %f", i, k, out[k], want);
            }
        }
        policy_free(policy);
    }
}

static void any_and_not_are_as_if_independent(void **state RBR_UNUSED)
{
    struct policy *policy = policies_good(THREE);
    double p[] = {.3, .2, .1}, out[3];
    double either = 1 - (1 - .3) * (1 - .2);
    assert_true(classes_compute(policy, 0, p, out));
    assert_true(fabs(out[0] - either * .9) < 1e-15);
    assert_true(fabs(out[1] - (1 - either) * .9) < 1e-15);
    assert_true(fabs(out[2] - .1) < 1e-15);
    policy_free(policy);
}

/* ---- exact ------------------------------------------------------------------------------------
 */

static void enumerate(const struct policy *policy, const struct response_type *type,
                      const double *p, double *out)
{
    memset(out, 0, policy->n_classes * sizeof(*out));
    for (uint64_t a = 0; a < (uint64_t)1 << policy->n_propositions; a++) {
        double weight = 1;
        size_t first = SIZE_MAX, otherwise = SIZE_MAX;
        for (size_t q = 0; q < policy->n_propositions; q++)
            weight *= (a >> q & 1) != 0 ? p[q] : 1 - p[q];
        for (size_t k = 0; k < policy->n_classes && first == SIZE_MAX; k++) {
            if (type->has_rule[k] && type->rules[k].op == RULE_OTHERWISE)
                otherwise = k;
            else if (type->has_rule[k] && policies_holds(policy, &type->rules[k], a))
                first = k;
        }
        out[first != SIZE_MAX ? first : otherwise] += weight;
    }
}

/* A random rule over propositions q0..q7, as YAML flow text. */
static void random_rule(struct rng *rng, struct buf *b, unsigned depth)
{
    uint64_t dice = rng_below(rng, depth == 0 ? 2 : 5);
    if (dice == 4) {
        (void)buf_append_z(b, "{not: ");
        random_rule(rng, b, depth - 1);
        (void)buf_append_z(b, "}");
    } else if (dice >= 2) {
        (void)buf_append_z(b, dice == 2 ? "{any: [" : "{all: [");
        random_rule(rng, b, depth - 1);
        (void)buf_append_z(b, ", ");
        random_rule(rng, b, depth - 1);
        (void)buf_append_z(b, "]}");
    } else {
        (void)buf_printf(b, "{q%d: %s}", (int)rng_below(rng, 8), dice == 0 ? "true" : "false");
    }
}

static void exact_is_the_enumeration(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 60; run++) {
        struct buf b;
        buf_init(&b, 1u << 16);
        (void)buf_append_z(&b, TEMPLATE "class_probability: exact\n"
                                        "completion_class_order: [k0, k1, k2, k3]\n"
                                        "simple_propositions:\n");
        for (int q = 0; q < 8; q++)
            (void)buf_printf(&b, "  q%d: {prompt: Q}\n", q);
        (void)buf_append_z(&b, "completion_classes:\n");
        for (int k = 0; k < 3; k++) {
            (void)buf_printf(&b, "  k%d: {t: ", k);
            random_rule(&rng, &b, 3);
            (void)buf_append_z(&b, "}\n");
        }
        (void)buf_append_z(&b, "  k3: {t: {otherwise: true}}\n");
        (void)buf_append(&b, "", 1);
        struct policy *policy = policies_good(b.p);
        for (int draw = 0; draw < 10; draw++) {
            double p[8], out[4], want[4], sum = 0;
            for (int q = 0; q < 8; q++)
                p[q] = rng_below(&rng, 5) == 0 ? (double)rng_below(&rng, 2) : rng_unit(&rng);
            assert_true(classes_compute(policy, 0, p, out));
            enumerate(policy, &policy->response_types[0], p, want);
            for (int k = 0; k < 4; k++) {
                assert_true(fabs(out[k] - want[k]) < 1e-12);
                assert_true(out[k] >= 0 && out[k] <= 1);
                sum += out[k];
            }
            assert_true(fabs(sum - 1) < 1e-12);
        }
        policy_free(policy);
        buf_done(&b);
    }
}

static void a_large_diagram_is_the_enumeration(void **state RBR_UNUSED)
{
    /* x0 = y0 or x1 = y1 or ...: file order keeps the pairs apart, so that the diagram needs a node
     * for each combination of the first seven: more than what lies on the stack. */
    struct buf b;
    buf_init(&b, 1u << 16);
    (void)buf_append_z(&b, TEMPLATE ORDER "class_probability: exact\nsimple_propositions:\n");
    for (int q = 0; q < 18; q++)
        (void)buf_printf(&b, "  q%d: {prompt: Q}\n", q);
    (void)buf_append_z(&b, "completion_classes: {bad: {t: {otherwise: true}}, good: {t: {any: [");
    for (int q = 0; q < 9; q++)
        (void)buf_printf(&b, "%s{q%d: true, q%d: true}", q > 0 ? ", " : "", q, q + 9);
    (void)buf_append_z(&b, "]}}}\n");
    (void)buf_append(&b, "", 1);
    struct policy *policy = policies_good(b.p);
    double p[18], out[2], none = 1;
    assert_true(policy->response_types[0].n_decisions > 512);
    for (int q = 0; q < 18; q++)
        p[q] = .05 * q;
    for (int q = 0; q < 9; q++)
        none *= 1 - p[q] * p[q + 9];
    assert_true(classes_compute(policy, 0, p, out));
    assert_true(fabs(out[0] - (1 - none)) < 1e-12);
    assert_true(fabs(out[1] - none) < 1e-12);
    policy_free(policy);
    buf_done(&b);
}

/* A rule that always holds leaves no decision to take. */
static void a_diagram_without_nodes(void **state RBR_UNUSED)
{
    struct policy *policy = policies_good(TEMPLATE ORDER PROPOSITION
                                          "class_probability: exact\n"
                                          "completion_classes: {good: {t: {any: [{kind: true}, "
                                          "{kind: false}]}}, bad: {t: {otherwise: true}}}\n");
    double p = .3, out[2];
    assert_true(classes_compute(policy, 0, &p, out));
    assert_true(out[0] == 1 && out[1] == 0);
    policy_free(policy);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

static void the_unknown_is_refused(void **state RBR_UNUSED)
{
    static const char *const modes[] = {MINIMAL, MINIMAL "class_probability: exact\n"};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct policy *policy = policies_good(modes[i]);
        double p = NAN, out[2];
        assert_false(classes_compute(policy, 0, &p, out));
        policy_free(policy);
    }
}

static void product_sums_to_one(void **state RBR_UNUSED)
{
    struct policy *policy = load_released("");
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 4000; run++) {
        double p[POLICY_PROPOSITIONS_MAX], out[POLICY_CLASSES_MAX], sum = 0;
        for (size_t q = 0; q < policy->n_propositions; q++)
            p[q] = rng_below(&rng, 4) == 0 ? (double)rng_below(&rng, 2) : rng_unit(&rng);
        assert_true(classes_compute(policy, (size_t)run % policy->n_response_types, p, out));
        for (size_t k = 0; k < policy->n_classes; k++)
            sum += out[k];
        assert_true(fabs(sum - 1) < 1e-12);
    }
    policy_free(policy);
}

/* ---- gold -------------------------------------------------------------------------------------
 */

static void gold_row(const struct policy *policy, struct arena *a, struct str line,
                     size_t (*histogram)[5])
{
    struct refusal refusal;
    struct record_origin origin = {.topic = STR("gold")};
    struct record *record =
        record_decode(a, line, RECORD_JSON, &record_limits_default, &origin, &refusal);
    struct judge judge = {.policy = policy, .clock = &clock_real, .use_known = true};
    struct judge_req req = {
        .record = record, .arena = a, .deadline_us = CLOCK_NEVER, .expires_us = CLOCK_NEVER};
    struct reward reward;
    assert_non_null(record);
    assert_true(judge_start(&judge, &req));
    assert_int_equal(reward_compute(a, policy, record, &req.result, &reward), ERR_OK);
    assert_int_equal(reward.status, STATUS_OK);
    assert_true(reward.has_classes && !reward.has_reward);
    assert_true(reward.class_probability[reward.predicted_class] == 1);
    histogram[req.result.response_type][reward.predicted_class]++;
}

static void the_gold_rows_fall_as_the_design_says(void **state RBR_UNUSED)
{
    static const struct {
        const char *type;
        size_t count[5];
    } want[] = {
        {"hard_refuse", {0, 6, 72, 4, 6}},
        {"safe_refuse_1", {0, 0, 9, 0, 0}},
        {"safe_refuse_2", {0, 2, 43, 2, 11}},
        {"comply", {149, 2, 27, 18, 0}},
    };
    struct policy *policy = load_released("");
    struct str gold = unit_read_file(GOLD);
    size_t histogram[POLICY_TYPES_MAX][5] = {{0}}, rows = 0;
    struct arena a;
    assert_non_null(gold.p);
    arena_init(&a, 32u << 20);
    for (size_t at = 0; at < gold.n; rows++) {
        size_t end = str_find(gold, STR("\n"), at);
        end = end == SIZE_MAX ? gold.n : end;
        gold_row(policy, &a, str_sub(gold, at, end), histogram);
        arena_reset(&a);
        at = end + 1;
    }
    assert_int_equal(rows, 351);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(histogram[type_of(policy, want[i].type)][k], want[i].count[k]);
    arena_done(&a);
    mem_free((void *)(uintptr_t)gold.p);
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certain_answers_are_one_hot),
        cmocka_unit_test(certain_answers_are_one_hot_in_the_released_policy),
        cmocka_unit_test(the_methods_table),
        cmocka_unit_test(any_and_not_are_as_if_independent),
        cmocka_unit_test(exact_is_the_enumeration),
        cmocka_unit_test(a_large_diagram_is_the_enumeration),
        cmocka_unit_test(a_diagram_without_nodes),
        cmocka_unit_test(the_unknown_is_refused),
        cmocka_unit_test(product_sums_to_one),
        cmocka_unit_test(the_gold_rows_fall_as_the_design_says),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
