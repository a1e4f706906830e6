/* The plain functions are deprecated in OpenSSL 3, and are what EVP calls in the end. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/sha256.h"

#include <assert.h>
#include <openssl/sha.h>

#include "base/attr.h"

_Static_assert(sizeof(struct sha256) >= sizeof(SHA256_CTX), "room for its state");

static SHA256_CTX *of(struct sha256 *h)
{
    return (SHA256_CTX *)(void *)h->state;
}

static void check(int ok)
{
    assert(ok == 1);
    (void)ok;
}

void sha256_init(struct sha256 *h)
{
    *h = (struct sha256){0};
    check(SHA256_Init(of(h)));
}

void sha256_done(struct sha256 *h)
{
    explicit_bzero(h, sizeof(*h));
}

void sha256_raw(struct sha256 *h, struct str s)
{
    check(SHA256_Update(of(h), s.p, s.n));
}

void sha256_u64(struct sha256 *h, uint64_t v)
{
    uint8_t be[8];
    for (int i = 0; i < 8; i++)
        be[i] = (uint8_t)(v >> (56 - 8 * i));
    check(SHA256_Update(of(h), be, sizeof(be)));
}

void sha256_f64(struct sha256 *h, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    sha256_u64(h, bits);
}

void sha256_field(struct sha256 *h, struct str s)
{
    sha256_u64(h, s.n);
    sha256_raw(h, s);
}

void sha256_fields(struct sha256 *h, const struct str *fields, size_t n)
{
    sha256_u64(h, n);
    for (size_t i = 0; i < n; i++)
        sha256_field(h, fields[i]);
}

void sha256_finish(struct sha256 *h, uint8_t out[SHA256_BYTES])
{
    check(SHA256_Final(out, of(h)));
    check(SHA256_Init(of(h)));
}

void hex_encode(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct str hex, uint8_t *out, size_t n)
{
    if (hex.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
