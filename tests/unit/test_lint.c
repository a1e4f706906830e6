/* policy/lint and the checks of each section: wrong policies with the place and the words of the
 * finding. */
#include "policies.h"

/* ^ marks the place: a value's first character, or the key of a map or list. One error and no
 * other; or, for a warning, no error and this one among the warnings. */
static const struct {
    const char *text, *message;
} errors[] = {
    /* the file */
    {"policy: {id: a, ^id: b}\n" MINIMAL, NULL},
    {"a: [1, ]^]\n", NULL},
    {"^- a\n", "a policy file is a map of sections"},
    {"weights: ^&w {t: {kind: 1}}\n" MINIMAL, NULL},
    /* keys */
    {"^weightz: {}\n" MINIMAL, "unknown key 'weightz'; did you mean 'weights'?"},
    {"policy: {^ident: x}\n" MINIMAL, "unknown key 'ident'"},
    {"policy: ^x\n" MINIMAL, "policy must be a map (NAME: ...)"},
    {"policy: {^id: [x]}\n" MINIMAL, "'id' must be text"},
    {"grading: {^min_mas: 0.5}\n" MINIMAL, "unknown key 'min_mas'; did you mean 'min_mass'?"},
    {"reward: {^clips: 1}\n" MINIMAL, "unknown key 'clips'; did you mean 'clip'?"},
    {"\"^we\\x1b[31m\\nights\": {}\n" MINIMAL, "unknown key 'we?[31m?ights'"},
    /* what is missing */
    {"^" ORDER CLASSES PROPOSITION, "'prompt_template' is missing"},
    {"^" TEMPLATE CLASSES PROPOSITION, NULL},
    /* propositions */
    {"^simple_propositions: [a]\n" TEMPLATE ORDER CLASSES, NULL},
    {"simple_propositions: {kind: ^x}\n" TEMPLATE ORDER CLASSES,
     "a proposition must be a map (NAME: ...)"},
    {"simple_propositions: {kind: {prompt: '^ '}}\n" TEMPLATE ORDER CLASSES,
     "the question of 'kind' is empty"},
    {"simple_propositions: {kind: {^prompt: }}\n" TEMPLATE ORDER CLASSES, "'prompt' must be text"},
    {"simple_propositions: {kind: {prompt: x, ^prompd: y}}\n" TEMPLATE ORDER CLASSES,
     "unknown key 'prompd'; did you mean 'prompt'?"},
    {"simple_propositions: {^any: {prompt: x}, kind: {prompt: y}}\n" TEMPLATE ORDER CLASSES,
     "'any' is a word of the policy language; choose another name"},
    {"simple_propositions: {^clip: {prompt: x}, kind: {prompt: y}}\n" TEMPLATE ORDER CLASSES,
     "'clip' is a word of the policy language; choose another name"},
    {"derived_propositions: {^kind: {kind: true}}\n" MINIMAL,
     "the name 'kind' is taken; propositions, derived propositions and classes share names"},
    {"completion_class_order: [good, bad, ^kind]\n" TEMPLATE CLASSES PROPOSITION,
     "the name 'kind' is taken; propositions, derived propositions and classes share names"},
    {"completion_class_order: [good, bad, ^good]\n" TEMPLATE CLASSES PROPOSITION,
     "the name 'good' is taken; propositions, derived propositions and classes share names"},
    /* checks */
    {"simple_propositions: {kind: {check: {regex: '^('}}}\n" TEMPLATE ORDER CLASSES,
     "not a POSIX extended regular expression: Unmatched ( or \\("},
    {"simple_propositions: {kind: {^check: {}}}\n" TEMPLATE ORDER CLASSES,
     "a check is one of: regex, contains, max_chars, min_chars, json"},
    {"simple_propositions: {kind: {^check: {min_chars: 1, max_chars: 2}}}\n" TEMPLATE ORDER CLASSES,
     "a check is one of: regex, contains, max_chars, min_chars, json"},
    {"simple_propositions: {kind: {check: {^regexp: x}}}\n" TEMPLATE ORDER CLASSES,
     "unknown key 'regexp'; did you mean 'regex'?"},
    {"simple_propositions: {kind: {check: {max_chars: ^1.5}}}\n" TEMPLATE ORDER CLASSES,
     "'max_chars' must be a whole number"},
    {"simple_propositions: {kind: {check: {max_chars: ^-1}}}\n" TEMPLATE ORDER CLASSES,
     "'max_chars' must be between 0 and 1e+09"},
    {"simple_propositions: {kind: {check: {contains: ^x}}}\n" TEMPLATE ORDER CLASSES,
     "contains must be a list ([a, b])"},
    {"simple_propositions: {kind: {check: {^contains: []}}}\n" TEMPLATE ORDER CLASSES,
     "contains needs at least one text"},
    {"simple_propositions: {kind: {check: {json: ^list}}}\n" TEMPLATE ORDER CLASSES,
     "'json' must be one of: object, array, any"},
    /* rules */
    {"completion_classes: {good: {t: {^knid: true}}, bad: {t: {kind: false}}}\n" TEMPLATE ORDER
         PROPOSITION,
     "no proposition 'knid'; did you mean 'kind'?"},
    {"completion_classes: {good: {t: {kind: ^yes}}, bad: {t: {kind: false}}}\n" TEMPLATE ORDER
         PROPOSITION,
     "'kind' must be true or false"},
    {"completion_classes: {good: {t: {kind: '^true'}}, bad: {t: {kind: false}}}\n" TEMPLATE ORDER
         PROPOSITION,
     "'kind' must be true or false"},
    {"completion_classes: {good: {^t: {}}, bad: {t: {kind: false}}}\n" TEMPLATE ORDER PROPOSITION,
     "a rule must not be empty"},
    {"completion_classes: {good: {t: {^any: []}}, bad: {t: {kind: false}}}\n" TEMPLATE ORDER
         PROPOSITION,
     "a rule must not be empty"},
    {"completion_classes: {good: {t: {^any: {kind: true}}}, bad: {t: {kind: false}}}\n" TEMPLATE
         ORDER PROPOSITION,
     "any must be a list ([a, b])"},
    {"completion_classes: {good: {t: ^kind}, bad: {t: {kind: false}}}\n" TEMPLATE ORDER PROPOSITION,
     "a rule must be a map (NAME: ...)"},
    {"completion_classes: {good: {t: {not: {^otherwise: true}}}, bad: {t: {kind: "
     "false}}}\n" TEMPLATE ORDER PROPOSITION,
     "'otherwise' can only be the whole rule of a class"},
    {"completion_classes: {good: {t: {kind: true}}, bad: {t: {otherwise: ^false}}}\n"
     "class_probability: exact\n" TEMPLATE ORDER PROPOSITION,
     "'otherwise' must be true"},
    {"completion_classes: {good: {^t: {kind: true}}, bad: {t: {otherwise: true}}}\n" TEMPLATE ORDER
         PROPOSITION,
     "t: 'otherwise' needs class_probability: exact"},
    {"derived_propositions: {a: {^b: true}, b: {kind: true}}\n" MINIMAL,
     "derived proposition 'b' is used before it is defined; move it up"},
    {"derived_propositions: {a: {^a: true}}\n" MINIMAL,
     "derived proposition 'a' is used before it is defined; move it up"},
    /* classes */
    {"^completion_class_order: []\n" TEMPLATE CLASSES PROPOSITION, NULL},
    {"^completion_class_order: [good, bad, {}]\n" TEMPLATE CLASSES PROPOSITION,
     "a class must be a plain word"},
    {"completion_classes: {good: {t: {kind: true}}, ^bda: {t: {kind: false}}}\n" TEMPLATE ORDER
         PROPOSITION,
     "class 'bda' is not in completion_class_order; did you mean 'bad'?"},
    {"^completion_classes: {}\n" TEMPLATE ORDER PROPOSITION,
     "completion_classes names no response type"},
    {"completion_classes: {good: ^t, bad: {t: {kind: false}}}\n" TEMPLATE ORDER PROPOSITION,
     "a class must be a map (NAME: ...)"},
    {"completion_classes: {good: {a b: {kind: true}, ^A-B: {kind: true}}}\n" TEMPLATE ORDER
         PROPOSITION,
     "class 'good' has two rules for a b"},
    /* the template */
    {"prompt_template: '^{response}'\n" ORDER CLASSES PROPOSITION, "the template lacks {question}"},
    {"prompt_template: '^{question}'\n" ORDER CLASSES PROPOSITION, "the template lacks {response}"},
    {"prompt_template: '^{response} {qestion}'\n" ORDER CLASSES PROPOSITION,
     "the template names {qestion}; there are {question}, {response}, {conversation}"},
    {"prompt_template: '^{response}{response}{response}{response}{response}{response}{response}"
     "{response}{question}'\n" ORDER CLASSES PROPOSITION,
     "more than 8 placeholders in the template"},
    {"^prompt_template: [x]\n" ORDER CLASSES PROPOSITION, "'prompt_template' must be text"},
    /* routes */
    {"response_types: {aliases: {x: ^u}}\n" MINIMAL, "no response type 'u' in completion_classes"},
    {"response_types: {categories: {^x: [t]}}\n" MINIMAL,
     "no response type '' in completion_classes"},
    {"response_types: {aliases: {a b: t, ^A-B: t}}\n" MINIMAL,
     "the name 'A-B' is here twice (case, ' ' and '-' do not count)"},
    {"response_types: {unrouted: ^drop}\n" MINIMAL,
     "'unrouted' must be one of: skip, reward_model_only, fail"},
    {"response_types: {route_by: ^x}\n" MINIMAL,
     "'route_by' must be one of: response_type, behavior_category"},
    {"response_types: {^alias: {}}\n" MINIMAL, "unknown key 'alias'; did you mean 'aliases'?"},
    /* features */
    {"features: {^u: {}}\n" MINIMAL, "no response type 'u' in completion_classes"},
    {"features: {t: {}, ^T: {}}\n" MINIMAL, "response type 'T' is here twice; remove one"},
    {"features: {t: {propositions: [^kidn]}}\n" MINIMAL,
     "no proposition 'kidn' to make a feature of"},
    {"features: {t: {propositions: [kind, ^kind]}}\n" MINIMAL, "feature 'kind' is listed twice"},
    {"features: {t: {propositions: ^kind}}\n" MINIMAL, "propositions must be a list ([a, b])"},
    {"features: {t: {classes: ^some}}\n" MINIMAL, "'classes' must be one of: all, none"},
    {"features: {t: {classes: [^kind]}}\n" MINIMAL, "'kind' is no class, or listed twice"},
    {"features: {^t: [kind]}\n" MINIMAL, "features of a response type must be a map (NAME: ...)"},
    {"features: {t: {^proposition: [kind]}}\n" MINIMAL,
     "unknown key 'proposition'; did you mean 'propositions'?"},
    /* weights */
    {"weights: {t: {^kidn: 1}}\n" MINIMAL,
     "a weight for 'kidn', which is no feature of t; did you mean 'kind'?"},
    {"weights: {^u: {kind: 1}}\n" MINIMAL, "no response type 'u' in completion_classes"},
    {"weights: {t: {kind: ^0.4*52}}\n" MINIMAL,
     "'kind' must be one finite number (formulas are not evaluated)"},
    {"weights: {t: {kind: ^1.5x}}\n" MINIMAL,
     "'kind' must be one finite number (formulas are not evaluated)"},
    {"weights: {t: {kind: ^.inf}}\n" MINIMAL,
     "'kind' must be one finite number (formulas are not evaluated)"},
    {"weights: {t: {kind: ^nan}}\n" MINIMAL,
     "'kind' must be one finite number (formulas are not evaluated)"},
    {"weights: {t: {kind: ^1e999}}\n" MINIMAL,
     "'kind' must be one finite number (formulas are not evaluated)"},
    {"weights: {t: {kind: '^1'}}\n" MINIMAL,
     "'kind' must be one finite number (formulas are not evaluated)"},
    {"weights: {t: {^kind: }}\n" MINIMAL,
     "'kind' must be one finite number (formulas are not evaluated)"},
    {"weights: {t: {kind: ^2e6}}\n" MINIMAL, "'kind' must be between -1e+06 and 1e+06"},
    {"weights: {t: ^5}\n" MINIMAL, "weights of a response type must be a map (NAME: ...)"},
    /* options */
    {"class_probability: ^exactly\n" MINIMAL, "'class_probability' must be one of: product, exact"},
    {"calibration: {^kin: {a: 1, b: 0}}\n" MINIMAL, "no proposition 'kin'"},
    {"calibration: {^kind: {a: 1}}\n" MINIMAL,
     "a calibration needs a and b: P' = sigmoid(a logit(P) + b)"},
    {"calibration: {kind: ^1}\n" MINIMAL, "a calibration must be a map (NAME: ...)"},
    {"calibration: {kind: {a: ^x, b: 1}}\n" MINIMAL,
     "'a' must be one finite number (formulas are not evaluated)"},
    {"calibration: ^5\n" MINIMAL, "calibration must be a map (NAME: ...)"},
    {"grading: {min_mass: ^1.5}\n" MINIMAL, "'min_mass' must be between 0 and 1"},
    {"grading: {on_ungraded: ^skip}\n" MINIMAL,
     "'on_ungraded' must be one of: fail, bounds, prior"},
    {"grading: {layout: ^html}\n" MINIMAL, "'layout' must be one of: inline, chat"},
    {"grading: {empty_completion: ^drop}\n" MINIMAL,
     "'empty_completion' must be one of: grade, skip, fail"},
    {"grading: {neutralise: ^maybe}\n" MINIMAL,
     "'neutralise' must be one of: off, on, false, true"},
    {"grading: {ask: ^some}\n" MINIMAL, "'ask' must be one of: used, all"},
    {"grading: {prior: {^kin: 0.5}}\n" MINIMAL, "no proposition 'kin'"},
    {"grading: {prior: {kind: ^2}}\n" MINIMAL, "'kind' must be between 0 and 1"},
    {"grading: {prior: ^0.5}\n" MINIMAL, "prior must be a map (NAME: ...)"},
    {"grading: {labels: {^yes: []}}\n" MINIMAL, "labels need at least one word each"},
    {"grading: {labels: {^maybe: [x]}}\n" MINIMAL, "unknown key 'maybe'"},
    {"grading: ^on\n" MINIMAL, "grading must be a map (NAME: ...)"},
    {"reward: {reward_model: ^multiply}\n" MINIMAL,
     "'reward_model' must be one of: add, require, ignore"},
    {"reward: {rm_weight: ^1/2}\n" MINIMAL,
     "'rm_weight' must be one finite number (formulas are not evaluated)"},
    {"reward: {^clip: [1]}\n" MINIMAL, "clip takes two numbers: [lowest, highest]"},
    {"reward: {^clip: [2, 1]}\n" MINIMAL, "clip's first number must be below its second"},
    {"reward: {clip: ^5}\n" MINIMAL, "clip must be a list ([a, b])"},
    {"reward: {classify_only: ^2}\n" MINIMAL,
     "'classify_only' must be one of: off, on, false, true"},
    {"reward: ^5\n" MINIMAL, "reward must be a map (NAME: ...)"},
    /* classes that are no partition, with an example */
    {"completion_classes:\n  good: {^t: {kind: true, short: true}}\n  bad: {t: {kind: false}}\n"
     "simple_propositions: {kind: {prompt: k}, short: {prompt: s}}\n" TEMPLATE ORDER,
     "t: no class holds for: kind, not short"},
    {"completion_classes:\n  good: {^t: {kind: true}}\n  bad: {t: {short: false}}\n"
     "simple_propositions: {kind: {prompt: k}, short: {prompt: s}}\n" TEMPLATE ORDER,
     NULL},
    {"completion_classes:\n  good: {^t: {any: [{kind: true}, {short: true}]}}\n"
     "  bad: {t: {any: [{kind: false}, {short: false}]}}\n"
     "simple_propositions: {kind: {prompt: k}, short: {prompt: s}}\n" TEMPLATE ORDER,
     "t: two classes, good and bad, hold for: kind, not short"},
    {"completion_classes:\n  good: {t: {kind: true}, ^u: {kind: true}}\n"
     "  bad: {t: {kind: false}}\n" TEMPLATE ORDER PROPOSITION,
     "u: no class holds for: not kind"},
    {"completion_classes: {good: {^t: {kind: true}}, bad: {t: {not: {not: {kind: true}}}}}\n"
     "class_probability: exact\n" TEMPLATE ORDER PROPOSITION,
     "t: no class holds for: not kind"},
};

