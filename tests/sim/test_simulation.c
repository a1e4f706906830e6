/* pipeline in a group of workers under faults, by chance: records of all kinds, half of the time
 * with a shadow policy, graders that time out, refuse and babble, batches that abort or fail with
 * and without effect, rebalances, members that are thrown out and learn it late, stops, kills and
 * restarts. The fixture broker checks each batch, so each record has one message and each commit
 * says what is done; fixture_worker.h checks budgets after each turn, and that nothing is judged
 * again that was done. At the end all faults cease, and everything must be committed.
 *
 * A run is a function of its seed: RBR_SEED=n runs that seed alone, RBR_SIM_SEEDS=n so many from a
 * seed that changes daily. */
#include "unit.h"

#include <signal.h>
#include <unistd.h>

#include "base/rng.h"
#include "fixture_worker.h"

enum {
    SEEDS = 2000,
    CHAOS_US = 40 * SECOND, /* faults happen until then */
    PATIENCE_US = 900 * SECOND, /* then everything is committed, or the pipeline is stuck */
};

struct policies {
    struct policy *live, *shadow;
};

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

static uint64_t below(struct sim *s, uint64_t n)
{
    return rng_below(&s->rng, n);
}

static bool percent(struct sim *s, uint64_t p)
{
    return below(s, 100) < p;
}

static int64_t between(struct sim *s, int64_t from, int64_t to)
{
    return from + (int64_t)below(s, (uint64_t)(to - from) + 1);
}

/* Small values as likely as large ones. */
static size_t spread(struct sim *s, size_t from, size_t to)
{
    size_t most = from;
    while (most < to && percent(s, 70))
        most = most * 2 + 1;
    return (size_t)between(s, (int64_t)from, (int64_t)(most < to ? most : to));
}

static void happens(struct sim *s, enum fault fault)
{
    s->w.broker.seen[fault]++;
    broker_trace(&s->w.broker, fault_texts[fault], 0, 0);
}

/* ---- the grader's server */

static struct fixture_reply faulty_reply(struct sim *s)
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

static struct fixture_reply hang(struct sim *s)
{
    happens(s, FAULT_GRADER_HANGS);
    return (struct fixture_reply){.delay_us = CLOCK_NEVER};
}

static struct fixture_reply on_call(void *arg, const struct fixture_call *call)
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
static void lose_outcome(struct sim *s, size_t n, struct batch_end *end)
{
    end->outcome = SINK_ABORTED;
    end->unknown = !s->w.broker.at_least_once;
    end->visible = percent(s, 50);
    end->exposed = n;
    happens(s, end->visible ? FAULT_UNKNOWN_LANDED : FAULT_UNKNOWN_LEFT_OUT);
}

static void fail_sink(struct sim *s, struct batch_end *end)
{
    end->outcome = SINK_FAILED;
    end->visible = percent(s, 50);
    end->twin = !end->visible && percent(s, 50);
    happens(s, end->visible ? FAULT_SINK_LANDED : end->twin ? FAULT_TWIN : FAULT_SINK_FAILED);
}

static struct batch_end on_batch(void *arg, const struct sink_batch *batch)
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

static void append_malformed(struct sim *s, int32_t partition, struct str key)
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

static void append(struct sim *s)
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
static size_t first_unread(const struct broker_log *log, size_t partition)
{
    const struct member *m = log->owner;
    if (m == NULL)
        return log->n_committed;
    return m->to_assign ? log->n : m->position[partition];
}

static void cut_log(struct sim *s)
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

static void compact(struct sim *s)
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
static void tamper(struct sim *s)
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

static void sit_down(struct sim *s, size_t i)
{
    struct worker *k = world_start(&s->w, i, &s->config, rng_next(&s->rng), on_call, s);
    k->member.answer = on_batch;
    k->member.arg = s;
    k->member.close_takes_us = percent(s, 50) ? 0 : between(s, 0, 3 * SECOND);
    s->seats[i] = (struct seat){0};
    broker_trace(&s->w.broker, "worker", (int64_t)i, 0);
}

static bool is_member(const struct sim *s, size_t i)
{
    const struct worker *k = s->w.workers[i];
    return k != NULL && !s->seats[i].leaving && !s->seats[i].kicked && !k->member.closing;
}

