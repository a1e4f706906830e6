/* reward/message: our messages as JSON, compared as text. */
#include "unit.h"

#include <math.h>

#include "base/json.h"
#include "proto/completion.pb-c.h"
#include "proto/reward.pb-c.h"
#include "reward/message.h"

static ProtobufCBinaryData bytes(struct str s)
{
    return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

static void print(enum message_type type, const ProtobufCMessage *m, enum message_style style,
                  struct buf *out)
{
    uint8_t *packed = mem_alloc(protobuf_c_message_get_packed_size(m) + 1);
    struct err err;
    buf_init(out, 1u << 16);
    size_t n = protobuf_c_message_pack(m, packed);
    assert_int_equal(message_print(type, (struct str){(const char *)packed, n}, style, out, &err),
                     ERR_OK);
    mem_free(packed);
}

static void assert_json(enum message_type type, const ProtobufCMessage *m, const char *want)
{
    struct buf out;
    struct arena a;
    struct json_fault fault;
    print(type, m, MESSAGE_JSON_LINE, &out);
    assert_strs(buf_str(&out), str_z(want));
    arena_init(&a, 1u << 16);
    assert_non_null(json_parse(&a, buf_str(&out), &fault));
    arena_done(&a);
    buf_done(&out);
}

static void numbers_enums_and_presence(void **state RBR_UNUSED)
{
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    m.completion_id = bytes(STR("c"));
    m.max_global_step = INT64_MAX;
    m.min_global_step = INT64_MIN;
    m.status = RBR__V1__STATUS__STATUS_FAILED;
    m.reason = RBR__V1__REASON__REASON_NOT_FINITE;
    m.retryable = 1;
    m.reward_presence_case = RBR__V1__REWARD__REWARD_PRESENCE_REWARD;
    m.reward = 0; /* present */
    m.score_presence_case = RBR__V1__REWARD__SCORE_PRESENCE_SCORE;
    m.score = 0.1;
    m.queue_ms = UINT32_MAX;
    assert_json(MESSAGE_REWARD, &m.base,
                "{\"completion_id\":\"c\",\"weight_versions\":[],"
                "\"min_global_step\":-9223372036854775808,\"max_global_step\":9223372036854775807,"
                "\"status\":\"STATUS_FAILED\",\"reason\":\"REASON_NOT_FINITE\",\"retryable\":true,"
                "\"reward\":0,\"score\":0.1,\"components\":[],\"propositions\":[],\"classes\":[],"
                "\"tripwires\":[],\"graders\":[],\"queue_ms\":4294967295,\"labels\":[]}");
    m = (Rbr__V1__Reward)RBR__V1__REWARD__INIT;
    m.status = (Rbr__V1__Status)77; /* of a newer version */
    assert_json(MESSAGE_REWARD, &m.base,
                "{\"weight_versions\":[],\"status\":77,\"components\":[],\"propositions\":[],"
                "\"classes\":[],\"tripwires\":[],\"graders\":[],\"labels\":[]}");
}

static void digests_are_hex_and_floats_are_short(void **state RBR_UNUSED)
{
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    Rbr__V1__Proposition p = RBR__V1__PROPOSITION__INIT, *list[] = {&p};
    m.status = RBR__V1__STATUS__STATUS_OK;
    m.propositions = list;
    m.n_propositions = 1;
    p.mass = 0.9f;
    p.digest = bytes(STR("\x00\xff\x10"));
    assert_json(MESSAGE_REWARD, &m.base,
                "{\"weight_versions\":[],\"status\":\"STATUS_OK\",\"components\":[],"
                "\"propositions\":[{\"mass\":0.9,\"digest\":\"00ff10\"}],\"classes\":[],"
                "\"tripwires\":[],\"graders\":[],\"labels\":[]}");
    p.mass = NAN;
    p.digest.len = 0;
    assert_json(MESSAGE_REWARD, &m.base,
                "{\"weight_versions\":[],\"status\":\"STATUS_OK\",\"components\":[],"
                "\"propositions\":[{\"mass\":null}],\"classes\":[],"
                "\"tripwires\":[],\"graders\":[],\"labels\":[]}");
}

static void text_cannot_speak_to_a_terminal(void **state RBR_UNUSED)
{
    static const struct {
        struct str in;
        const char *out;
    } cases[] = {
        {STR_INIT("a\0b"), "a\\u0000b"},
        {STR_INIT("\x1b[2J\n\"\\"), "\\u001b[2J\\n\\\"\\\\"},
        {STR_INIT("\x7f"), "\\u007f"},
        {STR_INIT("x\xc2\x9by"), "x\\u009by"}, /* C1: one-byte CSI in disguise */
        {STR_INIT("\xc2\xa0"), "\xc2\xa0"},
        {STR_INIT("\xe4\xbd\xa0\xf0\x9f\x98\x80"), "\xe4\xbd\xa0\xf0\x9f\x98\x80"},
        {STR_INIT("a\xff\xc2"), "a\\ufffd\\ufffd"}, /* not ours: still JSON */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[256];
        Rbr__V1__CompletionRecord m = RBR__V1__COMPLETION_RECORD__INIT;
        m.completion_id = bytes(cases[i].in);
        (void)snprintf(want, sizeof(want), "{\"completion_id\":\"%s\"}", cases[i].out);
        assert_json(MESSAGE_COMPLETION, &m.base, want);
    }
}

static void completions_leave_out_empty_arrays(void **state RBR_UNUSED)
{
    Rbr__V1__CompletionRecord m = RBR__V1__COMPLETION_RECORD__INIT;
    Rbr__V1__Message message = RBR__V1__MESSAGE__INIT, *list[] = {&message};
    Rbr__V1__SamplingParams sampling = RBR__V1__SAMPLING_PARAMS__INIT;
    ProtobufCBinaryData versions[] = {bytes(STR("w1")), bytes(STR("w2"))};
    message.role = bytes(STR("user"));
    sampling.temperature_presence_case = RBR__V1__SAMPLING_PARAMS__TEMPERATURE_PRESENCE_TEMPERATURE;
    m.prompt = list;
    m.n_prompt = 1;
    m.sampling = &sampling;
    m.weight_versions = versions;
    m.n_weight_versions = 2;
    m.priority = -3;
    assert_json(MESSAGE_COMPLETION, &m.base,
                "{\"weight_versions\":[\"w1\",\"w2\"],\"prompt\":[{\"role\":\"user\"}],"
                "\"sampling\":{\"temperature\":0},\"priority\":-3}");
}

static void pretty_has_a_line_for_each_thing(void **state RBR_UNUSED)
{
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    Rbr__V1__Component a = RBR__V1__COMPONENT__INIT, b = a, *list[] = {&a, &b};
    Rbr__V1__Source source = RBR__V1__SOURCE__INIT;
    ProtobufCBinaryData tripwires[] = {bytes(STR("x")), bytes(STR("y"))};
    struct buf out;
    a.name = bytes(STR("a"));
    a.weight = .5;
    b.name = bytes(STR("b"));
    m.components = list;
    m.n_components = 2;
    m.tripwires = tripwires;
    m.n_tripwires = 2;
    m.source = &source;
    source.offset = 7;
    print(MESSAGE_REWARD, &m.base, MESSAGE_JSON_PRETTY, &out);
    assert_str(buf_str(&out), "{\n"
                              "  \"weight_versions\": [],\n"
                              "  \"components\": [\n"
                              "    {\"name\": \"a\", \"weight\": 0.5},\n"
                              "    {\"name\": \"b\"}\n"
                              "  ],\n"
                              "  \"propositions\": [],\n"
                              "  \"classes\": [],\n"
                              "  \"tripwires\": [\"x\", \"y\"],\n"
                              "  \"graders\": [],\n"
                              "  \"source\": {\"offset\": 7},\n"
                              "  \"labels\": []\n"
                              "}");
    buf_done(&out);
}

static void what_is_no_message_is_refused(void **state RBR_UNUSED)
{
    static const struct {
        struct str in;
        const char *says;
    } cases[] = {
        {STR_INIT(""), "empty value"},
        {STR_INIT("{\"json\": 1}"), "no rbr.v1.Reward"},
        {STR_INIT("\x0a\x7fshort"), "no rbr.v1.Reward"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        struct err err;
        buf_init(&out, 1024);
        assert_int_equal(message_print(MESSAGE_REWARD, cases[i].in, MESSAGE_JSON_LINE, &out, &err),
                         ERR_INVALID);
        assert_non_null(strstr(err.msg, cases[i].says));
        buf_done(&out);
    }
}

static void a_full_buffer_is_an_error(void **state RBR_UNUSED)
{
    struct buf out;
    struct err err;
    buf_init(&out, 20);
    assert_int_equal(message_print(MESSAGE_REWARD,
                                   STR("\x0a\x03"
                                       "abc"),
                                   MESSAGE_JSON_LINE, &out, &err),
                     ERR_LIMIT);
    assert_non_null(strstr(err.msg, "20 bytes"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_enums_and_presence),
        cmocka_unit_test(digests_are_hex_and_floats_are_short),
        cmocka_unit_test(text_cannot_speak_to_a_terminal),
        cmocka_unit_test(completions_leave_out_empty_arrays),
        cmocka_unit_test(pretty_has_a_line_for_each_thing),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