/* Line and column (in characters) of the mark, and the text without it. */
static char *cut_mark(const char *marked, size_t *line, size_t *column)
{
    const char *mark = strchr(marked, '^');
    size_t before = (size_t)(mark - marked);
    char *text = mem_resize(NULL, strlen(marked));
    memcpy(text, marked, before);
    memcpy(text + before, mark + 1, strlen(mark));
    *line = *column = 1;
    for (size_t i = 0; i < before; i++) {
        *column = marked[i] == '\n' ? 1 : *column + 1;
        *line += marked[i] == '\n';
    }
    return text;
}

static const struct finding *first_error(const struct findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].severity == SEVERITY_ERROR)
            return &f->items[i];
    return NULL;
}

static void each_error_has_its_place_and_words(void **state RBR_UNUSED)
{
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct findings f;
        size_t line, column;
        char *text = cut_mark(errors[i].text, &line, &column);
        struct policy *p = policies_load(&f, text, NULL);
        const struct finding *e = first_error(&f);
        bool ok = p == NULL && e != NULL && e->line == line && e->column == column &&
                  str_eq(e->file, STR("one.yaml")) &&
                  (errors[i].message == NULL
                       ? e->text.n > 0
                       : f.errors == 1 && str_eq(e->text, str_z(errors[i].message)));
        if (!ok) {
            wrong++;
            print_error("%s  want %zu:%zu %s\n", text, line, column,
                        errors[i].message != NULL ? errors[i].message : "");
            for (size_t k = 0; k < f.n; k++)
                print_error("  got %zu:%zu %d %.*s\n", f.items[k].line, f.items[k].column,
                            f.items[k].severity, STR_ARGS(f.items[k].text));
        }
        policy_free(p);
        findings_done(&f);
        mem_free(text);
    }
    assert_int_equal(wrong, 0);
}

