/* stopclock: time that stands still while there is a reason. */
#include "unit.h"

#include "grader/stopclock.h"

enum { A = 1, B = 2 };

static void it_stands_from_the_stop_to_the_last_go(void **state RBR_UNUSED)
{
    struct stopclock c;
    stopclock_init(&c, 100);
    assert_int_equal(stopclock_us(&c, 150), 150);
    stopclock_stop(&c, A, 150);
    assert_int_equal(stopclock_us(&c, 170), 150);
    stopclock_stop(&c, B, 180);
    stopclock_go(&c, A, 190);
    assert_int_equal(stopclock_us(&c, 195), 150); /* B still stops it */
    stopclock_go(&c, B, 200);
    assert_int_equal(stopclock_us(&c, 200), 150);
    assert_int_equal(stopclock_us(&c, 230), 180);
}

static void a_go_without_a_stop_is_nothing(void **state RBR_UNUSED)
{
    struct stopclock c;
    stopclock_init(&c, 100);
    stopclock_go(&c, A, 150);
    assert_int_equal(stopclock_us(&c, 160), 160);
    stopclock_stop(&c, B, 160);
    stopclock_go(&c, A, 170);
    assert_int_equal(stopclock_us(&c, 180), 160);
}

static void a_stop_that_is_found_out_late_counts_no_time_twice(void **state RBR_UNUSED)
{
    struct stopclock c;
    stopclock_init(&c, 100);
    stopclock_stop(&c, A, 150);
    stopclock_go(&c, A, 200);
    stopclock_stop(&c, B, 120); /* was still, or had not begun, from then on */
    assert_int_equal(stopclock_us(&c, 210), 150);
    stopclock_stop(&c, A, 205);
    assert_int_equal(stopclock_us(&c, 210), 150);
    stopclock_go(&c, A, 220);
    stopclock_go(&c, B, 230);
    assert_int_equal(stopclock_us(&c, 230), 150);
    stopclock_stop(&c, A, 260);
    stopclock_stop(&c, B, 250); /* before A did */
    assert_int_equal(stopclock_us(&c, 270), 170);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stands_from_the_stop_to_the_last_go),
        cmocka_unit_test(a_go_without_a_stop_is_nothing),
        cmocka_unit_test(a_stop_that_is_found_out_late_counts_no_time_twice),
    };
    return cmocka_run_group_tests_name("stopclock", tests, NULL, NULL);
}
