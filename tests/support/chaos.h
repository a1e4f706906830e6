/* What may happen to a group of workers, by chance: what the grader's server and the brokers
 * answer, what is written to the input and deleted from it, who is in the group, stopped or killed.
 * All of it comes from the one generator of random numbers in `struct sim`; test_simulation.c makes
 * runs of it. Header only. */
#ifndef RBR_TESTS_CHAOS_H
#define RBR_TESTS_CHAOS_H

#include "base/rng.h"
#include "fixture_worker.h"

/* One member of the group as the coordinator sees it. */
struct seat {
    bool leaving; /* told to stop */
    bool kicked; /* out of the group; it learns it at lose_us */
    int64_t lose_us;
    int64_t start_us; /* a vacant seat is taken then */
};

struct sim {
    struct world w;
    struct rng rng;
    uint64_t seed;
    size_t n_partitions, n_records, appended;
    struct pipeline_config config;
    struct seat seats[WORLD_WORKERS];
    bool calm; /* no faults any more */
    bool hangs_only; /* the grader's only fault */
    bool rebalancing;
    int64_t kick_us; /* who has not given its partitions back by then is thrown out */
    /* per cent, changing as moods do */
    uint64_t grader_faults, sink_faults;
    int64_t mood_us; /* when the next mood begins */
    int64_t heal_us;
    size_t metadata_limit; /* while nobody lowers it */
};

/* ---- chance */

static inline uint64_t below(struct sim *s, uint64_t n)
{
    return rng_below(&s->rng, n);
}

static inline bool percent(struct sim *s, uint64_t p)
{
    return below(s, 100) < p;
}

static inline int64_t between(struct sim *s, int64_t from, int64_t to)
{
    return from + (int64_t)below(s, (uint64_t)(to - from) + 1);
}

/* Small values as likely as large ones. */
static inline size_t spread(struct sim *s, size_t from, size_t to)
{
    size_t most = from;
    while (most < to && percent(s, 70))
        most = most * 2 + 1;
    return (size_t)between(s, (int64_t)from, (int64_t)(most < to ? most : to));
}

static inline void happens(struct sim *s, enum fault fault)
{
    s->w.broker.seen[fault]++;
    broker_trace(&s->w.broker, fault_texts[fault], 0, 0);
}

/* ---- the grader's server */

static inline struct fixture_reply faulty_reply(struct sim *s)
{
    static const struct {
        enum fault fault;
        struct fixture_reply reply;
    } faults[] = {
        {FAULT_GRADER_HANGS, {.delay_us = CLOCK_NEVER}},
        {FAULT_GRADER_BUSY, {.delay_us = 1000, .status = 429}},
        {FAULT_GRADER_BUSY, {.delay_us = 1000, .status = 429, .retry_after_us = 3 * SECOND}},
        {FAULT_GRADER_FAILS, {.delay_us = 2000, .status = 500}},
        {FAULT_GRADER_FAILS, {.delay_us = 2000, .status = 503}},
        {FAULT_GRADER_FAILS, {.delay_us = 2000, .status = 400}},
        {FAULT_GRADER_BABBLES, {.delay_us = 2000, .status = 200, .body = STR_INIT("<html>")}},
        {FAULT_GRADER_BABBLES,
         {.delay_us = 2000, .status = 200, .body = STR_INIT("{\"choices\":[]}")}},
        {FAULT_GRADER_BABBLES, {.delay_us = 2000, .status = 200}},
        {FAULT_GRADER_BREAKS, {.delay_us = 10, .outcome = TRANSPORT_CONNECT}},
        {FAULT_GRADER_BREAKS, {.delay_us = 5000, .outcome = TRANSPORT_RESET}},
        {FAULT_GRADER_BREAKS, {.delay_us = 5000, .outcome = TRANSPORT_TOO_LARGE}},
    };
    size_t i = below(s, ARRAY_LEN(faults));
    happens(s, faults[i].fault);
    return faults[i].reply;
}

static inline struct fixture_reply hang(struct sim *s)
{
    happens(s, FAULT_GRADER_HANGS);
    return (struct fixture_reply){.delay_us = CLOCK_NEVER};
}

static inline struct fixture_reply on_call(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct sim *s = arg;
    (void)call;
    if (!s->calm && s->hangs_only && percent(s, 1))
        return hang(s);
    if (!s->calm && !s->hangs_only && percent(s, s->grader_faults))
        return faulty_reply(s);
    double yes = 0.01 + 0.98 * rng_unit(&s->rng), mass = percent(s, 3) ? 0.1 : 1;
    return (struct fixture_reply){.delay_us = between(s, 1000, percent(s, 5) ? 5 * SECOND : 50000),
                                  .status = 200,
                                  .body = fixture_chat(text, yes * mass, (1 - yes) * mass)};
}

