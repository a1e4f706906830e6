#include "worker/lines.h"

#include <errno.h>
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
    if (fstat(fileno(l->file), &st) == 0 && S_ISREG(st.st_mode))
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
    ssize_t n;
    while ((n = getline(&l->text, &l->cap, l->file)) >= 0) {
        l->number++;
        *ret = str_trim((struct str){l->text, (size_t)n});
        if (ret->n > 0)
            return true;
    }
    return false;
}

double lines_share(const struct lines *l)
{
    if (l->bytes == 0)
        return NAN;
    double share = (double)ftello(l->file) / (double)l->bytes;
    return share < 1 ? share : 1;
}
