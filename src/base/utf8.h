/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure. */
#ifndef RBR_BASE_UTF8_H
#define RBR_BASE_UTF8_H

#include <stdint.h>

#include "base/str.h"

/* Offset of the first byte that is not well-formed; s.n when all are. */
size_t utf8_valid_prefix(struct str s);

static inline bool utf8_valid(struct str s)
{
    return utf8_valid_prefix(s) == s.n;
}

/* Characters, as far as a column is concerned: bytes that begin one. */
size_t utf8_count(struct str s);

/* The code point at *at (below s.n) of well-formed text; *at moves on to the next. */
uint32_t utf8_decode(struct str s, size_t *at);

/* Writes code point `c` (a valid scalar value) to `out`; returns 1 to 4 bytes. */
size_t utf8_encode(uint32_t c, char out[4]);

#endif
