/* SHA-256 over length-prefixed fields, by OpenSSL: its plain functions, which allocate nothing and
 * cost a tenth of what EVP takes for a short text. Keys come from text that a model wrote, so the
 * hash must resist collisions, and every field carries its length (8 bytes, big endian) so that
 * ("ab","c") and ("a","bc") differ. One thread per context. */
#ifndef RBR_BASE_SHA256_H
#define RBR_BASE_SHA256_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 65 };

struct sha256 { /* a copy goes on by itself */
    uint64_t state[14]; /* OpenSSL's */
};

void sha256_init(struct sha256 *h); /* ready for fields */
void sha256_done(struct sha256 *h); /* forgets what it was given */
void sha256_field(struct sha256 *h, struct str s);
/* How many, and each. */
void sha256_fields(struct sha256 *h, const struct str *fields, size_t n);
void sha256_u64(struct sha256 *h, uint64_t v);
void sha256_f64(struct sha256 *h, double v); /* its IEEE bits */
void sha256_raw(struct sha256 *h, struct str s); /* without the length */
void sha256_finish(struct sha256 *h, uint8_t out[SHA256_BYTES]); /* and ready again */

/* Lower-case hex of n bytes; `out` has room for 2 n + 1. */
void hex_encode(const uint8_t *p, size_t n, char *out);
/* n bytes from exactly what hex_encode writes; false for anything else. */
bool hex_decode(struct str hex, uint8_t *out, size_t n) RBR_MUST_CHECK;

#endif
