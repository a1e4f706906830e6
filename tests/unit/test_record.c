/* record/record: which format a value has, the limits that hold for all, names of refusals, the
 * response. */
#include "decoding.h"

#include "record/decode.h"

static void the_first_byte_decides(void **state RBR_UNUSED)
{
    struct decoding d;
    struct buf b;
    decoding_accept(&d, STR("{\"prompt\":\"p\",\"completion\":\"c\",\"id\":\"json\"}"));
    assert_str(d.record->completion_id, "json");
    decoding_done(&d);
    buf_init(&b, 1000);
    put_minimal(&b);
    decoding_accept(&d, buf_str(&b));
    assert_str(d.record->completion_id, "a");
    decoding_done(&d);
    buf_done(&b);
    decoding_refuse(STR("[]"), RECORD_DETECT, &record_limits_default, NULL, REFUSAL_BAD_PROTOBUF, 0,
                    "");
}

/* 0x0a 0x7b is an id of 123 bytes; it was once read as a line end and the brace of a JSON object.
 */
static void an_id_as_long_as_a_brace_is_not_json(void **state RBR_UNUSED)
{
    char id[200];
    memset(id, '{', sizeof(id));
    for (size_t n = 1; n <= sizeof(id); n++) {
        struct decoding d;
        struct buf b;
        buf_init(&b, 1000);
        put_text(&b, 1, (struct str){id, n});
        put_message(&b, 20, STR("user"), STR("p"));
        put_message(&b, 21, STR("assistant"), STR("c"));
        decoding_accept(&d, buf_str(&b));
        assert_int_equal(d.record->completion_id.n, n);
        decoding_done(&d);
        buf_done(&b);
    }
}

static void a_content_type_overrides(void **state RBR_UNUSED)
{
    static const struct {
        struct str type;
        enum record_format format;
    } types[] = {
        {STR_INIT("application/json"), RECORD_JSON},
        {STR_INIT("application/json; charset=utf-8"), RECORD_JSON},
        {STR_INIT("application/x-protobuf; message=rbr.v1.CompletionRecord"), RECORD_PROTOBUF},
        {STR_INIT("application/protobuf"), RECORD_PROTOBUF},
        {STR_INIT("application/vnd.confluent.protobuf"), RECORD_CONFLUENT},
        {STR_INIT("text/plain"), RECORD_DETECT},
        {STR_INIT(""), RECORD_DETECT},
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        assert_int_equal(record_format_of(types[i].type), types[i].format);
    struct decoding d;
    decoding_run(&d, STR(" {\"prompt\":\"p\",\"completion\":\"c\"}"), RECORD_JSON,
                 &record_limits_default, &decoding_origin);
    assert_non_null(d.record);
    decoding_done(&d);
    decoding_refuse(STR("{}"), RECORD_PROTOBUF, &record_limits_default, NULL, REFUSAL_BAD_PROTOBUF,
                    0, "");
}

static void limits_of_the_value(void **state RBR_UNUSED)
{
    struct record_limits limits = record_limits_default;
    limits.value_bytes = 10;
    decoding_refuse(STR(""), RECORD_DETECT, &limits, NULL, REFUSAL_EMPTY_VALUE, 0, "");
    decoding_refuse(STR(""), RECORD_JSON, &limits, NULL, REFUSAL_EMPTY_VALUE, 0, "");
    decoding_refuse(STR("{\"12345678\""), RECORD_DETECT, &limits, NULL, REFUSAL_TOO_LARGE, 10, "");
    limits.memory_bytes = 8;
    decoding_refuse(STR("{}"), RECORD_DETECT, &limits, NULL, REFUSAL_TOO_MUCH_MEMORY, 0, "");
    assert_int_equal(record_limits_default.value_bytes, 4194304);
    assert_int_equal(record_limits_default.memory_bytes, 33554432);
    assert_int_equal(record_limits_default.fields, 100000);
}

static void refusals_have_names_and_one_line(void **state RBR_UNUSED)
{
    struct refusal r;
    char line[256];
    assert_false(refuse(&r, REFUSAL_NOT_UTF8, 17, "prompt[0].content"));
    refusal_print(&r, line);
    assert_string_equal(line, "NOT_UTF8 at byte 17, prompt[0].content: invalid UTF-8");
    assert_false(refuse(&r, REFUSAL_EMPTY_VALUE, 0, ""));
    refusal_print(&r, line);
    assert_string_equal(line, "EMPTY_VALUE at byte 0: the record has no value");
    for (int k = REFUSAL_NONE; k <= REFUSAL_BAD_ROLE; k++) {
        assert_true(strlen(refusal_name((enum refusal_kind)k)) > 0);
        assert_true(strlen(refusal_text((enum refusal_kind)k)) > 0);
    }
    char field[200];
    memset(field, 'x', sizeof(field) - 1);
    field[sizeof(field) - 1] = '\0';
    assert_false(refuse(&r, REFUSAL_WRONG_TYPE, SIZE_MAX, field));
    assert_int_equal(strlen(r.field), sizeof(r.field) - 1);
    refusal_print(&r, line);
}

static void the_response_is_the_last_text(void **state RBR_UNUSED)
{
    struct content_part parts[] = {
        {.text = STR_INIT("one")}, {.text = STR_INIT("two")}, {{0}, {0}, {0}, {0}}};
    struct message messages[] = {
        {.content = STR_INIT("first")}, {.parts = parts, .n_parts = 3}, {.content = STR_INIT("")}};
    struct record r = {.completion = messages, .n_completion = 3};
    assert_str(record_response(&r), "two");
    messages[1].role = STR("tool");
    assert_str(record_response(&r), "first");
    r.n_completion = 1;
    assert_str(record_response(&r), "first");
    r.n_completion = 0;
    assert_str(record_response(&r), "");
    assert_non_null(record_response(&r).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_byte_decides),
        cmocka_unit_test(an_id_as_long_as_a_brace_is_not_json),
        cmocka_unit_test(a_content_type_overrides),
        cmocka_unit_test(limits_of_the_value),
        cmocka_unit_test(refusals_have_names_and_one_line),
        cmocka_unit_test(the_response_is_the_last_text),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
