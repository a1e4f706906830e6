/* record/decode_pb: every field of the contract, what is refused and at which byte, bounds on
 * memory and fields; and the rules that the contract itself must keep. */
#include "decoding.h"

#include <math.h>

#include "base/rng.h"
#include "proto/completion.pb-c.h"

static struct buf b;

static int setup(void **state RBR_UNUSED)
{
    buf_init(&b, 16u << 20);
    return 0;
}

static int teardown(void **state RBR_UNUSED)
{
    buf_done(&b);
    return 0;
}

static void refuse_limited(const struct record_limits *limits, enum refusal_kind kind,
                           size_t offset, const char *field)
{
    decoding_refuse(buf_str(&b), RECORD_PROTOBUF, limits, &decoding_origin, kind, offset, field);
}

static void refuse_it(enum refusal_kind kind, size_t offset, const char *field)
{
    refuse_limited(&record_limits_default, kind, offset, field);
}

/* ---- what is read -----------------------------------------------------------------------------
 */

static const struct {
    unsigned number;
    const char *name;
    size_t at;
} texts[] = {
#define TEXT(number, member)                                                                       \
    {                                                                                              \
        number, #member, offsetof(struct record, member)                                           \
    }
    TEXT(1, completion_id), TEXT(2, run_id),         TEXT(4, group_id),
    TEXT(7, prompt_id),     TEXT(8, data_source),    TEXT(9, split),
    TEXT(22, tools_json),   TEXT(23, finish_reason), TEXT(26, model),
    TEXT(30, policy_id),    TEXT(31, response_type), TEXT(32, behavior_category),
    TEXT(34, reward_model), TEXT(37, ground_truth),  TEXT(38, extra_info_json),
    TEXT(43, traceparent),
#undef TEXT
};

static void every_text_with_nul_and_astral_characters(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct decoding d;
        buf_reset(&b);
        put_minimal(&b);
        put_text(&b, texts[i].number, STR("x\0y\xf0\x9f\x98\x80"));
        decoding_accept(&d, buf_str(&b));
        const char *at = (const char *)d.record + texts[i].at;
        assert_str(*(const struct str *)(const void *)at, "x\0y\xf0\x9f\x98\x80");
        decoding_done(&d);
    }
}

static void numbers_and_their_presence(void **state RBR_UNUSED)
{
    struct decoding d;
    put_minimal(&b);
    decoding_accept(&d, buf_str(&b));
    assert_false(d.record->has_sample_index || d.record->has_reward_model_score ||
                 d.record->sampling.has_seed);
    decoding_done(&d);
    put_int(&b, 3, UINT32_MAX);
    put_int(&b, 5, 0);
    put_int(&b, 6, 8);
    put_int(&b, 11, (uint64_t)-7);
    put_int(&b, 12, 1);
    put_int(&b, 13, 2);
    put_int(&b, 24, 3);
    put_int(&b, 25, 4);
    put_double(&b, 33, 0);
    put_int(&b, 40, 1700000000000);
    put_int(&b, 41, 5);
    put_int(&b, 42, (uint64_t)-3);
    decoding_accept(&d, buf_str(&b));
    const struct record *r = d.record;
    assert_int_equal(r->attempt, UINT32_MAX);
    assert_true(r->has_sample_index && r->sample_index == 0);
    assert_int_equal(r->group_size, 8);
    assert_int_equal(r->global_step, -7);
    assert_int_equal(r->min_global_step, 1);
    assert_int_equal(r->max_global_step, 2);
    assert_int_equal(r->prompt_tokens, 3);
    assert_int_equal(r->completion_tokens, 4);
    assert_true(r->has_reward_model_score && r->reward_model_score == 0);
    assert_int_equal(r->created_at_ms, 1700000000000);
    assert_int_equal(r->deadline_ms, 5);
    assert_int_equal(r->priority, -3);
    decoding_done(&d);
}

static void put_inner(unsigned field, void (*fill)(struct buf *inner))
{
    struct buf inner;
    buf_init(&inner, 4096);
    fill(&inner);
    put_text(&b, field, buf_str(&inner));
    buf_done(&inner);
}

