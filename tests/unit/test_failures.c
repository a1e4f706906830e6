/* replay/failures: of each record the last reward counts, and only what may be tried again is
 * listed. */
#include "unit.h"

#include "base/buf.h"
#include "replay/failures.h"

static const struct kafka_range ranges[] = {{2, 10, 20}, {0, 0, 9}};

static void add(struct failures *f, int32_t partition, int64_t offset, enum status status,
                bool retryable)
{
    failures_add(f, &(struct reward_trace){.topic = STR("in"),
                                           .partition = partition,
                                           .offset = offset,
                                           .status = status,
                                           .retryable = retryable});
}

static void assert_listed(const struct failures *f, size_t index, const char *text)
{
    struct offset_set set = {0};
    struct buf b;
    buf_init(&b, 1000);
    failures_list(f, index, &set);
    offset_set_print(&set, &b);
    assert_strs(buf_str(&b), str_z(text));
    buf_done(&b);
    offset_set_done(&set);
}

static void failures_that_may_be_tried_again_are_listed(void **state RBR_UNUSED)
{
    struct failures *f = failures_new(STR("in"), ranges, ARRAY_LEN(ranges));
    add(f, 2, 10, STATUS_FAILED, true);
    add(f, 2, 11, STATUS_EXPIRED, true);
    add(f, 2, 12, STATUS_FAILED, false); /* it would fail again */
    add(f, 2, 13, STATUS_OK, true);
    add(f, 2, 14, STATUS_SKIPPED, true);
    add(f, 2, 19, STATUS_FAILED, true);
    add(f, 0, 8, STATUS_FAILED, true);
    assert_listed(f, 0, "10-11,19");
    assert_listed(f, 1, "8");
    failures_free(f);
}

static void the_last_reward_counts(void **state RBR_UNUSED)
{
    struct failures *f = failures_new(STR("in"), ranges, ARRAY_LEN(ranges));
    add(f, 0, 3, STATUS_FAILED, true);
    add(f, 0, 3, STATUS_OK, false); /* judged again since */
    add(f, 0, 4, STATUS_OK, false);
    add(f, 0, 4, STATUS_FAILED, true);
    add(f, 0, 5, STATUS_FAILED, true);
    add(f, 0, 5, STATUS_FAILED, false);
    assert_listed(f, 1, "4");
    failures_free(f);
}

static void what_is_outside_is_none_of_ours(void **state RBR_UNUSED)
{
    struct failures *f = failures_new(STR("in"), ranges, ARRAY_LEN(ranges));
    add(f, 2, 9, STATUS_FAILED, true);
    add(f, 2, 20, STATUS_FAILED, true);
    add(f, 1, 15, STATUS_FAILED, true);
    add(f, 0, -1, STATUS_FAILED, true);
    add(f, 0, INT64_MAX, STATUS_FAILED, true);
    const struct reward_trace elsewhere = {
        .topic = STR("other"), .offset = 3, .status = STATUS_FAILED, .retryable = true};
    failures_add(f, &elsewhere);
    assert_listed(f, 0, "");
    assert_listed(f, 1, "");
    failures_free(f);
    failures_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_that_may_be_tried_again_are_listed),
        cmocka_unit_test(the_last_reward_counts),
        cmocka_unit_test(what_is_outside_is_none_of_ours),
    };
    return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
