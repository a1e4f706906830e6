#include "worker/hash_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/sha256.h"

enum err_code hash_file(const char *path, char ret[65], struct err *err)
{
    char block[1 << 16];
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;
    size_t n;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    sha256_init(&h);
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        sha256_raw(&h, (struct str){block, n});
    bool ok = ferror(f) == 0;
    (void)fclose(f);
    sha256_finish(&h, digest);
    sha256_done(&h);
    if (!ok)
        return err_set(err, ERR_IO, "%s: cannot be read", path);
    hex_encode(digest, sizeof(digest), ret);
    return ERR_OK;
}
