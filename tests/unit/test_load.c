/* policy/load: the parts of a policy, overlays, defaults, routing, and files that are none. */
#include "policies.h"

#include <unistd.h>

static struct str segments(const struct policy *p, char *out, size_t room)
{
    static const char *const marks[] = {"", "<Q>", "<R>", "<C>"};
    size_t n = 0;
    for (size_t i = 0; i < p->n_segments; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%.*s", marks[p->segments[i].kind],
                              STR_ARGS(p->segments[i].text));
    return (struct str){out, n};
}

static void a_minimal_policy_has_defaults(void **state RBR_UNUSED)
{
    struct policy *p = policies_good(MINIMAL);
    const struct response_type *t = &p->response_types[0];
    assert_str(p->id, "one");
    assert_int_equal(p->version.n, 12);
    assert_memory_equal(p->version.p, p->hash_hex, 12);
    assert_int_equal(strlen(p->hash_hex), 64);
    assert_int_equal(p->class_probability, CLASS_PRODUCT);
    assert_true(p->min_mass == 0.5 && p->rm_weight == 1);
    assert_true(p->neutralise && !p->ask_all && !p->has_clip && !p->classify_only);
    assert_int_equal(p->on_ungraded, UNGRADED_FAIL);
    assert_int_equal(p->unrouted, UNROUTED_SKIP);
    assert_int_equal(p->empty_completion, EMPTY_GRADE);
    assert_int_equal(p->reward_model, REWARD_MODEL_ADD);
    assert_int_equal(p->layout, LAYOUT_INLINE);
    assert_str(p->yes_labels[0], "yes");
    assert_str(p->no_labels[0], "no");
    assert_int_equal(p->n_classes, 2);
    assert_int_equal(t->n_features, 3); /* the proposition its rules use, then the classes */
    assert_str(t->features[0].name, "kind");
    assert_str(t->features[1].name, "good");
    assert_int_equal(t->features[2].kind, FEATURE_CLASS);
    assert_false(t->has_weights);
    assert_int_equal(t->n_asked, 1);
    policy_free(p);
    policy_free(NULL);
}

#define FULL                                                                                       \
    "policy: {id: full, version: 7}\n"                                                             \
    "prompt_template: \"{{ {conversation} {response} {x1} {question} }}\"\n"                       \
    "completion_class_order: [good, fair, bad]\n"                                                  \
    "simple_propositions:\n"                                                                       \
    "  a: {prompt: qa}\n"                                                                          \
    "  b: {prompt: qb}\n"                                                                          \
    "  c: {check: {max_chars: 400}}\n"                                                             \
    "  idle: {prompt: qi}\n"                                                                       \
    "derived_propositions:\n"                                                                      \
    "  d: {a: true, b: false}\n"                                                                   \
    "  e: {any: [{d: true}, {c: true}]}\n"                                                         \
    "completion_classes:\n"                                                                        \
    "  good: {Hard Refuse: {e: true}, comply: {a: true}}\n"                                        \
    "  bad: {Hard Refuse: {not: {e: true}}, comply: {otherwise: true}}\n"                          \
    "class_probability: exact\n"                                                                   \
    "response_types: {route_by: behavior_category, aliases: {HR: hard_refuse},\n"                  \
    "  categories: {None: comply, C-R: hard-refuse}, unrouted: fail}\n"                            \
    "features: {hard_refuse: {propositions: [idle, d], classes: [bad]}, comply: {classes: "        \
    "none}}\n"                                                                                     \
    "weights: {Hard-Refuse: {d: 0.5, bad: -2}, comply: {a: 1}}\n"                                  \
    "calibration: {a: {a: 1.5, b: -0.25}}\n"                                                       \
    "grading: {min_mass: 0.25, on_ungraded: prior, layout: chat, empty_completion: skip,\n"        \
    "  neutralise: off, prior: {a: 0.125}, train_on_partial: on,\n"                                \
    "  labels: {yes: [Yes, TRUE], no: [No]}}\n"                                                    \
    "reward: {reward_model: require, rm_weight: 2, clip: [-20, 20], classify_only: true}\n"

