/* fit/orderings: what a file says; classes without one; what is refused. */
#include "fit_fixture.h"

#include "fit/orderings.h"

static int load(void **state)
{
    *state = policies_good(FIT_POLICY "response_types: {aliases: {Tee: t}}\n");
    return 0;
}

static int unload(void **state)
{
    policy_free(*state);
    return 0;
}

static void test_a_file_relates_what_it_lists(void **state)
{
    struct orderings o;
    struct err err = {0};
    assert_int_equal(orderings_load(&o, *state, STR("o.yaml"),
                                    STR("orderings: {Tee: {a: [b, c], b: [d]}}\n"
                                        "margins: {Tee: {b: 0.25}}\n"),
                                    &err),
                     ERR_OK);
    const struct ordering *t = &o.types[0];
    assert_int_equal(t->n, 4);
    size_t a = ordering_find(t, STR("a")), b = ordering_find(t, STR("b"));
    size_t c = ordering_find(t, STR("c")), d = ordering_find(t, STR("d"));
    assert_int_equal(ordering_find(t, STR("e")), SIZE_MAX);
    assert_true(t->above[a][b] && t->above[a][c] && t->above[b][d]);
    assert_false(t->above[b][a] || t->above[b][c] || t->above[c][b]);
    assert_false(t->above[a][d]); /* not by way of b */
    assert_true(t->margin[a] == 1 && t->margin[b] == 0.25);
    assert_int_equal(o.types[1].n, 0); /* nothing is said of u */
    orderings_done(&o);
}

static void test_classes_are_ordered_best_first(void **state)
{
    struct orderings o;
    orderings_of_classes(&o, *state);
    for (size_t i = 0; i < 2; i++) {
        const struct ordering *t = &o.types[i];
        assert_int_equal(t->n, 2);
        assert_str(t->labels[0], "good");
        assert_true(t->above[0][1] && !t->above[1][0] && !t->above[0][0]);
        assert_true(t->margin[0] == 1);
    }
    orderings_done(&o);
}

static void test_what_is_no_ordering_is_refused(void **state)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"[]", "o.yaml: no section 'orderings'"},
        {"orderings: {t: {a: [b]}}\nmargin: {}",
         "o.yaml:2: 'margin': a file of orderings has only the sections orderings and margins"},
        {"orderings: []", "o.yaml:1: 'orderings': must be a map of response types"},
        {"orderings:\n  v: {a: [b]}", "o.yaml:2: 'v': no such response type in the policy"},
        {"orderings: {t: [a, b]}", "o.yaml:1: 't': must be a map of labels"},
        {"orderings: {t: {a: b}}", "o.yaml:1: 'a': list the labels below it in [ ]"},
        {"orderings: {t: {a: [[b]]}}", "o.yaml:1: 'a': labels are words, at most 64 of them"},
        {"orderings: {t: {a: [a]}}", "o.yaml:1: 'a' ranks above itself, by way of the labels below "
                                     "it; remove one of the steps"},
        {"orderings: {t: {x: [a], a: [b], b: [a]}}",
         "o.yaml:1: 'a' ranks above itself, by way of the labels below it; remove one of the "
         "steps"},
        {"orderings: {t: {a: [b]}}\nmargins: {t: {a: -1}}",
         "o.yaml:2: 'a': a margin is a number above 0, at most 1e6"},
        {"orderings: {t: {a: [b]}}\nmargins: {t: {c: 1}}",
         "o.yaml:2: 'c': no such label in the orderings of this response type"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct orderings o;
        struct err err = {0};
        assert_int_equal(orderings_load(&o, *state, STR("o.yaml"), str_z(cases[i].text), &err),
                         ERR_INVALID);
        assert_string_equal(err.msg, cases[i].sentence);
        orderings_done(&o);
    }
}

static void test_labels_have_a_limit(void **state)
{
    struct orderings o;
    struct err err = {0};
    struct buf text;
    buf_init(&text, 1 << 16);
    (void)buf_append_z(&text, "orderings: {t: {best: [");
    for (int i = 0; i < ORDERING_LABELS_MAX; i++)
        (void)buf_printf(&text, "%sl%d", i > 0 ? ", " : "", i);
    (void)buf_append_z(&text, "]}}");
    assert_int_equal(orderings_load(&o, *state, STR("o.yaml"), buf_str(&text), &err), ERR_INVALID);
    assert_string_equal(err.msg, "o.yaml:1: 'best': labels are words, at most 64 of them");
    orderings_done(&o);
    buf_done(&text);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, load, unload)
    const struct CMUnitTest tests[] = {
        CASE(test_a_file_relates_what_it_lists),
        CASE(test_classes_are_ordered_best_first),
        CASE(test_what_is_no_ordering_is_refused),
        CASE(test_labels_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