static void fill_sampling(struct buf *in)
{
    put_double(in, 1, 0.7);
    put_double(in, 2, 0.9);
    put_int(in, 3, (uint64_t)-1);
    put_int(in, 4, 40);
    put_int(in, 5, 100);
}

static void fill_score(struct buf *in)
{
    put_text(in, 1, STR("n"));
    put_double(in, 2, -1.5);
    put_text(in, 3, STR("s"));
}

static void fill_criterion(struct buf *in)
{
    put_text(in, 1, STR("i"));
    put_text(in, 2, STR("t"));
    put_double(in, 3, 2);
    put_int(in, 4, 1);
    put_int(in, 5, 1);
    put_text(in, 6, STR("g"));
}

static void fill_label(struct buf *in)
{
    put_text(in, 1, STR("k\0"));
    put_text(in, 2, STR("v"));
}

static void fill_call(struct buf *in)
{
    for (unsigned f = 1; f <= 4; f++)
        put_text(in, f, (struct str){&"itna"[f - 1], 1});
}

static void fill_part(struct buf *in)
{
    for (unsigned f = 1; f <= 4; f++)
        put_text(in, f, (struct str){&"yxum"[f - 1], 1});
}

static void fill_message(struct buf *in)
{
    struct buf inner;
    put_text(in, 1, STR("tool"));
    put_text(in, 3, STR("thought"));
    put_text(in, 4, STR("name"));
    put_text(in, 5, STR("call"));
    buf_init(&inner, 100);
    fill_call(&inner);
    put_text(in, 6, buf_str(&inner));
    buf_reset(&inner);
    fill_part(&inner);
    put_text(in, 7, buf_str(&inner));
    buf_done(&inner);
}

static void structures(void **state RBR_UNUSED)
{
    struct decoding d;
    put_minimal(&b);
    put_text(&b, 10, STR("7"));
    put_text(&b, 10, STR("8"));
    put_inner(27, fill_sampling);
    put_inner(35, fill_score);
    put_text(&b, 35, STR(""));
    put_inner(36, fill_criterion);
    put_text(&b, 36, STR(""));
    put_inner(44, fill_label);
    put_inner(21, fill_message);
    decoding_accept(&d, buf_str(&b));
    const struct record *r = d.record;
    assert_int_equal(r->n_weight_versions, 2);
    assert_str(r->weight_versions[1], "8");
    assert_true(r->sampling.has_temperature && r->sampling.temperature == 0.7);
    assert_true(r->sampling.has_top_p && r->sampling.top_p == 0.9);
    assert_true(r->sampling.has_seed && r->sampling.seed == -1);
    assert_int_equal(r->sampling.top_k, 40);
    assert_int_equal(r->sampling.max_tokens, 100);
    assert_int_equal(r->n_scores, 2);
    assert_true(r->scores[0].has_value && r->scores[0].value == -1.5);
    assert_str(r->scores[0].source, "s");
    assert_false(r->scores[1].has_value);
    assert_int_equal(r->n_rubric, 2);
    assert_str(r->rubric[0].grader, "g");
    assert_true(r->rubric[0].has_weight && r->rubric[0].negative && r->rubric[0].required);
    assert_false(r->rubric[1].has_weight);
    assert_str(r->labels[0].key, "k\0");
    assert_int_equal(r->n_completion, 2);
    const struct message *m = &r->completion[1];
    assert_str(m->reasoning_content, "thought");
    assert_str(m->name, "name");
    assert_str(m->tool_call_id, "call");
    assert_str(m->tool_calls[0].id, "i");
    assert_str(m->tool_calls[0].type, "t");
    assert_str(m->tool_calls[0].name, "n");
    assert_str(m->tool_calls[0].arguments, "a");
    assert_str(m->parts[0].type, "y");
    assert_str(m->parts[0].text, "x");
    assert_str(m->parts[0].uri, "u");
    assert_str(m->parts[0].mime_type, "m");
    decoding_done(&d);
}

