/* policy/fences: what of a template counts as a fence around the text in it. */
#include "unit.h"

#include "grading_fixture.h"

static void expect(const char *template, const char *const *fences, size_t n)
{
    char text[4096];
    static const char policy[] = GRADING_POLICY("TEMPLATE", "");
    const char *at = strstr(policy, "TEMPLATE");
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - policy), policy, template,
                   at + strlen("TEMPLATE"));
    struct policy *p = grading_policy(text);
    if (p->n_fences != n)
        fail_msg("%s: %zu fences", template, p->n_fences);
    for (size_t i = 0; i < n; i++)
        assert_strs(p->fences[i], str_z(fences[i]));
    policy_free(p);
}

/* Found: a name with a digit in it was none, and </doc1> in a completion ended its fence. */
static void tags_are_fences_whatever_their_names(void **state RBR_UNUSED)
{
    static const struct {
        const char *template, *fence;
    } cases[] = {
        {"<message>{response}</message> {question}", "message"},
        {"<doc1>{response}</doc1> {question}", "doc1"},
        {"<1>{response}</1> {question}", "1"},
        {"<h:body_2.x id=7>{response}</h:body_2.x> {question}", "h:body_2.x"},
        {"<doc\\n>{response}</doc> {question}", "doc"},
        {"<\xe6\x96\x87>{response}</\xe6\x96\x87> {question}", "\xe6\x96\x87"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(cases[i].template, &cases[i].fence, 1);
}

static void runs_are_fences(void **state RBR_UNUSED)
{
    static const char *const fences[] = {"```", "'''"};
    expect("```\\n{response}\\n``` '''{question}'''", fences, 2);
}

static void what_is_no_tag_is_none(void **state RBR_UNUSED)
{
    expect("1 < 2, a<b, <> </> <!x> {response} {question} <", NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_fences_whatever_their_names),
        cmocka_unit_test(runs_are_fences),
        cmocka_unit_test(what_is_no_tag_is_none),
    };
    return cmocka_run_group_tests_name("fences", tests, NULL, NULL);
}