/* ---- the sink */

/* What comes back does not say whether the batch is in. At least once, the messages are. */
static inline void lose_outcome(struct sim *s, size_t n, struct batch_end *end)
{
    end->outcome = SINK_ABORTED;
    end->unknown = !s->w.broker.at_least_once;
    end->visible = percent(s, 50);
    end->exposed = n;
    happens(s, end->visible ? FAULT_UNKNOWN_LANDED : FAULT_UNKNOWN_LEFT_OUT);
}

static inline void fail_sink(struct sim *s, struct batch_end *end)
{
    end->outcome = SINK_FAILED;
    end->visible = percent(s, 50);
    end->twin = !end->visible && percent(s, 50);
    happens(s, end->visible ? FAULT_SINK_LANDED : end->twin ? FAULT_TWIN : FAULT_SINK_FAILED);
}

static inline struct batch_end on_batch(void *arg, const struct sink_batch *batch)
{
    struct sim *s = arg;
    int64_t away = s->w.broker.down_until_us - s->w.clock.now_us;
    struct batch_end end = {.delay_us = between(s, 500, percent(s, 5) ? 4 * SECOND : 30000),
                            .outcome = SINK_COMMITTED,
                            .early = percent(s, 50),
                            .exposed = below(s, batch->n_records + 1)};
    if (away > 0) {
        happens(s, FAULT_OUTAGE);
        return (struct batch_end){.delay_us = end.delay_us + away, .outcome = SINK_ABORTED};
    }
    if (s->calm || !percent(s, s->sink_faults))
        return end;
    uint64_t dice = below(s, 100);
    if (dice < 70) {
        end.outcome = SINK_ABORTED;
        happens(s, FAULT_DELIVERY);
    } else if (dice < 90) {
        lose_outcome(s, batch->n_records, &end);
    } else {
        fail_sink(s, &end);
    }
    return end;
}

/* ---- the producer */

static inline void append_malformed(struct sim *s, int32_t partition, struct str key)
{
    static const struct str values[] = {
        STR_INIT("{"),
        STR_INIT(""),
        {NULL, 0},
        STR_INIT("{\"id\":\"\xff\"}"),
        STR_INIT("\xff\xff"),
        STR_INIT("\0"),
        STR_INIT("{\"id\":\"x\",\"prompt\":\"u\"}"),
    };
    struct broker_record *r =
        broker_append(&s->w.broker, partition, key, values[below(s, ARRAY_LEN(values))]);
    struct header headers[] = {{STR("h"), STR("v")}, {STR("null"), {NULL, 0}}};
    r->malformed = true;
    happens(s, FAULT_MALFORMED);
    r->headers = broker_keep_headers(&s->w.broker, headers, 2);
    r->n_headers = below(s, 3);
}

static inline void append(struct sim *s)
{
    static const char *const types[] = {"plain", "plain", "plain", "checks", "unheard of"};
    char key[32], value[4096], deadline[64] = "";
    int32_t partition = (int32_t)below(s, s->n_partitions);
    int n = snprintf(key, sizeof(key), "key-%zu", s->appended);
    struct str k = {percent(s, 90) ? key : NULL, (size_t)n};
    s->appended++;
    if (k.p == NULL)
        k.n = 0;
    if (percent(s, 15)) { /* one: a control marker */
        happens(s, FAULT_GAP);
        broker_skip(&s->w.broker, partition, (int64_t)spread(s, 1, 200));
    }
    if (percent(s, 10)) {
        append_malformed(s, partition, k);
        return;
    }
    if (percent(s, 10))
        (void)snprintf(deadline, sizeof(deadline), ",\"deadline_ms\":%" PRId64,
                       clock_wall_ms(&s->w.clock.clock) + between(s, -2000, 10000));
    int large = percent(s, 8) ? 2500 : 1;
    size_t text = percent(s, 20) ? below(s, s->appended) : s->appended; /* completions repeat */
    n = snprintf(value, sizeof(value),
                 "{\"id\":\"r%zu\",\"prompt\":\"u\",\"completion\":\"text %zu\",\"response_type\":"
                 "\"%s\",\"labels\":{\"l\":\"%*s\"}%s}",
                 s->appended, text, types[below(s, ARRAY_LEN(types))], large, "x", deadline);
    (void)broker_append(&s->w.broker, partition, k, (struct str){value, (size_t)n});
}

/* ---- what happens to logs and offsets */

/* Index of the first record that no worker of the group has read and may still finish. */
static inline size_t first_unread(const struct broker_log *log, size_t partition)
{
    const struct member *m = log->owner;
    if (m == NULL)
        return log->n_committed;
    return m->to_assign ? log->n : m->position[partition];
}

