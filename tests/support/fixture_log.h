/* What Kafka keeps, on virtual time: input logs, the group's offsets, and what was published.
 *
 * A test writes the logs here and looks at the messages; fixture_broker.h is what checks a batch,
 * fixture_member.h how a worker gets at it. The first thing found wrong stays in `violation`: an
 * assertion belongs to the caller, so that a test can seed a defect and see it found. Header only.
 */
#ifndef RBR_TESTS_FIXTURE_LOG_H
#define RBR_TESTS_FIXTURE_LOG_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fixture_faults.h"
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
    bool gone; /* deleted before it was done: lost, or compacted away */
    bool published; /* has a message, visible though its offset may not be committed */
    unsigned exposed; /* messages whose publisher does not know them committed: so many repeats */
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
    size_t lost; /* records deleted before they were done, compacted ones included */
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
    DEFECT_LOSE_SHADOW,
    DEFECTS,
};

struct broker {
    struct clock_fixture *clock;
    struct arena memory; /* records and messages */
    struct broker_log logs[BROKER_PARTITIONS];
    struct broker_message *messages;
    size_t n_messages, cap_messages;
    const char
        *shadow_policy; /* every reward comes with another, of this policy; NULL: none does */
    struct broker_message *shadows; /* these */
    size_t n_shadows, cap_shadows;
    size_t batches; /* committed */
    size_t limit[SINK_TOPICS]; /* bytes of a message, by enum sink_topic; 0: any size */
    size_t metadata_limit; /* bytes with an offset */
    bool metadata_refused; /* once: then an empty map may be left away */
    bool at_least_once; /* records are visible before their offsets, and without them */
    uint64_t repeats; /* messages of records that had one */
    int64_t down_until_us; /* nothing is read or published until then */
    uint64_t seen[FAULTS];
    uint64_t early; /* records whose message came before that of an earlier record */
    enum broker_defect defect; /* NONE again once it was put in */
    uint64_t trace; /* hash over everything that happened */
    char violation[512];
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
    mem_free(b->shadows);
    arena_done(&b->memory);
}

static inline Rbr__V1__Reward *broker_unpack(struct str value)
{
    return rbr__v1__reward__unpack(NULL, value.n, (const uint8_t *)value.p);
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

static inline bool broker_is_gap(struct broker_log *log, int64_t offset)
{
    return broker_find(log, offset) == NULL && offset < log->end;
}

static inline void broker_count_committed(struct broker_log *log)
{
    while (log->n_committed < log->n && log->records[log->n_committed].done)
        log->n_committed++;
}

/* Deleted before it was done: no message of it is owed. One that it has, at least once, is beyond
 * what was owed. */
static inline void broker_forget(struct broker *b, struct broker_log *log, struct broker_record *r)
{
    b->repeats += r->published;
    r->done = r->gone = r->published = true;
    log->lost++;
    broker_count_committed(log);
}

/* Retention as a group sees it: what lies below `start` can be read no more, but who has read it
 * may still finish it. When the partition is assigned next, what is not done is lost. */
static inline void broker_trim(struct broker *b, int32_t partition, int64_t start)
{
    b->logs[partition].start = start;
}

/* Another tool commits: with metadata that is not our map, what was done above is forgotten. */
static inline void broker_tamper(struct broker *b, int32_t partition, struct str metadata)
{
    struct broker_log *log = &b->logs[partition];
    log->map = broker_keep(b, metadata);
    for (size_t i = 0; i < log->n; i++) {
        struct broker_record *r = &log->records[i];
        if (r->offset < log->committed || !r->done || r->gone)
            continue;
        log->again++;
        r->done = r->published = false;
    }
    log->n_committed = 0;
    broker_count_committed(log);
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

#endif
