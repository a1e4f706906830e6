/* settings: the dump shows everything but secrets, and loads again. */
#include "settings_fixture.h"

static void dump_of(const struct settings *s, struct buf *b)
{
    buf_init(b, 1u << 20);
    assert_true(settings_dump(s, b));
}

static void secrets_are_not_in_the_dump(void **state RBR_UNUSED)
{
    struct settings *s = good(every_key, NULL);
    struct buf b;
    dump_of(s, &b);
    assert_true(str_find(buf_str(&b), STR("hunter"), 0) == SIZE_MAX);
    assert_true(str_find(buf_str(&b), STR("\"sasl.password\": \"(not shown)\""), 0) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), STR("\"sasl.username\": \"u\""), 0) != SIZE_MAX);
    buf_done(&b);
    settings_free(s);
}

/* Loading a dump gives the same dump: every field is in it, and read back as it was. */
static void a_dump_loads_again(void **state RBR_UNUSED)
{
    static const char *const texts[] = {K P G, every_key,
                                        KAFKA("  group: $${HOME} ${RBR_TEST_A} \"\\\"\n")};
    (void)setenv("RBR_TEST_A", "${HOME}", 1);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf first, second;
        struct settings *s = good(texts[i], NULL);
        dump_of(s, &first);
        settings_free(s);
        assert_true(buf_append(&first, "", 1));
        first.n--;
        s = good(first.p, NULL);
        dump_of(s, &second);
        assert_strs(buf_str(&second), buf_str(&first));
        settings_free(s);
        buf_done(&first);
        buf_done(&second);
    }
}

static void a_dump_that_does_not_fit_says_so(void **state RBR_UNUSED)
{
    struct settings *s = good(K P G, NULL);
    struct buf b;
    buf_init(&b, 100);
    assert_false(settings_dump(s, &b));
    buf_done(&b);
    settings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_not_in_the_dump),
        cmocka_unit_test(a_dump_loads_again),
        cmocka_unit_test(a_dump_that_does_not_fit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
