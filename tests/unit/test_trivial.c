/* trivial: what says nothing, and what says something. */
#include "unit.h"

#include "judge/trivial.h"

static void master_keys_are_found(void **state RBR_UNUSED)
{
    static const char *const texts[] = {
        "",
        " ",
        ":",
        ".",
        ",",
        "...",
        "\n\n",
        "-",
        "\"\"",
        "Thought process:",
        "thought  process",
        "**Thought process:**\n",
        "Let's solve this problem step by step.",
        "Let\xe2\x80\x99s think step by step",
        "Solution",
        "## Solution\n\n",
        "Answer:",
        "The answer is:",
        "Respuesta",
        "\xe8\xa7\xa3",
        "\xe8\xa7\xa3\xef\xbc\x9a",
        "\xe3\x81\x8b\xe3\x81\x84\xe3\x81\x9b\xe3\x81\xa4",
        "\xef\xbc\x9a", /* full-width colon */
        "\xe3\x80\x82", /* ideographic full stop */
        "\xe2\x80\xa6", /* ellipsis */
        "\xe2\x80\x8b\xef\xbb\xbf\xc2\xa0", /* zero width, byte order mark, hard space */
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (!trivial_response(str_z(texts[i])))
            fail_msg("'%s' was not found", texts[i]);
}

static void answers_are_let_be(void **state RBR_UNUSED)
{
    static const char *const texts[] = {
        "no",
        "Yes.",
        "42",
        "7",
        "A",
        "I can't help with that.",
        "The solution is 4.",
        "Answer: B",
        "Thought process: first, x = 2.",
        "Sorry!",
        "\xe6\x98\xaf",
        "\xf0\x9f\x99\x82",
        "caf\xc3\xa9",
        "\xd0\xb4\xd0\xb0",
        "solutions",
        "step 12",
        "a sentence that is longer than any of the openers that there are in the table of them",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (trivial_response(str_z(texts[i])))
            fail_msg("'%s' was taken for nothing", texts[i]);
}

static void padding_makes_no_answer(void **state RBR_UNUSED)
{
    enum { N = 100000 };
    char *text = mem_resize(NULL, N);
    memset(text, '.', N);
    memcpy(text + N / 2, "Solution", 8);
    assert_true(trivial_response((struct str){text, N}));
    memcpy(text + N - 4, "four", 4);
    assert_false(trivial_response((struct str){text, N}));
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(master_keys_are_found),
        cmocka_unit_test(answers_are_let_be),
        cmocka_unit_test(padding_makes_no_answer),
    };
    return cmocka_run_group_tests_name("trivial", tests, NULL, NULL);
}
