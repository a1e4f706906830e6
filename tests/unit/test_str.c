/* base/str: text with a length, which may hold NUL. */
#include "unit.h"

static void compared_with_their_length(void **state RBR_UNUSED)
{
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("a"), STR("a\0")));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_true(str_has_prefix(STR("abc"), STR("ab")));
    assert_true(str_has_prefix(STR("abc"), STR("")));
    assert_false(str_has_prefix(STR("ab"), STR("abc")));
    assert_int_equal(str_z(NULL).n, 0);
    assert_str(str_sub(STR("abcdef"), 2, 4), "cd");
}

static void ordered_by_bytes_then_length(void **state RBR_UNUSED)
{
    static const struct str ascending[] = {{NULL, 0},       STR_INIT("A"),    STR_INIT("a"),
                                           STR_INIT("a\0"), STR_INIT("a\0b"), STR_INIT("ab"),
                                           STR_INIT("b"),   STR_INIT("\xc3")};
    for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
        for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
            int order = str_order(ascending[i], ascending[k]);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
}

static void trimmed(void **state RBR_UNUSED)
{
    assert_str(str_trim(STR(" \t\r\n\v\fa b\0 \n")), "a b\0");
    assert_str(str_trim(STR("   ")), "");
    assert_str(str_trim(STR("")), "");
    assert_str(str_trim(STR("\xc2\xa0x")), "\xc2\xa0x"); /* no-break space is text */
}

static void found_also_behind_a_nul(void **state RBR_UNUSED)
{
    assert_int_equal(str_find(STR("a\0bc"), STR("bc"), 0), 2);
    assert_int_equal(str_find(STR("abab"), STR("ab"), 1), 2);
    assert_true(str_find(STR("abab"), STR("ab"), 3) == SIZE_MAX);
    assert_true(str_find(STR("ab"), STR("abc"), 0) == SIZE_MAX);
    assert_true(str_find(STR("ab"), STR("a"), 3) == SIZE_MAX);
    assert_int_equal(str_find(STR("ab"), STR(""), 2), 2);
}

static void hashes_are_fnvs(void **state RBR_UNUSED)
{
    assert_true(str_hash(STR("")) == UINT64_C(0xcbf29ce484222325));
    assert_true(str_hash(STR("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(str_hash(STR("foobar")) == UINT64_C(0x85944171f73967e8));
}

static void names_match_folded(void **state RBR_UNUSED)
{
    assert_true(str_eq_folded(STR("Hard Refuse"), STR("hard_refuse")));
    assert_true(str_eq_folded(STR("SAFE-refuse 1"), STR("safe_refuse_1")));
    assert_false(str_eq_folded(STR("hard refuse"), STR("hardrefuse")));
    assert_false(str_eq_folded(STR("a"), STR("b")));
    assert_false(str_eq_folded(STR("\xc3\x84"), STR("\xc3\xa4"))); /* ASCII only */
}

static void distance_for_did_you_mean(void **state RBR_UNUSED)
{
    static const struct {
        struct str a, b;
        size_t d;
    } cases[] = {
        {STR_INIT("kitten"), STR_INIT("sitting"), 3},
        {STR_INIT("apology"), STR_INIT("apolgy"), 1},
        {STR_INIT(""), STR_INIT("abc"), 3},
        {STR_INIT("abc"), STR_INIT(""), 3},
        {STR_INIT("Hard-Refuse"), STR_INIT("hard_refuse"), 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(str_distance(cases[i].a, cases[i].b, 5), cases[i].d);
        assert_int_equal(str_distance(cases[i].b, cases[i].a, 5), cases[i].d);
    }
    assert_int_equal(str_distance(STR("abcdefgh"), STR("zyxwvuts"), 3), 4);
    char longer[70];
    memset(longer, 'a', sizeof(longer));
    assert_int_equal(str_distance((struct str){longer, 70}, STR("a"), 3), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compared_with_their_length),
        cmocka_unit_test(ordered_by_bytes_then_length),
        cmocka_unit_test(trimmed),
        cmocka_unit_test(found_also_behind_a_nul),
        cmocka_unit_test(hashes_are_fnvs),
        cmocka_unit_test(names_match_folded),
        cmocka_unit_test(distance_for_did_you_mean),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