static void begin_rebalance(struct sim *s)
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

static void kick(struct sim *s, size_t i)
{
    broker_kick(&s->w.broker, &s->w.workers[i]->member);
    broker_trace(&s->w.broker, "kicked", (int64_t)i, 0);
    s->seats[i].kicked = true;
    s->seats[i].lose_us = s->w.clock.now_us + between(s, 0, 5 * SECOND);
}

/* Gives partitions to members in ranges, as the range assignor does. */
static void end_rebalance(struct sim *s)
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

static void coordinate(struct sim *s)
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
static void change_seats(struct sim *s)
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

static void change_mood(struct sim *s)
{
    static const uint64_t moods[] = {0, 0, 5, 20, 60, 100};
    s->grader_faults = moods[below(s, ARRAY_LEN(moods))];
    s->sink_faults = moods[below(s, ARRAY_LEN(moods) - 1)];
    s->mood_us = s->w.clock.now_us + between(s, SECOND, 15 * SECOND);
}

static void kill_one(struct sim *s, size_t i)
{
    broker_trace(&s->w.broker, "killed", (int64_t)i, 0);
    s->calm = true; /* taking it apart asks nobody */
    world_kill(&s->w, i, percent(s, 50));
    s->calm = false;
    s->seats[i] = (struct seat){.start_us = s->w.clock.now_us + between(s, 0, 8 * SECOND)};
    begin_rebalance(s);
}

static void disturb_worker(struct sim *s, size_t i, struct worker *k)
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

static void disturb_brokers(struct sim *s)
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

static void disturb(struct sim *s)
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

/* ---- a run */

/* One long partition and a grader that loses a request now and then: for the head-of-line rule. */
static void hang_now_and_then(struct sim *s)
{
    s->hangs_only = true;
    s->n_partitions = 1;
    s->n_records = (size_t)between(s, 200, 500);
    s->config.window = (size_t)between(s, 50, 100);
    s->config.records_in_flight = 200;
    s->config.memory_bytes = 4 << 20;
    s->config.batch_records = 100;
    s->config.batch_bytes = 100000;
}

static void sim_init(struct sim *s, uint64_t seed, const struct policies *policies)
{
    *s = (struct sim){.seed = seed};
    rng_init(&s->rng, seed);
    world_init(&s->w, policies->live);
    if (percent(s, 50))
        s->w.shadow = policies->shadow;
    s->n_partitions = 1 + below(s, 5);
    s->n_records = (size_t)between(s, 5, 70);
    s->config = pipeline_config_default;
    s->config.records_in_flight = spread(s, 1, 60);
    s->config.memory_bytes = spread(s, 10000, 1000000);
    s->config.window = spread(s, 1, 60);
    s->config.record_deadline_us = between(s, SECOND, 30 * SECOND);
    s->config.drain_us = between(s, 0, percent(s, 50) ? SECOND : 10 * SECOND);
    s->config.shadow_wait_us = percent(s, 20) ? 0 : between(s, 0, 5 * SECOND);
    s->config.publish_interval_us = percent(s, 30) ? 0 : between(s, 0, SECOND);
    s->config.batch_records = spread(s, 1, 30);
    s->config.batch_bytes = spread(s, 500, 100000);
    s->w.broker.at_least_once = percent(s, 25);
    s->metadata_limit = percent(s, 10) ? below(s, 120) : ACKMAP_TEXT_MAX;
    s->w.broker.metadata_limit = s->metadata_limit;
    if (percent(s, 5))
        hang_now_and_then(s);
    for (size_t i = 0; i < SINK_TOPICS; i++)
        s->w.broker.limit[i] = 3000;
    for (size_t i = below(s, s->n_records); i > 0; i--)
        append(s);
    for (size_t i = 1; i < WORLD_WORKERS; i++) /* the first is there from the beginning */
        s->seats[i].start_us = percent(s, 40) ? CLOCK_NEVER : between(s, 0, 20 * SECOND);
}

static bool is_wrong(const struct sim *s)
{
    return s->w.broker.violation[0] != '\0';
}

