/* Kafka on virtual time: input logs, one consumer group, what was published, and for each member a
 * source port and a sink port.
 *
 * The broker checks what it is given. A batch takes effect whole, and only when it is right: the
 * publisher owns the partitions; no record has a message already; the new offset is that of the
 * first record without one, and the ack map says of each record above it whether it has one. With
 * that, every record has one message, no offset is committed above an unfinished one, and what is
 * done is known to who comes next, always. A record that was done when its partition was assigned
 * is handed out all the same, as Kafka would, and world_check sees to it that it is not judged
 * again. The first thing found wrong stays in `violation`: an assertion belongs to the caller, so
 * that a test can seed a defect and see it found. What the pipeline is handed lives on the heap and
 * is freed as early as the contract allows. Header only. */
#ifndef RBR_TESTS_FIXTURE_BROKER_H
#define RBR_TESTS_FIXTURE_BROKER_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proto/reward.pb-c.h"
#include "stream/ackmap.h"
#include "stream/sink.h"
#include "stream/source.h"

enum { BROKER_PARTITIONS = 8, BROKER_RECORDS = 8192, BROKER_HEADERS = 128 };
#define BROKER_TOPIC "in"

struct broker_record {
    int64_t offset;
    struct str key, value;
    struct header *headers;
    size_t n_headers;
    bool malformed; /* must become a dead letter, and no other may for its contents */
    const char *quarantined; /* must become one by reference, for this reason; NULL: must not */
    const char *unreadable; /* the source says so; NULL: it can be read */
    bool done; /* has its message, or was lost */
};

struct broker_log {
    struct broker_record *records;
    size_t n, cap;
    int64_t start; /* what lies below was deleted */
    int64_t end; /* offset of the next record */
    int64_t committed;
    struct str map; /* committed with it */
    bool has_committed; /* else `committed` is where the group starts */
    size_t n_committed; /* records done without one before them that is not */
    size_t lost; /* records deleted before they were done */
    size_t again; /* records done whose map was spoilt: they get a second message */
    struct member *owner; /* in the group's eyes; the member may not know yet */
};

struct broker_message {
    struct sink_record record; /* a copy */
    int64_t offset; /* of the input record */
    size_t batch;
    Rbr__V1__Status status; /* UNSPECIFIED: a dead letter */
    Rbr__V1__Reason reason;
};

/* What goes wrong on the way to the broker on purpose, once: to prove that it is found. */
enum broker_defect {
    DEFECT_NONE,
    DEFECT_COMMIT_ONE_MORE,
    DEFECT_COMMIT_ONE_LESS,
    DEFECT_COMMIT_AGAIN,
    DEFECT_DROP_MESSAGE,
    DEFECT_PUBLISH_TWICE,
    DEFECT_SWAP,
    DEFECT_NO_MAP,
    DEFECT_OLD_MAP,
    DEFECT_MAP_ONE_MORE,
    DEFECT_MAP_ONE_LESS,
    DEFECT_LOSE_KEY,
    DEFECT_DEFAULT_REWARD,
    DEFECT_WRONG_SUM,
    DEFECTS,
};

struct broker {
    struct clock_fixture *clock;
    struct arena memory; /* records and messages */
    struct broker_log logs[BROKER_PARTITIONS];
    struct broker_message *messages;
    size_t n_messages, cap_messages;
    size_t batches; /* committed */
    size_t limit[2]; /* bytes of a message, by enum sink_topic; 0: any size */
    size_t metadata_limit; /* bytes with an offset */
    uint64_t early; /* records whose message came before that of an earlier record */
    enum broker_defect defect; /* NONE again once it was put in */
    uint64_t trace; /* hash over everything that happened */
    char violation[512];
};

/* How a batch ends. */
struct batch_end {
    int64_t delay_us;
    enum sink_outcome outcome;
    bool visible; /* with FAILED: it took effect all the same */
    bool early; /* it takes effect at once, only the answer takes its time */
};

enum member_state { MEMBER_IDLE, MEMBER_ASSIGNED, MEMBER_REVOKING, MEMBER_LEFT };

