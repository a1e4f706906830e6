/* base/clock: the fixture stands still, the real one does not go back. */
#include "unit.h"

#include "base/clock.h"

static void the_fixture_moves_by_hand(void **state RBR_UNUSED)
{
    struct clock_fixture f;
    clock_fixture_init(&f, 5000000, 1700000000000);
    assert_int_equal(clock_mono_us(&f.clock), 5000000);
    assert_int_equal(clock_mono_us(&f.clock), 5000000);
    assert_int_equal(clock_wall_ms(&f.clock), 1700000005000);
    f.now_us += 1999;
    assert_int_equal(clock_mono_us(&f.clock), 5001999);
    assert_int_equal(clock_wall_ms(&f.clock), 1700000005001);
}

static void the_real_clock_goes_forward_in_its_units(void **state RBR_UNUSED)
{
    int64_t before = clock_mono_us(&clock_real), wall = clock_wall_ms(&clock_real);
    const struct timespec wait = {.tv_nsec = 20000000};
    (void)nanosleep(&wait, NULL);
    int64_t after = clock_mono_us(&clock_real);
    assert_true(after - before >= 20000);
    assert_true(after - before < 20000000);
    assert_true(clock_wall_ms(&clock_real) - wall < 20000);
    assert_true(wall > 1700000000000); /* milliseconds since 1970, not seconds */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fixture_moves_by_hand),
        cmocka_unit_test(the_real_clock_goes_forward_in_its_units),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
