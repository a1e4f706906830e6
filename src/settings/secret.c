#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "settings/settings.h"

static enum err_code check_file(int fd, struct str path, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set(err, ERR_IO, "%.*s: %s", STR_ARGS(path), strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID,
                       "%.*s: not a file; name a file with the secret in one line", STR_ARGS(path));
    if ((st.st_mode & S_IRWXO) != 0)
        return err_set(err, ERR_INVALID,
                       "%.*s: open to every user of this machine; close it with chmod 600",
                       STR_ARGS(path));
    return ERR_OK;
}

/* Reads up to `size` bytes. */
static enum err_code read_all(int fd, struct str path, char *out, size_t size, size_t *ret_n,
                              struct err *err)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, out + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_IO, "%.*s: %s", STR_ARGS(path), strerror(errno));
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *ret_n = n;
    return ERR_OK;
}

static enum err_code check_text(struct str s, struct str path, struct err *err)
{
    if (s.n == 0)
        return err_set(err, ERR_INVALID, "%.*s: empty; the secret is wanted, in one line",
                       STR_ARGS(path));
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] > '~')
            return err_set(
                err, ERR_INVALID,
                "%.*s: byte %zu is no printable ASCII character; the secret is wanted in "
                "one line and nothing else",
                STR_ARGS(path), i);
    return ERR_OK;
}

static int open_secret(struct str path, struct err *err)
{
    char *z = mem_copy(path.p, path.n);
    int fd = open(z, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    int reason = errno;
    mem_free(z);
    if (fd < 0)
        (void)err_set(err, ERR_IO, "%.*s: %s", STR_ARGS(path), strerror(reason));
    return fd;
}

enum err_code settings_check_secret(struct str path, struct err *err)
{
    int fd = open_secret(path, err);
    if (fd < 0)
        return ERR_IO;
    enum err_code code = check_file(fd, path, err);
    (void)close(fd);
    return code;
}

enum err_code settings_read_secret(struct str path, char *out, size_t size, struct err *err)
{
    int fd = open_secret(path, err);
    if (fd < 0)
        return ERR_IO;
    size_t n = 0;
    enum err_code code = check_file(fd, path, err);
    if (code == ERR_OK)
        code = read_all(fd, path, out, size, &n, err);
    (void)close(fd);
    if (code == ERR_OK && n == size)
        code = err_set(err, ERR_LIMIT, "%.*s: longer than %zu bytes; is this the right file?",
                       STR_ARGS(path), size - 1);
    if (code == ERR_OK && n > 0 && out[n - 1] == '\n')
        n--;
    if (code == ERR_OK && n > 0 && out[n - 1] == '\r')
        n--;
    if (code == ERR_OK)
        code = check_text((struct str){out, n}, path, err);
    if (code != ERR_OK) {
        explicit_bzero(out, size);
        return code;
    }
    out[n] = '\0';
    return ERR_OK;
}

enum err_code settings_env_secret(struct str name, char *out, size_t size, struct err *err)
{
    char *z = mem_copy(name.p, name.n);
    const char *value = getenv(z);
    mem_free(z);
    if (value == NULL)
        return err_set(err, ERR_NOT_FOUND, "%.*s: no such environment variable; set it",
                       STR_ARGS(name));
    size_t n = strlen(value);
    if (n >= size)
        return err_set(err, ERR_LIMIT, "%.*s: longer than %zu bytes", STR_ARGS(name), size - 1);
    enum err_code code = check_text((struct str){value, n}, name, err);
    if (code == ERR_OK)
        memcpy(out, value, n + 1);
    return code;
}
