/* settings: which files are taken for a secret. */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings/settings.h"

struct secret_case {
    const char *name, *content;
    size_t n;
    mode_t mode;
    const char *secret; /* NULL: refused */
    const char *why;
};

#define CONTENT(literal) literal, sizeof(literal) - 1

static const struct secret_case secret_cases[] = {
    {"one line", CONTENT("sk-abc\n"), 0600, "sk-abc", NULL},
    {"no line end", CONTENT("sk-abc"), 0400, "sk-abc", NULL},
    {"a Windows line end", CONTENT("sk-abc\r\n"), 0640, "sk-abc", NULL},
    {"as long as may be", CONTENT("0123456789abcde"), 0600, "0123456789abcde", NULL},
    {"readable by others", CONTENT("sk-abc\n"), 0604, NULL,
     "open to every user of this machine; close it with chmod 600"},
    {"writable by others", CONTENT("sk-abc\n"), 0602, NULL,
     "open to every user of this machine; close it with chmod 600"},
    {"empty", CONTENT(""), 0600, NULL, "empty; the secret is wanted, in one line"},
    {"an empty line", CONTENT("\n"), 0600, NULL, "empty; the secret is wanted, in one line"},
    {"two lines", CONTENT("a\nb\n"), 0600, NULL,
     "byte 1 is no printable ASCII character; the secret is wanted in one line and "
     "nothing else"},
    {"a NUL", CONTENT("ab\0c"), 0600, NULL,
     "byte 2 is no printable ASCII character; the secret is wanted in one line and "
     "nothing else"},
    {"another script", CONTENT("\xc3\xa9"), 0600, NULL,
     "byte 0 is no printable ASCII character; the secret is wanted in one line and "
     "nothing else"},
    {"too long", CONTENT("0123456789abcdef"), 0600, NULL,
     "longer than 15 bytes; is this the right file?"},
};

static void make_file(const char *path, const char *content, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void assert_refused(const char *path, const char *why)
{
    char out[16] = "before", want[512];
    struct err err;
    assert_int_not_equal(settings_read_secret(str_z(path), out, sizeof(out), &err), ERR_OK);
    (void)snprintf(want, sizeof(want), "%s: %s", path, why);
    assert_string_equal(err.msg, want);
}

static void a_secret_file_is_closed_and_one_line(void **state RBR_UNUSED)
{
    char folder[] = "/tmp/rbr-secret-XXXXXX", path[64], out[16];
    struct err err;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/key", folder);
    for (size_t i = 0; i < ARRAY_LEN(secret_cases); i++) {
        const struct secret_case *c = &secret_cases[i];
        make_file(path, c->content, c->n, c->mode);
        if (c->secret == NULL) {
            assert_refused(path, c->why);
        } else {
            assert_int_equal(settings_read_secret(str_z(path), out, sizeof(out), &err), ERR_OK);
            assert_string_equal(out, c->secret);
        }
        assert_int_equal(unlink(path), 0);
    }
    assert_refused(path, "No such file or directory");
    assert_refused(folder, "not a file; name a file with the secret in one line");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "not a file; name a file with the secret in one line");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void a_secret_variable_is_one_line(void **state RBR_UNUSED)
{
    static const struct {
        const char *value, *secret, *why;
    } cases[] = {
        {"sk-abc", "sk-abc", NULL},
        {"0123456789abcde", "0123456789abcde", NULL},
        {NULL, NULL, "RBR_TEST_KEY: no such environment variable; set it"},
        {"", NULL, "RBR_TEST_KEY: empty; the secret is wanted, in one line"},
        {"0123456789abcdef", NULL, "RBR_TEST_KEY: longer than 15 bytes"},
        {"a b", NULL,
         "RBR_TEST_KEY: byte 1 is no printable ASCII character; the secret is wanted in one line "
         "and nothing else"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[16];
        struct err err;
        if (cases[i].value != NULL)
            assert_int_equal(setenv("RBR_TEST_KEY", cases[i].value, 1), 0);
        else
            assert_int_equal(unsetenv("RBR_TEST_KEY"), 0);
        enum err_code code = settings_env_secret(STR("RBR_TEST_KEY"), out, sizeof(out), &err);
        assert_int_equal(code == ERR_OK, cases[i].secret != NULL);
        assert_string_equal(code == ERR_OK ? out : err.msg,
                            code == ERR_OK ? cases[i].secret : cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_file_is_closed_and_one_line),
        cmocka_unit_test(a_secret_variable_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