static void turn(struct sim *s)
{
    change_seats(s);
    coordinate(s);
    int64_t due = world_turn(&s->w);
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        if (s->w.workers[i] == NULL)
            earlier(&due, s->seats[i].start_us);
    if (!s->calm) {
        disturb(s);
        earlier(&due, s->w.clock.now_us + between(s, MILLISECOND, 400 * MILLISECOND));
    }
    world_move(&s->w, due);
}

/* Faults cease; what is not yet written is; everything gets its message. */
static void settle(struct sim *s)
{
    int64_t since = s->w.clock.now_us, until = since + PATIENCE_US;
    s->calm = true;
    s->w.broker.down_until_us = 0;
    s->w.broker.metadata_limit = s->metadata_limit;
    while (s->appended < s->n_records)
        append(s);
    while (!is_wrong(s) && !broker_all_committed(&s->w.broker)) {
        turn(s);
        if (s->w.clock.now_us > until)
            broker_violation(&s->w.broker, "stuck: something stays uncommitted");
    }
    s->heal_us = s->w.clock.now_us - since;
}

static bool all_finished(const struct sim *s)
{
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        if (s->w.workers[i] != NULL && !pipeline_finished(s->w.workers[i]->pipeline))
            return false;
    return true;
}

/* Every worker leaves, also after something was found wrong; world_end looks whether anything is
 * left with one. What does not finish cannot be taken apart, and stays as it is. */
static void leave(struct sim *s)
{
    int64_t until = s->w.clock.now_us + PATIENCE_US;
    s->calm = true;
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        if (s->w.workers[i] != NULL)
            pipeline_stop(s->w.workers[i]->pipeline);
    while (!all_finished(s) && s->w.clock.now_us < until && s->w.turns_in_place < 2000)
        world_move(&s->w, world_turn(&s->w));
    for (size_t i = 0; i < WORLD_WORKERS; i++) {
        if (s->w.workers[i] == NULL)
            continue;
        if (pipeline_finished(s->w.workers[i]->pipeline))
            world_end(&s->w, i);
        else
            broker_violation(&s->w.broker, "a stopped pipeline does not finish");
        s->w.workers[i] = NULL;
    }
}

static void check_end(struct sim *s)
{
    struct broker *b = &s->w.broker;
    size_t records = 0, lost = 0, again = 0;
    for (size_t i = 0; i < BROKER_PARTITIONS; i++) {
        const struct broker_log *log = &b->logs[i];
        records += log->n;
        lost += log->lost;
        again += log->again;
        const struct broker_record *at = broker_find(&b->logs[i], log->committed);
        if (at != NULL && !at->gone)
            broker_violation(b, "partition %zu ends at %" PRId64, i, log->committed);
        if (log->committed > log->end)
            broker_violation(b, "partition %zu is committed past its end", i);
    }
    if (records != s->n_records || b->n_messages != records - lost + again + b->repeats)
        broker_violation(
            b, "%zu records, %zu lost, %zu to be done again, %" PRIu64 " repeated: %zu messages",
            records, lost, again, b->repeats, b->n_messages);
    if (b->repeats > 0 && !b->at_least_once)
        broker_violation(b, "%" PRIu64 " messages more than were owed", b->repeats);
}

struct outcome {
    char violation[512];
    uint64_t trace, early, cached, joined, settled_early, seen[FAULTS];
    size_t messages, by_status[8], shadows, shadows_by_status[8], turns;
    int64_t heal_us; /* from the end of all faults until everything was committed */
    bool spoilt; /* the defect was put in */
};

/* For whatever ends the process. */
static char running[64];
static size_t running_n;

