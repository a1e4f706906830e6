/* config/policies: what the shipped policies promise, and their agreement with the released file,
 * whose copy lies beside the checkout (../shared/data) and is not part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/check.h"
#include "policy/loader.h"

#define POLICIES SOURCE_DIR "/config/policies/"
#define RELEASED SOURCE_DIR "/../shared/data/proposition_prompts.yaml"

static void print_findings(const struct findings *f)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    for (size_t i = 0; i < f->n; i++)
        (void)finding_print(&f->items[i], &b);
    print_message("%.*s", (int)b.n, b.n > 0 ? b.p : "");
    buf_done(&b);
}

/* Fails on an error; the caller ends the findings. */
static struct policy *load_files(const struct policy_file *files, size_t n, struct findings *f)
{
    findings_init(f);
    struct policy *p = policy_load(files, n, f);
    if (p == NULL) {
        print_findings(f);
        abort();
    }
    return p;
}

static struct policy *load(const char *path, struct findings *f)
{
    struct policy_file file = {str_z(path), {0}};
    return load_files(&file, 1, f);
}

static bool finding_names(const struct finding *f, const char *name)
{
    return str_find(f->text, str_z(name), 0) != SIZE_MAX;
}

static const struct response_type *type_of(const struct policy *p, const char *name)
{
    size_t i = policy_find_type(p, str_z(name));
    assert_true(i != SIZE_MAX);
    return &p->response_types[i];
}

/* ---- all of them ------------------------------------------------------------------------------
 */

static const struct {
    const char *path;
    const char
        *warned[2]; /* propositions that nothing uses: a warning each, and no other finding */
    size_t propositions, classes, types;
} shipped[] = {
    {POLICIES "safety.yaml", {"'conditional_verbiage'", "'prescribes_dosage'"}, 23, 5, 4},
    {POLICIES "simple.yaml", {NULL}, 4, 3, 2},
    {POLICIES "helpdesk.yaml", {NULL}, 12, 4, 2},
};

static void shipped_policies_load_and_run_would_take_them(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        struct findings f;
        struct policy *p = load(shipped[i].path, &f);
        policy_require_weights(p, &f);
        size_t expected = 0;
        while (expected < 2 && shipped[i].warned[expected] != NULL)
            expected++;
        if (f.n != expected)
            print_findings(&f);
        assert_int_equal(f.n, expected);
        assert_int_equal(f.errors, 0);
        for (size_t k = 0; k < f.n; k++)
            assert_true(finding_names(&f.items[k], shipped[i].warned[k]));
        assert_int_equal(p->n_propositions, shipped[i].propositions);
        assert_int_equal(p->n_classes, shipped[i].classes);
        assert_int_equal(p->n_response_types, shipped[i].types);
        assert_true(p->has_conversation && p->neutralise && p->has_clip);
        policy_free(p);
        findings_done(&f);
    }
}

static size_t segment_at(const struct policy *p, enum segment_kind kind)
{
    size_t i = 0;
    while (i < p->n_segments && p->segments[i].kind != kind)
        i++;
    assert_true(i < p->n_segments);
    return i;
}

static void the_question_comes_last(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        struct findings f;
        struct policy *p = load(shipped[i].path, &f);
        size_t question = segment_at(p, SEGMENT_QUESTION);
        assert_true(segment_at(p, SEGMENT_CONVERSATION) < question);
        assert_true(segment_at(p, SEGMENT_RESPONSE) < question);
        policy_free(p);
        findings_done(&f);
    }
}

/* Exactly one class for every assignment, found by looking at each, not by the lint's own words. */
static void classes_are_a_partition(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        struct findings f;
        struct policy *p = load(shipped[i].path, &f);
        for (size_t t = 0; t < p->n_response_types; t++) {
            struct truth truth;
            assert_true(truth_init(&truth, p, &p->response_types[t]));
            for (size_t a = 0; a < (size_t)1 << truth.n; a++) {
                size_t holding = 0;
                for (size_t c = 0; c < p->n_classes; c++)
                    holding += truth_bit(truth.classes[c], a);
                assert_int_equal(holding, 1);
            }
            truth_done(&truth, p);
        }
        policy_free(p);
        findings_done(&f);
    }
}

/* ---- safety -----------------------------------------------------------------------------------
 */

static const char safety[] = POLICIES "safety.yaml";

