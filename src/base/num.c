#include "base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { NUMBER_MAX = 1023 }; /* characters; longer is not a number anyone means */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of the leading [+-]digits[.digits][e[+-]digits]; 0 when there is none. */
static size_t number_length(struct str s)
{
    size_t i = 0, digits = 0;
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
        i++;
    for (; i < s.n && is_digit(s.p[i]); i++)
        digits++;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && is_digit(s.p[i]); i++)
            digits++;
    if (digits == 0)
        return 0;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        size_t j = i + 1;
        if (j < s.n && (s.p[j] == '-' || s.p[j] == '+'))
            j++;
        size_t first = j;
        while (j < s.n && is_digit(s.p[j]))
            j++;
        if (j > first)
            i = j;
    }
    return i;
}

static locale_t the_c_locale;

static void make_c_locale(void)
{
    the_c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t c_locale(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* any thread may come first */
    (void)pthread_once(&once, make_c_locale);
    return the_c_locale;
}

bool num_parse_f64(struct str s, double *ret)
{
    if (s.n == 0 || s.n > NUMBER_MAX || number_length(s) != s.n)
        return false;
    char z[NUMBER_MAX + 1];
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    double v = strtod_l(z, NULL, c_locale());
    if (!isfinite(v))
        return false;
    *ret = v;
    return true;
}

bool num_parse_u64(struct str s, uint64_t *ret)
{
    if (s.n == 0)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]) || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *ret = v;
    return true;
}

bool num_parse_i64(struct str s, int64_t *ret)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t v;
    if (!num_parse_u64(negative ? str_sub(s, 1, s.n) : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + (negative ? 1u : 0u))
        return false;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

struct unit {
    const char *name;
    double factor;
};

/* number + unit -> number * factor, at most `max`. */
static bool parse_with_unit(struct str s, const struct unit *units, size_t count, double max,
                            double *ret)
{
    size_t n = number_length(s);
    double v;
    if (n == 0 || !num_parse_f64(str_sub(s, 0, n), &v) || v < 0)
        return false;
    struct str unit = str_sub(s, n, s.n);
    if (unit.n == 0 && v == 0) {
        *ret = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(unit, str_z(units[i].name)))
            continue;
        *ret = v * units[i].factor;
        return *ret <= max;
    }
    return false;
}

bool num_parse_duration_us(struct str s, int64_t *ret)
{
    static const struct unit units[] = {{"us", 1},   {"ms", 1e3},   {"s", 1e6},
                                        {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}};
    double v;
    if (!parse_with_unit(s, units, ARRAY_LEN(units), 1e17, &v))
        return false;
    *ret = (int64_t)rint(v); /* 1.001 * 1e6 is a little less than 1001000 */
    return true;
}

bool num_parse_size(struct str s, uint64_t *ret)
{
    static const struct unit units[] = {
        {"B", 1},        {"KB", 1e3},        {"MB", 1e6},          {"GB", 1e9},
        {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
    double v;
    if (!parse_with_unit(s, units, ARRAY_LEN(units), 1e15, &v))
        return false;
    *ret = (uint64_t)rint(v);
    return true;
}

enum { MILLION = 1000000, DECIMALS = 6 };

bool num_parse_millionths(struct str s, uint64_t *ret)
{
    size_t point = str_find(s, STR("."), 0);
    struct str whole = str_sub(s, 0, point != SIZE_MAX ? point : s.n);
    struct str rest = str_sub(s, point != SIZE_MAX ? point + 1 : s.n, s.n);
    uint64_t v, fraction = 0;
    if (!num_parse_u64(whole, &v) || __builtin_mul_overflow(v, (uint64_t)MILLION, &v))
        return false;
    if (point != SIZE_MAX && (rest.n > DECIMALS || !num_parse_u64(rest, &fraction)))
        return false;
    for (size_t i = rest.n; i < DECIMALS; i++)
        fraction *= 10;
    return !__builtin_add_overflow(v, fraction, ret);
}

void num_print_millionths(uint64_t v, char out[32])
{
    int n = snprintf(out, 32, "%" PRIu64 ".%06" PRIu64, v / MILLION, v % MILLION);
    while (out[n - 1] == '0')
        n--;
    out[out[n - 1] == '.' ? n - 1 : n] = '\0';
}

size_t num_print_f64(double v, char out[32])
{
    int n = 0;
    /* 15 digits name every normal number that fewer digits name; a subnormal has fewer to begin
     * with. */
    for (int digits = isnormal(v) ? 15 : 1; digits <= 17; digits++) {
        n = snprintf(out, 32, "%.*g", digits, v);
        if (strtod_l(out, NULL, c_locale()) == v)
            break;
    }
    return (size_t)n;
}
