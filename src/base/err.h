/* Errors: a code with a class, and one bounded sentence that says what, where and what to do.
 *
 * A function that can fail returns `enum err_code` (ERR_OK is 0) and, when there is something to
 * say, fills a caller-owned `struct err`; `err` may be NULL where the code alone is enough. On the
 * way up the sentence is wrapped with context ("policy.yaml: weights: ..."). A function either
 * logs or returns an error, never both. Any thread. */
#ifndef RBR_BASE_ERR_H
#define RBR_BASE_ERR_H

#include "base/attr.h"

enum err_class {
    ERR_CLASS_NONE,
    ERR_CLASS_TRANSIENT, /* the same call may succeed later */
    ERR_CLASS_PERMANENT, /* the same input fails again */
    ERR_CLASS_FATAL, /* this process cannot go on */
};

/* code, class */
#define ERR_CODES(X)                                                                               \
    X(OK, NONE)                                                                                    \
    X(INVALID, PERMANENT) /* what was given is wrong */                                            \
    X(RANGE, PERMANENT)                                                                            \
    X(LIMIT, PERMANENT) /* a maximum is reached */                                                 \
    X(NOT_FOUND, PERMANENT)                                                                        \
    X(UNSUPPORTED, PERMANENT)                                                                      \
    X(IO, TRANSIENT)                                                                               \
    X(TIMEOUT, TRANSIENT)                                                                          \
    X(UNAVAILABLE, TRANSIENT)                                                                      \
    X(BUSY, TRANSIENT)                                                                             \
    X(KAFKA, TRANSIENT)                                                                            \
    X(FENCED, FATAL) /* by another process with the same identity */                               \
    X(DENIED, FATAL)                                                                               \
    X(INTERNAL, FATAL)

enum err_code {
#define X(code, class) ERR_##code,
    ERR_CODES(X)
#undef X
};

struct err {
    enum err_code code;
    char msg[1024]; /* one line, NUL-terminated; cut at the end when longer */
};

/* Sets code and message; returns the code, so that `return err_set(...)` reads well. `err` may be
 * NULL. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) RBR_PRINTF(3, 4);

/* Puts "<prefix>: " before the message; returns the code already there. `err` may be NULL. */
enum err_code err_wrap(struct err *err, const char *fmt, ...) RBR_PRINTF(2, 3);

enum err_class err_class(enum err_code code);

#endif