static void a_newer_contract_is_read_over(void **state RBR_UNUSED)
{
    struct decoding d;
    put_minimal(&b);
    put_int(&b, 900, 7);
    put_double(&b, 901, 7);
    put_text(&b, 902, STR("\xff"));
    (void)buf_append(&b, "\x9d\x38\0\0\0\0", 6); /* field 899, 32 bits */
    decoding_accept(&d, buf_str(&b));
    assert_str(d.record->completion_id, "a");
    decoding_done(&d);
}

/* ---- what is refused --------------------------------------------------------------------------
 */

/* The minimal record and then these bytes: the fault is at the byte where they begin, plus `more`.
 */
static const struct {
    struct str tail;
    size_t more;
} malformed[] = {
    {STR_INIT("\x0a"), 0}, /* no length */
    {STR_INIT("\x0a\x05xxxx"), 0}, /* cut */
    {STR_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0}, /* an absurd length */
    {STR_INIT("\x0a\x80"), 0}, /* a length without end */
    {STR_INIT("\x80"), 0}, /* a tag without end */
    {STR_INIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), 0}, /* a tag too long */
    {STR_INIT("\x02\x00"), 0}, /* field 0 */
    {STR_INIT("\x0b"), 0}, /* a group */
    {STR_INIT("\x0c"), 0}, /* a group's end */
    {STR_INIT("\x0e"), 0}, /* wire type 6 */
    {STR_INIT("\x0f"), 0}, /* wire type 7 */
    {STR_INIT("\x18"), 0}, /* no number */
    {STR_INIT("\x18\xff\xff"), 0}, /* a number without end */
    {STR_INIT("\x89\x02\x00\x00"), 0}, /* a double cut */
    {STR_INIT("\x9d\x38\x00"), 0}, /* 32 bits cut */
    {STR_INIT("\xaa\x01\x02\x0a\x05"), 3}, /* inside a message: content cut */
    {STR_INIT("\xaa\x01\x04\x0a\x01x\x0f"), 6}, /* inside a message: wire type 7 */
    {STR_INIT("\xaa\x01\x04\x32\x02\x0a\x09"), 5}, /* inside a call inside a message */
};

static void malformed_bytes_are_named(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        buf_reset(&b);
        put_minimal(&b);
        size_t at = b.n;
        (void)buf_append_str(&b, malformed[i].tail);
        refuse_it(REFUSAL_BAD_PROTOBUF, at + malformed[i].more, "");
    }
}

/* Well-formed as bytes, but a known field has another wire type than the contract's. */
static void wrong_wire_types_are_refused(void **state RBR_UNUSED)
{
    static const unsigned fields[] = {1, 10, 20, 27, 38, 44};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        buf_reset(&b);
        put_minimal(&b);
        put_int(&b, fields[i], 1);
        refuse_it(REFUSAL_BAD_PROTOBUF, 0, "");
    }
    buf_reset(&b);
    put_minimal(&b);
    put_text(&b, 3, STR("1"));
    refuse_it(REFUSAL_BAD_PROTOBUF, 0, "");
}

static void invalid_utf8_is_named_by_field_and_byte(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        buf_reset(&b);
        put_minimal(&b);
        put_text(&b, texts[i].number, STR("ab\xc3(z"));
        refuse_it(REFUSAL_NOT_UTF8, b.n - 3, texts[i].name);
    }
    static const struct {
        unsigned field, inner;
        const char *name;
    } nested[] = {
        {35, 1, "scores.name"},
        {35, 3, "scores.source"},
        {36, 1, "rubric.id"},
        {36, 2, "rubric.text"},
        {36, 6, "rubric.grader"},
        {44, 1, "labels.key"},
        {44, 2, "labels.value"},
        {20, 2, "prompt[1].content"},
        {20, 3, "prompt[1].reasoning_content"},
        {21, 4, "completion[1].name"},
        {21, 5, "completion[1].tool_call_id"},
    };
    for (size_t i = 0; i < ARRAY_LEN(nested); i++) {
        struct buf inner;
        buf_reset(&b);
        buf_init(&inner, 100);
        put_minimal(&b);
        put_text(&inner, nested[i].inner, STR("\xed\xa0\x80"));
        put_text(&b, nested[i].field, buf_str(&inner));
        refuse_it(REFUSAL_NOT_UTF8, b.n - 3, nested[i].name);
        buf_done(&inner);
    }
    buf_reset(&b);
    put_minimal(&b);
    put_text(&b, 10, STR("\x80"));
    refuse_it(REFUSAL_NOT_UTF8, b.n - 1, "weight_versions");
}

