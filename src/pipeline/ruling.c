#include "pipeline/ruling.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "pipeline/item.h"

enum { OUT_KEEP = 8192, HEADERS_KEEP = 64, REWARD_HEADERS = 4 };

void ruling_init(struct ruling *r, struct item *it, enum sink_topic rewards, size_t arena_bytes)
{
    *r = (struct ruling){.item = it, .rewards = rewards};
    arena_init(&r->arena, arena_bytes);
    buf_init(&r->out, SIZE_MAX / 2); /* bounded by what goes in: one record, one capped reward */
}

void ruling_done(struct ruling *r)
{
    arena_done(&r->arena);
    buf_done(&r->out);
    mem_free(r->headers);
}

void ruling_reset(struct ruling *r)
{
    struct ruling kept = {.item = r->item,
                          .rewards = r->rewards,
                          .arena = r->arena,
                          .out = r->out,
                          .headers = r->headers,
                          .cap_headers = r->cap_headers};
    arena_reset(&kept.arena);
    if (kept.out.cap > OUT_KEEP)
        buf_done(&kept.out);
    buf_reset(&kept.out);
    if (kept.cap_headers > HEADERS_KEEP) {
        mem_free(kept.headers);
        kept.headers = NULL;
        kept.cap_headers = 0;
    }
    *r = kept;
}

size_t ruling_bytes(const struct ruling *r)
{
    return r->arena.used + r->out.cap + r->cap_headers * sizeof(*r->headers) +
           grader_group_bytes(&r->judge.group);
}

/* Text of the message lies in r->out, which may move while it grows: positions first, pointers
 * last. */
struct piece {
    size_t at, n;
    bool null;
};

static struct piece put(struct ruling *r, struct str s)
{
    struct piece piece = {.at = r->out.n, .n = s.n, .null = s.p == NULL};
    (void)buf_append_str(&r->out, s);
    return piece;
}

static struct str piece_str(const struct ruling *r, struct piece piece)
{
    if (piece.null)
        return (struct str){0};
    return (struct str){r->out.p != NULL ? r->out.p + piece.at : "", piece.n};
}

struct outgoing {
    struct piece key, value;
    struct piece (*headers)[2]; /* name, value; room for all that are added */
    size_t n_headers;
};

static void add_header(struct ruling *r, struct outgoing *m, struct str name, struct str value)
{
    m->headers[m->n_headers][0] = put(r, name);
    m->headers[m->n_headers][1] = put(r, value);
    m->n_headers++;
}

static void add_header_z(struct ruling *r, struct outgoing *m, const char *name, const char *value)
{
    add_header(r, m, str_z(name), str_z(value));
}

static void finish(struct ruling *r, const struct outgoing *m, enum sink_topic to)
{
    void *headers = r->headers;
    mem_grow(&headers, &r->cap_headers, m->n_headers, sizeof(*r->headers));
    r->headers = headers;
    for (size_t i = 0; i < m->n_headers; i++)
        r->headers[i] = (struct header){.name = piece_str(r, m->headers[i][0]),
                                        .value = piece_str(r, m->headers[i][1])};
    r->message = (struct sink_record){
        .to = to,
        .partition = r->item->origin.partition,
        .key = piece_str(r, m->key),
        .value = piece_str(r, m->value),
        .headers = r->headers,
        .n_headers = m->n_headers,
    };
}

/* Our own headers of an earlier pass are replaced, so that a redriven record does not pile them up.
 */
static bool is_ours(struct str name)
{
    return str_has_prefix(name, STR("__connect.errors.")) || str_eq(name, STR("rbr-reason"));
}