static void safety_has_the_papers_features(void **state RBR_UNUSED)
{
    static const struct {
        const char *type;
        size_t features, asked, in_rules;
    } cases[] = {
        {"hard_refuse", 15 + 5, 15, 14},
        {"safe_refuse_1", 18 + 5, 18, 16},
        {"safe_refuse_2", 18 + 5, 19, 17},
        {"comply", 13 + 5, 13, 5},
    };
    struct findings f;
    struct policy *p = load(safety, &f);
    assert_int_equal(p->class_probability, CLASS_PRODUCT);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct response_type *type = type_of(p, cases[i].type);
        struct truth truth;
        assert_int_equal(type->n_features, cases[i].features);
        assert_int_equal(type->n_asked, cases[i].asked);
        for (size_t k = 0; k < type->n_features; k++)
            assert_true(type->features[k].weighted);
        assert_true(truth_init(&truth, p, type));
        assert_int_equal(truth.n, cases[i].in_rules);
        truth_done(&truth, p);
    }
    policy_free(p);
    findings_done(&f);
}

static void safety_routes_by_name_alias_and_category(void **state RBR_UNUSED)
{
    static const struct {
        const char *response_type, *category, *expected; /* expected NULL: not routed */
    } cases[] = {
        {"hard_refuse", "", "hard_refuse"},
        {"Hard Refuse", "", "hard_refuse"},
        {"Safe Refuse 1", "", "safe_refuse_1"},
        {"Safe Refuse 2", "", "safe_refuse_2"},
        {"Comply", "", "comply"},
        {"Hard Refusal", "", "hard_refuse"},
        {"compliance", "", "comply"},
        {"Soft Refusal", "SH-R1", "safe_refuse_1"},
        {"Soft Refusal", "SH-R2", "safe_refuse_2"},
        {"Soft Refusal", "", NULL},
        {"", "C-R", "hard_refuse"},
        {"", "K-R", "hard_refuse"},
        {"", "H-R", "hard_refuse"},
        {"", "SH-R1", "safe_refuse_1"},
        {"", "SH-R2", "safe_refuse_2"},
        {"", "None", "comply"},
        {"", "C-C", "comply"},
        {"", "K-C", "comply"},
        {"", "H-C", "comply"},
        {"", "SH-C", "comply"},
        {"", "X-R", NULL},
        {"", "", NULL},
    };
    struct findings f;
    struct policy *p = load(safety, &f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t got = policy_route(p, str_z(cases[i].response_type), str_z(cases[i].category));
        if (cases[i].expected == NULL)
            assert_int_equal(got, SIZE_MAX);
        else
            assert_int_equal(got, policy_find_type(p, str_z(cases[i].expected)));
    }
    policy_free(p);
    findings_done(&f);
}

/* ---- simple and helpdesk ----------------------------------------------------------------------
 */

/* The class that a response type's rules give to an assignment by name. */
static struct str class_for(const struct policy *p, const char *type, const char *const *names,
                            size_t n)
{
    struct truth truth;
    size_t assignment = 0, class = SIZE_MAX;
    assert_true(truth_init(&truth, p, type_of(p, type)));
    for (size_t i = 0; i < n && names[i] != NULL; i++) {
        size_t at = 0, wanted = policy_find_proposition(p, str_z(names[i]));
        while (at < truth.n && truth.propositions[at] != wanted)
            at++;
        assert_true(at < truth.n);
        assignment |= (size_t)1 << at;
    }
    for (size_t c = 0; c < p->n_classes && class == SIZE_MAX; c++)
        if (truth_bit(truth.classes[c], assignment))
            class = c;
    truth_done(&truth, p);
    assert_true(class != SIZE_MAX);
    return p->classes[class];
}

enum { TRUE_MAX = 9 };

struct class_case {
    const char *type;
    const char *holds[TRUE_MAX]; /* propositions that are true; all others are false */
    const char *class;
};

static void expect_classes(const char *path, const struct class_case *cases, size_t n)
{
    struct findings f;
    struct policy *p = load(path, &f);
    for (size_t i = 0; i < n; i++) {
        struct str got = class_for(p, cases[i].type, cases[i].holds, TRUE_MAX);
        if (!str_eq(got, str_z(cases[i].class)))
            fail_msg("%s case %zu: %.*s, expected %s", path, i, STR_ARGS(got), cases[i].class);
    }
    policy_free(p);
    findings_done(&f);
}

static void simple_mends_the_posts_overlap_and_gap(void **state RBR_UNUSED)
{
    static const struct class_case cases[] = {
        {"hard_refusal", {"apologetic_refusal"}, "ideal"},
        {"hard_refusal", {NULL}, "less_good"},
        {"hard_refusal", {"judgmental"}, "less_good"},
        {"hard_refusal", {"apologetic_refusal", "judgmental"}, "less_good"}, /* the gap */
        {"hard_refusal", {"judgmental", "complies"}, "unacceptable"}, /* the overlap */
        {"hard_refusal", {"apologetic_refusal", "complies"}, "unacceptable"},
        {"comply", {"complies", "helpful"}, "ideal"},
        {"comply", {"complies"}, "less_good"},
        {"comply", {"helpful"}, "unacceptable"},
        {"comply", {NULL}, "unacceptable"},
    };
    expect_classes(POLICIES "simple.yaml", cases, ARRAY_LEN(cases));
}