static const struct {
    const char *text, *message;
} warnings[] = {
    {"prompt_template: '^{question} {response}'\n" ORDER CLASSES PROPOSITION,
     "{question} stands before {response} or {conversation}: servers cannot reuse their prefix "
     "cache between the questions on one completion; move it behind"},
    {"prompt_template: '^{response} {question} {conversation}'\n" ORDER CLASSES PROPOSITION,
     "{question} stands before {response} or {conversation}: servers cannot reuse their prefix "
     "cache between the questions on one completion; move it behind"},
    {"simple_propositions: {kind: {prompt: k}, ^idle: {prompt: i}}\n" TEMPLATE ORDER CLASSES,
     "proposition 'idle' is in no rule and no feature; it is never asked"},
    {"completion_classes: {good: {^t: {kind: true}}, bad: {t: {kind: false}}}\n"
     "completion_class_order: [good, middle, bad]\n" TEMPLATE PROPOSITION,
     "t has no rule for class middle; it can never be in it"},
    {"completion_classes: {good: {^t: {kind: true}}, bad: {t: {any: [{kind: false}, {kind: "
     "true}]}}}"
     "\nclass_probability: exact\n" TEMPLATE ORDER PROPOSITION,
     "t: good and bad both hold for: kind; the first counts"},
};