static void run(const struct policies *policies, uint64_t seed, enum broker_defect defect,
                struct outcome *ret)
{
    struct sim s;
    running_n =
        (size_t)snprintf(running, sizeof(running), "aborted with RBR_SEED=%" PRIu64 "\n", seed);
    sim_init(&s, seed, policies);
    s.w.broker.defect = defect;
    if (defect != DEFECT_NONE) { /* what these allow looks like some of the defects */
        s.w.broker.at_least_once = false;
        s.w.broker.metadata_limit = ACKMAP_TEXT_MAX;
    }
    while (!is_wrong(&s) && s.w.clock.now_us < CHAOS_US &&
           !(s.appended == s.n_records && broker_all_committed(&s.w.broker)))
        turn(&s);
    if (!is_wrong(&s))
        settle(&s);
    leave(&s);
    if (!is_wrong(&s))
        check_end(&s);
    *ret = (struct outcome){.trace = s.w.broker.trace,
                            .early = s.w.broker.early,
                            .cached = s.w.cache_hits,
                            .joined = s.w.joined,
                            .settled_early = s.w.settled_early,
                            .heal_us = s.heal_us,
                            .messages = s.w.broker.n_messages,
                            .turns = s.w.turns,
                            .spoilt = defect != s.w.broker.defect};
    (void)snprintf(ret->violation, sizeof(ret->violation), "%s", s.w.broker.violation);
    memcpy(ret->seen, s.w.broker.seen, sizeof(ret->seen));
    for (size_t i = 0; i < s.w.broker.n_messages; i++)
        ret->by_status[s.w.broker.messages[i].status]++;
    ret->shadows = s.w.broker.n_shadows;
    for (size_t i = 0; i < s.w.broker.n_shadows; i++)
        ret->shadows_by_status[s.w.broker.shadows[i].status]++;
    world_done(&s.w);
}

/* ---- the tests */

static uint64_t first_seed(void)
{
    const char *given = getenv("RBR_SEED");
    return given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) / 86400 * 1000003;
}

static size_t n_seeds(void)
{
    const char *given = getenv("RBR_SIM_SEEDS");
    if (given != NULL)
        return strtoull(given, NULL, 0);
    return getenv("RBR_SEED") != NULL ? 1 : SEEDS;
}

static void add(struct outcome *sum, const struct outcome *o)
{
    sum->messages += o->messages;
    sum->early += o->early;
    sum->cached += o->cached;
    sum->joined += o->joined;
    sum->settled_early += o->settled_early;
    sum->turns += o->turns;
    if (o->heal_us > sum->heal_us)
        sum->heal_us = o->heal_us;
    for (size_t k = 0; k < ARRAY_LEN(sum->by_status); k++)
        sum->by_status[k] += o->by_status[k];
    sum->shadows += o->shadows;
    for (size_t k = 0; k < ARRAY_LEN(sum->shadows_by_status); k++)
        sum->shadows_by_status[k] += o->shadows_by_status[k];
    for (size_t k = 0; k < FAULTS; k++)
        sum->seen[k] += o->seen[k];
}

/* `./dev sim` adds up the lines of two processes. */
static void print_coverage(const struct outcome *sum)
{
    for (size_t k = 0; k < FAULTS; k++)
        print_message("fault %12" PRIu64 "  %s\n", sum->seen[k], fault_texts[k]);
    for (size_t k = 0; k <= STATUS_EXPIRED; k++)
        if (sum->by_status[k] > 0)
            print_message("ended %12zu  %s\n", sum->by_status[k],
                          k == 0 ? "dead letters" : status_name((enum status)k));
    for (size_t k = 0; k <= STATUS_EXPIRED; k++)
        if (sum->shadows_by_status[k] > 0)
            print_message("ended %12zu  %s of the shadow policy\n", sum->shadows_by_status[k],
                          k == 0 ? "dead letters" : status_name((enum status)k));
    print_message("count %12zu  messages\n", sum->messages);
    print_message("count %12zu  shadow messages\n", sum->shadows);
    print_message("count %12zu  turns\n", sum->turns);
    print_message("count %12" PRIu64 "  messages before that of an earlier record\n", sum->early);
    print_message("count %12" PRIu64 "  answers kept and used\n", sum->cached);
    print_message("count %12" PRIu64 "  answers to another's request\n", sum->joined);
    print_message("count %12" PRIu64 "  records settled early\n", sum->settled_early);
}

