/* base/utf8 against a decoder that knows no tables: it decodes, then asks whether the shortest
 * encoding of what it got is what it read. */
#include "unit.h"

#include "base/rng.h"
#include "base/utf8.h"

/* Bytes of the well-formed sequence at p, 0 when there is none. */
static size_t slow_sequence(const unsigned char *p, size_t n)
{
    for (size_t len = 1; len <= 4 && len <= n; len++) {
        uint32_t first = p[0], c = len == 1 ? first : first & (0x7fu >> len);
        if (len == 1 ? first >= 0x80 : first >> (7 - len) != (0xffu >> (7 - len) & ~1u))
            continue;
        bool tail = true;
        for (size_t i = 1; i < len; i++) {
            tail = tail && p[i] >> 6 == 2;
            c = c << 6 | (p[i] & 0x3fu);
        }
        size_t shortest = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        bool scalar = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        return tail && scalar && shortest == len ? len : 0;
    }
    return 0;
}

static size_t slow_prefix(struct str s)
{
    size_t i = 0, len;
    while (i < s.n && (len = slow_sequence((const unsigned char *)s.p + i, s.n - i)) > 0)
        i += len;
    return i;
}

static void every_scalar_value_goes_there_and_back(void **state RBR_UNUSED)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        char out[4];
        size_t n = utf8_encode(c, out);
        if (slow_sequence((const unsigned char *)out, n) != n || !utf8_valid((struct str){out, n}))
            fail_msg("U+%04X", (unsigned)c);
        if (n > 1 && utf8_valid_prefix((struct str){out, n - 1}) != 0)
            fail_msg("U+%04X cut is taken", (unsigned)c);
        size_t at = 0;
        if (utf8_decode((struct str){out, n}, &at) != c || at != n)
            fail_msg("U+%04X comes back as another", (unsigned)c);
        assert_int_equal(utf8_count((struct str){out, n}), 1);
    }
}

static void every_short_text_agrees_with_the_slow_decoder(void **state RBR_UNUSED)
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                          0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                          0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    enum { N = sizeof(edges) };
    for (size_t k = 0; k < (size_t)N * N * N * N; k++) {
        char text[4];
        for (size_t i = 0, rest = k; i < 4; i++, rest /= N)
            text[i] = (char)edges[rest % N];
        struct str s = {text, 4};
        if (utf8_valid_prefix(s) != slow_prefix(s))
            fail_msg("%02x %02x %02x %02x", (unsigned char)text[0], (unsigned char)text[1],
                     (unsigned char)text[2], (unsigned char)text[3]);
    }
}

static void random_texts_agree_with_the_slow_decoder(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 20000; run++) {
        char text[64 + 4];
        size_t n = 0, want = rng_below(&rng, 64);
        while (n < want) {
            uint32_t c = (uint32_t)rng_below(&rng, rng_below(&rng, 2) == 0 ? 0x80 : 0xd800);
            n += utf8_encode(c, text + n);
        }
        if (n > 0 && rng_below(&rng, 2) == 0)
            text[rng_below(&rng, n)] = (char)rng_next(&rng);
        char *exact = mem_copy(text, n); /* so that reading past the end is seen */
        struct str s = {exact, n};
        assert_int_equal(utf8_valid_prefix(s), slow_prefix(s));
        mem_free(exact);
    }
    assert_int_equal(utf8_valid_prefix((struct str){NULL, 0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_value_goes_there_and_back),
        cmocka_unit_test(every_short_text_agrees_with_the_slow_decoder),
        cmocka_unit_test(random_texts_agree_with_the_slow_decoder),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
