/* base/num: the whole text is one number or it is none; what is printed reads back. */
#include "unit.h"

#include <math.h>

#include "base/num.h"
#include "base/rng.h"

static void doubles(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        double v;
    } good[] = {
        {"0", 0},       {"-0", -0.0},
        {"1", 1},       {"+1", 1},
        {"0.41", 0.41}, {"-2.5", -2.5},
        {".5", 0.5},    {"5.", 5},
        {"1e3", 1000},  {"1E-3", 0.001},
        {"1e+3", 1000}, {"4.9e-324", 4.9e-324},
        {"1e-999", 0},  {"1.7976931348623157e308", 1.7976931348623157e308},
        {"00012", 12},  {"9007199254740993", 9007199254740992.0},
    };
    static const char *const bad[] = {
        "",      " ",      " 1",    "1 ",    "0.4*52", "1,5",      "0x10", "inf",      "-inf",
        "nan",   "NaN",    "1e",    "1e+",   "e5",     ".",        "-",    "+",        "--1",
        "1e400", "-1e400", "1.2.3", "1_000", "1f",     "infinity", "1e5x", "\xd9\xa1", "1\n",
    };
    double v = 7;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!num_parse_f64(str_z(good[i].text), &v) || v != good[i].v ||
            signbit(v) != signbit(good[i].v))
            fail_msg("'%s' gave %.17g", good[i].text, v);
    }
    v = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (num_parse_f64(str_z(bad[i]), &v) || v != 7)
            fail_msg("'%s' was taken as %.17g", bad[i], v);
    assert_false(num_parse_f64(STR("1\0"), &v));
}

static void a_number_has_at_most_1023_characters(void **state RBR_UNUSED)
{
    char text[1025];
    double v;
    memset(text, '0', sizeof(text));
    assert_true(num_parse_f64((struct str){text, 1023}, &v));
    assert_false(num_parse_f64((struct str){text, 1024}, &v));
}

static void integers(void **state RBR_UNUSED)
{
    int64_t i;
    uint64_t u;
    assert_true(num_parse_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(num_parse_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_false(num_parse_i64(STR("9223372036854775808"), &i));
    assert_false(num_parse_i64(STR("-9223372036854775809"), &i));
    assert_true(num_parse_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(num_parse_u64(STR("18446744073709551616"), &u));
    assert_false(num_parse_u64(STR("99999999999999999999999"), &u));
    static const char *const bad[] = {"", "-", "+1", "1.0", "1e3", " 1", "1 ", "0x1", "--1"};
    for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
        assert_false(num_parse_i64(str_z(bad[k]), &i));
        assert_false(num_parse_u64(str_z(bad[k]), &u));
    }
    assert_false(num_parse_u64(STR("-1"), &u));
}

static void durations(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"1us", 1},
        {"250ms", 250000},
        {"1.5s", 1500000},
        {"120s", 120000000},
        {"2m", 120000000},
        {"1h", 3600000000},
        {"7d", 604800000000},
        {"1.001s", 1001000},
        {"0.29s", 290000},
        {"1e3ms", 1000000},
    };
    static const char *const bad[] = {"",    "1",     "s",   "-1s",    "1 s",   "1S",    "1sec",
                                      "1s ", "1h30m", "inf", "1e400s", "1e30d", "1..5s", "5%"};
    int64_t us = 7;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!num_parse_duration_us(str_z(good[i].text), &us) || us != good[i].us)
            fail_msg("'%s' gave %lld us", good[i].text, (long long)us);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (num_parse_duration_us(str_z(bad[i]), &us))
            fail_msg("'%s' was taken", bad[i]);
}

static void sizes(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"1B", 1},
        {"10KB", 10000},
        {"1.001KB", 1001},
        {"4MiB", 4194304},
        {"512MiB", 536870912},
        {"2GB", 2000000000},
        {"1GiB", 1073741824},
        {"0.5KiB", 512},
        {"3MB", 3000000},
    };
    static const char *const bad[] = {"", "1", "MiB", "-1B", "1 KB", "1kb", "1TB", "1e20GB", "B1"};
    uint64_t n = 7;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!num_parse_size(str_z(good[i].text), &n) || n != good[i].bytes)
            fail_msg("'%s' gave %llu", good[i].text, (unsigned long long)n);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (num_parse_size(str_z(bad[i]), &n))
            fail_msg("'%s' was taken", bad[i]);
}

static void print(double v, const char *want)
{
    char out[32];
    size_t n = num_print_f64(v, out);
    assert_int_equal(n, strlen(out));
    assert_string_equal(out, want);
}

static void millionths(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        uint64_t v;
        const char *printed;
    } good[] = {
        {"0", 0, "0"},
        {"0.0", 0, "0"},
        {"0.04", 40000, "0.04"},
        {"12", 12000000, "12"},
        {"120.000001", 120000001, "120.000001"},
        {"1.10", 1100000, "1.1"},
        {"18446744073709.551615", UINT64_MAX, "18446744073709.551615"},
    };
    static const char *const bad[] = {
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "+1",
        "1e3",
        "0.0000001",
        "1.2.3",
        " 1",
        "1 ",
        "0x1",
        "1,5",
        "18446744073709.551616",
        "18446744073710",
        "99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t v;
        char out[32];
        assert_true(num_parse_millionths(str_z(good[i].text), &v));
        assert_true(v == good[i].v);
        num_print_millionths(v, out);
        assert_string_equal(out, good[i].printed);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t v;
        if (num_parse_millionths(str_z(bad[i]), &v))
            fail_msg("'%s' was read", bad[i]);
    }
}

static void printed_short(void **state RBR_UNUSED)
{
    print(0, "0");
    print(-0.0, "-0");
    print(0.1, "0.1");
    print(0.1 + 0.2, "0.30000000000000004");
    print(1.0 / 3, "0.3333333333333333");
    print(1e22, "1e+22");
    print(100000, "100000");
    print(5e-324, "5e-324");
    print(1.7976931348623157e308, "1.7976931348623157e+308");
}

static void what_is_printed_reads_back(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = rng_next(&rng);
        double v, back;
        char out[32], shorter[400];
        if (i % 50 == 0)
            bits &= 0x800fffffffffffffu; /* subnormal */
        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v))
            continue;
        size_t n = num_print_f64(v, out);
        assert_true(num_parse_f64((struct str){out, n}, &back));
        assert_memory_equal(&v, &back, sizeof(v));
        /* No fewer digits, rounded, would have done. */
        size_t digits = 0;
        for (const char *p = out + strspn(out, "-0."); *p != '\0' && *p != 'e'; p++)
            digits += *p >= '0' && *p <= '9';
        if (i % 10 == 0 && digits > 1 && strchr(out, '.') != NULL) {
            (void)snprintf(shorter, sizeof(shorter), "%.*g", (int)digits - 1, v);
            assert_true(strtod(shorter, NULL) != v);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles),       cmocka_unit_test(a_number_has_at_most_1023_characters),
        cmocka_unit_test(integers),      cmocka_unit_test(durations),
        cmocka_unit_test(sizes),         cmocka_unit_test(millionths),
        cmocka_unit_test(printed_short), cmocka_unit_test(what_is_printed_reads_back),
    };
    return cmocka_run_group_tests_name("num", tests, NULL, NULL);
}