static void invalid_utf8_in_calls_and_parts(void **state RBR_UNUSED)
{
    static const char *const names[] = {
        "tool_calls.id", "tool_calls.type", "tool_calls.name", "tool_calls.arguments",
        "parts.type",    "parts.text",      "parts.uri",       "parts.mime_type"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        struct buf inner, message;
        char field[64];
        buf_reset(&b);
        buf_init(&inner, 100);
        buf_init(&message, 100);
        put_minimal(&b);
        put_text(&inner, i % 4 + 1, STR("\xfe"));
        put_text(&message, 1, STR("tool"));
        put_text(&message, i < 4 ? 6 : 7, buf_str(&inner));
        put_text(&b, 21, buf_str(&message));
        (void)snprintf(field, sizeof(field), "completion[1].%s", names[i]);
        refuse_it(REFUSAL_NOT_UTF8, b.n - 1, field);
        buf_done(&inner);
        buf_done(&message);
    }
}

static void fill_not_finite(struct buf *in)
{
    put_double(in, 1, (double)INFINITY);
    put_double(in, 2, (double)NAN);
    put_double(in, 3, -(double)INFINITY);
}

static void numbers_must_be_finite(void **state RBR_UNUSED)
{
    static const double values[] = {(double)INFINITY, -(double)INFINITY, (double)NAN};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        buf_reset(&b);
        put_minimal(&b);
        put_double(&b, 33, values[i]);
        refuse_it(REFUSAL_NOT_FINITE, 0, "reward_model_score");
    }
    buf_reset(&b);
    put_minimal(&b);
    struct buf inner;
    buf_init(&inner, 100);
    fill_not_finite(&inner);
    put_text(&b, 27, (struct str){inner.p, 9});
    refuse_it(REFUSAL_NOT_FINITE, 0, "sampling.temperature");
    buf_reset(&b);
    put_minimal(&b);
    put_text(&b, 27, (struct str){inner.p + 9, 9});
    refuse_it(REFUSAL_NOT_FINITE, 0, "sampling.top_p");
    buf_reset(&b);
    put_minimal(&b);
    put_text(&b, 35, (struct str){inner.p + 9, 9});
    refuse_it(REFUSAL_NOT_FINITE, 0, "scores.value");
    buf_reset(&b);
    put_minimal(&b);
    put_text(&b, 36, (struct str){inner.p + 18, 9});
    refuse_it(REFUSAL_NOT_FINITE, 0, "rubric.weight");
    buf_done(&inner);
}

static void roles_are_plain_words(void **state RBR_UNUSED)
{
    static const struct str bad[] = {
        STR_INIT(""),    STR_INIT("a b"),      STR_INIT("1a"),
        STR_INIT("a\0"), STR_INIT("-"),        STR_INIT("a\n"),
        STR_INIT("a:"),  STR_INIT("\xc3\xa4"), STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")};
    static const struct str fine[] = {STR_INIT("user"), STR_INIT("Tool-2_x"),
                                      STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_reset(&b);
        put_minimal(&b);
        put_message(&b, 20, bad[i], STR("x"));
        refuse_it(REFUSAL_BAD_ROLE, 0, "prompt[1].role");
    }
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        struct decoding d;
        buf_reset(&b);
        put_minimal(&b);
        put_message(&b, 21, fine[i], STR("x"));
        decoding_accept(&d, buf_str(&b));
        assert_strs(d.record->completion[1].role, fine[i]);
        decoding_done(&d);
    }
}

