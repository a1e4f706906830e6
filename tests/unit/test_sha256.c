/* base/sha256: known answers of FIPS 180, and that fields carry their length. */
#include "unit.h"

#include "base/sha256.h"

static void hex_of_raw(struct str s, char out[SHA256_HEX])
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES];
    sha256_init(&h);
    sha256_raw(&h, s);
    sha256_finish(&h, digest);
    sha256_done(&h);
    hex_encode(digest, sizeof(digest), out);
}

static void known_answers(void **state RBR_UNUSED)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[SHA256_HEX];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        hex_of_raw(str_z(cases[i].text), hex);
        assert_string_equal(hex, cases[i].hex);
    }
    char *million = mem_resize(NULL, 1000000);
    memset(million, 'a', 1000000);
    hex_of_raw((struct str){million, 1000000}, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    mem_free(million);
}

static void fields_carry_their_length_big_endian(void **state RBR_UNUSED)
{
    struct sha256 h;
    uint8_t fields[SHA256_BYTES], raw[SHA256_BYTES], other[SHA256_BYTES];
    sha256_init(&h);
    sha256_field(&h, STR("ab"));
    sha256_field(&h, STR("c"));
    sha256_finish(&h, fields);
    sha256_raw(&h, STR("\0\0\0\0\0\0\0\2ab\0\0\0\0\0\0\0\1c")); /* and ready again */
    sha256_finish(&h, raw);
    assert_memory_equal(fields, raw, sizeof(raw));
    sha256_field(&h, STR("a"));
    sha256_field(&h, STR("bc"));
    sha256_finish(&h, other);
    assert_memory_not_equal(fields, other, sizeof(raw));
    sha256_f64(&h, 1.0);
    sha256_finish(&h, fields);
    sha256_raw(&h, STR("\x3f\xf0\0\0\0\0\0\0"));
    sha256_finish(&h, raw);
    assert_memory_equal(fields, raw, sizeof(raw));
    sha256_done(&h);
}

static void a_copy_goes_its_own_way(void **state RBR_UNUSED)
{
    struct sha256 prefix, a;
    uint8_t one[SHA256_BYTES], two[SHA256_BYTES];
    sha256_init(&prefix);
    sha256_raw(&prefix, STR("abc"));
    a = prefix;
    sha256_raw(&a, STR("def"));
    sha256_finish(&a, one);
    sha256_raw(&prefix, STR("def"));
    sha256_finish(&prefix, two);
    assert_memory_equal(one, two, sizeof(one));
    sha256_done(&prefix);
    sha256_done(&a);
}

static void hex_is_lower_case(void **state RBR_UNUSED)
{
    char out[9];
    hex_encode((const uint8_t *)"\x00\x0f\xa5\xff", 4, out);
    assert_string_equal(out, "000fa5ff");
    hex_encode(NULL, 0, out);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(fields_carry_their_length_big_endian),
        cmocka_unit_test(a_copy_goes_its_own_way),
        cmocka_unit_test(hex_is_lower_case),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
