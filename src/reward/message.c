#include "reward/message.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/num.h"
#include "base/utf8.h"
#include "proto/completion.pb-c.h"
#include "proto/reward.pb-c.h"

struct printer {
    struct buf *out;
    bool pretty; /* one member of the message, one element of an array a line */
    bool empty_arrays; /* print them too */
};

static void print_message(struct printer *p, const ProtobufCMessage *m, unsigned depth);

/* ---- values -----------------------------------------------------------------------------------
 */

/* Length of the run at `at` that json_escape may print as it is: well-formed, and free of DEL and
 * the C1 controls (U+0080 to U+009F), which JSON allows and terminals obey. */
static size_t safe_run(struct str s, size_t at, size_t end)
{
    size_t i = at;
    while (i < end) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == 0x7f || (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0))
            break;
        i++;
    }
    return i - at;
}

static void print_text(struct printer *p, struct str s)
{
    size_t at = 0;
    (void)buf_append_z(p->out, "\"");
    while (at < s.n) {
        size_t end = at + utf8_valid_prefix(str_sub(s, at, s.n));
        size_t run = safe_run(s, at, end);
        (void)json_escape(p->out, str_sub(s, at, at + run));
        at += run;
        if (at < end) {
            bool c1 = (unsigned char)s.p[at] == 0xc2;
            (void)buf_printf(p->out, "\\u%04x", (unsigned)(unsigned char)s.p[c1 ? at + 1 : at]);
            at += c1 ? 2 : 1;
        } else if (at < s.n) {
            (void)buf_append_z(p->out, "\\ufffd");
            at++;
        }
    }
    (void)buf_append_z(p->out, "\"");
}

static void print_hex(struct printer *p, struct str s)
{
    (void)buf_append_z(p->out, "\"");
    for (size_t i = 0; i < s.n; i++)
        (void)buf_printf(p->out, "%02x", (unsigned)(unsigned char)s.p[i]);
    (void)buf_append_z(p->out, "\"");
}

/* Shortest text that reads back as the same float. */
static void print_float(struct printer *p, float v)
{
    char text[32];
    int n = 0;
    if (!isfinite(v)) {
        (void)buf_append_z(p->out, "null");
        return;
    }
    for (int digits = 6; digits <= 9; digits++) {
        double read;
        n = snprintf(text, sizeof(text), "%.*g", digits, (double)v);
        if (num_parse_f64((struct str){text, (size_t)n}, &read) && (float)read == v)
            break;
    }
    (void)buf_append(p->out, text, (size_t)n);
}

static void print_enum(struct printer *p, const ProtobufCEnumDescriptor *d, int value)
{
    const ProtobufCEnumValue *named = protobuf_c_enum_descriptor_get_value(d, value);
    if (named != NULL)
        (void)buf_printf(p->out, "\"%s\"", named->name);
    else
        (void)buf_printf(p->out, "%d", value); /* of a newer version */
}

/* Text and digests are both bytes in C; only digests are in the .proto files. */
static void print_bytes(struct printer *p, const char *field, const ProtobufCBinaryData *bytes)
{
    struct str s = {(const char *)bytes->data, bytes->len};
    if (str_eq(str_z(field), STR("digest")))
        print_hex(p, s);
    else
        print_text(p, s);
}