void ruling_make_dead_letter(struct ruling *r, const struct source_record *in, const char *stage,
                             const char *reason, const char *text)
{
    enum { OWN_HEADERS = 7 };
    const struct record_origin *origin = &r->item->origin;
    char number[32];
    struct outgoing m = {.key = {.null = true}, .value = {.null = true}};
    m.headers = mem_array(OWN_HEADERS + (in != NULL ? in->n_headers : 0), sizeof(m.headers[0]));
    r->by_reference = in == NULL;
    buf_reset(&r->out);
    if (in != NULL) {
        m.key = put(r, in->key);
        m.value = put(r, in->value);
        for (size_t i = 0; i < in->n_headers; i++)
            if (!is_ours(in->headers[i].name))
                add_header(r, &m, in->headers[i].name, in->headers[i].value);
    }
    add_header(r, &m, STR("__connect.errors.topic"), origin->topic);
    (void)snprintf(number, sizeof(number), "%" PRId32, origin->partition);
    add_header_z(r, &m, "__connect.errors.partition", number);
    (void)snprintf(number, sizeof(number), "%" PRId64, origin->offset);
    add_header_z(r, &m, "__connect.errors.offset", number);
    add_header_z(r, &m, "__connect.errors.stage", stage);
    add_header_z(r, &m, "__connect.errors.exception.class.name", reason);
    add_header_z(r, &m, "__connect.errors.exception.message", text);
    add_header_z(r, &m, "rbr-reason", reason);
    finish(r, &m, SINK_DEAD_LETTERS);
    mem_free(m.headers);
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

static enum err_code encode(struct ruling *r, const struct reward *reward,
                            const struct reward_envelope *envelope)
{
    const struct policy *policy = r->judge.judge->policy;
    const struct record *record = r->item->record;
    const struct judged *judged = &r->judge.result;
    struct buf value;
    buf_init(&value, RULING_REWARD_BYTES_MAX);
    enum err_code code = reward_encode(policy, record, judged, reward, envelope, &value);
    if (code != ERR_OK) {
        struct record small = stripped(record);
        buf_reset(&value);
        code = reward_encode(policy, &small, judged, reward, envelope, &value);
    }
    if (code == ERR_OK)
        (void)buf_append_str(&r->out, buf_str(&value));
    buf_done(&value);
    return code;
}

void ruling_make_reward(struct ruling *r, struct str replay_id, int64_t now_ms)
{
    const struct policy *policy = r->judge.judge->policy;
    const struct item *it = r->item;
    struct reward reward;
    struct reward_envelope envelope = {
        .topic = it->origin.topic,
        .partition = it->origin.partition,
        .offset = it->origin.offset,
        .received_at_ms = it->received_ms,
        .scored_at_ms = now_ms,
        .queue_ms = (uint32_t)((r->judge.started_us - it->received_us) / 1000),
        .replay_id = replay_id,
        .traceparent = it->traceparent.n > 0 ? it->traceparent : it->record->traceparent,
    };
    struct piece headers[REWARD_HEADERS][2];
    struct outgoing m = {.headers = headers};
    buf_reset(&r->out);
    m.key = put(r, it->key);
    m.value.at = r->out.n;
    enum err_code code = reward_compute(&r->arena, policy, it->record, &r->judge.result, &reward);
    if (code == ERR_OK)
        code = encode(r, &reward, &envelope);
    if (code != ERR_OK) {
        ruling_make_dead_letter(
            r, NULL, r->rewards == SINK_SHADOW ? "shadow encode" : "encode", "REWARD_TOO_LARGE",
            "the reward would be larger than a message may be; the record's ids or labels "
            "are too long");
        return;
    }
    m.value.n = r->out.n - m.value.at;
    r->status = reward.status;
    add_header_z(r, &m, "content-type", "application/x-protobuf; message=rbr.v1.Reward");
    add_header_z(r, &m, "rbr-status", status_name(reward.status));
    add_header(r, &m, STR("rbr-policy"), policy->id);
    if (envelope.traceparent.n > 0)
        add_header(r, &m, STR("traceparent"), envelope.traceparent);
    finish(r, &m, r->rewards);
}
