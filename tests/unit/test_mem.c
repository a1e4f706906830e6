/* base/mem: zeroed memory, growth by doubling, copies that end in NUL; too much ends the process.
 */
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

static void memory_is_zeroed_and_copies_end_in_nul(void **state RBR_UNUSED)
{
    char *p = mem_array(10, 10);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
    p = mem_copy("a\0b", 3);
    assert_memory_equal(p, "a\0b", 4);
    mem_free(p);
    p = mem_copy(NULL, 0);
    assert_int_equal(p[0], 0);
    mem_free(p);
    p = mem_strdup("text");
    assert_string_equal(p, "text");
    mem_free(p);
    p = mem_alloc(0);
    assert_non_null(p);
    mem_free(p);
    mem_free(NULL);
}

static void growth_zeroes_what_is_new(void **state RBR_UNUSED)
{
    int *items = NULL;
    size_t cap = 0;
    for (size_t n = 0; n < 1000; n++) {
        mem_grow((void **)&items, &cap, n, sizeof(int));
        assert_true(cap > n);
        assert_int_equal(items[n], 0);
        items[n] = (int)n + 1;
    }
    for (size_t n = 0; n < 1000; n++)
        assert_int_equal(items[n], n + 1);
    mem_grow((void **)&items, &cap, 5000, sizeof(int)); /* a jump */
    assert_true(cap > 5000);
    assert_int_equal(items[5000], 0);
    mem_free(items);
}

static void too_much_ends_the_process_with_a_line(void **state RBR_UNUSED)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        void *items = NULL;
        size_t cap = 0;
        mem_grow(&items, &cap, SIZE_MAX / 4, 16);
        _exit(0);
    }
    (void)close(ends[1]);
    char said[200] = "";
    ssize_t n = read(ends[0], said, sizeof(said) - 1);
    (void)close(ends[0]);
    int status = 0;
    (void)waitpid(child, &status, 0);
    assert_true(n > 0);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    assert_non_null(strstr(said, "rbr: out of memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_copies_end_in_nul),
        cmocka_unit_test(growth_zeroes_what_is_new),
        cmocka_unit_test(too_much_ends_the_process_with_a_line),
    };
    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
