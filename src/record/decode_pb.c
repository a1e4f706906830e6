/* Protobuf in: a scan that counts fields and finds the bytes of a faulty text, protobuf-c's
 * unpacking under a counting allocator, then a copy of every text into the record's arena after a
 * UTF-8 check. */
#include <math.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proto/completion.pb-c.h"
#include "record/decode.h"

/* ---- bounded memory ---------------------------------------------------------------------------
 */

struct budget {
    size_t left;
    bool exhausted;
};

static void *budget_alloc(void *data, size_t size)
{
    struct budget *b = data;
    size_t cost = size + 16;
    if (size > SIZE_MAX / 2 || cost > b->left) {
        b->exhausted = true;
        return NULL;
    }
    b->left -= cost;
    return mem_alloc(size);
}

static void budget_free(void *data RBR_UNUSED, void *p)
{
    mem_free(p);
}

/* ---- the scan ---------------------------------------------------------------------------------
 */

struct scan {
    struct str value;
    size_t fields, fields_max;
    struct str wanted; /* text whose place is looked for; p == NULL: none */
    size_t found;
};

static bool scan_varint(struct str s, size_t *at, size_t end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
        unsigned char c = (unsigned char)s.p[(*at)++];
        v |= shift < 64 ? (uint64_t)(c & 0x7f) << shift : 0;
        if ((c & 0x80) == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static const ProtobufCMessageDescriptor *submessage(const ProtobufCMessageDescriptor *d,
                                                    uint64_t number)
{
    const ProtobufCFieldDescriptor *f =
        number <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(d, (unsigned)number) : NULL;
    return f != NULL && f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : NULL;
}

/* Walks fields in [at, end); depth is bounded by the schema, which does not recurse. False:
 * malformed, at *ret_at. */
static bool scan_fields(struct scan *s, const ProtobufCMessageDescriptor *d, size_t at, size_t end,
                        size_t *ret_at)
{
    while (at < end) {
        uint64_t tag, n;
        *ret_at = at;
        if (!scan_varint(s->value, &at, end, &tag) || tag >> 3 == 0)
            return false;
        if (++s->fields > s->fields_max)
            return false;
        switch (tag & 7) {
        case 0:
            if (!scan_varint(s->value, &at, end, &n))
                return false;
            break;
        case 1:
        case 5:
            n = (tag & 7) == 1 ? 8 : 4;
            if (end - at < n)
                return false;
            at += n;
            break;
        case 2: {
            if (!scan_varint(s->value, &at, end, &n) || n > end - at)
                return false;
            struct str text = str_sub(s->value, at, at + (size_t)n);
            const ProtobufCMessageDescriptor *inner = submessage(d, tag >> 3);
            if (inner != NULL && !scan_fields(s, inner, at, at + (size_t)n, ret_at))
                return false;
            if (inner == NULL && s->wanted.p != NULL && str_eq(text, s->wanted)) {
                s->found = at;
                s->wanted.p = NULL;
            }
            at += (size_t)n;
            break;
        }
        default:
            return false;
        }
    }
    *ret_at = at;
    return true;
}

static size_t offset_of(const struct decoder *d, size_t start, struct str text)
{
    struct scan s = {.value = d->value, .fields_max = SIZE_MAX, .wanted = text, .found = start};
    size_t at;
    (void)scan_fields(&s, &rbr__v1__completion_record__descriptor, start, d->value.n, &at);
    return s.found;
}

/* ---- copying ----------------------------------------------------------------------------------
 */

struct copier {
    struct decoder *d;
    size_t start;
    bool failed;
};

static struct str text_of(struct copier *c, ProtobufCBinaryData in, const char *field)
{
    struct str s = {(const char *)in.data, in.len}, copy = {0};
    if (c->failed)
        return copy;
    size_t good = utf8_valid_prefix(s);
    if (good < s.n)
        c->failed =
            !refuse(c->d->refusal, REFUSAL_NOT_UTF8, offset_of(c->d, c->start, s) + good, field);
    else if (s.n > 0 && !arena_copy(c->d->arena, s, &copy))
        c->failed = !refuse(c->d->refusal, REFUSAL_TOO_MUCH_MEMORY, c->start, field);
    return copy;
}

static void *array_of(struct copier *c, size_t n, size_t size)
{
    void *p = c->failed || n == 0 ? NULL : arena_array(c->d->arena, n, size);
    if (p == NULL && n > 0 && !c->failed)
        c->failed = !refuse(c->d->refusal, REFUSAL_TOO_MUCH_MEMORY, c->start, "");
    return p;
}

static double finite_value(struct copier *c, double v, const char *field)
{
    if (!isfinite(v) && !c->failed)
        c->failed = !refuse(c->d->refusal, REFUSAL_NOT_FINITE, c->start, field);
    return v;
}

static void copy_message(struct copier *c, const Rbr__V1__Message *in, const char *list,
                         size_t index, struct message *out)
{
    char field[48];
#define FIELD(name) ((void)snprintf(field, sizeof(field), "%s[%zu].%s", list, index, name), field)
    *out = (struct message){
        .role = text_of(c, in->role, FIELD("role")),
        .content = text_of(c, in->content, FIELD("content")),
        .reasoning_content = text_of(c, in->reasoning_content, FIELD("reasoning_content")),
        .name = text_of(c, in->name, FIELD("name")),
        .tool_call_id = text_of(c, in->tool_call_id, FIELD("tool_call_id")),
    };
    out->tool_calls = array_of(c, in->n_tool_calls, sizeof(*out->tool_calls));
    for (size_t i = 0; !c->failed && i < in->n_tool_calls; i++, out->n_tool_calls++) {
        const Rbr__V1__ToolCall *t = in->tool_calls[i];
        out->tool_calls[i] = (struct tool_call){
            .id = text_of(c, t->id, FIELD("tool_calls.id")),
            .type = text_of(c, t->type, FIELD("tool_calls.type")),
            .name = text_of(c, t->name, FIELD("tool_calls.name")),
            .arguments = text_of(c, t->arguments, FIELD("tool_calls.arguments"))};
    }
    out->parts = array_of(c, in->n_parts, sizeof(*out->parts));
    for (size_t i = 0; !c->failed && i < in->n_parts; i++, out->n_parts++) {
        const Rbr__V1__ContentPart *p = in->parts[i];
        out->parts[i] =
            (struct content_part){.type = text_of(c, p->type, FIELD("parts.type")),
                                  .text = text_of(c, p->text, FIELD("parts.text")),
                                  .uri = text_of(c, p->uri, FIELD("parts.uri")),
                                  .mime_type = text_of(c, p->mime_type, FIELD("parts.mime_type"))};
    }
    if (!c->failed && !role_is_plain(out->role))
        c->failed = !refuse(c->d->refusal, REFUSAL_BAD_ROLE, c->start, FIELD("role"));
#undef FIELD
}

static struct message *copy_messages(struct copier *c, Rbr__V1__Message **in, size_t n,
                                     const char *list)
{
    struct message *out = array_of(c, n, sizeof(*out));
    for (size_t i = 0; !c->failed && i < n; i++)
        copy_message(c, in[i], list, i, &out[i]);
    return out;
}

static void copy_lists(struct copier *c, const Rbr__V1__CompletionRecord *in, struct record *r)
{
    r->weight_versions = array_of(c, in->n_weight_versions, sizeof(*r->weight_versions));
    for (size_t i = 0; !c->failed && i < in->n_weight_versions; i++, r->n_weight_versions++)
        r->weight_versions[i] = text_of(c, in->weight_versions[i], "weight_versions");
    r->scores = array_of(c, in->n_scores, sizeof(*r->scores));
    for (size_t i = 0; !c->failed && i < in->n_scores; i++, r->n_scores++)
        r->scores[i] =
            (struct named_score){.name = text_of(c, in->scores[i]->name, "scores.name"),
                                 .source = text_of(c, in->scores[i]->source, "scores.source"),
                                 .value = finite_value(c, in->scores[i]->value, "scores.value"),
                                 .has_value = in->scores[i]->value_presence_case !=
                                              RBR__V1__NAMED_SCORE__VALUE_PRESENCE__NOT_SET};
    r->rubric = array_of(c, in->n_rubric, sizeof(*r->rubric));
    for (size_t i = 0; !c->failed && i < in->n_rubric; i++, r->n_rubric++)
        r->rubric[i] =
            (struct criterion){.id = text_of(c, in->rubric[i]->id, "rubric.id"),
                               .text = text_of(c, in->rubric[i]->text, "rubric.text"),
                               .grader = text_of(c, in->rubric[i]->grader, "rubric.grader"),
                               .weight = finite_value(c, in->rubric[i]->weight, "rubric.weight"),
                               .has_weight = in->rubric[i]->weight_presence_case !=
                                             RBR__V1__CRITERION__WEIGHT_PRESENCE__NOT_SET,
                               .negative = in->rubric[i]->negative != 0,
                               .required = in->rubric[i]->required != 0};
    r->labels = array_of(c, in->n_labels, sizeof(*r->labels));
    for (size_t i = 0; !c->failed && i < in->n_labels; i++, r->n_labels++)
        r->labels[i] = (struct label){.key = text_of(c, in->labels[i]->key, "labels.key"),
                                      .value = text_of(c, in->labels[i]->value, "labels.value")};
}

static void copy_sampling(struct copier *c, const Rbr__V1__SamplingParams *in,
                          struct sampling_params *out)
{
    if (in == NULL)
        return;
    *out = (struct sampling_params){
        .temperature = finite_value(c, in->temperature, "sampling.temperature"),
        .has_temperature = in->temperature_presence_case !=
                           RBR__V1__SAMPLING_PARAMS__TEMPERATURE_PRESENCE__NOT_SET,
        .top_p = finite_value(c, in->top_p, "sampling.top_p"),
        .has_top_p = in->top_p_presence_case != RBR__V1__SAMPLING_PARAMS__TOP_P_PRESENCE__NOT_SET,
        .seed = in->seed,
        .has_seed = in->seed_presence_case != RBR__V1__SAMPLING_PARAMS__SEED_PRESENCE__NOT_SET,
        .top_k = in->top_k,
        .max_tokens = in->max_tokens,
    };
}

static void copy_texts(struct copier *c, const Rbr__V1__CompletionRecord *in, struct record *r)
{
#define TEXT(name) r->name = text_of(c, in->name, #name)
    TEXT(completion_id);
    TEXT(run_id);
    TEXT(group_id);
    TEXT(prompt_id);
    TEXT(data_source);
    TEXT(split);
    TEXT(tools_json);
    TEXT(finish_reason);
    TEXT(model);
    TEXT(policy_id);
    TEXT(response_type);
    TEXT(behavior_category);
    TEXT(reward_model);
    TEXT(ground_truth);
    TEXT(extra_info_json);
    TEXT(traceparent);
#undef TEXT
}

static void copy_record(struct copier *c, const Rbr__V1__CompletionRecord *in, struct record *r)
{
    copy_texts(c, in, r);
    r->attempt = in->attempt;
    r->sample_index = in->sample_index;
    r->has_sample_index = in->sample_index_presence_case !=
                          RBR__V1__COMPLETION_RECORD__SAMPLE_INDEX_PRESENCE__NOT_SET;
    r->group_size = in->group_size;
    r->global_step = in->global_step;
    r->min_global_step = in->min_global_step;
    r->max_global_step = in->max_global_step;
    r->prompt_tokens = in->prompt_tokens;
    r->completion_tokens = in->completion_tokens;
    r->reward_model_score = finite_value(c, in->reward_model_score, "reward_model_score");
    r->has_reward_model_score = in->reward_model_score_presence_case !=
                                RBR__V1__COMPLETION_RECORD__REWARD_MODEL_SCORE_PRESENCE__NOT_SET;
    r->created_at_ms = in->created_at_ms;
    r->deadline_ms = in->deadline_ms;
    r->priority = in->priority;
    copy_sampling(c, in->sampling, &r->sampling);
    copy_lists(c, in, r);
    r->prompt = copy_messages(c, in->prompt, in->n_prompt, "prompt");
    r->n_prompt = in->n_prompt;
    r->completion = copy_messages(c, in->completion, in->n_completion, "completion");
    r->n_completion = in->n_completion;
}

bool decode_pb(struct decoder *d, size_t start)
{
    struct scan scan = {.value = d->value, .fields_max = d->limits->fields};
    size_t at = start;
    if (!scan_fields(&scan, &rbr__v1__completion_record__descriptor, start, d->value.n, &at))
        return refuse(
            d->refusal,
            scan.fields > scan.fields_max ? REFUSAL_TOO_MANY_FIELDS : REFUSAL_BAD_PROTOBUF, at, "");
    struct budget budget = {.left = d->limits->memory_bytes};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    Rbr__V1__CompletionRecord *in = rbr__v1__completion_record__unpack(
        &allocator, d->value.n - start, (const uint8_t *)d->value.p + start);
    if (in == NULL)
        return refuse(d->refusal, budget.exhausted ? REFUSAL_TOO_MUCH_MEMORY : REFUSAL_BAD_PROTOBUF,
                      start, "");
    struct copier c = {.d = d, .start = start};
    copy_record(&c, in, d->record);
    rbr__v1__completion_record__free_unpacked(in, &allocator);
    if (c.failed)
        return false;
    const struct record *r = d->record;
    if (r->completion_id.n == 0)
        return refuse(d->refusal, REFUSAL_MISSING_ID, start, "completion_id");
    if (r->n_prompt == 0)
        return refuse(d->refusal, REFUSAL_MISSING_PROMPT, start, "prompt");
    if (r->n_completion == 0)
        return refuse(d->refusal, REFUSAL_MISSING_COMPLETION, start, "completion");
    return true;
}
