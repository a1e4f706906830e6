/* stream/kafka_identity: names are different while their workers live, and come back afterwards. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "obs/log.h"
#include "stream/kafka_identity.h"

enum { STARTERS = 12 };

/* Another run of this test on the same host is another group. */
static struct str group_of_this_run(void)
{
    static char text[32];
    (void)snprintf(text, sizeof(text), "identity-%d", (int)getpid());
    return str_z(text);
}

/* The number at a name's end; the rest is the group and the host. */
static int number_of(const char *name)
{
    struct str group = group_of_this_run();
    char host[128] = "", want[KAFKA_IDENTITY_MAX];
    (void)gethostname(host, sizeof(host) - 1);
    int n = snprintf(want, sizeof(want), "%.*s-%s-", STR_ARGS(group), host);
    assert_int_equal(strncmp(name, want, (size_t)n), 0);
    return (int)strtol(name + n, NULL, 10);
}

static int claim(int *ret)
{
    char name[KAFKA_IDENTITY_MAX];
    *ret = kafka_identity_claim(group_of_this_run(), name);
    assert_true(*ret >= 0);
    return number_of(name);
}

static void the_smallest_free_number_is_taken(void **state RBR_UNUSED)
{
    int a, b, c;
    char name[KAFKA_IDENTITY_MAX];
    assert_int_equal(claim(&a), 0);
    assert_int_equal(claim(&b), 1);
    assert_int_equal(claim(&c), 2);
    kafka_identity_release(b);
    assert_int_equal(claim(&b), 1);
    int other = kafka_identity_claim(STR("identity-of-another-group"), name);
    assert_true(other >= 0 && name[strlen(name) - 1] == '0');
    kafka_identity_release(other);
    kafka_identity_release(a);
    kafka_identity_release(b);
    kafka_identity_release(c);
    kafka_identity_release(-1);
}

/* A worker: waits for `go`, claims, tells its number, lives until it is killed. */
static pid_t start_worker(int go, int told)
{
    struct str group = group_of_this_run(); /* the parent's */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    char name[KAFKA_IDENTITY_MAX], byte;
    if (read(go, &byte, 1) != 1 || kafka_identity_claim(group, name) < 0)
        _exit(1);
    int number = (int)strtol(strrchr(name, '-') + 1, NULL, 10);
    if (write(told, &number, sizeof(number)) != (ssize_t)sizeof(number))
        _exit(1);
    for (;;)
        (void)pause();
}

static void end_worker(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void starters_at_once_get_different_numbers_and_death_frees_them(void **state RBR_UNUSED)
{
    static const char bytes[STARTERS];
    int go[2], told[2], number, mine;
    pid_t pids[STARTERS];
    bool seen[STARTERS] = {false};
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(told), 0);
    for (int round = 0; round < 3; round++) {
        memset(seen, 0, sizeof(seen));
        for (int i = 0; i < STARTERS; i++)
            pids[i] = start_worker(go[0], told[1]);
        assert_int_equal(write(go[1], bytes, STARTERS), STARTERS);
        for (int i = 0; i < STARTERS; i++) {
            assert_int_equal(read(told[0], &number, sizeof(number)), sizeof(number));
            assert_in_range(number, 0, STARTERS - 1);
            assert_false(seen[number]);
            seen[number] = true;
        }
        assert_int_equal(claim(&mine), STARTERS);
        kafka_identity_release(mine);
        for (int i = 0; i < STARTERS; i++)
            end_worker(pids[i]);
    }
    for (int i = 0; i < 2; i++) {
        (void)close(go[i]);
        (void)close(told[i]);
    }
}

/* No descriptor is allowed: as good as a host that allows no socket. */
static void without_sockets_the_process_is_named(void **state RBR_UNUSED)
{
    struct rlimit before, none;
    char name[KAFKA_IDENTITY_MAX];
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int fd = kafka_identity_claim(group_of_this_run(), name);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(number_of(name), (int)getpid());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_free_number_is_taken),
        cmocka_unit_test(starters_at_once_get_different_numbers_and_death_frees_them),
        cmocka_unit_test(without_sockets_the_process_is_named),
    };
    return cmocka_run_group_tests_name("kafka_identity", tests, NULL, NULL);
}
