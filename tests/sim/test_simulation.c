/* pipeline in a group of workers under faults, by chance: records of all kinds, graders that time
 * out, refuse and babble, batches that abort or fail with and without effect, rebalances, members
 * that are thrown out and learn it late, stops, kills and restarts. The fixture broker checks each
 * batch, so each record has one message and each commit says what is done; fixture_worker.h checks
 * budgets after each turn, and that nothing is judged again that was done. At the end all faults
 * cease, and everything must be committed.
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
    bool rebalancing;
    int64_t kick_us; /* who has not given its partitions back by then is thrown out */
    /* per cent, changing as moods do */
    uint64_t grader_faults, sink_faults;
    int64_t mood_us; /* when the next mood begins */
    uint64_t faults; /* seen by this run */
    uint64_t kills;
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

/* ---- the grader's server */

static struct fixture_reply faulty_reply(struct sim *s)
{
    static const struct fixture_reply faults[] = {
        {.delay_us = CLOCK_NEVER},
        {.delay_us = 1000, .status = 429},
        {.delay_us = 1000, .status = 429, .retry_after_us = 3 * SECOND},
        {.delay_us = 2000, .status = 500},
        {.delay_us = 2000, .status = 503},
        {.delay_us = 2000, .status = 400},
        {.delay_us = 2000, .status = 200, .body = STR_INIT("<html>")},
        {.delay_us = 2000, .status = 200, .body = STR_INIT("{\"choices\":[]}")},
        {.delay_us = 2000, .status = 200},
        {.delay_us = 10, .outcome = TRANSPORT_CONNECT},
        {.delay_us = 5000, .outcome = TRANSPORT_RESET},
        {.delay_us = 5000, .outcome = TRANSPORT_TOO_LARGE},
    };
    s->faults++;
    return faults[below(s, ARRAY_LEN(faults))];
}

static struct fixture_reply on_call(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct sim *s = arg;
    (void)call;
    if (!s->calm && percent(s, s->grader_faults))
        return faulty_reply(s);
    double yes = 0.01 + 0.98 * rng_unit(&s->rng), mass = percent(s, 3) ? 0.1 : 1;
    return (struct fixture_reply){.delay_us = between(s, 1000, percent(s, 5) ? 5 * SECOND : 50000),
                                  .status = 200,
                                  .body = fixture_chat(text, yes * mass, (1 - yes) * mass)};
}

/* ---- the sink */