static void each_warning_has_its_place_and_words(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
        struct findings f;
        size_t line, column;
        char *text = cut_mark(warnings[i].text, &line, &column);
        struct policy *p = policies_load(&f, text, NULL);
        assert_non_null(p);
        assert_int_equal(f.n, 1);
        assert_int_equal(f.items[0].severity, SEVERITY_WARNING);
        assert_strs(f.items[0].text, str_z(warnings[i].message));
        assert_int_equal(f.items[0].line, line);
        assert_int_equal(f.items[0].column, column);
        policy_free(p);
        findings_done(&f);
        mem_free(text);
    }
}

/* A policy over n propositions: good is all of them, bad is the rest. */
static char *many(size_t n, const char *probability)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    (void)buf_printf(&b, TEMPLATE ORDER "class_probability: %s\nsimple_propositions:\n",
                     probability);
    for (size_t i = 0; i < n; i++)
        (void)buf_printf(&b, "  p%zu: {prompt: q}\n", i);
    for (int bad = 0; bad < 2; bad++) {
        (void)buf_append_z(&b, bad == 0 ? "completion_classes: {good: {t: {" : "bad: {t: {not: {");
        for (size_t i = 0; i < n; i++)
            (void)buf_printf(&b, "%sp%zu: true", i > 0 ? ", " : "", i);
        (void)buf_append_z(&b, bad == 0 ? "}}, " : "}}}}\n");
    }
    char *text = mem_copy(b.p, b.n);
    buf_done(&b);
    return text;
}