static inline void cut_log(struct sim *s)
{
    size_t partition = below(s, s->n_partitions);
    const struct broker_log *log = &s->w.broker.logs[partition];
    size_t most = log->owner == NULL ? log->n : first_unread(log, partition);
    if (most == 0)
        return;
    int64_t start = log->records[below(s, most)].offset + (int64_t)below(s, 2);
    if (start > log->start)
        broker_trim(&s->w.broker, (int32_t)partition, start);
}

static inline void compact(struct sim *s)
{
    size_t partition = below(s, s->n_partitions);
    struct broker_log *log = &s->w.broker.logs[partition];
    size_t first = first_unread(log, partition);
    if (first >= log->n)
        return;
    struct broker_record *r = &log->records[first + below(s, log->n - first)];
    if (r->done)
        return;
    happens(s, FAULT_COMPACTED);
    broker_forget(&s->w.broker, log, r);
}

/* Another program commits the offset anew, with metadata of its own or with ours spoilt. */
static inline void tamper(struct sim *s)
{
    static const enum fault faults[ACKMAP_FAULTS] = {
        [ACKMAP_MISSING] = FAULT_MAP_MISSING, [ACKMAP_FOREIGN] = FAULT_MAP_FOREIGN,
        [ACKMAP_NEWER] = FAULT_MAP_NEWER,     [ACKMAP_CUT] = FAULT_MAP_CUT,
        [ACKMAP_CORRUPT] = FAULT_MAP_CORRUPT, [ACKMAP_ELSEWHERE] = FAULT_MAP_ELSEWHERE,
    };
    int32_t partition = (int32_t)below(s, s->n_partitions);
    const struct broker_log *log = &s->w.broker.logs[partition];
    char text[ACKMAP_TEXT_MAX];
    struct ackmap map;
    size_t n = log->map.n;
    if (!log->has_committed || log->owner != NULL || n < 20)
        return;
    memcpy(text, log->map.p, n);
    switch (below(s, 6)) {
    case 0:
        n = 0;
        break;
    case 1:
        memcpy(text, "seen ", 5);
        break;
    case 2:
        text[3] = '7';
        break;
    case 3:
        n = (size_t)between(s, 6, (int64_t)n - 1);
        break;
    case 4:
        text[below(s, 8) + 8] ^= 3;
        break;
    default:
        ackmap_clear(&map);
        ackmap_set(&map, below(s, 20));
        n = ackmap_encode(&map, log->committed + 1, text);
        break;
    }
    enum ackmap_fault fault = ackmap_decode((struct str){text, n}, log->committed, &map);
    if (fault == ACKMAP_GOOD)
        return;
    happens(s, faults[fault]);
    broker_tamper(&s->w.broker, partition, (struct str){text, n});
}

/* ---- the group */

static inline void sit_down(struct sim *s, size_t i)
{
    struct worker *k = world_start(&s->w, i, &s->config, rng_next(&s->rng), on_call, s);
    k->member.answer = on_batch;
    k->member.arg = s;
    k->member.close_takes_us = percent(s, 50) ? 0 : between(s, 0, 3 * SECOND);
    s->seats[i] = (struct seat){0};
    broker_trace(&s->w.broker, "worker", (int64_t)i, 0);
}

static inline bool is_member(const struct sim *s, size_t i)
{
    const struct worker *k = s->w.workers[i];
    return k != NULL && !s->seats[i].leaving && !s->seats[i].kicked && !k->member.closing;
}

static inline void begin_rebalance(struct sim *s)
{
    s->rebalancing = true;
    s->kick_us = s->w.clock.now_us + between(s, SECOND / 10, s->calm ? 60 * SECOND : 15 * SECOND);
    broker_trace(&s->w.broker, "rebalance", 0, 0);
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        struct pipeline_stats stats;
        if (s->w.workers[i] == NULL || s->w.workers[i]->member.state != MEMBER_ASSIGNED)
            continue;
        s->w.workers[i]->member.to_revoke = true;
        pipeline_stats(s->w.workers[i]->pipeline, &stats);
        if (stats.unfinished > 0)
            happens(s, FAULT_REVOKE);
    }
}

static inline void kick(struct sim *s, size_t i)
{
    broker_kick(&s->w.broker, &s->w.workers[i]->member);
    broker_trace(&s->w.broker, "kicked", (int64_t)i, 0);
    s->seats[i].kicked = true;
    s->seats[i].lose_us = s->w.clock.now_us + between(s, 0, 5 * SECOND);
}

