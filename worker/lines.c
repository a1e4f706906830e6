#include "worker/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/readable.h"

enum { READ = 65536 }; /* bytes at a time, at least */

enum err_code lines_open(struct lines *l, const char *path, struct err *err)
{
    const bool is_file = strcmp(path, "-") != 0;
    struct stat st;
    *l = (struct lines){.name = path};
    l->fd = is_file ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (l->fd < 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    l->is_open = is_file;
    if (fstat(l->fd, &st) != 0)
        return ERR_OK;
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s: %s", path, strerror(EISDIR));
    if (S_ISREG(st.st_mode))
        l->bytes = st.st_size;
    return ERR_OK;
}

void lines_close(struct lines *l)
{
    if (l->is_open)
        (void)close(l->fd);
    mem_free(l->text);
    *l = (struct lines){0};
}

/* Makes room behind what is not given out, and reads into it once. */
static void fill(struct lines *l)
{
    ssize_t n;
    if (l->from > 0)
        memmove(l->text, l->text + l->from, l->to - l->from);
    l->seen -= l->from;
    l->to -= l->from;
    l->from = 0;
    mem_grow((void **)&l->text, &l->cap, l->to + READ, 1);
    do
        n = read(l->fd, l->text + l->to, l->cap - l->to);
    while (n < 0 && errno == EINTR);
    l->ended = n <= 0;
    l->to += n > 0 ? (size_t)n : 0;
    l->read += n > 0 ? n : 0;
}

/* A line from what was read: up to its end, or the last one as it is. */
static bool cut(struct lines *l, struct str *ret)
{
    const struct str mark = STR("\xef\xbb\xbf");
    const char *end = l->to > l->seen ? memchr(l->text + l->seen, '\n', l->to - l->seen) : NULL;
    size_t next = end != NULL ? (size_t)(end - l->text) + 1 : l->to;
    l->seen = next;
    if (end == NULL && (!l->ended || l->from == l->to))
        return false;
    *ret = (struct str){l->text + l->from, next - l->from};
    l->from = next;
    if (++l->number == 1 && str_has_prefix(*ret, mark))
        *ret = str_sub(*ret, mark.n, ret->n);
    return true;
}

enum lines_got lines_get(struct lines *l, bool wait, struct str *ret)
{
    for (;;) {
        while (cut(l, ret)) {
            *ret = str_trim(*ret);
            if (ret->n > 0)
                return LINES_LINE;
        }
        if (l->ended)
            return LINES_END;
        if (!wait && !readable_now(l->fd))
            return LINES_LATER;
        fill(l);
    }
}

bool lines_next(struct lines *l, struct str *ret)
{
    return lines_get(l, true, ret) == LINES_LINE;
}

static bool is_no_object(enum refusal_kind kind)
{
    return kind == REFUSAL_BAD_JSON || kind == REFUSAL_TRUNCATED_JSON ||
           kind == REFUSAL_TRAILING_JSON || kind == REFUSAL_NOT_AN_OBJECT;
}

void lines_say_refused(struct lines *l, uint64_t number, const struct refusal *refusal)
{
    char text[256];
    bool advise = !l->advised && is_no_object(refusal->kind);
    l->advised = l->advised || advise;
    refusal_print(refusal, text);
    (void)fprintf(stderr, "%s:%" PRIu64 ": %s%s\n", l->name, number, text,
                  advise ? "; write each completion as a JSON object on one line" : "");
}

double lines_share(const struct lines *l)
{
    if (l->bytes == 0)
        return NAN;
    double share = (double)(l->read - (int64_t)(l->to - l->from)) / (double)l->bytes;
    return share < 1 ? share : 1;
}
