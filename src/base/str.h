/* Text as pointer and length. Model text, ids and labels are always `struct str`: they may hold
 * NUL, so the str* functions of libc never see them. A `struct str` does not own its bytes. Pure.
 */
#ifndef RBR_BASE_STR_H
#define RBR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    } /* in static tables */

/* For printf: "%.*s" with STR_ARGS(s). Only for names that cannot hold NUL. */
#define STR_ARGS(s) (int)(s).n, (s).n > 0 ? (s).p : ""

static inline struct str str_z(const char *z)
{
    return (struct str){z, z != NULL ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || (a.p[0] == b.p[0] && memcmp(a.p, b.p, a.n) == 0));
}

static inline bool str_has_prefix(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline struct str str_sub(struct str s, size_t from, size_t to)
{
    return (struct str){from > 0 ? s.p + from : s.p, to - from}; /* p may be NULL */
}

/* White space is space, \t, \n, \r, \v, \f. */
static inline bool char_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* May stand in the name of a tag: a letter, a digit, _ - . : or what is not ASCII. */
static inline bool char_is_name(char c)
{
    return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == ':' || (unsigned char)c >= 0x80;
}

struct str str_trim(struct str s);

/* Below, at or above 0 as a stands before b: by bytes, and a prefix first. For qsort. */
int str_order(struct str a, struct str b);

/* FNV-1a: spreads names over places. Who chooses them can make them meet. */
uint64_t str_hash(struct str s);

/* Position of `needle` at or after `from`; SIZE_MAX when absent. */
size_t str_find(struct str s, struct str needle, size_t from);

/* Names match after ASCII case folding and with ' ' and '-' read as '_' ("Hard Refuse" =
 * hard_refuse). */
bool str_eq_folded(struct str a, struct str b);

/* For messages and logs: printable ASCII, anything else as '?', cut to fit, NUL at the end. */
void str_printable(struct str s, char *out, size_t size);

/* Edit distance for "did you mean"; stops counting above `max` and returns max + 1. */
size_t str_distance(struct str a, struct str b, size_t max);

#endif