/* Gives partitions to members in ranges, as the range assignor does. */
static inline void end_rebalance(struct sim *s)
{
    size_t members = 0, given = 0, nth = 0;
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        members += is_member(s, i);
    if (!s->calm && percent(s, 15))
        tamper(s);
    if (!s->calm && percent(s, 15))
        cut_log(s);
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        if (!is_member(s, i))
            continue;
        size_t until = ++nth * s->n_partitions / members;
        broker_assign(&s->w.broker, &s->w.workers[i]->member, given, until - given);
        given = until;
    }
    s->rebalancing = false;
}

static inline void coordinate(struct sim *s)
{
    bool ready = true;
    int64_t now = s->w.clock.now_us;
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        struct worker *k = s->w.workers[i];
        struct seat *seat = &s->seats[i];
        if (k == NULL || k->member.state == MEMBER_LEFT)
            continue;
        bool holds = k->member.state != MEMBER_IDLE || k->member.to_assign;
        if (seat->kicked) {
            k->member.to_lose = holds && now >= seat->lose_us;
            k->member.to_assign = k->member.to_assign && k->member.state != MEMBER_IDLE;
            if (!holds) { /* it knows, and joins again */
                seat->kicked = false;
                begin_rebalance(s);
            }
            continue;
        }
        if (s->rebalancing && holds && now >= s->kick_us)
            kick(s, i);
        else
            ready = ready && !holds;
    }
    if (s->rebalancing && ready)
        end_rebalance(s);
}

/* Seats of pipelines that finished become vacant, vacant ones are taken again. */
static inline void change_seats(struct sim *s)
{
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        struct worker *k = s->w.workers[i];
        if (k != NULL && pipeline_finished(k->pipeline)) {
            world_end(&s->w, i);
            s->seats[i].start_us = s->w.clock.now_us + between(s, 0, 8 * SECOND);
            begin_rebalance(s);
        } else if (k == NULL && s->w.clock.now_us >= s->seats[i].start_us) {
            sit_down(s, i);
            begin_rebalance(s);
        }
    }
}

/* ---- chaos */

static inline void change_mood(struct sim *s)
{
    static const uint64_t moods[] = {0, 0, 5, 20, 60, 100};
    s->grader_faults = moods[below(s, ARRAY_LEN(moods))];
    s->sink_faults = moods[below(s, ARRAY_LEN(moods) - 1)];
    s->mood_us = s->w.clock.now_us + between(s, SECOND, 15 * SECOND);
}

static inline void kill_one(struct sim *s, size_t i)
{
    broker_trace(&s->w.broker, "killed", (int64_t)i, 0);
    s->calm = true; /* taking it apart asks nobody */
    world_kill(&s->w, i, percent(s, 50));
    s->calm = false;
    s->seats[i] = (struct seat){.start_us = s->w.clock.now_us + between(s, 0, 8 * SECOND)};
    begin_rebalance(s);
}

static inline void disturb_worker(struct sim *s, size_t i, struct worker *k)
{
    if (percent(s, 1))
        k->member.stutter[below(s, s->n_partitions)] = true;
    switch (below(s, 600)) {
    case 0:
        if (!s->seats[i].kicked && k->member.state == MEMBER_ASSIGNED) {
            kick(s, i);
            begin_rebalance(s);
        }
        break;
    case 1:
        s->seats[i].leaving = true;
        happens(s, FAULT_STOP);
        pipeline_stop(k->pipeline);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        kill_one(s, i);
        break;
    case 6:
        if (!percent(s, 20))
            break;
        happens(s, FAULT_SOURCE_FAILED);
        k->member.to_fail = true;
        (void)err_set(&k->member.failure, ERR_DENIED, "not authorised");
        break;
    default:
        break;
    }
}

static inline void disturb_brokers(struct sim *s)
{
    switch (below(s, 600)) {
    case 0:
    case 1:
    case 2:
    case 3:
        compact(s);
        break;
    case 4:
    case 5:
        cut_log(s);
        break;
    case 6:
        s->w.broker.down_until_us = s->w.clock.now_us + between(s, SECOND, 20 * SECOND);
        break;
    case 7:
        if (percent(s, 20))
            s->w.broker.metadata_limit =
                below(s, s->metadata_limit < 60 ? s->metadata_limit + 1 : 60);
        break;
    case 8:
    case 9:
        if (!s->rebalancing)
            begin_rebalance(s);
        break;
    default:
        break;
    }
}

static inline void disturb(struct sim *s)
{
    size_t i = below(s, WORLD_WORKERS);
    if (s->w.clock.now_us >= s->mood_us)
        change_mood(s);
    if (s->appended < s->n_records && percent(s, 20))
        append(s);
    disturb_brokers(s);
    if (s->w.workers[i] != NULL)
        disturb_worker(s, i, s->w.workers[i]);
}

#endif
