#include "worker/replace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool write_synced(const char *path, struct str text)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return false;
    bool ok = fwrite(text.p, 1, text.n, f) == text.n && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int reason = errno;
    ok = fclose(f) == 0 && ok;
    errno = reason;
    return ok;
}

enum err_code replace_file(const char *path, struct str text, struct err *err)
{
    char next[PATH_MAX];
    int n = snprintf(next, sizeof(next), "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof(next))
        return err_set(err, ERR_INVALID, "%s: the path is too long", path);
    if (write_synced(next, text) && rename(next, path) == 0)
        return ERR_OK;
    (void)err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    (void)unlink(next);
    return ERR_IO;
}