static void helpdesk_mixes_questions_and_checks(void **state RBR_UNUSED)
{
#define READABLE "polite", "fits_the_window"
#define SOLVES   "says_something", "answers_customer"
    static const struct class_case cases[] = {
        {"reply", {SOLVES, READABLE, "states_next_step"}, "good"},
        {"reply", {SOLVES, READABLE}, "acceptable"},
        {"reply", {SOLVES, "states_next_step", "polite"}, "acceptable"},
        {"reply", {READABLE, "says_something"}, "poor"},
        {"reply", {NULL}, "poor"},
        {"reply", {SOLVES, READABLE, "states_next_step", "promises_money"}, "breach"},
        {"reply", {"shows_card_number"}, "breach"},
        {"handover", {"is_json_object", "sums_up_problem", "lists_attempts"}, "good"},
        {"handover", {"is_json_object", "sums_up_problem"}, "acceptable"},
        {"handover", {"sums_up_problem", "lists_attempts"}, "poor"},
        {"handover", {"is_json_object", "sums_up_problem", "names_internal_system"}, "breach"},
    };
    expect_classes(POLICIES "helpdesk.yaml", cases, ARRAY_LEN(cases));
}

static void helpdesk_checks_hold_where_they_should(void **state RBR_UNUSED)
{
    static const struct {
        const char *name, *text;
        bool holds;
    } cases[] = {
        {"says_something", "ok", false},
        {"says_something", "Your parcel leaves tomorrow.", true},
        {"fits_the_window", "Your parcel leaves tomorrow.", true},
        {"shows_card_number", "card 4111 1111 1111 1111, thanks", true},
        {"shows_card_number", "card ending in 1111", false},
        {"names_internal_system", "see the Intranet page", true},
        {"names_internal_system", "see our web page", false},
        {"is_json_object", "{\"problem\": \"late parcel\"}", true},
        {"is_json_object", "[1]", false},
        {"is_json_object", "The parcel is late.", false},
    };
    const char *path = POLICIES "helpdesk.yaml";
    struct findings f;
    struct policy *p = load(path, &f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t at = policy_find_proposition(p, str_z(cases[i].name));
        assert_true(at != SIZE_MAX);
        assert_non_null(p->propositions[at].check);
        if (check_holds(p->propositions[at].check, str_z(cases[i].text)) != cases[i].holds)
            fail_msg("%s on: %s", cases[i].name, cases[i].text);
    }
    policy_free(p);
    findings_done(&f);
}

/* ---- the released file ------------------------------------------------------------------------
 */

static void need_released_file(void)
{
    if (access(RELEASED, R_OK) == 0)
        return;
    print_message("SKIPPED: %s is not there; nothing was compared with the released policy\n",
                  RELEASED);
    skip();
}

static const char released[] = RELEASED;

static void the_released_file_loads_unchanged(void **state RBR_UNUSED)
{
    static const char *const warned[] = {"{question}", "'conditional_verbiage'",
                                         "'prescribes_dosage'"};
    struct findings f;
    need_released_file();
    struct policy *p = load(released, &f);
    assert_int_equal(f.errors, 0);
    assert_int_equal(f.n, ARRAY_LEN(warned));
    for (size_t i = 0; i < ARRAY_LEN(warned); i++)
        assert_true(finding_names(&f.items[i], warned[i]) && f.items[i].line > 0);
    assert_int_equal(p->n_propositions, 23);
    assert_int_equal(p->n_derived, 6);
    assert_int_equal(p->n_response_types, 4);
    assert_false(p->has_conversation);
    policy_require_weights(p, &f);
    assert_int_equal(f.errors, 4); /* it classifies only */
    policy_free(p);
    findings_done(&f);
}

