/* base/err: one bounded line, wrapped on the way up; classes and texts of the codes. */
#include "unit.h"

#include "base/err.h"

static void a_message_is_set_and_wrapped(void **state RBR_UNUSED)
{
    struct err err;
    assert_int_equal(err_set(&err, ERR_NOT_FOUND, "no key '%s'", "x"), ERR_NOT_FOUND);
    assert_string_equal(err.msg, "no key 'x'");
    assert_int_equal(err_wrap(&err, "file.yaml:%d", 3), ERR_NOT_FOUND);
    assert_int_equal(err_wrap(&err, "settings"), ERR_NOT_FOUND);
    assert_string_equal(err.msg, "settings: file.yaml:3: no key 'x'");
}

static void no_err_is_fine(void **state RBR_UNUSED)
{
    assert_int_equal(err_set(NULL, ERR_TIMEOUT, "x"), ERR_TIMEOUT);
    assert_int_equal(err_wrap(NULL, "x"), ERR_INTERNAL);
}

static void long_messages_are_cut_not_overrun(void **state RBR_UNUSED)
{
    struct err err;
    char big[4000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    (void)err_set(&err, ERR_IO, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    for (int i = 0; i < 5; i++) {
        (void)err_wrap(&err, "%d%s", i, big);
        assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
        assert_int_equal(err.msg[0], '0' + i);
        assert_non_null(strstr(err.msg, "x: "));
    }
}

static void every_code_has_a_class(void **state RBR_UNUSED)
{
    assert_int_equal(err_class(ERR_OK), ERR_CLASS_NONE);
    assert_int_equal(err_class(ERR_INVALID), ERR_CLASS_PERMANENT);
    assert_int_equal(err_class(ERR_TIMEOUT), ERR_CLASS_TRANSIENT);
    assert_int_equal(err_class(ERR_FENCED), ERR_CLASS_FATAL);
    assert_int_equal(err_class((enum err_code)999), ERR_CLASS_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_set_and_wrapped),
        cmocka_unit_test(no_err_is_fine),
        cmocka_unit_test(long_messages_are_cut_not_overrun),
        cmocka_unit_test(every_code_has_a_class),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
