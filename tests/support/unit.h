/* What every unit test starts with: cmocka and its headers, texts compared with their length, a
 * seed that is printed, a whole file in memory. Header only. */
#ifndef RBR_TESTS_UNIT_H
#define RBR_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/attr.h"
#include "base/mem.h"
#include "base/str.h"

/* Length and bytes; the literal may hold NUL. */
#define assert_str(s, literal) unit_assert_str((s), STR(literal), __FILE__, __LINE__)
#define assert_strs(s, other)  unit_assert_str((s), (other), __FILE__, __LINE__)

static inline void unit_assert_str(struct str got, struct str want, const char *file, int line)
{
    if ((got.n > 0 && got.p == NULL) || (want.n > 0 && want.p == NULL)) {
        _fail(file, line);
        return;
    }
    if (str_eq(got, want))
        return;
    print_error("got \"%.*s\" (%zu bytes), want \"%.*s\" (%zu bytes)\n", STR_ARGS(got), got.n,
                STR_ARGS(want), want.n);
    _fail(file, line);
}

/* RBR_SEED, or the time; printed, so that a failure can be run again. */
static inline uint64_t unit_seed(void)
{
    const char *given = getenv("RBR_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("RBR_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* The bytes of a file, to be freed; p == NULL when it cannot be read. */
static inline struct str unit_read_file(const char *path)
{
    struct str s = {0};
    FILE *f = fopen(path, "rbe");
    if (f == NULL)
        return s;
    (void)fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    char *p = mem_resize(NULL, n + 1);
    s = (struct str){p, fread(p, 1, n, f)};
    (void)fclose(f);
    return s;
}

/* Data that is read in place and never copied into the project (see CONTRIBUTING.md). */
#define UNIT_DATA SOURCE_DIR "/../shared/data/"

#endif
