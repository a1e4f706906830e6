/* fit/rows: both shapes of a row give the same features; what is no row is refused with a sentence.
 */
#include "fit_fixture.h"

#define GROUP "\"group_id\": \"g\", \"response_type\": \"t\", "
#define RANK  "\"labels\": {\"rank\": \"good\"}, "
#define KIND  "\"propositions\": {\"kind\": 0.75}"

static int load(void **state)
{
    static struct rows rows;
    rows_init(&rows, policies_good(FIT_POLICY));
    *state = &rows;
    return 0;
}

static int unload(void **state)
{
    struct rows *rows = *state;
    policy_free((struct policy *)(uintptr_t)rows->policy);
    rows_done(rows);
    return 0;
}

static void test_features_are_the_policys(void **state)
{
    static const char *const lines[] = {
        "{" GROUP RANK KIND ", \"reward_model_score\": -2}",
        "{\"prompt_id\": \"g\", " GROUP
        "\"labels\": [{\"key\": \"x\", \"value\": \"y\"}, {\"key\": \"rank\", \"value\": "
        "\"good\"}], \"components\": [{\"name\": \"reward_model\", \"raw\": -2}], "
        "\"propositions\": [{\"id\": \"warm\"}, {\"id\": \"kind\", \"probability\": 0.1, "
        "\"calibrated\": 0.75}]}",
    };
    struct rows *rows = *state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct err err = {0};
        assert_int_equal(rows_add(rows, str_z(lines[i]), 10 + i, &err), ERR_OK);
        const struct row *row = &rows->items[i];
        assert_int_equal(row->line, 10 + i);
        assert_str(row->prompt, "g");
        assert_str(row->label, "good");
        assert_true(row->has_reward_model && row->reward_model == -2);
        assert_true(row->features[0] == 0.75);
        assert_true(row->features[1] == 0.75 && row->features[2] == 0.25);
    }
}

/* What only another response type needs may be missing. */
static void test_judgments_of_other_types_are_not_needed(void **state)
{
    struct rows *rows = *state;
    struct err err = {0};
    assert_int_equal(fit_add(rows,
                             "{\"prompt_id\": \"g\", \"response_type\": \"u\", " RANK
                             "\"propositions\": {\"warm\": true, \"kind\": null}}",
                             &err),
                     ERR_OK);
    assert_true(rows->items[0].features[0] == 1);
    assert_false(rows->items[0].has_reward_model);
}

static void test_what_is_no_row_is_refused(void **state)
{
    static const struct {
        const char *line, *sentence;
    } cases[] = {
        {"{", "the text ends inside a value, at byte 1; a row is one JSON object"},
        {"[]", "a row is one JSON object"},
        {"{\"a\": NaN}",
         "a number that is not finite, at byte 6; correct it, or leave the row out"},
        {"{\"a\": 1e999}",
         "a number that is not finite, at byte 6; correct it, or leave the row out"},
        {"{\"response_type\": \"t\", " RANK KIND "}",
         "neither prompt_id nor group_id; say which prompt it belongs to"},
        {"{" GROUP KIND "}", "no label; give its rank as labels: {\"rank\": \"...\"}"},
        {"{\"group_id\": \"g\", \"response_type\": \"v\", " RANK KIND "}",
         "response type 'v' is none of the policy's; correct it, or give it an alias there"},
        {"{" GROUP RANK KIND ", \"reward_model_score\": \"1\"}",
         "reward_model_score must be a number within +-1e6"},
        {"{" GROUP RANK "\"propositions\": {\"kind\": -0.5}}",
         "proposition 'kind' is -0.5; a probability is 0 to 1"},
        {"{" GROUP RANK "\"propositions\": {\"warm\": 1}}",
         "no judgment for proposition 'kind', which t needs; judge it with rbr score, or leave the "
         "row out"},
    };
    struct rows *rows = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        assert_int_equal(fit_add(rows, cases[i].line, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i].sentence);
    }
    assert_int_equal(rows->n, 0);
}

static void test_the_reward_model_is_in_all_rows_or_in_none(void **state)
{
    struct rows *rows = *state;
    struct err err = {0};
    bool has = true;
    assert_int_equal(fit_add(rows, "{" GROUP RANK KIND "}", &err), ERR_OK);
    assert_int_equal(rows_reward_model(rows, &has, &err), ERR_OK);
    assert_false(has);
    fit_row(rows, "g", "bad", 0, 1);
    assert_int_equal(rows_reward_model(rows, &has, &err), ERR_INVALID);
    assert_string_equal(err.msg, "line 1 has no reward_model_score, line 2 has one; give it to "
                                 "every row, or say --no-reward-model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_features_are_the_policys, load, unload),
        cmocka_unit_test_setup_teardown(test_judgments_of_other_types_are_not_needed, load, unload),
        cmocka_unit_test_setup_teardown(test_what_is_no_row_is_refused, load, unload),
        cmocka_unit_test_setup_teardown(test_the_reward_model_is_in_all_rows_or_in_none, load,
                                        unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
