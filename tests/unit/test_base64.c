/* base/base64: the vectors of RFC 4648, round trips, and that nothing but them decodes. */
#include "unit.h"

#include "base/base64.h"
#include "base/rng.h"

static void the_vectors_of_the_rfc(void **state RBR_UNUSED)
{
    static const struct {
        struct str bytes, text;
    } cases[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("f"), STR_INIT("Zg==")},
        {STR_INIT("fo"), STR_INIT("Zm8=")},
        {STR_INIT("foo"), STR_INIT("Zm9v")},
        {STR_INIT("foob"), STR_INIT("Zm9vYg==")},
        {STR_INIT("fooba"), STR_INIT("Zm9vYmE=")},
        {STR_INIT("foobar"), STR_INIT("Zm9vYmFy")},
        {STR_INIT("\0\xff\xfe"), STR_INIT("AP/+")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[16];
        uint8_t bytes[16];
        size_t n = base64_encode((const uint8_t *)cases[i].bytes.p, cases[i].bytes.n, text);
        assert_strs(((struct str){text, n}), cases[i].text);
        assert_int_equal(n, BASE64_CHARS(cases[i].bytes.n));
        assert_true(base64_decode(cases[i].text, bytes, &n));
        assert_strs(((struct str){(char *)bytes, n}), cases[i].bytes);
    }
}

static void what_encoding_does_not_write_does_not_decode(void **state RBR_UNUSED)
{
    static const struct str cases[] = {
        STR_INIT("Z"),
        STR_INIT("Zg"),
        STR_INIT("Zg="),
        STR_INIT("Zh=="),
        STR_INIT("Zm9="),
        STR_INIT("===="),
        STR_INIT("Zg==Zg=="),
        STR_INIT("Zm9v\n   "),
        STR_INIT("    Zm9v"),
        STR_INIT("Zm9vZg==    "),
        STR_INIT("Zm9*"),
        STR_INIT("Zm-_"),
        STR_INIT("Z=9v"),
        STR_INIT("=m9v"),
        STR_INIT("Zm9v\0\0\0\0"),
        STR_INIT("Zm9v----"),
        STR_INIT("A==="),
    };
    uint8_t bytes[16];
    size_t n;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (base64_decode(cases[i], bytes, &n))
            fail_msg("case %zu decodes", i);
}

static void what_is_encoded_decodes(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (size_t n = 0; n < 300; n++) {
        uint8_t bytes[300], back[BASE64_CHARS(300)];
        char text[BASE64_CHARS(300) + 1];
        size_t n_back;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        size_t n_text = base64_encode(bytes, n, text);
        assert_true(base64_decode((struct str){text, n_text}, back, &n_back));
        assert_int_equal(n_back, n);
        assert_memory_equal(back, bytes, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc),
        cmocka_unit_test(what_encoding_does_not_write_does_not_decode),
        cmocka_unit_test(what_is_encoded_decodes),
    };
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