static void every_part_of_a_policy(void **state RBR_UNUSED)
{
    char cut[200];
    struct policy *p = policies_good(FULL);
    assert_str(p->id, "full");
    assert_str(p->version, "7");
    assert_strs(segments(p, cut, sizeof(cut)), STR("{ <C> <R> {x1} <Q> }"));
    assert_true(p->has_conversation);
    assert_int_equal(p->n_propositions, 4);
    assert_non_null(p->propositions[2].check);
    assert_int_equal(p->propositions[2].question.n, 0);
    assert_true(p->propositions[0].has_calibration && p->propositions[0].calibration_a == 1.5 &&
                p->propositions[0].calibration_b == -0.25);
    assert_true(p->propositions[0].has_prior && p->propositions[0].prior == 0.125);
    assert_int_equal(p->n_derived, 2);
    const struct response_type *hard = &p->response_types[0], *comply = &p->response_types[1];
    assert_str(hard->name, "Hard Refuse");
    assert_true(hard->has_rule[0] && !hard->has_rule[1] && hard->has_rule[2]);
    assert_int_equal(hard->n_features, 3);
    assert_str(hard->features[0].name, "idle");
    assert_int_equal(hard->features[1].kind, FEATURE_DERIVED);
    assert_true(!hard->features[0].weighted && hard->features[1].weight == 0.5);
    assert_true(hard->features[2].weight == -2);
    assert_int_equal(hard->n_asked, 4); /* idle as a feature, c through e */
    assert_int_equal(comply->n_asked, 1);
    assert_int_equal(comply->n_features, 1);
    assert_true(comply->has_weights);
    assert_true(p->route_by_category);
    assert_int_equal(p->unrouted, UNROUTED_FAIL);
    assert_true(p->min_mass == 0.25 && !p->neutralise && p->train_on_partial);
    assert_int_equal(p->on_ungraded, UNGRADED_PRIOR);
    assert_int_equal(p->layout, LAYOUT_CHAT);
    assert_int_equal(p->empty_completion, EMPTY_SKIP);
    assert_int_equal(p->n_yes_labels, 2);
    assert_str(p->yes_labels[1], "true");
    assert_str(p->no_labels[0], "no");
    assert_int_equal(p->reward_model, REWARD_MODEL_REQUIRE);
    assert_true(p->rm_weight == 2 && p->has_clip && p->clip_low == -20 && p->clip_high == 20);
    assert_true(p->classify_only);
    assert_int_equal(policy_find_proposition(p, STR("c")), 2);
    assert_true(policy_find_proposition(p, STR("d")) == SIZE_MAX);
    policy_free(p);
}

static void ask_all_asks_what_nothing_uses(void **state RBR_UNUSED)
{
    struct policy *p = policies_overlaid(FULL, "grading: {ask: all}\n");
    assert_int_equal(p->response_types[1].n_asked, 4);
    policy_free(p);
}

