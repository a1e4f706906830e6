#include "record/record.h"

#include <stdio.h>

#include "record/decode.h"

const struct record_limits record_limits_default = {
    .value_bytes = 4u << 20,
    .memory_bytes = 32u << 20,
    .fields = 100000,
};

const char *refusal_name(enum refusal_kind kind)
{
    static const char *const names[] = {
#define X(name, text) [REFUSAL_##name] = #name,
        REFUSALS(X)
#undef X
    };
    return names[kind];
}

const char *refusal_text(enum refusal_kind kind)
{
    static const char *const texts[] = {
#define X(name, text) [REFUSAL_##name] = (text),
        REFUSALS(X)
#undef X
    };
    return texts[kind];
}

void refusal_print(const struct refusal *r, char out[256])
{
    int n = snprintf(out, 256, "%s at byte %zu%s%s: ", refusal_name(r->kind), r->offset,
                     r->field[0] != '\0' ? ", " : "", r->field);
    if (r->wanted != NULL)
        (void)snprintf(out + n, 256 - (size_t)n, "%s, where %s is wanted", r->found, r->wanted);
    else
        (void)snprintf(out + n, 256 - (size_t)n, "%s", refusal_text(r->kind));
}

enum record_format record_format_of(struct str content_type)
{
    static const struct {
        struct str prefix;
        enum record_format format;
    } known[] = {
        {STR_INIT("application/json"), RECORD_JSON},
        {STR_INIT("application/x-protobuf"), RECORD_PROTOBUF},
        {STR_INIT("application/protobuf"), RECORD_PROTOBUF},
        {STR_INIT("application/vnd.confluent"), RECORD_CONFLUENT},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_has_prefix(content_type, known[i].prefix))
            return known[i].format;
    return RECORD_DETECT;
}

/* The first byte alone: a protobuf value may go on with any bytes (0x0a 0x7b is an id of 123 bytes,
 * not a line end and a brace). */
static enum record_format detect(struct str value)
{
    if (value.p[0] == '{')
        return RECORD_JSON;
    return value.p[0] == '\0' ? RECORD_CONFLUENT : RECORD_PROTOBUF;
}

struct record *record_decode(struct arena *a, struct str value, enum record_format format,
                             const struct record_limits *limits, const struct record_origin *origin,
                             struct refusal *ret_refusal)
{
    struct decoder d = {
        .arena = a, .value = value, .limits = limits, .origin = origin, .refusal = ret_refusal};
    *ret_refusal = (struct refusal){0};
    if (value.n == 0) {
        (void)refuse(ret_refusal, REFUSAL_EMPTY_VALUE, 0, "");
        return NULL;
    }
    if (value.n > limits->value_bytes) {
        (void)refuse(ret_refusal, REFUSAL_TOO_LARGE, limits->value_bytes, "");
        return NULL;
    }
    d.record = arena_array(a, 1, sizeof(*d.record));
    if (d.record == NULL) {
        (void)refuse(ret_refusal, REFUSAL_TOO_MUCH_MEMORY, 0, "");
        return NULL;
    }
    bool ok = false;
    switch (format == RECORD_DETECT ? detect(value) : format) {
    case RECORD_JSON:
        ok = decode_json(&d);
        break;
    case RECORD_CONFLUENT:
        ok = decode_confluent(&d);
        break;
    case RECORD_PROTOBUF:
    case RECORD_DETECT:
        ok = decode_pb(&d, 0);
        break;
    }
    return ok ? d.record : NULL;
}

struct str record_response(const struct record *r)
{
    for (size_t i = r->n_completion; i > 0; i--) {
        const struct message *m = &r->completion[i - 1];
        if (str_eq(m->role, STR("tool"))) /* what a tool said is not the model's */
            continue;
        if (m->content.n > 0)
            return m->content;
        for (size_t k = m->n_parts; k > 0; k--)
            if (m->parts[k - 1].text.n > 0)
                return m->parts[k - 1].text;
    }
    return STR("");
}
