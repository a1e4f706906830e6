#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    err->code = code;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, args);
    va_end(args);
    return code;
}

enum err_code err_wrap(struct err *err, const char *fmt, ...)
{
    if (err == NULL)
        return ERR_INTERNAL;
    char prefix[512], rest[sizeof(err->msg)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    memcpy(rest, err->msg, sizeof(rest));
    int n = snprintf(err->msg, sizeof(err->msg), "%s: ", prefix);
    (void)snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, "%.*s",
                   (int)(sizeof(err->msg) - (size_t)n) - 1, rest);
    return err->code;
}

enum err_class err_class(enum err_code code)
{
    static const enum err_class classes[] = {
#define X(name, class) [ERR_##name] = ERR_CLASS_##class,
        ERR_CODES(X)
#undef X
    };
    return (size_t)code < ARRAY_LEN(classes) ? classes[code] : ERR_CLASS_FATAL;
}
