#include "worker/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum err_code lines_open(struct lines *l, const char *path, struct err *err)
{
    *l = (struct lines){.name = path};
    l->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (l->file == NULL)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fileno(l->file), &st) != 0)
        return ERR_OK;
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s: %s", path, strerror(EISDIR));
    if (S_ISREG(st.st_mode))
        l->bytes = st.st_size;
    return ERR_OK;
}

void lines_close(struct lines *l)
{
    if (l->file != NULL && l->file != stdin)
        (void)fclose(l->file);
    free(l->text);
    *l = (struct lines){0};
}

bool lines_next(struct lines *l, struct str *ret)
{
    const struct str mark = STR("\xef\xbb\xbf");
    ssize_t n;
    while ((n = getline(&l->text, &l->cap, l->file)) >= 0) {
        l->number++;
        struct str line = {l->text, (size_t)n};
        if (l->number == 1 && str_has_prefix(line, mark))
            line = str_sub(line, mark.n, line.n);
        *ret = str_trim(line);
        if (ret->n > 0)
            return true;
    }
    return false;
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
    double share = (double)ftello(l->file) / (double)l->bytes;
    return share < 1 ? share : 1;
}
