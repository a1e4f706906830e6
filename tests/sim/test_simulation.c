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

#include "chaos.h"

enum {
    SEEDS = 2000,
    CHAOS_US = 40 * SECOND, /* faults happen until then */
    PATIENCE_US = 900 * SECOND, /* then everything is committed, or the pipeline is stuck */
};

struct policies {
    struct policy *live, *shadow;
};

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
