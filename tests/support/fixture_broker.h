/* The broker of fixture_log.h at work: it checks each batch it is given.
 *
 * A batch takes effect whole, and only when it is right: the publisher owns the partitions; no
 * record has a message already; the new offset is that of the first record without one, and the ack
 * map says of each record above it whether it has one. With that, every record has one message, no
 * offset is committed above an unfinished one, and what is done is known to who comes next, always.
 *
 * With a shadow policy, each reward is followed by another one in the same batch, which that policy
 * made of the same record; a record that cannot be decoded has no such.
 *
 * At least once, records may become visible without their offsets: then, and only then, and once
 * for each time, a record may have another message. Header only. */
#ifndef RBR_TESTS_FIXTURE_BROKER_H
#define RBR_TESTS_FIXTURE_BROKER_H

#include "fixture_defect.h"

/* ---- checking messages */

static inline struct str broker_header(const struct sink_record *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_eq(r->headers[i].name, str_z(name)))
            return r->headers[i].value;
    return (struct str){0};
}

/* A reward of the shadow policy, or what became of it. */
static inline bool broker_is_shadow(const struct sink_record *r)
{
    struct str stage = broker_header(r, "__connect.errors.stage");
    return r->to == SINK_SHADOW || str_has_prefix(stage, STR("shadow "));
}

/* A reward of the live policy, or what became of it. */
static inline bool broker_is_judged(const struct sink_record *r)
{
    struct str stage = broker_header(r, "__connect.errors.stage");
    return r->to == SINK_REWARDS || str_eq(stage, STR("encode")) || str_eq(stage, STR("publish"));
}

