#include "pipeline/item.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

enum { OUT_KEEP = 8192, HEADERS_KEEP = 64, REWARD_HEADERS = 4 };

void item_init(struct item *it, size_t arena_bytes)
{
    *it = (struct item){0};
    arena_init(&it->arena, arena_bytes);
    buf_init(&it->out, SIZE_MAX / 2); /* bounded by what goes in: one record, one capped reward */
}

void item_done(struct item *it)
{
    arena_done(&it->arena);
    buf_done(&it->out);
    mem_free(it->headers);
}

void item_reset(struct item *it)
{
    struct arena arena = it->arena;
    struct buf out = it->out;
    struct header *headers = it->headers;
    size_t cap_headers = it->cap_headers;
    arena_reset(&arena);
    if (out.cap > OUT_KEEP)
        buf_done(&out);
    buf_reset(&out);
    if (cap_headers > HEADERS_KEEP) {
        mem_free(headers);
        headers = NULL;
        cap_headers = 0;
    }
    *it = (struct item){.arena = arena, .out = out, .headers = headers, .cap_headers = cap_headers};
}

size_t item_bytes(const struct item *it)
{
    return sizeof(*it) + it->arena.used + it->out.cap + it->cap_headers * sizeof(*it->headers) +
           grader_group_bytes(&it->judge.group);
}

/* ---- the record -------------------------------------------------------------------------------
 */

static struct str find_header(const struct source_record *in, struct str name)
{
    for (size_t i = 0; i < in->n_headers; i++)
        if (str_eq_folded(in->headers[i].name, name))
            return in->headers[i].value;
    return (struct str){0};
}

/* Copies what the message needs of its input; false when the arena is full. */
static bool keep_input(struct item *it, const struct source_record *in)
{
    struct str traceparent = find_header(in, STR("traceparent"));
    it->key = (struct str){0};
    if (in->key.p != NULL && !arena_copy(&it->arena, in->key, &it->key))
        return false;
    return arena_copy(&it->arena, traceparent.n <= 256 ? traceparent : (struct str){0},
                      &it->traceparent);
}

bool item_decode(struct item *it, const struct source_record *in, struct str topic,
                 int32_t partition, const struct record_limits *limits, struct refusal *ret_refusal)
{
    struct record_origin origin = {topic, partition, it->offset};
    enum record_format format = record_format_of(find_header(in, STR("content-type")));
    *ret_refusal = (struct refusal){.kind = REFUSAL_TOO_MUCH_MEMORY};
    it->record = NULL;
    if (keep_input(it, in))
        it->record = record_decode(&it->arena, in->value, format, limits, &origin, ret_refusal);
    return it->record != NULL;
}

int64_t item_expires_us(const struct item *it)
{
    int64_t left_ms = it->record->deadline_ms - it->received_ms;
    if (it->record->deadline_ms <= 0 || left_ms > INT64_MAX / 4000) /* as good as never */
        return CLOCK_NEVER;
    return left_ms > 0 ? it->received_us + left_ms * 1000 : it->received_us;
}

/* ---- the message ------------------------------------------------------------------------------
 */

/* Text of the message lies in it->out, which may move while it grows: positions first, pointers
 * last. */
struct piece {
    size_t at, n;
    bool null;
};

static struct piece put(struct item *it, struct str s)
{
    struct piece piece = {.at = it->out.n, .n = s.n, .null = s.p == NULL};
    (void)buf_append_str(&it->out, s);
    return piece;
}

static struct str piece_str(const struct item *it, struct piece piece)
{
    if (piece.null)
        return (struct str){0};
    return (struct str){it->out.p != NULL ? it->out.p + piece.at : "", piece.n};
}

struct outgoing {
    struct piece key, value;
    struct piece (*headers)[2]; /* name, value; room for all that are added */
    size_t n_headers;
};

static void add_header(struct item *it, struct outgoing *m, struct str name, struct str value)
{
    m->headers[m->n_headers][0] = put(it, name);
    m->headers[m->n_headers][1] = put(it, value);
    m->n_headers++;
}

static void add_header_z(struct item *it, struct outgoing *m, const char *name, const char *value)
{
    add_header(it, m, str_z(name), str_z(value));
}

static void finish(struct item *it, const struct outgoing *m, enum sink_topic to, int32_t partition)
{
    void *headers = it->headers;
    mem_grow(&headers, &it->cap_headers, m->n_headers, sizeof(*it->headers));
    it->headers = headers;
    for (size_t i = 0; i < m->n_headers; i++)
        it->headers[i] = (struct header){.name = piece_str(it, m->headers[i][0]),
                                         .value = piece_str(it, m->headers[i][1])};
    it->message = (struct sink_record){
        .to = to,
        .partition = partition,
        .key = piece_str(it, m->key),
        .value = piece_str(it, m->value),
        .headers = it->headers,
        .n_headers = m->n_headers,
    };
}

