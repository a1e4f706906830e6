/* A member of the group: the source port and the sink port of one worker, on the broker of
 * fixture_broker.h. The test says when it is assigned, revoked, thrown out or killed, and how its
 * batches end.
 *
 * A record that was done when its partition was assigned is handed out all the same, as Kafka
 * would, and world_check sees to it that it is not judged again. What the pipeline is handed lives
 * on the heap and is freed as early as the contract allows. Header only. */
#ifndef RBR_TESTS_FIXTURE_MEMBER_H
#define RBR_TESTS_FIXTURE_MEMBER_H

#include "fixture_broker.h"

/* How a batch ends. */
struct batch_end {
    int64_t delay_us;
    enum sink_outcome outcome;
    bool visible; /* with FAILED: it took effect all the same */
    bool early; /* it takes effect at once, only the answer takes its time */
    bool unknown; /* whether it is in is asked afterwards, and that is the outcome */
    size_t exposed; /* at least once: so many messages are visible all the same */
    bool twin; /* with FAILED: fenced by a live one */
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
    int64_t passed[BROKER_PARTITIONS]; /* below: handed out, or not there */
    bool stutter[BROKER_PARTITIONS]; /* the record before is read again, once */
    bool done[BROKER_PARTITIONS][BROKER_RECORDS]; /* when assigned, by index of the record */
    uint64_t fresh; /* reads of records that were not */
    bool dead; /* its process was killed: nothing it does has an effect */
    size_t held; /* records handed out and not released */
    uint64_t reads, assignments, revokes_done;
    uint64_t maps_refused, lost; /* what an owner should have found so far */

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

static inline bool member_sizes_fit(struct broker *b, struct sink_batch *batch)
{
    bool fit = true;
    for (size_t i = 0; i < batch->n_records; i++) {
        struct sink_record *r = &batch->records[i];
        size_t limit = b->limit[r->to];
        r->too_large = limit > 0 && broker_size(r) > limit;
        b->seen[FAULT_TOO_LARGE] += r->too_large;
        fit = fit && !r->too_large;
    }
    return fit;
}

/* Whether the batch on its way takes effect, when its partitions are still the member's. */
static inline bool member_lands(const struct member *m)
{
    return m->end.outcome == SINK_COMMITTED || m->end.visible;
}

static inline void member_publish(struct sink *port, struct sink_batch *batch)
{
    struct member *m = member_of_sink(port);
    struct broker *b = m->broker;
    if (m->batch != NULL || batch->n_offsets == 0 || batch->done == NULL)
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
    batch->metadata_too_large = false;
    for (size_t i = 0; i < batch->n_offsets; i++)
        batch->metadata_too_large =
            batch->metadata_too_large || batch->offsets[i].metadata.n > b->metadata_limit;
    if (batch->metadata_too_large) {
        b->seen[FAULT_METADATA]++;
        b->metadata_refused = true;
        m->end = (struct batch_end){.delay_us = 1000, .outcome = SINK_ABORTED};
    }
    m->batch_hash = broker_hash_batch(batch);
    m->batch_due_us = b->clock->now_us + m->end.delay_us;
    m->published_us = b->clock->now_us;
    m->publishes++;
    broker_trace(b, "publish", (int64_t)batch->n_records, batch->offsets[0].offset);
    m->in_effect = m->end.early && member_lands(m) && broker_take_batch(b, m, batch);
}

/* At least once, what was sent may be visible though the answer was no, or is not known. */
static inline void member_expose(struct member *m, const struct sink_batch *batch,
                                 enum sink_outcome outcome)
{
    size_t most = member_lands(m) ? batch->n_records : m->end.exposed;
    if (m->broker->at_least_once && outcome != SINK_COMMITTED)
        broker_expose(m->broker, m, batch, most, m->in_effect);
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
    if (!m->dead && member_lands(m) && !m->in_effect)
        m->in_effect = broker_take_batch(b, m, batch);
    if (outcome == SINK_COMMITTED && !m->in_effect)
        outcome = SINK_ABORTED;
    if (m->end.unknown && !m->dead)
        outcome = broker_has_committed(b, batch) ? SINK_COMMITTED : SINK_ABORTED;
    if (!m->dead)
        member_expose(m, batch, outcome);
    m->batch = NULL;
    m->failed = outcome == SINK_FAILED;
    batch->outcome = outcome;
    if (outcome != SINK_COMMITTED)
        (void)err_set(&batch->err, m->end.twin ? ERR_FENCED : ERR_KAFKA, "the broker said no");
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

/* What is below the start of the log is lost now, if it was not done; and what resume should say.
 */
static inline void member_take_over(struct member *m, struct broker_log *log)
{
    struct broker *b = m->broker;
    struct ackmap map;
    bool good = ackmap_decode(log->map, log->committed, &map) == ACKMAP_GOOD &&
                log->committed + (int64_t)map.n <= log->end;
    if (log->has_committed) {
        m->maps_refused += !good;
        for (int64_t o = log->committed; o < log->start; o++)
            m->lost += !good || !ackmap_get(&map, (size_t)(o - log->committed));
        b->seen[FAULT_RETENTION] += log->committed < log->start;
    }
    for (size_t i = 0; i < log->n && log->records[i].offset < log->start; i++) {
        if (log->records[i].done)
            continue;
        broker_forget(b, log, &log->records[i]);
        b->seen[FAULT_LOST_RECORD]++;
    }
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
        member_take_over(m, log);
        int64_t from = log->committed > log->start ? log->committed : log->start;
        m->passed[i] = from;
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
    m->broker->seen[FAULT_LOST] += lost && !m->dead;
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
    if (b->clock->now_us < b->down_until_us)
        return false;
    if (m->stutter[partition] && *position > 0) {
        --*position;
        b->seen[FAULT_REREAD]++;
    }
    m->stutter[partition] = false;
    while (*position < log->n && log->records[*position].gone)
        ++*position;
    if (*position == log->n) {
        m->passed[partition] = log->end;
        return false;
    }
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
    m->passed[partition] = r->offset + 1;
    m->held++;
    m->reads++;
    return true;
}

static inline int64_t member_position(struct source *port, size_t index)
{
    struct member *m = member_of_source(port);
    return m->passed[m->assigned[index]];
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
        .source = {member_listen, member_poll, member_next, member_release, member_position,
                   member_revoke_done, member_close},
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
    bool late = batch != NULL && lands && member_lands(m) && !m->in_effect;
    b->seen[batch == NULL  ? FAULT_KILL_IDLE
            : m->in_effect ? FAULT_KILL_AFTER
            : late         ? FAULT_KILL_LATE
                           : FAULT_KILL_BEFORE]++;
    if (late)
        m->in_effect = broker_take_batch(b, m, batch);
    if (batch != NULL && b->at_least_once && !m->in_effect)
        broker_expose(b, m, batch, m->end.exposed, false);
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
