/* Attributes and small macros used everywhere; common to gcc 12 and clang 14. */
#ifndef RBR_BASE_ATTR_H
#define RBR_BASE_ATTR_H

#include <stddef.h>

#define RBR_MUST_CHECK       __attribute__((warn_unused_result))
#define RBR_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define RBR_NORETURN         __attribute__((noreturn))
#define RBR_UNUSED           __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that contains `member` at address `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