static void twenty_propositions_are_enumerated_and_no_more(void **state RBR_UNUSED)
{
    static const struct {
        size_t n;
        const char *probability, *error, *warning;
    } cases[] = {
        {20, "product", NULL, NULL},
        {20, "exact", NULL, NULL},
        {21, "product", NULL,
         "t uses more than 20 propositions: not checked whether its classes overlap or leave gaps"},
        {21, "exact", "t: class_probability: exact takes at most 20 propositions", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct findings f;
        char *text = many(cases[i].n, cases[i].probability);
        struct policy *p = policies_load(&f, text, NULL);
        assert_int_equal(f.n, cases[i].error != NULL || cases[i].warning != NULL);
        assert_int_equal(p == NULL, cases[i].error != NULL);
        if (f.n > 0)
            assert_strs(f.items[0].text,
                        str_z(cases[i].error != NULL ? cases[i].error : cases[i].warning));
        policy_free(p);
        findings_done(&f);
        mem_free(text);
    }
}

static void a_long_counter_example_is_cut(void **state RBR_UNUSED)
{
    struct findings f;
    struct buf b;
    buf_init(&b, 1u << 20);
    (void)buf_append_z(&b, TEMPLATE ORDER "simple_propositions:\n");
    for (int i = 0; i < 20; i++)
        (void)buf_printf(
            &b, "  a_rather_long_name_of_a_proposition_that_goes_on_and_on_%d: {prompt: q}\n", i);
    (void)buf_append_z(&b, "completion_classes: {good: {t: {");
    for (int i = 0; i < 20; i++)
        (void)buf_printf(&b, "%sa_rather_long_name_of_a_proposition_that_goes_on_and_on_%d: false",
                         i > 0 ? ", " : "", i);
    (void)buf_append(&b, "}}}\n", 5);
    assert_null(policies_load(&f, b.p, NULL));
    const struct finding *e = first_error(&f);
    assert_true(e->text.n < 700);
    assert_true(str_has_prefix(e->text, STR("t: no class holds for: a_rather_long")));
    findings_done(&f);
    buf_done(&b);
}

static void a_finding_is_printed_with_its_line_and_a_caret(void **state RBR_UNUSED)
{
    struct findings f;
    struct buf b;
    buf_init(&b, 4096);
    assert_null(policies_load(&f, MINIMAL "weights:\n  t: {kind: 0.4*52}\n", NULL));
    assert_int_equal(f.n, 1);
    assert_true(finding_print(&f.items[0], &b));
    assert_str(buf_str(&b), "one.yaml:6:13: error: 'kind' must be one finite number (formulas are "
                            "not evaluated)\n      t: {kind: 0.4*52}\n                ^\n");
    findings_done(&f);
    buf_reset(&b);
    findings_init(&f);
    assert_null(policy_load(NULL, 0, &f));
    assert_true(finding_print(&f.items[0], &b));
    assert_str(buf_str(&b), "policy: error: no policy file is named\n");
    findings_done(&f);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_place_and_words),
        cmocka_unit_test(each_warning_has_its_place_and_words),
        cmocka_unit_test(twenty_propositions_are_enumerated_and_no_more),
        cmocka_unit_test(a_long_counter_example_is_cut),
        cmocka_unit_test(a_finding_is_printed_with_its_line_and_a_caret),
    };
    return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
