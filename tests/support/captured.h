/* What is written to standard error between begin and end, for tests of log lines. Header only. */
#ifndef RBR_TESTS_CAPTURED_H
#define RBR_TESTS_CAPTURED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct captured {
    FILE *file;
    int kept;
    char text[16384]; /* after the end; what is longer is cut */
};

static inline void captured_begin(struct captured *c)
{
    *c = (struct captured){.file = tmpfile(), .kept = dup(STDERR_FILENO)};
    if (c->file == NULL || c->kept < 0 || dup2(fileno(c->file), STDERR_FILENO) < 0)
        abort();
}

static inline void captured_end(struct captured *c)
{
    (void)fflush(stderr);
    (void)dup2(c->kept, STDERR_FILENO);
    (void)close(c->kept);
    rewind(c->file);
    c->text[fread(c->text, 1, sizeof(c->text) - 1, c->file)] = '\0';
    (void)fclose(c->file);
}

static inline size_t captured_count(const struct captured *c, const char *what)
{
    size_t n = 0;
    for (const char *p = c->text; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

#endif