struct member {
    struct broker *broker;
    struct source source;
    struct sink sink;
    struct source_listener listener;
    enum member_state state;
    /* Set by the test: what the next poll tells the listener. */
    bool to_assign, to_revoke, to_lose, to_fail, to_vanish;
    struct err failure;
    int64_t close_takes_us; /* until the group has taken note */
    int64_t closed_us;
    bool told_lost, closing, failed;
    char *topic;
    size_t n_assigned;
    int32_t assigned[BROKER_PARTITIONS];
    size_t position[BROKER_PARTITIONS]; /* index of the next record, by partition */
    bool stutter[BROKER_PARTITIONS]; /* the record before is read again, once */
    bool done[BROKER_PARTITIONS][BROKER_RECORDS]; /* when assigned, by index of the record */
    uint64_t fresh; /* reads of records that were not */
    bool dead; /* its process was killed: nothing it does has an effect */
    size_t held; /* records handed out and not released */
    uint64_t reads, assignments, revokes_done;

    struct sink_batch *batch; /* being published */
    struct batch_end end;
    int64_t batch_due_us;
    uint64_t batch_hash;
    bool in_effect;
    size_t publishes;
    int64_t published_us; /* when the last batch came */
    struct batch_end (*answer)(void *arg, const struct sink_batch *b); /* NULL: committed in 5 ms */
    void *arg;
};

/* ---- bookkeeping */

static inline void broker_violation(struct broker *b, const char *fmt, ...) RBR_PRINTF(2, 3);

static inline void broker_violation(struct broker *b, const char *fmt, ...)
{
    va_list args;
    if (b->violation[0] != '\0')
        return;
    va_start(args, fmt);
    (void)vsnprintf(b->violation, sizeof(b->violation), fmt, args);
    va_end(args);
}

static inline uint64_t broker_hash(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return (h ^ s.n) * 0x100000001b3u;
}

static inline uint64_t broker_hash_record(uint64_t h, const struct sink_record *r)
{
    int64_t numbers[] = {(int64_t)r->to, r->partition, r->key.p == NULL, r->value.p == NULL};
    h = broker_hash(h, (struct str){(const char *)numbers, sizeof(numbers)});
    h = broker_hash(broker_hash(h, r->key), r->value);
    for (size_t i = 0; i < r->n_headers; i++)
        h = broker_hash(broker_hash(h, r->headers[i].name), r->headers[i].value);
    return h;
}

static inline uint64_t broker_hash_batch(const struct sink_batch *b)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < b->n_records; i++)
        h = broker_hash_record(h, &b->records[i]);
    for (size_t i = 0; i < b->n_offsets; i++) {
        h = (broker_hash(h, b->offsets[i].topic) ^ (uint64_t)b->offsets[i].offset) * 0x100000001b3u;
        h = broker_hash(h, b->offsets[i].metadata);
    }
    return h;
}

static inline void broker_trace(struct broker *b, const char *what, int64_t x, int64_t y)
{
    int64_t numbers[] = {b->clock->now_us, x, y};
    b->trace = broker_hash(b->trace, str_z(what));
    b->trace = broker_hash(b->trace, (struct str){(const char *)numbers, sizeof(numbers)});
}

static inline struct str broker_keep(struct broker *b, struct str s)
{
    if (s.p != NULL && !arena_copy(&b->memory, s, &s))
        abort();
    return s;
}

static inline struct header *broker_keep_headers(struct broker *b, const struct header *from,
                                                 size_t n)
{
    struct header *to = arena_array(&b->memory, n + 1, sizeof(*to));
    for (size_t i = 0; i < n; i++)
        to[i] = (struct header){broker_keep(b, from[i].name), broker_keep(b, from[i].value)};
    return to;
}

static inline void broker_init(struct broker *b, struct clock_fixture *clock)
{
    *b = (struct broker){
        .clock = clock, .trace = 0xcbf29ce484222325u, .metadata_limit = ACKMAP_TEXT_MAX};
    arena_init(&b->memory, SIZE_MAX / 2);
}

static inline void broker_done(struct broker *b)
{
    for (size_t i = 0; i < BROKER_PARTITIONS; i++)
        mem_free(b->logs[i].records);
    mem_free(b->messages);
    arena_done(&b->memory);
}

/* ---- the input */

