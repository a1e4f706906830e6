/* record/reason: names and wire values are those of proto/reward.proto. */
#include "unit.h"

#include "record/reason.h"

/* The value that the proto file gives to `prefix` + name; -1 when it has none. */
static int in_proto(struct str proto, const char *prefix, const char *name)
{
    char line[64];
    (void)snprintf(line, sizeof(line), " %s%s = ", prefix, name);
    size_t at = str_find(proto, str_z(line), 0);
    return proto.p == NULL || at == SIZE_MAX ? -1
                                             : (int)strtol(proto.p + at + strlen(line), NULL, 10);
}

static void names_and_values_are_those_on_the_wire(void **state RBR_UNUSED)
{
    struct str proto = unit_read_file(SOURCE_DIR "/proto/reward.proto");
    assert_true(proto.n > 0);
    for (int s = STATUS_UNSPECIFIED; s <= STATUS_CANCELLED; s++)
        assert_int_equal(in_proto(proto, "STATUS_", status_name((enum status)s)), s);
    for (int r = REASON_NONE; r <= REASON_MISSING_INPUT; r++)
        assert_int_equal(in_proto(proto, "REASON_", reason_name((enum reason)r)), r);
    assert_string_equal(status_name((enum status)99), "UNKNOWN");
    assert_string_equal(reason_name((enum reason)99), "UNKNOWN");
    mem_free((char *)(uintptr_t)proto.p);
}

static void what_may_be_tried_again(void **state RBR_UNUSED)
{
    assert_true(reason_retryable(REASON_GRADER_TIMEOUT));
    assert_true(reason_retryable(REASON_DEADLINE));
    assert_false(reason_retryable(REASON_NONE));
    assert_false(reason_retryable(REASON_INVALID_RECORD));
    assert_false(reason_retryable(REASON_GRADER_CONTEXT_EXCEEDED));
    assert_false(reason_retryable((enum reason)99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_are_those_on_the_wire),
        cmocka_unit_test(what_may_be_tried_again),
    };
    return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
