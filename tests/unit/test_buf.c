/* base/buf: growth, the maximum, and the failed state that a run of appends checks once. */
#include "unit.h"

#include "base/buf.h"

static void appends_grow(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++)
        assert_true(buf_append(&b, "0123456789", 10));
    assert_int_equal(b.n, 100000);
    assert_memory_equal(b.p + 99990, "0123456789", 10);
    buf_done(&b);
    assert_int_equal(b.max, 100000);
}

/* An empty append to a buffer that has no memory yet once looked like a failure. */
static void nothing_can_be_appended_to_a_fresh_buffer(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 10);
    assert_true(buf_append(&b, NULL, 0));
    assert_true(buf_append_str(&b, STR("")));
    assert_true(buf_append_z(&b, ""));
    assert_true(buf_printf(&b, "%s", ""));
    assert_false(b.failed);
    assert_int_equal(buf_str(&b).n, 0);
    buf_done(&b);
    buf_init(&b, 0);
    assert_true(buf_append(&b, "", 0));
    assert_false(buf_append(&b, "x", 1));
    buf_done(&b);
}

static void past_the_maximum_everything_fails_until_reset(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 4);
    assert_true(buf_append_z(&b, "abcd"));
    assert_false(buf_append_z(&b, "e"));
    assert_true(b.failed);
    assert_int_equal(b.n, 0);
    assert_false(buf_append_z(&b, "a"));
    assert_false(buf_append(&b, "", 0));
    assert_false(buf_printf(&b, "%d", 1));
    assert_null(buf_reserve(&b, 1));
    buf_reset(&b);
    assert_true(buf_append_z(&b, "wxyz"));
    assert_str(buf_str(&b), "wxyz");
    buf_done(&b);
}

static void printf_fills_to_the_last_byte(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 6);
    assert_true(buf_append_z(&b, "ab"));
    assert_true(buf_printf(&b, "%s", "cdef"));
    assert_str(buf_str(&b), "abcdef");
    assert_false(buf_printf(&b, "%d", 7));
    assert_true(b.failed);
    buf_reset(&b);
    assert_false(buf_printf(&b, "%s", "too long"));
    assert_int_equal(b.n, 0);
    buf_done(&b);
}

static void reserved_room_is_the_callers(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 1000);
    char *p = buf_reserve(&b, 600);
    assert_non_null(p);
    memset(p, 'x', 600);
    b.n += 600;
    assert_null(buf_reserve(&b, 401));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_grow),
        cmocka_unit_test(nothing_can_be_appended_to_a_fresh_buffer),
        cmocka_unit_test(past_the_maximum_everything_fails_until_reset),
        cmocka_unit_test(printf_fills_to_the_last_byte),
        cmocka_unit_test(reserved_room_is_the_callers),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
