/* base/date: moments in all their spellings, and what is none. */
#include "unit.h"

#include "base/date.h"

static void moments_are_read(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-15T10:15:30Z", 1768472130000},
        {"2026-01-15t10:15:30z", 1768472130000},
        {"2026-01-15 10:15:30Z", 1768472130000},
        {"2026-01-15T10:15:30.5Z", 1768472130500},
        {"2026-01-15T10:15:30.123456789Z", 1768472130123},
        {"2026-01-15T12:15:30+02:00", 1768472130000},
        {"2026-01-15T04:45:30-05:30", 1768472130000},
        {"2024-02-29", 1709164800000},
        {"9999-12-31T23:59:59Z", 253402300799000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms;
        if (!date_parse(str_z(cases[i].text), &ms))
            fail_msg("'%s' was refused", cases[i].text);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void what_is_no_moment_is_refused(void **state RBR_UNUSED)
{
    static const char *const texts[] = {"",
                                        "now",
                                        "2026",
                                        "2026-1-15",
                                        "2026-13-01",
                                        "2026-00-10",
                                        "2026-02-29",
                                        "2100-02-29",
                                        "2026-01-32",
                                        "2026-01-15T",
                                        "2026-01-15T10:15Z",
                                        "2026-01-15T10:15:30",
                                        "2026-01-15T24:00:00Z",
                                        "2026-01-15T10:60:00Z",
                                        "2026-01-15T10:15:30.Z",
                                        "2026-01-15T10:15:30+0200",
                                        "2026-01-15T10:15:30+24:00",
                                        "2026-01-15T10:15:30Zz",
                                        "1969-12-31",
                                        "1970-01-01T00:00:00+01:00",
                                        "2026-01-15 "};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t ms;
        if (date_parse(str_z(texts[i]), &ms))
            fail_msg("'%s' was taken", texts[i]);
    }
    int64_t ms;
    assert_false(date_parse(STR("2026-01-15\0"), &ms));
}

static void what_is_printed_is_read_back(void **state RBR_UNUSED)
{
    char text[DATE_MAX];
    for (int64_t ms = 0; ms < 253402300799000; ms += 98765432100) {
        int64_t got;
        date_print(ms, text);
        assert_true(date_parse(str_z(text), &got));
        assert_int_equal(got, ms / 1000 * 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(what_is_printed_is_read_back),
    };
    return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