/* All of it happened: it was not all sunshine, nor all rain. */
static void assert_covered(const struct outcome *sum, size_t n)
{
    for (size_t k = 0; k < FAULTS; k++)
        if (sum->seen[k] == 0)
            fail_msg("in %zu seeds, never: %s", n, fault_texts[k]);
    assert_true(sum->early > n && sum->cached > n / 4 && sum->joined > n / 4 &&
                sum->settled_early > 0);
    assert_true(sum->by_status[0] > n && sum->by_status[STATUS_OK] > n);
    assert_true(sum->by_status[STATUS_FAILED] > n && sum->by_status[STATUS_SKIPPED] > n);
    assert_true(sum->by_status[STATUS_EXPIRED] > n / 4);
    assert_true(sum->shadows > n && sum->shadows_by_status[0] > 0);
    assert_true(sum->shadows_by_status[STATUS_OK] > n / 2);
    assert_true(sum->shadows_by_status[STATUS_EXPIRED] > n / 4);
}

static void every_record_has_one_message_whatever_happens(void **state)
{
    struct outcome o, sum = {0};
    uint64_t first = first_seed();
    size_t n = n_seeds();
    for (size_t i = 0; i < n; i++) {
        run(*state, first + i, DEFECT_NONE, &o);
        if (o.violation[0] != '\0')
            fail_msg("RBR_SEED=%" PRIu64 ": %s", first + i, o.violation);
        add(&sum, &o);
    }
    print_message("%zu seeds from %" PRIu64 "; all committed at most %.0f s after the last fault\n",
                  n, first, (double)sum.heal_us / 1e6);
    print_coverage(&sum);
    if (n >= SEEDS)
        assert_covered(&sum, n);
}

static void a_seed_replays_exactly(void **state)
{
    uint64_t first = first_seed(), before = 0;
    for (uint64_t seed = first; seed < first + 20; seed++) {
        struct outcome a, b;
        run(*state, seed, DEFECT_NONE, &a);
        run(*state, seed, DEFECT_NONE, &b);
        assert_true(a.trace == b.trace && a.turns == b.turns);
        assert_true(a.trace != before); /* another seed is another run */
        before = a.trace;
    }
}

/* The checker is checked: each kind of defect, put in once on the way to the broker, is found. */
static void a_seeded_defect_is_found(void **state)
{
    static const char *const names[DEFECTS] = {
        "none",          "commit one more", "commit one less", "commit again", "drop a message",
        "publish twice", "swap two",        "no map",          "old map",      "map one more",
        "map one less",  "lose a key",      "default reward",  "wrong sum",    "lose a shadow"};
    uint64_t first = first_seed();
    for (int defect = DEFECT_NONE + 1; defect < DEFECTS; defect++) {
        size_t found = 0, put_in = 0;
        for (uint64_t seed = first; seed < first + 20; seed++) {
            struct outcome o;
            run(*state, seed, (enum broker_defect)defect, &o);
            put_in += o.spoilt;
            found += o.violation[0] != '\0';
        }
        if (put_in == 0 || found != put_in) /* some runs have nothing to spoil in that way */
            fail_msg("%s: put in %zu times, found %zu times", names[defect], put_in, found);
    }
}

/* A failed assertion in src/ ends the process before cmocka can speak. */
static void on_abort(int number)
{
    (void)!write(STDERR_FILENO, running, running_n);
    (void)signal(number, SIG_DFL);
}

static int set_up(void **state)
{
    static struct policies policies;
    policies.live = grading_policy(WORLD_POLICY);
    policies.shadow = grading_policy(WORLD_SHADOW);
    *state = &policies;
    (void)signal(SIGABRT, on_abort);
    return 0;
}

static int tear_down(void **state)
{
    const struct policies *policies = *state;
    policy_free(policies->live);
    policy_free(policies->shadow);
    return 0;
}

int main(void)
{
    const struct CMUnitTest seeds[] = {
        cmocka_unit_test(every_record_has_one_message_whatever_happens),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_has_one_message_whatever_happens),
        cmocka_unit_test(a_seed_replays_exactly),
        cmocka_unit_test(a_seeded_defect_is_found),
    };
    if (getenv("RBR_SIM_SEEDS") != NULL) /* the seeds alone */
        return cmocka_run_group_tests_name("simulation", seeds, set_up, tear_down);
    return cmocka_run_group_tests_name("simulation", tests, set_up, tear_down);
}