static inline struct broker_record *broker_append(struct broker *b, int32_t partition,
                                                  struct str key, struct str value)
{
    struct broker_log *log = &b->logs[partition];
    void *records = log->records;
    mem_grow(&records, &log->cap, log->n, sizeof(*log->records));
    log->records = records;
    struct broker_record *r = &log->records[log->n++];
    *r = (struct broker_record){
        .offset = log->end++, .key = broker_keep(b, key), .value = broker_keep(b, value)};
    return r;
}

static inline struct broker_record *broker_find(struct broker_log *log, int64_t offset)
{
    for (size_t low = 0, high = log->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        struct broker_record *r = &log->records[middle];
        if (r->offset == offset)
            return r;
        if (r->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static inline void broker_count_committed(struct broker_log *log)
{
    while (log->n_committed < log->n && log->records[log->n_committed].done)
        log->n_committed++;
}

/* Retention: what lies below `start` is gone, done or not. */
static inline void broker_trim(struct broker *b, int32_t partition, int64_t start)
{
    struct broker_log *log = &b->logs[partition];
    log->start = start;
    for (size_t i = 0; i < log->n && log->records[i].offset < start; i++) {
        log->lost += !log->records[i].done;
        log->records[i].done = true;
    }
    broker_count_committed(log);
}

/* Another tool commits: with metadata that is not our map, what was done above is forgotten. */
static inline void broker_tamper(struct broker *b, int32_t partition, struct str metadata)
{
    struct broker_log *log = &b->logs[partition];
    log->map = broker_keep(b, metadata);
    for (size_t i = log->n_committed; i < log->n; i++) {
        log->again += log->records[i].done;
        log->records[i].done = false;
    }
}

/* Offsets without a record, as compaction and control markers leave them. */
static inline void broker_skip(struct broker *b, int32_t partition, int64_t offsets)
{
    b->logs[partition].end += offsets;
}

static inline bool broker_all_committed(const struct broker *b)
{
    for (size_t i = 0; i < BROKER_PARTITIONS; i++)
        if (b->logs[i].n_committed < b->logs[i].n)
            return false;
    return true;
}

/* ---- checking messages */

static inline struct str broker_header(const struct sink_record *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_eq(r->headers[i].name, str_z(name)))
            return r->headers[i].value;
    return (struct str){0};
}

static inline bool broker_same(struct str a, struct str b)
{
    return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

static inline Rbr__V1__Reward *broker_unpack(struct str value)
{
    return rbr__v1__reward__unpack(NULL, value.n, (const uint8_t *)value.p);
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
        if (r->key.p != NULL || r->value.p != NULL || b->limit[0] == 0)
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
    if (r->to == SINK_DEAD_LETTERS)
        return strtoll(broker_header(r, "__connect.errors.offset").p, NULL, 10);
    Rbr__V1__Reward *m = broker_unpack(r->value);
    if (m != NULL && m->source != NULL)
        offset = m->source->offset;
    if (m != NULL)
        rbr__v1__reward__free_unpacked(m, NULL);
    return offset;
}

/* ---- batches */

/* A batch as the broker receives it: copied, so that a defect can be put in. */
struct received {
    struct sink_record *records;
    size_t n_records;
    struct sink_offset *offsets;
    size_t n_offsets;
};

/* False when this record has nothing that could be spoilt so. */
static inline bool broker_spoil_reward(struct broker *b, struct sink_record *r)
{
    bool spoilt = false;
    Rbr__V1__Reward *m = r->to == SINK_REWARDS ? broker_unpack(r->value) : NULL;
    if (m == NULL)
        return false;
    if (b->defect == DEFECT_DEFAULT_REWARD && m->reward_presence_case == 0) {
        m->reward_presence_case = RBR__V1__REWARD__REWARD_PRESENCE_REWARD;
        m->reward = 1;
        spoilt = true;
    } else if (b->defect == DEFECT_WRONG_SUM && m->reward_presence_case != 0) {
        m->reward += 1e-9;
        spoilt = true;
    }
    if (spoilt) {
        uint8_t *packed = arena_alloc(&b->memory, rbr__v1__reward__get_packed_size(m));
        r->value = (struct str){(char *)packed, rbr__v1__reward__pack(m, packed)};
    }
    rbr__v1__reward__free_unpacked(m, NULL);
    return spoilt;
}

static inline bool broker_is_gap(struct broker_log *log, int64_t offset)
{
    return broker_find(log, offset) == NULL && offset < log->end;
}

/* Spoils the map that goes with the first offset; false when it is as good as before. */
static inline bool broker_spoil_map(struct broker *b, struct sink_offset *o)
{
    struct ackmap map;
    struct str before = o->metadata;
    if (ackmap_decode(before, o->offset, &map) != ACKMAP_GOOD)
        return false;
    char *text = arena_alloc(&b->memory, ACKMAP_TEXT_MAX);
    switch (b->defect) {
    case DEFECT_NO_MAP:
        o->metadata = (struct str){0};
        return true;
    case DEFECT_OLD_MAP:
        o->metadata = b->logs[o->partition].map;
        return !str_eq(o->metadata, before);
    case DEFECT_MAP_ONE_MORE:
        ackmap_set(&map, map.n);
        o->metadata = (struct str){text, ackmap_encode(&map, o->offset, text)};
        return true;
    case DEFECT_MAP_ONE_LESS:
        if (map.n == 0)
            return false;
        map.n--;
        map.done[map.n / 8] &= (uint8_t) ~(1u << (map.n % 8));
        while (map.n > 0 && !ackmap_get(&map, map.n - 1))
            map.n--;
        o->metadata = (struct str){text, ackmap_encode(&map, o->offset, text)};
        return true;
    default:
        return false;
    }
}

static inline bool broker_spoil(struct broker *b, struct received *in)
{
    struct sink_record *r = in->records, last = r[in->n_records - 1];
    struct sink_offset *o = &in->offsets[0];
    switch (b->defect) {
    case DEFECT_COMMIT_ONE_MORE:
        if (broker_is_gap(&b->logs[o->partition], o->offset))
            return false;
        o->offset++;
        return true;
    case DEFECT_COMMIT_ONE_LESS:
        o->offset--;
        return true;
    case DEFECT_COMMIT_AGAIN: {
        int64_t before = o->offset;
        o->offset = b->logs[o->partition].committed;
        return o->offset != before;
    }
    case DEFECT_NO_MAP:
    case DEFECT_OLD_MAP:
    case DEFECT_MAP_ONE_MORE:
    case DEFECT_MAP_ONE_LESS:
        return broker_spoil_map(b, o);
    case DEFECT_DROP_MESSAGE:
        in->n_records--;
        return true;
    case DEFECT_PUBLISH_TWICE:
        r[in->n_records++] = last;
        return true;
    case DEFECT_SWAP:
        if (in->n_records < 2 || r[0].partition != r[1].partition)
            return false;
        last = r[0];
        r[0] = r[1];
        r[1] = last;
        return true;
    case DEFECT_LOSE_KEY:
        if (r[0].key.p == NULL)
            return false;
        r[0].key = (struct str){0};
        return true;
    case DEFECT_DEFAULT_REWARD:
    case DEFECT_WRONG_SUM:
        for (size_t i = 0; i < in->n_records; i++)
            if (broker_spoil_reward(b, &r[i]))
                return true;
        return false;
    case DEFECT_NONE:
    case DEFECTS:
        break;
    }
    return false;
}

static inline void broker_take_message(struct broker *b, const struct broker_record *in,
                                       const struct sink_record *r)
{
    void *messages = b->messages;
    mem_grow(&messages, &b->cap_messages, b->n_messages, sizeof(*b->messages));
    b->messages = messages;
    struct broker_message *m = &b->messages[b->n_messages++];
    *m = (struct broker_message){.record = *r, .offset = in->offset, .batch = b->batches};
    m->record.key = broker_keep(b, r->key);
    m->record.value = broker_keep(b, r->value);
    m->record.headers = broker_keep_headers(b, r->headers, r->n_headers);
    if (r->to == SINK_REWARDS)
        broker_check_reward(b, in, m);
    else
        broker_check_dead_letter(b, in, m);
}

static inline void broker_take_messages(struct broker *b, const struct received *in,
                                        int32_t partition)
{
    struct broker_log *log = &b->logs[partition];
    int64_t last = -1;
    for (size_t i = 0; i < in->n_records; i++) {
        const struct sink_record *r = &in->records[i];
        if (r->partition != partition)
            continue;
        int64_t offset = broker_input_offset(r);
        struct broker_record *want = broker_find(log, offset);
        if (want == NULL || want->done || offset <= last) {
            broker_violation(b, "partition %" PRId32 ": message of offset %" PRId64 " %s",
                             partition, offset,
                             want == NULL ? "from nowhere"
                             : want->done ? "again"
                                          : "out of turn");
            return;
        }
        b->early += want > &log->records[log->n_committed];
        broker_take_message(b, want, r);
        want->done = true;
        last = offset;
        broker_count_committed(log);
    }
}

/* What the map says of each record above the offset, against what is so. */
static inline void broker_check_map(struct broker *b, const struct broker_log *log,
                                    const struct sink_offset *o)
{
    struct ackmap map;
    size_t done = 0;
    enum ackmap_fault fault = ackmap_decode(o->metadata, o->offset, &map);
    for (size_t i = 0; i < log->n; i++) {
        const struct broker_record *r = &log->records[i];
        if (r->offset < o->offset)
            continue;
        if (ackmap_get(&map, (size_t)(r->offset - o->offset)) != r->done)
            broker_violation(b,
                             "partition %" PRId32 ": the map of %" PRId64 " is wrong at %" PRId64,
                             o->partition, o->offset, r->offset);
        done += r->done;
    }
    if (ackmap_count(&map) != done)
        broker_violation(b, "partition %" PRId32 ": the map holds offsets that are not there",
                         o->partition);
    if (fault != ACKMAP_GOOD && b->metadata_limit == ACKMAP_TEXT_MAX)
        broker_violation(b, "partition %" PRId32 ": the map of %" PRId64 ": %s", o->partition,
                         o->offset, ackmap_fault_text(fault));
}

static inline void broker_take_offset(struct broker *b, const struct received *in,
                                      const struct sink_offset *o)
{
    struct broker_log *log = &b->logs[o->partition];
    if (!str_eq(o->topic, STR(BROKER_TOPIC)) || o->offset < log->committed || o->offset > log->end)
        broker_violation(b, "partition %" PRId32 ": offset %" PRId64 " committed after %" PRId64,
                         o->partition, o->offset, log->committed);
    broker_take_messages(b, in, o->partition);
    /* A gap below what a map says is done is passed only when the log was read past it. */
    const struct broker_record *at = broker_find(log, o->offset);
    bool less = at != NULL && at->done;
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

/* False: fenced, a partition is no longer the publisher's. */
static inline bool broker_take_batch(struct broker *b, struct member *m,
                                     const struct sink_batch *batch)
{
    for (size_t i = 0; i < batch->n_offsets; i++)
        if (b->logs[batch->offsets[i].partition].owner != m)
            return false;
    size_t n = batch->n_records;
    struct received in = {
        .records = mem_array(n + 1, sizeof(struct sink_record)),
        .n_records = n,
        .offsets = mem_copy(batch->offsets, batch->n_offsets * sizeof(struct sink_offset)),
        .n_offsets = batch->n_offsets,
    };
    memcpy(in.records, batch->records, n * sizeof(struct sink_record));
    if (broker_spoil(b, &in))
        b->defect = DEFECT_NONE;
    size_t before = b->n_messages;
    for (size_t i = 0; i < in.n_offsets; i++)
        broker_take_offset(b, &in, &in.offsets[i]);
    if (b->n_messages - before != in.n_records)
        broker_violation(b, "a batch holds messages of partitions that it does not commit");
    for (size_t i = before; i < b->n_messages; i++)
        b->trace = broker_hash_record(b->trace, &b->messages[i].record);
    b->batches++;
    mem_free(in.records);
    mem_free(in.offsets);
    return true;
}

/* ---- the sink port */

static inline struct member *member_of_sink(struct sink *port)
{
    return CONTAINER_OF(port, struct member, sink);
}

static inline size_t broker_size(const struct sink_record *r)
{
    size_t n = r->key.n + r->value.n;
    for (size_t i = 0; i < r->n_headers; i++)
        n += r->headers[i].name.n + r->headers[i].value.n;
    return n;
}

static inline bool member_sizes_fit(const struct broker *b, struct sink_batch *batch)
{
    bool fit = true;
    for (size_t i = 0; i < batch->n_records; i++) {
        struct sink_record *r = &batch->records[i];
        size_t limit = b->limit[r->to];
        r->too_large = limit > 0 && broker_size(r) > limit;
        fit = fit && !r->too_large;
    }
    return fit;
}

static inline void member_publish(struct sink *port, struct sink_batch *batch)
{
    struct member *m = member_of_sink(port);
    struct broker *b = m->broker;
    if (m->batch != NULL || batch->n_records == 0 || batch->n_offsets == 0 || batch->done == NULL)
        broker_violation(b, "a batch on top of another, or without contents");
    if (m->failed)
        broker_violation(b, "a batch after one that failed");
    if (m->told_lost || (m->state != MEMBER_ASSIGNED && m->state != MEMBER_REVOKING))
        broker_violation(b, "a batch outside an assignment");
    for (size_t i = 0; i < batch->n_offsets; i++) {
        bool ours = false;
        for (size_t k = 0; k < m->n_assigned; k++)
            ours = ours || m->assigned[k] == batch->offsets[i].partition;
        if (!ours)
            broker_violation(b, "a batch for a partition that is not assigned");
    }
    m->batch = batch;
    m->end = (struct batch_end){.delay_us = 5000};
    if (m->answer != NULL)
        m->end = m->answer(m->arg, batch);
    if (!member_sizes_fit(b, batch))
        m->end = (struct batch_end){.delay_us = 1000, .outcome = SINK_ABORTED};
    m->batch_hash = broker_hash_batch(batch);
    m->batch_due_us = b->clock->now_us + m->end.delay_us;
    m->published_us = b->clock->now_us;
    m->publishes++;
    batch->metadata_too_large = false;
    for (size_t i = 0; i < batch->n_offsets; i++)
        batch->metadata_too_large =
            batch->metadata_too_large || batch->offsets[i].metadata.n > b->metadata_limit;
    if (batch->metadata_too_large)
        m->end = (struct batch_end){.delay_us = 1000, .outcome = SINK_ABORTED};
    broker_trace(b, "publish", (int64_t)batch->n_records, batch->offsets[0].offset);
    bool lands = m->end.outcome == SINK_COMMITTED || m->end.visible;
    m->in_effect = lands && m->end.early && broker_take_batch(b, m, batch);
}

static inline void member_sink_poll(struct sink *port)
{
    struct member *m = member_of_sink(port);
    struct broker *b = m->broker;
    struct sink_batch *batch = m->batch;
    if (batch == NULL || b->clock->now_us < m->batch_due_us)
        return;
    if (broker_hash_batch(batch) != m->batch_hash)
        broker_violation(b, "a batch changed while it was on its way");
    enum sink_outcome outcome = m->end.outcome;
    bool lands = !m->dead && (outcome == SINK_COMMITTED || m->end.visible);
    if (lands && !m->in_effect && !broker_take_batch(b, m, batch) && outcome == SINK_COMMITTED)
        outcome = SINK_ABORTED;
    m->batch = NULL;
    m->failed = outcome == SINK_FAILED;
    batch->outcome = outcome;
    if (outcome != SINK_COMMITTED)
        (void)err_set(&batch->err, ERR_KAFKA, "the broker said no");
    broker_trace(b, "batch", (int64_t)outcome, 0);
    batch->done(batch);
}

static inline void member_sink_close(struct sink *port)
{
    (void)port;
}

/* ---- the source port */

static inline struct member *member_of_source(struct source *port)
{
    return CONTAINER_OF(port, struct member, source);
}

static inline void member_listen(struct source *port, const struct source_listener *l)
{
    member_of_source(port)->listener = *l;
}

static inline void member_take_assignment(struct member *m)
{
    struct broker *b = m->broker;
    struct source_partition told[BROKER_PARTITIONS];
    m->to_assign = false;
    m->told_lost = false;
    m->state = MEMBER_ASSIGNED;
    m->topic = mem_strdup(BROKER_TOPIC);
    m->n_assigned = 0;
    m->assignments++;
    for (int32_t i = 0; i < BROKER_PARTITIONS; i++) {
        struct broker_log *log = &b->logs[i];
        if (log->owner != m)
            continue;
        int64_t from = log->committed > log->start ? log->committed : log->start;
        for (m->position[i] = 0; m->position[i] < log->n; m->position[i]++)
            if (log->records[m->position[i]].offset >= from)
                break;
        for (size_t k = 0; k < BROKER_RECORDS; k++)
            m->done[i][k] = k < log->n && log->records[k].done;
        told[m->n_assigned] = (struct source_partition){
            .topic = str_z(m->topic),
            .partition = i,
            .offset = from,
            .committed = log->has_committed ? log->committed : -1,
            .end = log->end,
            .metadata = {mem_copy(log->map.p != NULL ? log->map.p : "", log->map.n), log->map.n}};
        m->assigned[m->n_assigned++] = i;
    }
    broker_trace(b, "assigned", (int64_t)m->n_assigned, m->n_assigned > 0 ? told[0].partition : -1);
    m->listener.assigned(m->listener.arg, told, m->n_assigned);
    for (size_t i = 0; i < m->n_assigned; i++) /* valid inside only */
        mem_free((void *)(uintptr_t)told[i].metadata.p);
}

static inline void member_end_assignment(struct member *m, bool lost)
{
    m->to_revoke = m->to_lose = false;
    m->state = MEMBER_REVOKING;
    m->told_lost = m->told_lost || lost;
    broker_trace(m->broker, lost ? "lost" : "revoked", 0, 0);
    if (lost)
        m->listener.lost(m->listener.arg);
    else
        m->listener.revoked(m->listener.arg);
}

static inline void member_leave(struct member *m)
{
    m->state = MEMBER_LEFT;
    broker_trace(m->broker, "closed", 0, 0);
    m->listener.closed(m->listener.arg);
}

static inline void member_poll(struct source *port)
{
    struct member *m = member_of_source(port);
    if (m->to_fail) {
        m->to_fail = false;
        m->listener.failed(m->listener.arg, &m->failure);
    }
    if (m->to_lose && (m->state == MEMBER_ASSIGNED || m->state == MEMBER_REVOKING))
        member_end_assignment(m, true);
    bool leaving = m->closing && m->broker->clock->now_us >= m->closed_us;
    if ((m->to_revoke || leaving) && m->state == MEMBER_ASSIGNED && !m->to_vanish)
        member_end_assignment(m, false);
    if (m->to_assign && m->state == MEMBER_IDLE && !m->closing)
        member_take_assignment(m);
    if (leaving && (m->state == MEMBER_IDLE || (m->to_vanish && m->state == MEMBER_ASSIGNED)))
        member_leave(m);
}

/* A record as it is handed out. */
struct member_record {
    struct header headers[BROKER_HEADERS];
    char *texts[2 * BROKER_HEADERS + 2];
    size_t n_texts;
};

static inline struct str member_copy(struct member_record *c, struct str s)
{
    if (s.p == NULL)
        return s;
    c->texts[c->n_texts] = mem_resize(NULL, s.n); /* exactly, so that reading on is seen */
    if (s.n > 0)
        memcpy(c->texts[c->n_texts], s.p, s.n);
    return (struct str){c->texts[c->n_texts++], s.n};
}

static inline bool member_next(struct source *port, size_t index, struct source_record *ret)
{
    struct member *m = member_of_source(port);
    struct broker *b = m->broker;
    if (m->state != MEMBER_ASSIGNED || index >= m->n_assigned) {
        broker_violation(b, "reading what is not assigned");
        return false;
    }
    int32_t partition = m->assigned[index];
    struct broker_log *log = &b->logs[partition];
    size_t *position = &m->position[partition];
    if (m->stutter[partition] && *position > 0)
        --*position;
    m->stutter[partition] = false;
    if (*position == log->n)
        return false;
    m->fresh += !m->done[partition][*position];
    const struct broker_record *r = &log->records[(*position)++];
    struct member_record *c = mem_alloc(sizeof(*c));
    *ret = (struct source_record){.offset = r->offset,
                                  .timestamp_ms = -1,
                                  .key = member_copy(c, r->key),
                                  .value = member_copy(c, r->value),
                                  .headers = c->headers,
                                  .n_headers = r->n_headers,
                                  .unreadable = r->unreadable,
                                  .impl = c};
    for (size_t i = 0; i < r->n_headers; i++)
        c->headers[i] = (struct header){member_copy(c, r->headers[i].name),
                                        member_copy(c, r->headers[i].value)};
    m->held++;
    m->reads++;
    return true;
}

static inline void member_release(struct source *port, struct source_record *r)
{
    struct member *m = member_of_source(port);
    struct member_record *c = r->impl;
    if (c == NULL || (m->state == MEMBER_LEFT && !m->to_vanish)) {
        broker_violation(m->broker, "a record released twice, or after the source closed");
        if (c == NULL)
            return;
    }
    for (size_t i = 0; i < c->n_texts; i++)
        mem_free(c->texts[i]);
    mem_free(c);
    r->impl = NULL;
    m->held--;
}

static inline void member_revoke_done(struct source *port)
{
    struct member *m = member_of_source(port);
    struct broker *b = m->broker;
    if (m->state != MEMBER_REVOKING || m->batch != NULL || m->held > 0)
        broker_violation(b, "an assignment given back at the wrong time");
    for (size_t i = 0; i < BROKER_PARTITIONS; i++)
        if (b->logs[i].owner == m)
            b->logs[i].owner = NULL;
    m->state = MEMBER_IDLE;
    m->n_assigned = 0;
    m->revokes_done++;
    mem_free(m->topic);
    m->topic = NULL;
    broker_trace(b, "given back", 0, 0);
}

static inline void member_close(struct source *port)
{
    struct member *m = member_of_source(port);
    m->closing = true;
    m->closed_us = m->broker->clock->now_us + m->close_takes_us;
}

static inline void member_init(struct member *m, struct broker *b)
{
    *m = (struct member){
        .broker = b,
        .source = {member_listen, member_poll, member_next, member_release, member_revoke_done,
                   member_close},
        .sink = {member_publish, member_sink_poll, member_sink_close},
    };
}

static inline void member_done(struct member *m)
{
    mem_free(m->topic);
}

/* Partitions first .. first + n - 1 are the member's; it hears of it at its next poll. */
static inline void broker_assign(struct broker *b, struct member *m, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        b->logs[i].owner = m;
    m->to_assign = true;
}

/* The member's process is killed. What it had sent last, and was not answered, may have arrived
 * whole, or will never: before anybody reads the committed offsets that is decided. */
static inline void broker_kill(struct broker *b, struct member *m, bool lands)
{
    struct sink_batch *batch = m->batch;
    bool would = batch != NULL && (m->end.outcome == SINK_COMMITTED || m->end.visible);
    if (lands && would && !m->in_effect)
        (void)broker_take_batch(b, m, batch);
    for (size_t i = 0; i < BROKER_PARTITIONS; i++)
        if (b->logs[i].owner == m)
            b->logs[i].owner = NULL;
    /* What follows only takes apart what a process would have lost with its memory. */
    m->dead = true;
    m->end.outcome = SINK_ABORTED;
    m->batch_due_us = b->clock->now_us;
    m->to_assign = m->to_revoke = m->to_fail = m->to_vanish = false;
    m->to_lose = true;
    m->close_takes_us = 0;
    m->closed_us = b->clock->now_us; /* it may be leaving already */
}

/* The group goes on without the member, which does not know yet. */
static inline void broker_kick(struct broker *b, const struct member *m)
{
    for (size_t i = 0; i < BROKER_PARTITIONS; i++)
        if (b->logs[i].owner == m)
            b->logs[i].owner = NULL;
}

/* When its poll has something to do. */
static inline int64_t member_due(const struct member *m)
{
    bool assigned = m->state == MEMBER_ASSIGNED, idle = m->state == MEMBER_IDLE;
    int64_t due = m->batch != NULL ? m->batch_due_us : CLOCK_NEVER;
    if (m->to_fail || (m->to_lose && (assigned || m->state == MEMBER_REVOKING)) ||
        (assigned && m->to_revoke) || (idle && m->to_assign && !m->closing))
        return m->broker->clock->now_us;
    if (m->closing && (assigned || idle) && m->closed_us < due)
        due = m->closed_us;
    return due;
}

#endif
