#include "worker/canary_file.h"

#include <inttypes.h>

#include "base/mem.h"
#include "worker/lines.h"

static enum err_code add_all(struct canaries *c, struct lines *in, struct err *err)
{
    struct str line;
    while (lines_next(in, &line))
        if (canaries_add(c, line, err) != ERR_OK)
            return err_wrap(err, "%s:%" PRIu64, in->name, in->number);
    if (canaries_count(c) == 0)
        return err_set(err, ERR_INVALID, "%s: there is no canary in it", in->name);
    return ERR_OK;
}

enum err_code canary_file_load(const struct settings *s, const struct policy *policy,
                               struct canaries **ret, struct err *err)
{
    const struct canaries_config config = {
        .every = s->canary.every, .tolerance = s->canary.tolerance, .stop = s->canary.stop};
    struct lines in = {0};
    *ret = NULL;
    if (s->canary.file.n == 0)
        return ERR_OK;
    char *path = mem_copy(s->canary.file.p, s->canary.file.n);
    struct canaries *c = canaries_new(policy, &config);
    enum err_code code = lines_open(&in, path, err);
    if (code == ERR_OK)
        code = add_all(c, &in, err);
    lines_close(&in);
    mem_free(path);
    if (code == ERR_OK)
        *ret = c;
    else
        canaries_free(c);
    return code == ERR_OK ? ERR_OK : err_wrap(err, "canary.file");
}
