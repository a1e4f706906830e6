/* record/confluent: a zero byte, a schema id, message indexes, and then protobuf. */
#include "decoding.h"

static const struct {
    struct str header;
    bool taken;
    size_t offset; /* of the refusal */
} headers[] = {
    {STR_INIT("\0\0\0\0\7\0"), true, 0}, /* the usual one */
    {STR_INIT("\0\xff\xff\xff\xff\0"), true, 0}, /* any schema id */
    {STR_INIT("\0\0\0\0\7\2\0"), true, 0}, /* [0], written out */
    {STR_INIT("\0\0\0\0\7\x80\0"), true, 0}, /* a long zero */
    {STR_INIT("\0\0\0\0\7\2\2"), false, 7}, /* the second message of the file */
    {STR_INIT("\0\0\0\0\7\4\0\2"), false, 8}, /* a nested one */
    {STR_INIT("\0\0\0\0\7\1"), false, 5}, /* a negative count */
    {STR_INIT("\0\0\0\0\7\x7f"), false, 5}, /* likewise */
    {STR_INIT("\0\0\0\0\7\x14"), false, 5}, /* ten indexes */
    {STR_INIT("\0\0\0\0\7{\"a\":1}"), false, 5}, /* JSON behind the framing */
};

static void headers_and_then_protobuf(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct buf b;
        struct decoding d;
        buf_init(&b, 1000);
        (void)buf_append_str(&b, headers[i].header);
        put_minimal(&b);
        if (headers[i].taken) {
            decoding_accept(&d, buf_str(&b));
            assert_str(d.record->completion_id, "a");
            assert_int_equal(record_message(buf_str(&b)).n, b.n - headers[i].header.n);
            decoding_done(&d);
        } else {
            decoding_refuse(buf_str(&b), RECORD_DETECT, &record_limits_default, NULL,
                            REFUSAL_BAD_FRAMING, headers[i].offset, "");
            assert_int_equal(record_message(buf_str(&b)).n, b.n);
        }
        buf_done(&b);
    }
}

static void framing_that_is_cut(void **state RBR_UNUSED)
{
    static const struct {
        struct str value;
        size_t offset;
    } cut[] = {
        {STR_INIT("\0"), 0},
        {STR_INIT("\0\0\0\0"), 0},
        {STR_INIT("\0\0\0\0\7"), 0},
        {STR_INIT("\0\0\0\0\7\0"), 6},
        {STR_INIT("\0\0\0\0\7\2"), 6},
        {STR_INIT("\0\0\0\0\7\2\0"), 7},
        {STR_INIT("\0\0\0\0\7\x80"), 6},
        {STR_INIT("\0\0\0\0\7\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 15},
    };
    for (size_t i = 0; i < ARRAY_LEN(cut); i++)
        decoding_refuse(cut[i].value, RECORD_DETECT, &record_limits_default, NULL,
                        REFUSAL_BAD_FRAMING, cut[i].offset, "");
    decoding_refuse(STR("{}"), RECORD_CONFLUENT, &record_limits_default, NULL, REFUSAL_BAD_FRAMING,
                    0, "");
    decoding_refuse(STR("{\"ab\":1}"), RECORD_CONFLUENT, &record_limits_default, NULL,
                    REFUSAL_BAD_FRAMING, 0, "");
}

/* Bytes are counted from the start of the value, framing included. */
static void faults_behind_the_framing_keep_their_byte(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 1000);
    (void)buf_append(&b, "\0\0\0\0\1\0", 6);
    put_minimal(&b);
    put_text(&b, 2, STR("\xff"));
    decoding_refuse(buf_str(&b), RECORD_DETECT, &record_limits_default, NULL, REFUSAL_NOT_UTF8,
                    b.n - 1, "run_id");
    b.p[b.n - 1] = 'x';
    (void)buf_append(&b, "\x0f", 1);
    decoding_refuse(buf_str(&b), RECORD_DETECT, &record_limits_default, NULL, REFUSAL_BAD_PROTOBUF,
                    b.n - 1, "");
    buf_reset(&b);
    (void)buf_append(&b, "\0\0\0\0\1\0", 6);
    put_message(&b, 20, STR("user"), STR("p"));
    decoding_refuse(buf_str(&b), RECORD_DETECT, &record_limits_default, NULL, REFUSAL_MISSING_ID, 6,
                    "completion_id");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_and_then_protobuf),
        cmocka_unit_test(framing_that_is_cut),
        cmocka_unit_test(faults_behind_the_framing_keep_their_byte),
    };
    return cmocka_run_group_tests_name("confluent", tests, NULL, NULL);
}
