/* Base64 (RFC 4648, with padding), by OpenSSL, and strict: what decodes is what encoding its result
 * would give, so no two texts mean the same bytes. Any thread. */
#ifndef RBR_BASE_BASE64_H
#define RBR_BASE_BASE64_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

#define BASE64_CHARS(bytes) (((bytes) + 2) / 3 * 4)

/* BASE64_CHARS(n) characters and a NUL; returns the number of characters. */
size_t base64_encode(const uint8_t *p, size_t n, char *out);

/* `out` has room for s.n / 4 * 3 bytes. False when s is not what base64_encode writes. */
bool base64_decode(struct str s, uint8_t *out, size_t *ret) RBR_MUST_CHECK;

#endif