static inline bool broker_same(struct str a, struct str b)
{
    return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

/* Why a reward is wrong in itself (promises P3 and P4); NULL when it is right. */
static inline const char *broker_reward_fault(const Rbr__V1__Reward *r)
{
    bool has = r->reward_presence_case == RBR__V1__REWARD__REWARD_PRESENCE_REWARD;
    double sum = 0;
    for (size_t i = 0; i < r->n_components; i++) {
        if ((r->components[i]->value_presence_case != 0) != has)
            return "components have values without a reward, or none with one";
        sum += r->components[i]->value;
    }
    if (has && memcmp(&sum, &r->reward, sizeof(sum)) != 0)
        return "the components do not add up to the reward";
    if (has == (r->mask_sample != 0))
        return "mask_sample is not the absence of the reward";
    if (has && r->status != RBR__V1__STATUS__STATUS_OK &&
        r->status != RBR__V1__STATUS__STATUS_PARTIAL)
        return "a failure has a reward";
    if (!has && (r->status == RBR__V1__STATUS__STATUS_OK || r->reason == 0))
        return "no reward, and no reason why";
    return NULL;
}

static inline void broker_check_reward(struct broker *b, const struct broker_record *in,
                                       struct broker_message *m)
{
    Rbr__V1__Reward *r = broker_unpack(m->record.value);
    if (r == NULL || r->source == NULL) {
        broker_violation(b, "offset %" PRId64 ": not a Reward", in->offset);
        return;
    }
    const char *fault = broker_reward_fault(r);
    if (fault != NULL)
        broker_violation(b, "offset %" PRId64 ": %s", in->offset, fault);
    if (r->source->partition != m->record.partition || r->source->offset != in->offset ||
        !str_eq((struct str){(char *)r->source->topic.data, r->source->topic.len},
                STR(BROKER_TOPIC)))
        broker_violation(b, "offset %" PRId64 ": a reward from elsewhere", in->offset);
    if (in->malformed || in->quarantined != NULL)
        broker_violation(b, "offset %" PRId64 ": a reward for a malformed record", in->offset);
    if (!broker_same(m->record.key, in->key))
        broker_violation(b, "offset %" PRId64 ": the reward lost its key", in->offset);
    bool of_shadow = b->shadow_policy != NULL &&
                     str_eq(broker_header(&m->record, "rbr-policy"), str_z(b->shadow_policy));
    if (of_shadow != (m->record.to == SINK_SHADOW))
        broker_violation(b, "offset %" PRId64 ": the other policy's reward", in->offset);
    m->status = r->status;
    m->reason = r->reason;
    rbr__v1__reward__free_unpacked(r, NULL);
}

static inline void broker_check_dead_letter(struct broker *b, const struct broker_record *in,
                                            const struct broker_message *m)
{
    const struct sink_record *r = &m->record;
    struct str stage = broker_header(r, "__connect.errors.stage");
    bool decoding = str_eq(stage, STR("decode"));
    if (str_eq(stage, STR("quarantine"))) {
        if (r->key.p != NULL || r->value.p != NULL || in->quarantined == NULL ||
            !str_eq(broker_header(r, "rbr-reason"), str_z(in->quarantined)))
            broker_violation(b, "offset %" PRId64 ": quarantined for no reason", in->offset);
        return;
    }
    if (!decoding) {
        /* encode, publish: by reference, the contents being what is too large */
        size_t limit = b->limit[broker_is_shadow(r) ? SINK_SHADOW : SINK_REWARDS];
        if (r->key.p != NULL || r->value.p != NULL || limit == 0)
            broker_violation(b, "offset %" PRId64 ": a %.*s dead letter for no reason", in->offset,
                             STR_ARGS(stage));
        return;
    }
    if (!in->malformed || !broker_same(r->key, in->key) || !broker_same(r->value, in->value))
        broker_violation(b, "offset %" PRId64 ": a dead letter that is not its record", in->offset);
    for (size_t i = 0, k = 0; i < in->n_headers; i++) {
        struct header h = in->headers[i];
        if (str_has_prefix(h.name, STR("__connect.errors.")) || str_eq(h.name, STR("rbr-reason")))
            continue; /* of an earlier pass: replaced */
        if (k >= r->n_headers || !str_eq(r->headers[k].name, h.name) ||
            !broker_same(r->headers[k].value, h.value))
            broker_violation(b, "offset %" PRId64 ": the dead letter lost a header", in->offset);
        k++;
    }
}

static inline int64_t broker_input_offset(const struct sink_record *r)
{
    int64_t offset = -1;
    struct str text = broker_header(r, "__connect.errors.offset");
    if (r->to == SINK_DEAD_LETTERS)
        return text.p != NULL ? strtoll(text.p, NULL, 10) : -1;
    Rbr__V1__Reward *m = broker_unpack(r->value);
    if (m != NULL && m->source != NULL)
        offset = m->source->offset;
    if (m != NULL)
        rbr__v1__reward__free_unpacked(m, NULL);
    return offset;
}

/* ---- batches */

static inline void broker_keep_message(struct broker *b, const struct broker_record *in,
                                       const struct sink_record *r, struct broker_message *m)
{
    *m = (struct broker_message){.record = *r, .offset = in->offset, .batch = b->batches};
    m->record.key = broker_keep(b, r->key);
    m->record.value = broker_keep(b, r->value);
    m->record.headers = broker_keep_headers(b, r->headers, r->n_headers);
    if (r->to == SINK_DEAD_LETTERS)
        broker_check_dead_letter(b, in, m);
    else
        broker_check_reward(b, in, m);
}

static inline void broker_take_message(struct broker *b, const struct broker_record *in,
                                       const struct sink_record *r)
{
    void *messages = b->messages;
    mem_grow(&messages, &b->cap_messages, b->n_messages, sizeof(*b->messages));
    b->messages = messages;
    broker_keep_message(b, in, r, &b->messages[b->n_messages++]);
}

/* What follows the message of a record in its batch; `r` NULL: nothing. */
static inline void broker_take_shadow(struct broker *b, const struct broker_record *in, bool judged,
                                      const struct sink_record *r)
{
    bool owed = judged && b->shadow_policy != NULL;
    bool there = r != NULL && broker_is_shadow(r) && broker_input_offset(r) == in->offset;
    if (owed != there)
        broker_violation(b, "offset %" PRId64 ": %s", in->offset,
                         owed ? "no shadow reward" : "a shadow reward that is not owed");
    if (!there)
        return;
    void *shadows = b->shadows;
    mem_grow(&shadows, &b->cap_shadows, b->n_shadows, sizeof(*b->shadows));
    b->shadows = shadows;
    broker_keep_message(b, in, r, &b->shadows[b->n_shadows++]);
}

/* A record may be published when it has no message, or when who published the last one does not
 * know it to be committed. */
static inline const char *broker_repeat_fault(struct broker *b, struct broker_record *want,
                                              bool owner)
{
    if (!want->published && !want->done)
        return NULL;
    if (!b->at_least_once)
        return want->gone ? "that was lost" : "again";
    b->repeats++;
    b->seen[FAULT_REPEATED]++;
    if (want->exposed > 0)
        want->exposed--;
    else if (owner)
        return "again, though all knew it committed";
    return NULL;
}

/* The first `most` messages of the partition; `owner`: of who owns it. */
static inline void broker_take_messages(struct broker *b, const struct received *in,
                                        int32_t partition, size_t most, bool owner, bool commits)
{
    struct broker_log *log = &b->logs[partition];
    int64_t last = -1;
    for (size_t i = 0; i < in->n_records && i < most; i++) {
        const struct sink_record *r = &in->records[i];
        if (r->partition != partition || broker_is_shadow(r))
            continue;
        int64_t offset = broker_input_offset(r);
        struct broker_record *want = broker_find(log, offset);
        const char *fault = want == NULL     ? "from nowhere"
                            : offset <= last ? "out of turn"
                                             : broker_repeat_fault(b, want, owner);
        if (fault != NULL) {
            broker_violation(b, "partition %" PRId32 ": message of offset %" PRId64 " %s",
                             partition, offset, fault);
            return;
        }
        b->early += want > &log->records[log->n_committed];
        broker_take_message(b, want, r);
        if (i + 1 < most)
            broker_take_shadow(b, want, broker_is_judged(r), i + 1 < in->n_records ? r + 1 : NULL);
        want->published = true;
        want->done = want->done || commits;
        last = offset;
        broker_count_committed(log);
    }
}

/* What the map says of each record above the offset, against what is so. */
static inline void broker_check_map(struct broker *b, const struct broker_log *log,
                                    const struct sink_offset *o)
{
    struct ackmap map;
    size_t n_done = 0;
    enum ackmap_fault fault = ackmap_decode(o->metadata, o->offset, &map);
    for (size_t i = 0; i < log->n; i++) {
        const struct broker_record *r = &log->records[i];
        if (r->offset < o->offset)
            continue;
        bool done = r->done && !r->gone;
        if (ackmap_get(&map, (size_t)(r->offset - o->offset)) != done)
            broker_violation(b,
                             "partition %" PRId32 ": the map of %" PRId64 " is wrong at %" PRId64,
                             o->partition, o->offset, r->offset);
        n_done += done;
    }
    if (ackmap_count(&map) != n_done)
        broker_violation(b, "partition %" PRId32 ": the map holds offsets that are not there",
                         o->partition);
    if (fault != ACKMAP_GOOD && !b->metadata_refused)
        broker_violation(b, "partition %" PRId32 ": the map of %" PRId64 ": %s", o->partition,
                         o->offset, ackmap_fault_text(fault));
}

/* At least once, a commit whose answer was lost may be followed by one that says less. */
static inline void broker_take_back(struct broker_log *log, const struct sink_offset *o)
{
    struct ackmap map;
    if (ackmap_decode(o->metadata, o->offset, &map) != ACKMAP_GOOD)
        ackmap_clear(&map);
    for (size_t i = 0; i < log->n; i++) {
        struct broker_record *r = &log->records[i];
        if (r->offset >= o->offset && r->exposed > 0 && !r->gone &&
            !ackmap_get(&map, (size_t)(r->offset - o->offset)))
            r->done = false;
    }
    log->n_committed = 0;
    broker_count_committed(log);
}

static inline void broker_take_offset(struct broker *b, const struct received *in,
                                      const struct sink_offset *o)
{
    struct broker_log *log = &b->logs[o->partition];
    bool back = o->offset < log->committed && !b->at_least_once;
    if (!str_eq(o->topic, STR(BROKER_TOPIC)) || back || o->offset > log->end)
        broker_violation(b, "partition %" PRId32 ": offset %" PRId64 " committed after %" PRId64,
                         o->partition, o->offset, log->committed);
    broker_take_messages(b, in, o->partition, SIZE_MAX, true, true);
    if (b->at_least_once)
        broker_take_back(log, o);
    /* A gap below what a map says is done is passed only when the log was read past it. */
    const struct broker_record *at = broker_find(log, o->offset);
    bool less = at != NULL && at->done && !at->gone;
    bool more = log->n_committed < log->n && log->records[log->n_committed].offset < o->offset;
    if (less || more)
        broker_violation(b, "partition %" PRId32 ": %" PRId64 " committed, %s", o->partition,
                         o->offset, less ? "less than is done" : "a record below it unfinished");
    if (!less && !more)
        broker_check_map(b, log, o);
    log->committed = o->offset;
    log->map = broker_keep(b, o->metadata);
    log->has_committed = true;
}

static inline bool broker_owns_all(const struct broker *b, const struct member *m,
                                   const struct sink_batch *batch)
{
    for (size_t i = 0; i < batch->n_offsets; i++)
        if (b->logs[batch->offsets[i].partition].owner != m)
            return false;
    return true;
}

/* At least once: the first `most` messages are visible, and whoever sent them does not know that
 * their offsets are committed, if they are. */
static inline void broker_expose(struct broker *b, const struct member *m,
                                 const struct sink_batch *batch, size_t most, bool taken)
{
    struct received in = {.records = batch->records, .n_records = batch->n_records};
    for (size_t i = 0; !taken && i < batch->n_offsets; i++) {
        int32_t partition = batch->offsets[i].partition;
        broker_take_messages(b, &in, partition, most, b->logs[partition].owner == m, false);
    }
    for (size_t i = 0; i < batch->n_records && i < most; i++) {
        const struct sink_record *r = &batch->records[i];
        if (broker_is_shadow(r))
            continue;
        broker_find(&b->logs[r->partition], broker_input_offset(r))->exposed++;
        b->seen[FAULT_EXPOSED]++;
    }
}

/* False: fenced, a partition is no longer the publisher's. */
static inline bool broker_take_batch(struct broker *b, struct member *m,
                                     const struct sink_batch *batch)
{
    size_t n = batch->n_records;
    if (!broker_owns_all(b, m, batch)) {
        b->seen[FAULT_FENCED]++;
        return false;
    }
    struct received in = {
        .records = mem_array(n + 1, sizeof(struct sink_record)),
        .n_records = n,
        .offsets = mem_copy(batch->offsets, batch->n_offsets * sizeof(struct sink_offset)),
        .n_offsets = batch->n_offsets,
    };
    memcpy(in.records, batch->records, n * sizeof(struct sink_record));
    if (broker_spoil(b, &in))
        b->defect = DEFECT_NONE;
    size_t before = b->n_messages, before_shadows = b->n_shadows;
    for (size_t i = 0; i < in.n_offsets; i++)
        broker_take_offset(b, &in, &in.offsets[i]);
    if (b->n_messages - before + b->n_shadows - before_shadows != in.n_records)
        broker_violation(b, "a batch holds messages of partitions that it does not commit");
    for (size_t i = before; i < b->n_messages; i++)
        b->trace = broker_hash_record(b->trace, &b->messages[i].record);
    for (size_t i = before_shadows; i < b->n_shadows; i++)
        b->trace = broker_hash_record(b->trace, &b->shadows[i].record);
    b->batches++;
    mem_free(in.records);
    mem_free(in.offsets);
    return true;
}

/* What a new producer finds out: the batch is in when all its offsets are committed as they were
 * sent. */
static inline bool broker_has_committed(const struct broker *b, const struct sink_batch *batch)
{
    for (size_t i = 0; i < batch->n_offsets; i++) {
        const struct sink_offset *o = &batch->offsets[i];
        const struct broker_log *log = &b->logs[o->partition];
        if (!log->has_committed || log->committed != o->offset || !str_eq(log->map, o->metadata))
            return false;
    }
    return true;
}

#endif
