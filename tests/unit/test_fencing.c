/* stream/fencing: who passes by, and who stays. */
#include "unit.h"

#include "stream/fencing.h"

static void a_twin_that_stays_ends_us_and_one_that_passes_does_not(void **state RBR_UNUSED)
{
    static const struct {
        const char *what;
        int64_t at_s[8];
        int n;
        int ends; /* at which of them; -1: at none */
    } cases[] = {
        {"one", {0}, 1, -1},
        {"three at once", {5, 5, 5}, 3, -1},
        {"four at once", {5, 5, 5, 5}, 4, 3},
        {"four within a minute of each other", {0, 59, 118, 177}, 4, 3},
        {"one an hour", {0, 3600, 7200, 10800, 14400}, 5, -1},
        {"three, a pause, three", {0, 1, 2, 100, 101, 102}, 6, -1},
        {"three, a pause, four", {0, 1, 2, 100, 101, 102, 103}, 7, 6},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fencing f = {0};
        for (int k = 0; k < cases[i].n; k++)
            if (fencing_ends_us(&f, cases[i].at_s[k] * 1000000) != (k == cases[i].ends))
                fail_msg("%s: wrong at number %d", cases[i].what, k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_twin_that_stays_ends_us_and_one_that_passes_does_not),
    };
    return cmocka_run_group_tests_name("fencing", tests, NULL, NULL);
}