static void print_value(struct printer *p, const ProtobufCFieldDescriptor *f, const void *at,
                        unsigned depth)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        (void)json_number(p->out, *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        print_float(p, *(const float *)at);
        break;
    case PROTOBUF_C_TYPE_INT32:
        (void)buf_printf(p->out, "%" PRId32, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        (void)buf_printf(p->out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
        (void)buf_printf(p->out, "%" PRId64, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        (void)buf_printf(p->out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        (void)buf_append_z(p->out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        print_enum(p, f->descriptor, *(const int *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        print_bytes(p, f->name, at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        print_message(p, *(ProtobufCMessage *const *)at, depth);
        break;
    default:
        (void)buf_append_z(p->out, "null"); /* no .proto of ours uses it */
        break;
    }
}

/* ---- fields -----------------------------------------------------------------------------------
 */

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return 8;
    default:
        return 4;
    }
}

static bool is_zero(const ProtobufCFieldDescriptor *f, const char *at)
{
    static const char zero[8];
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)(const void *)at)->len == 0;
    return memcmp(at, zero, size_of(f->type)) == 0; /* -0.0 is on the wire, and so is it here */
}

/* Whether there is something to print: for a member of a oneof its case says, else the value. */
static bool is_present(const struct printer *p, const ProtobufCMessage *m,
                       const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;
    const void *quantifier = base + f->quantifier_offset;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return p->empty_arrays || *(const size_t *)quantifier > 0;
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *)quantifier == f->id;
    return !is_zero(f, base + f->offset);
}

static void new_line(struct printer *p, unsigned depth)
{
    (void)buf_append_z(p->out, "\n");
    for (unsigned i = 0; i < depth; i++)
        (void)buf_append_z(p->out, "  ");
}

static void print_array(struct printer *p, const ProtobufCMessage *m,
                        const ProtobufCFieldDescriptor *f, unsigned depth)
{
    const char *base = (const char *)m;
    size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
    const char *items = *(const char *const *)(const void *)(base + f->offset);
    /* Messages stand one a line, plain values side by side. */
    bool lines = p->pretty && depth == 1 && f->type == PROTOBUF_C_TYPE_MESSAGE;
    (void)buf_append_z(p->out, "[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            (void)buf_append_z(p->out, !p->pretty || lines ? "," : ", ");
        if (lines)
            new_line(p, depth + 1);
        print_value(p, f, items + i * size_of(f->type), depth + 1);
    }
    if (lines && n > 0)
        new_line(p, depth);
    (void)buf_append_z(p->out, "]");
}

static void print_message(struct printer *p, const ProtobufCMessage *m, unsigned depth)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    bool lines = p->pretty && depth == 0, first = true;
    (void)buf_append_z(p->out, "{");
    for (unsigned i = 0; i < d->n_fields && !p->out->failed; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if (!is_present(p, m, f))
            continue;
        if (!first)
            (void)buf_append_z(p->out, !p->pretty || lines ? "," : ", ");
        if (lines)
            new_line(p, depth + 1);
        first = false;
        (void)buf_printf(p->out, "\"%s\":%s", f->name, p->pretty ? " " : "");
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            print_array(p, m, f, depth + 1);
        else
            print_value(p, f, (const char *)m + f->offset, depth + 1);
    }
    if (lines && !first)
        new_line(p, depth);
    (void)buf_append_z(p->out, "}");
}

/* ---- all of it --------------------------------------------------------------------------------
 */

enum err_code message_print(enum message_type type, struct str packed, enum message_style style,
                            struct buf *out, struct err *err)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *name;
    } types[] = {
        [MESSAGE_REWARD] = {&rbr__v1__reward__descriptor, "rbr.v1.Reward"},
        [MESSAGE_COMPLETION] = {&rbr__v1__completion_record__descriptor, "rbr.v1.CompletionRecord"},
    };
    struct printer p = {
        .out = out, .pretty = style == MESSAGE_JSON_PRETTY, .empty_arrays = type == MESSAGE_REWARD};
    if (packed.n == 0)
        return err_set(err, ERR_INVALID, "an empty value is no %s", types[type].name);
    ProtobufCMessage *m = protobuf_c_message_unpack(types[type].descriptor, NULL, packed.n,
                                                    (const uint8_t *)packed.p);
    if (m == NULL)
        return err_set(err, ERR_INVALID, "%zu bytes that are no %s; is this the right topic?",
                       packed.n, types[type].name);
    print_message(&p, m, 0);
    protobuf_c_message_free_unpacked(m, NULL);
    if (out->failed)
        return err_set(err, ERR_LIMIT, "the message as JSON is longer than %zu bytes", out->max);
    return ERR_OK;
}