static void what_is_required(void **state RBR_UNUSED)
{
    put_message(&b, 20, STR("user"), STR("p"));
    put_message(&b, 21, STR("assistant"), STR("c"));
    refuse_it(REFUSAL_MISSING_ID, 0, "completion_id"); /* the source's place is for JSON only */
    buf_reset(&b);
    put_text(&b, 1, STR("a"));
    put_message(&b, 21, STR("assistant"), STR("c"));
    refuse_it(REFUSAL_MISSING_PROMPT, 0, "prompt");
    buf_reset(&b);
    put_text(&b, 1, STR("a"));
    put_message(&b, 20, STR("user"), STR("p"));
    refuse_it(REFUSAL_MISSING_COMPLETION, 0, "completion");
}

/* ---- bounds -----------------------------------------------------------------------------------
 */

static void fields_are_counted_before_unpacking(void **state RBR_UNUSED)
{
    struct record_limits limits = record_limits_default;
    struct decoding d;
    limits.fields = 100;
    put_minimal(&b); /* 3 fields and 2 times 2 inside */
    for (int i = 0; i < 93; i++)
        put_text(&b, 10, STR(""));
    decoding_run(&d, buf_str(&b), RECORD_PROTOBUF, &limits, NULL);
    assert_non_null(d.record);
    assert_int_equal(d.record->n_weight_versions, 93);
    decoding_done(&d);
    size_t at = b.n;
    put_text(&b, 10, STR(""));
    refuse_limited(&limits, REFUSAL_TOO_MANY_FIELDS, at, "");
    buf_reset(&b);
    put_minimal(&b);
    while (b.n < 1u << 20)
        put_text(&b, 20, STR("")); /* three bytes each */
    decoding_run(&d, buf_str(&b), RECORD_PROTOBUF, &record_limits_default, NULL);
    assert_null(d.record);
    assert_int_equal(d.refusal.kind, REFUSAL_TOO_MANY_FIELDS);
    decoding_done(&d);
}

/* Two bytes a field are some hundred bytes of heap each: refused by the budget, not by the field's
 * count. */
static void memory_is_bounded(void **state RBR_UNUSED)
{
    struct record_limits limits = record_limits_default;
    limits.memory_bytes = 1u << 20;
    put_minimal(&b);
    for (int i = 0; i < 20000; i++)
        put_text(&b, 36, STR(""));
    refuse_limited(&limits, REFUSAL_TOO_MUCH_MEMORY, 0, "");
    /* One allocation that is too large is a lack of memory too, not a bad message. */
    buf_reset(&b);
    put_minimal(&b);
    char *big = mem_alloc(2u << 20);
    memset(big, 'x', 2u << 20);
    put_message(&b, 21, STR("assistant"), (struct str){big, 2u << 20});
    mem_free(big);
    refuse_limited(&limits, REFUSAL_TOO_MUCH_MEMORY, 0, "");
}

static void whole_or_refused_at_any_limit(void **state RBR_UNUSED)
{
    size_t taken = 0, refusals = 0;
    put_minimal(&b);
    put_inner(27, fill_sampling);
    put_inner(35, fill_score);
    put_inner(36, fill_criterion);
    put_inner(44, fill_label);
    put_inner(21, fill_message);
    put_text(&b, 10, STR("7"));
    for (size_t max = 0; max < 10000; max += 16) {
        struct record_limits limits = record_limits_default;
        struct decoding d;
        limits.memory_bytes = max;
        decoding_run(&d, buf_str(&b), RECORD_PROTOBUF, &limits, NULL);
        assert_true(d.arena.used <= max);
        if (d.record == NULL) {
            assert_int_equal(d.refusal.kind, REFUSAL_TOO_MUCH_MEMORY);
            refusals++;
        } else {
            const struct record *r = d.record;
            assert_int_equal(r->n_scores + r->n_rubric + r->n_labels + r->n_weight_versions +
                                 r->completion[1].n_tool_calls + r->completion[1].n_parts,
                             6);
            taken++;
        }
        decoding_done(&d);
    }
    assert_true(taken > 10 && refusals > 10);
}

