/* policy/check: tests on the completion's text that need no grader. */
#include "policies.h"

#include "policy/check.h"

static const struct {
    const char *check;
    struct str text;
    bool holds;
} cases[] = {
    {"{regex: '^ *[{]'}", STR_INIT("  {x"), true},
    {"{regex: '^ *[{]'}", STR_INIT("x {"), false},
    {"{regex: 'AB'}", STR_INIT("xaby"), false},
    {"{regex: '(?i)AB'}", STR_INIT("xaby"), true},
    {"{regex: '(?i)'}", STR_INIT(""), true},
    {"{regex: 'b'}", STR_INIT("a\0b"), true}, /* behind a NUL */
    {"{regex: 'c$'}", STR_INIT("a\0bc"), true},
    {"{regex: '^$'}", STR_INIT(""), true},
    {"{regex: 'x{3}'}", STR_INIT("xxx"), true},
    {"{contains: [sorry, cannot]}", STR_INIT("I CanNot"), true},
    {"{contains: [sorry, cannot]}", STR_INIT("sorr"), false},
    {"{contains: [sorry]}", STR_INIT("a\0sorry"), true},
    {"{contains: [sorry]}", STR_INIT(""), false},
    {"{contains: [\xc3\xa4]}", STR_INIT("\xc3\x84"), false}, /* only ASCII is folded */
    {"{max_chars: 3}", STR_INIT("\xc3\xa4\xf0\x9f\x98\x80z"), true},
    {"{max_chars: 3}", STR_INIT("abcd"), false},
    {"{max_chars: 0}", STR_INIT(""), true},
    {"{min_chars: 3}", STR_INIT("ab"), false},
    {"{min_chars: 3}", STR_INIT("a\0b"), true},
    {"{min_chars: 2}", STR_INIT("\xf0\x9f\x98\x80"), false},
    {"{json: object}", STR_INIT(" {\"a\":1} "), true},
    {"{json: object}", STR_INIT("[1]"), false},
    {"{json: object}", STR_INIT("{\"a\":1} x"), false},
    {"{json: object}", STR_INIT("{\"a\":1,\"a\":2}"), false},
    {"{json: array}", STR_INIT("[1]"), true},
    {"{json: array}", STR_INIT("{}"), false},
    {"{json: any}", STR_INIT("null"), true},
    {"{json: any}", STR_INIT("1e400"), false},
    {"{json: any}", STR_INIT(""), false},
};

static struct policy *with(const char *check)
{
    char text[500];
    (void)snprintf(text, sizeof(text),
                   TEMPLATE ORDER CLASSES "simple_propositions: {kind: {check: %s}}\n", check);
    return policies_good(text);
}

static void each_check_on_its_texts(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct policy *p = with(cases[i].check);
        /* Not one byte more is read. The sanitizer's own regexec wants a NUL, though. */
        bool regex = strstr(cases[i].check, "regex") != NULL;
        char *exact = mem_resize(NULL, cases[i].text.n + regex);
        memcpy(exact, cases[i].text.p, cases[i].text.n);
        if (regex)
            exact[cases[i].text.n] = '\0';
        if (check_holds(p->propositions[0].check, (struct str){exact, cases[i].text.n}) !=
            cases[i].holds)
            fail_msg("%s on '%.*s'", cases[i].check, STR_ARGS(cases[i].text));
        mem_free(exact);
        policy_free(p);
    }
}

static void no_text_at_all(void **state RBR_UNUSED)
{
    static const char *const checks[] = {"{regex: x}", "{contains: [x]}", "{min_chars: 1}",
                                         "{json: any}"};
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct policy *p = with(checks[i]);
        assert_false(check_holds(p->propositions[0].check, (struct str){NULL, 0}));
        policy_free(p);
    }
}

static void a_definition_says_what_is_checked(void **state RBR_UNUSED)
{
    static const struct {
        const char *check;
        struct str definition;
    } definitions[] = {
        {"{regex: 'a+'}", STR_INIT("regex\0a+")},
        {"{contains: [a, b c]}", STR_INIT("contains\0a\0b c\0")},
        {"{max_chars: 400}", STR_INIT("max_chars\000400")},
        {"{json: array}", STR_INIT("json\0array")},
    };
    for (size_t i = 0; i < ARRAY_LEN(definitions); i++) {
        struct policy *p = with(definitions[i].check);
        assert_strs(check_definition(p->propositions[0].check), definitions[i].definition);
        policy_free(p);
    }
}

static void a_megabyte_of_braces_is_no_trouble(void **state RBR_UNUSED)
{
    struct policy *p = with("{json: any}");
    char *text = mem_resize(NULL, 1u << 20);
    memset(text, '[', 1u << 20);
    assert_false(check_holds(p->propositions[0].check, (struct str){text, 1u << 20}));
    mem_free(text);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_on_its_texts),
        cmocka_unit_test(no_text_at_all),
        cmocka_unit_test(a_definition_says_what_is_checked),
        cmocka_unit_test(a_megabyte_of_braces_is_no_trouble),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
