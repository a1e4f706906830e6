#include "base/base64.h"

#include <limits.h>
#include <openssl/evp.h>

size_t base64_encode(const uint8_t *p, size_t n, char *out)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out, p, (int)n);
}

/* OpenSSL passes over white space around the text, and over bits that padding leaves unused. */
static bool is_canonical(struct str s, const uint8_t *p, size_t n)
{
    for (size_t done = 0, at = 0; at < s.n; at += 4, done += 3) {
        char group[5];
        size_t take = n - done < 3 ? n - done : 3;
        if (n <= done || base64_encode(p + done, take, group) != 4 ||
            memcmp(group, s.p + at, 4) != 0)
            return false;
    }
    return true;
}

bool base64_decode(struct str s, uint8_t *out, size_t *ret)
{
    size_t padding = 0;
    if (s.n % 4 != 0 || s.n > INT_MAX)
        return false;
    if (s.n > 0) {
        padding = (s.p[s.n - 1] == '=') + (size_t)(s.p[s.n - 2] == '=');
        if (EVP_DecodeBlock(out, (const unsigned char *)s.p, (int)s.n) != (int)(s.n / 4 * 3))
            return false;
    }
    size_t n = s.n / 4 * 3 - padding;
    if (!is_canonical(s, out, n))
        return false;
    *ret = n;
    return true;
}