static void an_overlay_makes_it_a_full_policy(void **state RBR_UNUSED)
{
    static const char overlay[] =
        "policy: {id: released, version: \"7\"}\n"
        "response_types: {categories: {C-R: hard_refuse, None: comply}, unrouted: fail}\n"
        "features: {hard_refuse: {propositions: [apology, judgement], classes: all}}\n"
        "weights:\n"
        "  hard_refuse: {apology: 0.41, judgement: -1, ideal: 2.3}\n"
        "  safe_refuse_1: {ideal: 1}\n"
        "  safe_refuse_2: {ideal: 1}\n"
        "  comply: {ideal: 1}\n"
        "simple_propositions: {prescribes_dosage: {prompt: \"Is a dose recommended?\"}}\n";
    struct policy_file files[] = {{STR(RELEASED), {0}}, {STR("overlay.yaml"), STR(overlay)}};
    struct findings f;
    need_released_file();
    struct policy *p = load_files(files, ARRAY_LEN(files), &f);
    policy_require_weights(p, &f);
    assert_int_equal(f.errors, 0);
    assert_true(str_eq(p->id, STR("released")) && str_eq(p->version, STR("7")));
    assert_int_equal(p->unrouted, UNROUTED_FAIL);
    assert_int_equal(p->n_propositions, 23);
    size_t dosage = policy_find_proposition(p, STR("prescribes_dosage"));
    assert_true(str_eq(p->propositions[dosage].question, STR("Is a dose recommended?")));
    const struct response_type *hard = type_of(p, "hard_refuse");
    assert_int_equal(hard->n_features, 2 + 5);
    assert_true(str_eq(hard->features[0].name, STR("apology")));
    assert_float_equal(hard->features[0].weight, 0.41, 0);
    assert_true(hard->features[2].weighted && !hard->features[3].weighted);
    policy_free(p);
    findings_done(&f);
}

static struct str ref_name(const struct policy *p, const struct rule *r)
{
    return r->ref_kind == REF_DERIVED ? p->derived[r->ref].name : p->propositions[r->ref].name;
}

static bool same_rule(const struct policy *p, const struct rule *a, const struct policy *q,
                      const struct rule *b)
{
    if (a->op != b->op || a->n_kids != b->n_kids)
        return false;
    if (a->op == RULE_LITERAL)
        return a->want == b->want && a->ref_kind == b->ref_kind &&
               str_eq(ref_name(p, a), ref_name(q, b));
    for (size_t i = 0; i < a->n_kids; i++)
        if (!same_rule(p, &a->kids[i], q, &b->kids[i]))
            return false;
    return true;
}

static void safety_has_the_released_rules(void **state RBR_UNUSED)
{
    struct findings f, g;
    need_released_file();
    struct policy *ours = load(safety, &f), *theirs = load(released, &g);
    assert_int_equal(ours->n_propositions, theirs->n_propositions);
    assert_int_equal(ours->n_derived, theirs->n_derived);
    assert_int_equal(ours->n_classes, theirs->n_classes);
    assert_int_equal(ours->n_response_types, theirs->n_response_types);
    for (size_t i = 0; i < ours->n_propositions; i++) {
        assert_true(str_eq(ours->propositions[i].name, theirs->propositions[i].name));
        assert_false(str_eq(ours->propositions[i].question, theirs->propositions[i].question));
    }
    for (size_t i = 0; i < ours->n_derived; i++) {
        assert_true(str_eq(ours->derived[i].name, theirs->derived[i].name));
        assert_true(same_rule(ours, &ours->derived[i].rule, theirs, &theirs->derived[i].rule));
    }
    for (size_t c = 0; c < ours->n_classes; c++)
        assert_true(str_eq(ours->classes[c], theirs->classes[c]));
    for (size_t t = 0; t < ours->n_response_types; t++) {
        const struct response_type *a = &ours->response_types[t];
        size_t at = policy_find_type(theirs, a->name);
        assert_true(at != SIZE_MAX);
        const struct response_type *b = &theirs->response_types[at];
        for (size_t c = 0; c < ours->n_classes; c++) {
            assert_true(a->has_rule[c] && b->has_rule[c]);
            assert_true(same_rule(ours, &a->rules[c], theirs, &b->rules[c]));
        }
    }
    policy_free(ours);
    policy_free(theirs);
    findings_done(&f);
    findings_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_policies_load_and_run_would_take_them),
        cmocka_unit_test(the_question_comes_last),
        cmocka_unit_test(classes_are_a_partition),
        cmocka_unit_test(safety_has_the_papers_features),
        cmocka_unit_test(safety_routes_by_name_alias_and_category),
        cmocka_unit_test(simple_mends_the_posts_overlap_and_gap),
        cmocka_unit_test(helpdesk_mixes_questions_and_checks),
        cmocka_unit_test(helpdesk_checks_hold_where_they_should),
        cmocka_unit_test(the_released_file_loads_unchanged),
        cmocka_unit_test(an_overlay_makes_it_a_full_policy),
        cmocka_unit_test(safety_has_the_released_rules),
    };
    return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
