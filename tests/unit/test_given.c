/* fit/given: both shapes, what is not graded, and lines that are none. */
#include "fit_fixture.h"

#include "fit/given.h"

static int load(void **state)
{
    static struct given given;
    given_init(&given, policies_good(FIT_POLICY));
    *state = &given;
    return 0;
}

static int unload(void **state)
{
    struct given *given = *state;
    policy_free((struct policy *)(uintptr_t)given->policy);
    given_done(given);
    return 0;
}

static void add(struct given *g, const char *line)
{
    struct err err = {0};
    if (given_add(g, str_z(line), g->n + 1, &err) != ERR_OK)
        fail_msg("%s", err.msg);
}

static void test_both_shapes(void **state)
{
    struct given *g = *state;
    struct err err;
    add(g, "{\"completion_id\": \"b\", \"propositions\": [{\"id\": \"kind\", \"probability\": "
           "0.25, \"calibrated\": 0.5, \"mass\": 0.75}, {\"id\": \"warm\", \"reason\": "
           "\"REASON_LOW_PROBABILITY_MASS\"}]}");
    add(g, "{\"id\": \"a\", \"propositions\": {\"kind\": true, \"warm\": 0.1}}");
    add(g, "{\"id\": \"c\", \"propositions\": {\"warm\": null}}");
    assert_int_equal(given_sort(g, &err), ERR_OK);
    const struct judgment *b = given_find(g, STR("b")), *a = given_find(g, STR("a"));
    const struct judgment *c = given_find(g, STR("c"));
    assert_null(given_find(g, STR("d")));
    /* As the grader gave it: a calibration of then is none of now. */
    assert_true(b[0].status == JUDGMENT_GRADED && b[0].probability == 0.25 && b[0].mass == 0.75);
    assert_true(b[1].status == JUDGMENT_UNGRADED);
    assert_int_equal(b[1].reason, REASON_LOW_PROBABILITY_MASS);
    assert_true(a[0].probability == 1 && a[1].probability == 0.1 && a[1].mass == 1);
    assert_true(a[0].has_digest); /* a grader's: it may be calibrated */
    assert_int_equal(c[0].status, JUDGMENT_NOT_ASKED);
    assert_int_equal(c[1].status, JUDGMENT_NOT_ASKED);
}

static void test_what_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"{\"propositions\": {}}", "no completion_id; say whose judgments these are"},
        {"{\"id\": \"a\", \"propositions\": {\"kind\": 2}}",
         "proposition 'kind' is 2; a probability is 0 to 1"},
        {"[", "the text ends inside a value, at byte 1; a row is one JSON object"},
    };
    struct given *g = *state;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(given_add(g, str_z(cases[i][0]), 1, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i][1]);
    }
    assert_int_equal(given_sort(g, &err), ERR_OK);
    assert_null(given_find(g, STR("a")));
    add(g, "{\"id\": \"a\"}");
    add(g, "{\"id\": \"b\"}");
    add(g, "{\"id\": \"a\"}");
    assert_int_equal(given_sort(g, &err), ERR_INVALID);
    assert_string_equal(err.msg, "lines 1 and 3 are both of completion 'a'; leave one out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_shapes, load, unload),
        cmocka_unit_test_setup_teardown(test_what_is_refused, load, unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