/* Our own headers of an earlier pass are replaced, so that a redriven record does not pile them up.
 */
static bool is_ours(struct str name)
{
    return str_has_prefix(name, STR("__connect.errors.")) || str_eq(name, STR("rbr-reason"));
}

void item_make_dead_letter(struct item *it, struct str topic, int32_t partition,
                           const struct source_record *in, const char *stage, const char *reason,
                           const char *text)
{
    enum { OWN_HEADERS = 7 };
    char number[32];
    struct outgoing m = {.key = {.null = true}, .value = {.null = true}};
    m.headers = mem_array(OWN_HEADERS + (in != NULL ? in->n_headers : 0), sizeof(m.headers[0]));
    it->by_reference = in == NULL;
    buf_reset(&it->out);
    if (in != NULL) {
        m.key = put(it, in->key);
        m.value = put(it, in->value);
        for (size_t i = 0; i < in->n_headers; i++)
            if (!is_ours(in->headers[i].name))
                add_header(it, &m, in->headers[i].name, in->headers[i].value);
    }
    add_header(it, &m, STR("__connect.errors.topic"), topic);
    (void)snprintf(number, sizeof(number), "%" PRId32, partition);
    add_header_z(it, &m, "__connect.errors.partition", number);
    (void)snprintf(number, sizeof(number), "%" PRId64, it->offset);
    add_header_z(it, &m, "__connect.errors.offset", number);
    add_header_z(it, &m, "__connect.errors.stage", stage);
    add_header_z(it, &m, "__connect.errors.exception.class.name", reason);
    add_header_z(it, &m, "__connect.errors.exception.message", text);
    add_header_z(it, &m, "rbr-reason", reason);
    finish(it, &m, SINK_DEAD_LETTERS, partition);
    mem_free(m.headers);
    arena_reset(&it->arena);
    it->record = NULL;
}

/* The same record without what may be large and is only passed through. */
static struct record stripped(const struct record *r)
{
    struct record small = *r;
    small.labels = NULL;
    small.n_labels = 0;
    small.weight_versions = NULL;
    small.n_weight_versions = 0;
    return small;
}

static enum err_code encode(struct item *it, const struct policy *policy,
                            const struct reward *reward, const struct reward_envelope *envelope)
{
    const struct judged *judged = &it->judge.result;
    struct buf value;
    buf_init(&value, ITEM_REWARD_BYTES_MAX);
    enum err_code code = reward_encode(policy, it->record, judged, reward, envelope, &value);
    if (code != ERR_OK) {
        struct record small = stripped(it->record);
        buf_reset(&value);
        code = reward_encode(policy, &small, judged, reward, envelope, &value);
    }
    if (code == ERR_OK)
        (void)buf_append_str(&it->out, buf_str(&value));
    buf_done(&value);
    return code;
}

void item_make_reward(struct item *it, struct str topic, int32_t partition,
                      const struct policy *policy, int64_t now_ms)
{
    struct reward reward;
    struct reward_envelope envelope = {
        .topic = topic,
        .partition = partition,
        .offset = it->offset,
        .received_at_ms = it->received_ms,
        .scored_at_ms = now_ms,
        .queue_ms = (uint32_t)((it->judge.started_us - it->received_us) / 1000),
        .traceparent = it->traceparent.n > 0 ? it->traceparent : it->record->traceparent,
    };
    struct piece headers[REWARD_HEADERS][2];
    struct outgoing m = {.headers = headers};
    buf_reset(&it->out);
    m.key = put(it, it->key);
    m.value.at = it->out.n;
    enum err_code code = reward_compute(&it->arena, policy, it->record, &it->judge.result, &reward);
    if (code == ERR_OK)
        code = encode(it, policy, &reward, &envelope);
    if (code != ERR_OK) {
        item_make_dead_letter(
            it, topic, partition, NULL, "encode", "REWARD_TOO_LARGE",
            "the reward would be larger than a message may be; the record's ids or labels "
            "are too long");
        return;
    }
    m.value.n = it->out.n - m.value.at;
    it->status = reward.status;
    add_header_z(it, &m, "content-type", "application/x-protobuf; message=rbr.v1.Reward");
    add_header_z(it, &m, "rbr-status", status_name(reward.status));
    add_header(it, &m, STR("rbr-policy"), policy->id);
    if (envelope.traceparent.n > 0)
        add_header(it, &m, STR("traceparent"), envelope.traceparent);
    finish(it, &m, SINK_REWARDS, partition);
    arena_reset(&it->arena);
    it->record = NULL;
}