static void the_template_is_cut_at_its_names(void **state RBR_UNUSED)
{
    static const struct {
        const char *text, *cut;
    } cases[] = {
        {"'{response}{question}'", "<R><Q>"},
        {"'{\"a\": {response}} {question}'", "{\"a\": <R>} <Q>"},
        {"'{response} {question} { x } {} {9}'", "<R> <Q> { x } {} {9}"},
        {"'{{{response}}} {{question}} {question}{'", "{<R>} {question} <Q>{"},
        {"'{response} {question} } {'", "<R> <Q> } {"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[500], cut[200];
        (void)snprintf(text, sizeof(text), "prompt_template: %s\n" ORDER CLASSES PROPOSITION,
                       cases[i].text);
        struct policy *p = policies_good(text);
        assert_strs(segments(p, cut, sizeof(cut)), str_z(cases[i].cut));
        policy_free(p);
    }
}

/* ---- overlays ---------------------------------------------------------------------------------
 */

static void an_overlay_adds_and_replaces(void **state RBR_UNUSED)
{
    struct policy *p = policies_overlaid(
        MINIMAL "weights: {t: {kind: 1, good: 2}}\ngrading: {min_mass: 0.1, layout: chat}\n",
        "simple_propositions: {kind: {prompt: Another question?}, short: {check: {max_chars: 9}}}\n"
        "weights: {t: {good: 3}}\n"
        "grading: {min_mass: 0.2}\n"
        "features: {t: {propositions: [short]}}\n");
    assert_int_equal(p->n_propositions, 2);
    assert_str(p->propositions[0].name, "kind"); /* in its place */
    assert_str(p->propositions[0].question, "Another question?");
    assert_str(p->propositions[1].name, "short"); /* at the end */
    const struct response_type *t = &p->response_types[0];
    assert_int_equal(t->n_features, 3);
    assert_str(t->features[0].name, "short");
    assert_false(t->features[0].weighted); /* the entry t was replaced whole */
    assert_true(t->features[1].weight == 3);
    assert_true(p->min_mass == 0.2);
    assert_int_equal(p->layout, LAYOUT_CHAT);
    assert_str(p->id, "one");
    policy_free(p);
}

static void an_overlay_may_take_a_section_away(void **state RBR_UNUSED)
{
    struct policy *p = policies_overlaid(MINIMAL "weights: {t: {kind: 1}}\n", "weights:\n");
    assert_false(p->response_types[0].has_weights);
    policy_free(p);
    p = policies_overlaid("", MINIMAL); /* an empty file is an empty map */
    policy_free(p);
    p = policies_overlaid(MINIMAL, "# nothing\n");
    policy_free(p);
}

static void a_fault_of_an_overlay_names_its_file(void **state RBR_UNUSED)
{
    struct findings f;
    assert_null(policies_load(&f, MINIMAL, "\nweights: {t: {kidn: 1}}\n"));
    assert_int_equal(f.errors, 1);
    assert_str(f.items[0].file, "two.yaml");
    assert_int_equal(f.items[0].line, 2);
    assert_int_equal(f.items[0].column, 15);
    assert_str(f.items[0].source, "weights: {t: {kidn: 1}}");
    findings_done(&f);
}

/* ---- routing ----------------------------------------------------------------------------------
 */

static void a_record_is_routed_by_name_alias_and_category(void **state RBR_UNUSED)
{
    static const struct {
        struct str type, category;
        size_t by_type, by_category; /* 0 Hard Refuse, 1 comply, 9 none */
    } cases[] = {
        {STR_INIT("Hard Refuse"), STR_INIT(""), 0, 0},
        {STR_INIT("hard_refuse"), STR_INIT("None"), 0, 1},
        {STR_INIT("HARD-REFUSE"), STR_INIT("x"), 0, 0},
        {STR_INIT("hr"), STR_INIT(""), 0, 0},
        {STR_INIT("hr"), STR_INIT("none"), 0, 1},
        {STR_INIT("unknown"), STR_INIT("c r"), 0, 0},
        {STR_INIT(""), STR_INIT("None"), 1, 1},
        {STR_INIT("COMPLY"), STR_INIT("C_R"), 1, 0},
        {STR_INIT("comply\0"), STR_INIT(""), 9, 9},
        {STR_INIT("unknown"), STR_INIT("unknown"), 9, 9},
        {STR_INIT(""), STR_INIT(""), 9, 9},
    };
    struct policy *category = policies_good(FULL);
    struct policy *type = policies_overlaid(FULL, "response_types: {route_by: response_type}\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t a = policy_route(type, cases[i].type, cases[i].category);
        size_t b = policy_route(category, cases[i].type, cases[i].category);
        assert_true(a == (cases[i].by_type == 9 ? SIZE_MAX : cases[i].by_type));
        assert_true(b == (cases[i].by_category == 9 ? SIZE_MAX : cases[i].by_category));
    }
    policy_free(category);
    policy_free(type);
}

/* ---- files ------------------------------------------------------------------------------------
 */

static void weights_are_required_unless_classes_are_enough(void **state RBR_UNUSED)
{
    struct findings f;
    struct policy *p = policies_good(MINIMAL);
    findings_init(&f);
    policy_require_weights(p, &f);
    assert_int_equal(f.errors, 1);
    assert_true(str_has_prefix(f.items[0].text, STR("response type t has no weights")));
    policy_free(p);
    findings_done(&f);
    findings_init(&f);
    p = policies_good(MINIMAL "reward: {classify_only: true}\n");
    policy_require_weights(p, &f);
    policy_free(p);
    p = policies_good(MINIMAL "weights: {t: {}}\n");
    policy_require_weights(p, &f);
    policy_free(p);
    assert_int_equal(f.n, 0);
    findings_done(&f);
}

static void files_that_are_none(void **state RBR_UNUSED)
{
    static const char *const names[] = {"/nowhere/at-all.yaml", "/tmp"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct findings f;
        struct policy_file file = {.name = str_z(names[i])};
        findings_init(&f);
        assert_null(policy_load(&file, 1, &f));
        assert_int_equal(f.errors, 1);
        assert_strs(f.items[0].file, str_z(names[i]));
        findings_done(&f);
    }
}

static void a_file_has_at_most_a_mebibyte(void **state RBR_UNUSED)
{
    char path[] = "/tmp/rbr-test-policy-XXXXXX";
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    (void)fputs(MINIMAL "# ", out);
    for (size_t i = strlen(MINIMAL) + 2; i < 1u << 20; i++)
        (void)fputc('x', out);
    (void)fflush(out);
    struct findings f;
    struct policy_file file = {.name = str_z(path)};
    findings_init(&f);
    struct policy *p = policy_load(&file, 1, &f);
    assert_non_null(p);
    assert_true(str_has_prefix(p->id, STR("rbr-test-policy-")));
    policy_free(p);
    (void)fputc('x', out);
    (void)fclose(out);
    assert_null(policy_load(&file, 1, &f));
    assert_int_equal(f.errors, 1);
    assert_true(str_find(f.items[0].text, STR("larger than 1 MiB"), 0) != SIZE_MAX);
    findings_done(&f);
    (void)unlink(path);
}

/* Findings may be shared: errors of another policy once made the next one half compiled, and taken.
 */
static void errors_of_another_policy_are_not_ours(void **state RBR_UNUSED)
{
    struct findings f;
    struct policy_file good = {STR("good.yaml"), STR(MINIMAL)};
    assert_null(policies_load(&f, "x: 1\n", NULL));
    size_t before = f.n;
    struct policy *p = policy_load(&good, 1, &f);
    assert_non_null(p);
    assert_int_equal(p->response_types[0].n_features, 3);
    assert_int_equal(f.n, before);
    policy_free(p);
    findings_done(&f);
}

/* Walking a derived proposition once per reference would take 2^200 steps. */
static void a_chain_of_doubled_references_loads_at_once(void **state RBR_UNUSED)
{
    enum { LINKS = 200 };
    struct buf b;
    buf_init(&b, 1 << 16);
    (void)buf_append_z(&b, "prompt_template: \"{response} {question}\"\n"
                           "completion_class_order: [good, bad]\n"
                           "completion_classes:\n"
                           "  good: {t: {d200: true}}\n"
                           "  bad: {t: {d200: false}}\n"
                           "simple_propositions: {q: {prompt: \"is it?\"}}\n"
                           "derived_propositions:\n"
                           "  d0: {q: true}\n");
    for (int i = 1; i <= LINKS; i++)
        (void)buf_printf(&b, "  d%d: {any: [{d%d: true}, {d%d: true}]}\n", i, i - 1, i - 1);
    (void)buf_append(&b, "", 1);
    struct policy *p = policies_overlaid(b.p, NULL);
    assert_int_equal(p->response_types[0].n_asked, 1);
    assert_true(p->derived[LINKS].uses[0]);
    policy_free(p);
    buf_done(&b);
}

static void limits_on_counts(void **state RBR_UNUSED)
{
    static const struct {
        const char *head, *item, *tail, *message;
        int n;
    } cases[] = {
        {TEMPLATE ORDER CLASSES "simple_propositions: {kind: {prompt: x}", ", p%d: {prompt: x}",
         "}\n", "more than 256 propositions", 256},
        {MINIMAL "derived_propositions: {d: {kind: true}", ", d%d: {kind: true}", "}\n",
         "more than 256 derived propositions", 256},
        {TEMPLATE CLASSES PROPOSITION "completion_class_order: [good, bad", ", c%d", "]\n",
         "completion_class_order needs 1 to 64 classes, best first", 63},
        {TEMPLATE ORDER PROPOSITION "completion_classes: {good: {t: {kind: true}",
         ", t%d: {kind: true}", "}}\n", "more than 64 response types", 64},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct findings f;
        struct buf b;
        buf_init(&b, 1u << 20);
        (void)buf_append_z(&b, cases[i].head);
        for (int k = 0; k < cases[i].n; k++) {
            const char *at = strstr(cases[i].item, "%d");
            (void)buf_append(&b, cases[i].item, (size_t)(at - cases[i].item));
            (void)buf_printf(&b, "%d%s", k, at + 2);
        }
        (void)buf_append(&b, cases[i].tail, strlen(cases[i].tail) + 1);
        assert_null(policies_load(&f, b.p, NULL));
        bool found = false;
        for (size_t k = 0; k < f.n; k++)
            found = found || str_eq(f.items[k].text, str_z(cases[i].message));
        if (!found)
            fail_msg("not said: %s", cases[i].message);
        findings_done(&f);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minimal_policy_has_defaults),
        cmocka_unit_test(every_part_of_a_policy),
        cmocka_unit_test(ask_all_asks_what_nothing_uses),
        cmocka_unit_test(the_template_is_cut_at_its_names),
        cmocka_unit_test(an_overlay_adds_and_replaces),
        cmocka_unit_test(an_overlay_may_take_a_section_away),
        cmocka_unit_test(a_fault_of_an_overlay_names_its_file),
        cmocka_unit_test(a_record_is_routed_by_name_alias_and_category),
        cmocka_unit_test(weights_are_required_unless_classes_are_enough),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(a_file_has_at_most_a_mebibyte),
        cmocka_unit_test(errors_of_another_policy_are_not_ours),
        cmocka_unit_test(a_chain_of_doubled_references_loads_at_once),
        cmocka_unit_test(limits_on_counts),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
