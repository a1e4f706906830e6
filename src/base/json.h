/* JSON, strictly (RFC 8259), with the byte offset of every fault.
 *
 * Reading: json_parse turns one complete text into a tree of `struct json` in the caller's arena.
 * Strings are unescaped (\u0000 and astral pairs included) as pointer + length; they point into the
 * input when they had no escape, so the input must outlive the tree. Refused, each with its kind
 * and offset: duplicate keys, non-finite numbers (1e400), invalid UTF-8, lone surrogates, raw
 * control characters, trailing text, nesting above 32. No C library in Debian 12 refuses all of
 * these (docs/adr/0002).
 *
 * Writing: json_escape appends the inside of a string literal, json_quote all of it, json_number a
 * number. Pure. */
#ifndef RBR_BASE_JSON_H
#define RBR_BASE_JSON_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 32 };

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* kind, text */
#define JSON_FAULTS(X)                                                                             \
    X(NONE, "ok")                                                                                  \
    X(SYNTAX, "not JSON")                                                                          \
    X(TRUNCATED, "the text ends inside a value")                                                   \
    X(TRAILING, "text after the value")                                                            \
    X(DUPLICATE_KEY, "duplicate key")                                                              \
    X(NOT_FINITE, "number is not finite")                                                          \
    X(NOT_UTF8, "invalid UTF-8")                                                                   \
    X(LONE_SURROGATE, "lone surrogate")                                                            \
    X(CONTROL, "raw control character in a string")                                                \
    X(TOO_DEEP, "nested too deep")                                                                 \
    X(TOO_LARGE, "needs more memory than allowed")

enum json_fault_kind {
#define X(kind, text) JSON_FAULT_##kind,
    JSON_FAULTS(X)
#undef X
};

struct json_fault {
    enum json_fault_kind kind;
    size_t offset; /* byte in the input */
};

struct json {
    enum json_type type;
    bool boolean;
    double number; /* also for integers; exact up to 2^53 */
    struct str string; /* JSON_STRING: unescaped. JSON_NUMBER: its text */
    struct str key; /* unescaped, when this is a member of an object */
    struct json *child; /* first element or member */
    struct json *next; /* next sibling */
    size_t count; /* children */
    size_t start, end; /* bytes of the value in the input: [start, end) */
    size_t key_start; /* byte of the key's opening quote */
};

/* NULL and *ret_fault on refusal; the arena may then hold garbage. */
struct json *json_parse(struct arena *a, struct str text,
                        struct json_fault *ret_fault) RBR_MUST_CHECK;
const char *json_fault_text(enum json_fault_kind kind);

/* Member `key` of an object; NULL when absent or when `v` is NULL or not an object. */
struct json *json_get(const struct json *v, struct str key);

/* The members of an object by key, for many look-ups in one that may be large. */
struct json_index {
    const struct json **members; /* sorted by key, then by place */
    size_t n;
};

/* In the arena; false at its maximum. Empty when `v` is NULL or not an object. */
bool json_index(struct arena *a, const struct json *v, struct json_index *ret) RBR_MUST_CHECK;
const struct json *json_index_get(const struct json_index *index, struct str key);

/* An integer value in [min, max], written without fraction or exponent. */
bool json_integer(const struct json *v, int64_t min, int64_t max, int64_t *ret) RBR_MUST_CHECK;

/* Appends s (valid UTF-8) escaped for the inside of a JSON string: ", \ and controls only. */
bool json_escape(struct buf *b, struct str s);
/* "s" with its quotes. */
bool json_quote(struct buf *b, struct str s);
/* Shortest form; "null" when not finite. */
bool json_number(struct buf *b, double v);

#endif