static struct batch_end on_batch(void *arg, const struct sink_batch *batch)
{
    struct sim *s = arg;
    struct batch_end end = {.delay_us = between(s, 500, percent(s, 5) ? 4 * SECOND : 30000),
                            .outcome = SINK_COMMITTED,
                            .early = percent(s, 50)};
    (void)batch;
    if (s->calm || !percent(s, s->sink_faults))
        return end;
    s->faults++;
    end.outcome = percent(s, 90) ? SINK_ABORTED : SINK_FAILED;
    end.visible = end.outcome == SINK_FAILED && percent(s, 50);
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
    if (percent(s, 15))
        broker_skip(&s->w.broker, partition, (int64_t)spread(s, 1, 200));
    if (percent(s, 10)) {
        append_malformed(s, partition, k);
        return;
    }
    if (percent(s, 10))
        (void)snprintf(deadline, sizeof(deadline), ",\"deadline_ms\":%" PRId64,
                       clock_wall_ms(&s->w.clock.clock) + between(s, -2000, 10000));
    int large = percent(s, 8) ? 2500 : 1;
    n = snprintf(value, sizeof(value),
                 "{\"id\":\"r%zu\",\"prompt\":\"u\",\"completion\":\"text %zu\",\"response_type\":"
                 "\"%s\",\"labels\":{\"l\":\"%*s\"}%s}",
                 s->appended, s->appended, types[below(s, ARRAY_LEN(types))], large, "x", deadline);
    (void)broker_append(&s->w.broker, partition, k, (struct str){value, (size_t)n});
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
    for (size_t i = 0; i < WORLD_WORKERS; i++)
        if (s->w.workers[i] != NULL && s->w.workers[i]->member.state == MEMBER_ASSIGNED)
            s->w.workers[i]->member.to_revoke = true;
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

static void disturb(struct sim *s)
{
    size_t i = below(s, WORLD_WORKERS);
    struct worker *k = s->w.workers[i];
    if (s->w.clock.now_us >= s->mood_us)
        change_mood(s);
    if (s->appended < s->n_records && percent(s, 20))
        append(s);
    if (k == NULL)
        return;
    if (percent(s, 1))
        k->member.stutter[below(s, s->n_partitions)] = true;
    switch (below(s, 600)) {
    case 0:
    case 1:
        if (!s->rebalancing)
            begin_rebalance(s);
        break;
    case 2:
        if (!s->seats[i].kicked && k->member.state == MEMBER_ASSIGNED) {
            kick(s, i);
            begin_rebalance(s);
        }
        break;
    case 3:
        s->seats[i].leaving = true;
        broker_trace(&s->w.broker, "stop", (int64_t)i, 0);
        pipeline_stop(k->pipeline);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        broker_trace(&s->w.broker, "killed", (int64_t)i, 0);
        s->calm = true; /* taking it apart asks nobody */
        world_kill(&s->w, i, percent(s, 50));
        s->calm = false;
        s->kills++;
        s->seats[i] = (struct seat){.start_us = s->w.clock.now_us + between(s, 0, 8 * SECOND)};
        begin_rebalance(s);
        break;
    case 4:
        k->member.to_fail = percent(s, 20);
        (void)err_set(&k->member.failure, ERR_DENIED, "not authorised");
        break;
    default:
        break;
    }
}

/* ---- a run */

static void sim_init(struct sim *s, uint64_t seed, struct policy *policy)
{
    *s = (struct sim){.seed = seed};
    rng_init(&s->rng, seed);
    world_init(&s->w, policy);
    s->n_partitions = 1 + below(s, 5);
    s->n_records = (size_t)between(s, 5, 70);
    s->config = pipeline_config_default;
    s->config.records_in_flight = spread(s, 1, 60);
    s->config.memory_bytes = spread(s, 10000, 1000000);
    s->config.window = spread(s, 1, 60);
    s->config.record_deadline_us = between(s, SECOND, 30 * SECOND);
    s->config.drain_us = between(s, 0, percent(s, 50) ? SECOND : 10 * SECOND);
    s->config.publish_interval_us = percent(s, 30) ? 0 : between(s, 0, SECOND);
    s->config.batch_records = spread(s, 1, 30);
    s->config.batch_bytes = spread(s, 500, 100000);
    s->w.broker.limit[SINK_REWARDS] = s->w.broker.limit[SINK_DEAD_LETTERS] = 3000;
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
    int64_t until = s->w.clock.now_us + PATIENCE_US;
    s->calm = true;
    while (s->appended < s->n_records)
        append(s);
    while (!is_wrong(s) && !broker_all_committed(&s->w.broker)) {
        turn(s);
        if (s->w.clock.now_us > until)
            broker_violation(&s->w.broker, "stuck: something stays uncommitted");
    }
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
    size_t records = 0;
    for (size_t i = 0; i < BROKER_PARTITIONS; i++) {
        const struct broker_log *log = &b->logs[i];
        records += log->n;
        int64_t end = log->n > 0 ? log->records[log->n - 1].offset + 1 : 0;
        if (log->committed > end ||
            (log->committed < end && !broker_is_gap(&b->logs[i], log->committed)))
            broker_violation(b, "partition %zu ends at %" PRId64, i, log->committed);
    }
    if (records != s->n_records || b->n_messages != records)
        broker_violation(b, "%zu records, %zu messages", records, b->n_messages);
}

struct outcome {
    char violation[512];
    uint64_t trace, faults, kills, early, cached;
    size_t messages, by_status[8], turns;
    bool spoilt; /* the defect was put in */
};

/* For whatever ends the process. */
static char running[64];
static size_t running_n;

static void run(struct policy *policy, uint64_t seed, enum broker_defect defect,
                struct outcome *ret)
{
    struct sim s;
    running_n =
        (size_t)snprintf(running, sizeof(running), "aborted with RBR_SEED=%" PRIu64 "\n", seed);
    sim_init(&s, seed, policy);
    s.w.broker.defect = defect;
    while (!is_wrong(&s) && s.w.clock.now_us < CHAOS_US &&
           !(s.appended == s.n_records && broker_all_committed(&s.w.broker)))
        turn(&s);
    if (!is_wrong(&s))
        settle(&s);
    leave(&s);
    if (!is_wrong(&s))
        check_end(&s);
    *ret = (struct outcome){.trace = s.w.broker.trace,
                            .faults = s.faults,
                            .kills = s.kills,
                            .early = s.w.broker.early,
                            .cached = s.w.cache_hits,
                            .messages = s.w.broker.n_messages,
                            .turns = s.w.turns,
                            .spoilt = defect != s.w.broker.defect};
    (void)snprintf(ret->violation, sizeof(ret->violation), "%s", s.w.broker.violation);
    for (size_t i = 0; i < s.w.broker.n_messages; i++)
        ret->by_status[s.w.broker.messages[i].status]++;
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

static void every_record_has_one_message_whatever_happens(void **state)
{
    struct outcome o, sum = {0};
    uint64_t first = first_seed();
    size_t n = n_seeds();
    for (size_t i = 0; i < n; i++) {
        run(*state, first + i, DEFECT_NONE, &o);
        if (o.violation[0] != '\0')
            fail_msg("RBR_SEED=%" PRIu64 ": %s", first + i, o.violation);
        sum.messages += o.messages;
        sum.faults += o.faults;
        sum.kills += o.kills;
        sum.early += o.early;
        sum.cached += o.cached;
        sum.turns += o.turns;
        for (size_t k = 0; k < ARRAY_LEN(sum.by_status); k++)
            sum.by_status[k] += o.by_status[k];
    }
    print_message(
        "%zu seeds from %" PRIu64 ": %zu messages (%" PRIu64 " out of order) in %zu turns, %" PRIu64
        " faults, %" PRIu64 " kills, %" PRIu64
        " answers kept and used; %zu dead letters, %zu ok, %zu failed, %zu skipped, %zu expired\n",
        n, first, sum.messages, sum.early, sum.turns, sum.faults, sum.kills, sum.cached,
        sum.by_status[0], sum.by_status[STATUS_OK], sum.by_status[STATUS_FAILED],
        sum.by_status[STATUS_SKIPPED], sum.by_status[STATUS_EXPIRED]);
    if (n < 100)
        return;
    assert_true(sum.kills > n / 4 && sum.early > n);
    assert_true(sum.cached > n / 4);
    assert_true(sum.faults > n); /* and it was not all sunshine, nor all rain */
    assert_true(sum.by_status[0] > n && sum.by_status[STATUS_OK] > n);
    assert_true(sum.by_status[STATUS_FAILED] > n && sum.by_status[STATUS_SKIPPED] > n);
    assert_true(sum.by_status[STATUS_EXPIRED] > n / 4);
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
        "map one less",  "lose a key",      "default reward",  "wrong sum"};
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
    *state = grading_policy(WORLD_POLICY);
    (void)signal(SIGABRT, on_abort);
    return 0;
}

static int tear_down(void **state)
{
    policy_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_has_one_message_whatever_happens),
        cmocka_unit_test(a_seed_replays_exactly),
        cmocka_unit_test(a_seeded_defect_is_found),
    };
    return cmocka_run_group_tests_name("simulation", tests, set_up, tear_down);
}