static void a_megabyte_of_text_is_itself(void **state RBR_UNUSED)
{
    static const struct str unit = STR_INIT("a\0\xf0\x9f\x98\x80{question}<|im_end|>```\n");
    struct decoding d;
    struct buf text;
    buf_init(&text, 2u << 20);
    while (text.n < 1u << 20)
        (void)buf_append_str(&text, unit);
    put_text(&b, 1, STR("a"));
    put_message(&b, 20, STR("user"), STR("p"));
    put_message(&b, 21, STR("assistant"), buf_str(&text));
    decoding_accept(&d, buf_str(&b));
    assert_strs(record_response(d.record), buf_str(&text));
    decoding_done(&d);
    buf_done(&text);
}

/* Random damage to a full record: taken or refused, never read past its end, and a refusal names a
 * byte. */
static void damaged_records_are_survived(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    put_minimal(&b);
    put_inner(27, fill_sampling);
    put_inner(35, fill_score);
    put_inner(36, fill_criterion);
    put_inner(44, fill_label);
    put_inner(21, fill_message);
    for (int i = 0; i < 20000; i++) {
        struct decoding d;
        char *copy = mem_copy(b.p, b.n);
        size_t n = rng_below(&rng, 4) == 0 ? rng_below(&rng, b.n) : b.n;
        for (uint64_t k = rng_below(&rng, 3) + 1; k > 0; k--)
            copy[rng_below(&rng, b.n)] = (char)rng_next(&rng);
        decoding_run(&d, (struct str){copy, n}, RECORD_PROTOBUF, &record_limits_default, NULL);
        assert_true((d.record == NULL) == (d.refusal.kind != REFUSAL_NONE));
        assert_true(d.refusal.offset <= n);
        decoding_done(&d);
        mem_free(copy);
    }
}

/* ---- the contract -----------------------------------------------------------------------------
 */

/* Depth of the message tree; fails when a message contains itself. */
static unsigned walk(const ProtobufCMessageDescriptor *d, unsigned depth)
{
    unsigned deepest = depth;
    assert_true(depth < 8); /* a recursive message would go on for ever */
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        assert_int_not_equal(f->type, PROTOBUF_C_TYPE_STRING); /* C strings end at NUL */
        if (f->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        unsigned below = walk(f->descriptor, depth + 1);
        deepest = below > deepest ? below : deepest;
    }
    return deepest;
}

static void no_message_contains_itself(void **state RBR_UNUSED)
{
    assert_int_equal(walk(&rbr__v1__completion_record__descriptor, 0), 2);
}

/* No first byte of a record, whatever its first field, is '{' or 0. */
static void the_first_byte_tells_the_format(void **state RBR_UNUSED)
{
    const ProtobufCMessageDescriptor *d = &rbr__v1__completion_record__descriptor;
    assert_null(protobuf_c_message_descriptor_get_field(d, 15));
    for (unsigned i = 0; i < d->n_fields; i++)
        for (unsigned wire = 0; wire < 6; wire++) {
            struct buf tag;
            buf_init(&tag, 16);
            put_varint(&tag, (uint64_t)d->fields[i].id << 3 | wire);
            assert_int_not_equal(tag.p[0], '{');
            assert_int_not_equal(tag.p[0], 0);
            buf_done(&tag);
        }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_text_with_nul_and_astral_characters),
        T(numbers_and_their_presence),
        T(structures),
        T(a_newer_contract_is_read_over),
        T(malformed_bytes_are_named),
        T(wrong_wire_types_are_refused),
        T(invalid_utf8_is_named_by_field_and_byte),
        T(invalid_utf8_in_calls_and_parts),
        T(numbers_must_be_finite),
        T(roles_are_plain_words),
        T(what_is_required),
        T(fields_are_counted_before_unpacking),
        T(memory_is_bounded),
        T(whole_or_refused_at_any_limit),
        T(a_megabyte_of_text_is_itself),
        T(damaged_records_are_survived),
        T(no_message_contains_itself),
        T(the_first_byte_tells_the_format),
    };
    return cmocka_run_group_tests_name("decode_pb", tests, NULL, NULL);
}
