#include "worker/app.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/resident.h"
#include "obs/log.h"
#include "worker/spending.h"

enum {
    CONNECT_TIMEOUT_US = 30000000, /* for the producer to be initialised */
    CLOSE_SLACK_US = 15000000, /* beyond `drain`: then the process ends without good order */
    REPORT_US = 10000000,
    USAGE_US = 60000000,
    MEMORY_CHECK_US = 1000000,
};

/* The app that the signal handler stops; set while app_run runs. */
static struct app *running;
static atomic_int signals;
static atomic_bool started;

/* While starting, calls to Kafka block and there is nothing to put in order: the group is not
 * joined and nothing has been read. As process 1 of a container, no handler would mean no end. */
static void on_signal(int number)
{
    (void)number;
    if (!atomic_load(&started))
        _exit(EXIT_SUCCESS);
    if (atomic_fetch_add(&signals, 1) > 0)
        _exit(1);
    if (running != NULL)
        loop_wake(&running->grading.loop);
}

static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file as large as it may be: the write fails, that is all */
}

/* ---- progress ---------------------------------------------------------------------------------
 */

static uint64_t settled(const struct pipeline_stats *s, enum status status)
{
    return s->rewards[status];
}

static const char *held_by(unsigned reasons)
{
    return (reasons & GRADER_HELD_BY_ORDER) != 0 ? "canaries" : reasons != 0 ? "cost" : "no";
}

/* Of the shadow policy, beside the line of the live one. */
static void report_shadow(const struct app *a, const struct pipeline_stats *s)
{
    struct grader_stats g;
    if (a->config.shadow == NULL)
        return;
    grader_stats(a->grading.shadow_grader, &g);
    log_info("worker.shadow_progress",
             "ok=%" PRIu64 " partial=%" PRIu64 " failed=%" PRIu64 " skipped=%" PRIu64
             " expired=%" PRIu64 " grader_requests=%" PRIu64 " grader_retries=%" PRIu64
             " grader_in_flight=%zu grader_limit=%zu grader_queued=%zu grader_down=%.0fs",
             s->shadow_rewards[STATUS_OK], s->shadow_rewards[STATUS_PARTIAL],
             s->shadow_rewards[STATUS_FAILED], s->shadow_rewards[STATUS_SKIPPED],
             s->shadow_rewards[STATUS_EXPIRED], g.requests, g.retries, g.in_flight, g.limit,
             g.queued, (double)grader_down_for_us(a->grading.shadow_grader) / 1e6);
}

static void report(struct app *a, int64_t now)
{
    struct pipeline_stats s;
    struct grader_stats g = {0};
    const struct cache_stats *c = &a->grading.cache->stats;
    pipeline_stats(a->pipeline, &s);
    struct canaries_stats canaries = {0};
    double down_seconds = 0;
    const char *held = "no";
    if (a->grading.grader != NULL) {
        grader_stats(a->grading.grader, &g);
        down_seconds = (double)grader_down_for_us(a->grading.grader) / 1e6;
        held = held_by(grader_held(a->grading.grader));
    }
    if (a->grading.canaries != NULL)
        canaries = *canaries_stats(a->grading.canaries);
    double seconds = (double)REPORT_US / 1e6;
    a->next_report_us = now + REPORT_US;
    bool idle = s.committed == a->reported.committed && s.in_flight == 0;
    if (a->config.quiet || (idle && judge_can_take(&a->grading.judge)))
        return;
    log_info("worker.progress",
             "rate=%.1f/s committed=%" PRIu64 " ok=%" PRIu64 " partial=%" PRIu64 " failed=%" PRIu64
             " skipped=%" PRIu64 " expired=%" PRIu64 " dead_letters=%" PRIu64
             " settled_early=%" PRIu64 " already_done=%" PRIu64 " maps_refused=%" PRIu64
             " lost=%" PRIu64 " in_flight=%zu bytes=%zu held_by=%s windows_full=%zu partitions=%zu"
             " aborted=%" PRIu64 " grader_requests=%" PRIu64 " grader_retries=%" PRIu64
             " grader_joined=%" PRIu64
             " grader_in_flight=%zu grader_limit=%zu grader_tokens=%zu grader_queued=%zu"
             " grader_endpoints=%zu/%zu"
             " grader_down=%.0fs grader_held=%s cache_hits=%" PRIu64 " cache_misses=%" PRIu64
             " cache_stored=%" PRIu64 " cache_errors=%" PRIu64 " canary_rounds=%" PRIu64
             " canary_failed=%" PRIu64,
             (double)(s.committed - a->reported.committed) / seconds, s.committed,
             settled(&s, STATUS_OK), settled(&s, STATUS_PARTIAL), settled(&s, STATUS_FAILED),
             settled(&s, STATUS_SKIPPED), settled(&s, STATUS_EXPIRED), s.dead_letters,
             s.settled_early, s.already_done, s.maps_refused, s.lost, s.in_flight, s.bytes,
             s.held_by, s.windows_full, s.partitions, s.batches_aborted, g.requests, g.retries,
             g.joined, g.in_flight, g.limit, g.tokens_in_flight, g.queued, g.endpoints_working,
             g.endpoints, down_seconds, held, c->hits, c->misses, c->stored, c->errors,
             canaries.rounds, canaries.failed);
    report_shadow(a, &s);
    a->reported = s;
}

static void report_usage(struct app *a, int64_t now)
{
    a->next_usage_us = now + USAGE_US;
    if (!a->config.quiet && a->grading.grader != NULL)
        spending_log(a->grading.grader, &a->reported_usage);
    if (!a->config.quiet && a->grading.shadow_grader != NULL)
        spending_log(a->grading.shadow_grader, &a->reported_shadow_usage);
}

/* Resident memory follows what is held: only free pages can be beyond the budget for long. */
static void keep_memory(struct app *a, int64_t now)
{
    if (now < a->next_memory_check_us)
        return;
    a->next_memory_check_us = now + MEMORY_CHECK_US;
    if (resident_bytes() > a->config.settings->limits.memory_bytes)
        resident_give_back();
}

/* ---- the loop's maintenance -------------------------------------------------------------------
 */

static void stop(struct app *a, int64_t now)
{
    if (a->stopping)
        return;
    a->stopping = true;
    a->stopped_us = now;
    a->give_up_us = now + a->config.settings->limits.drain_us + CLOSE_SLACK_US;
    grading_stop(&a->grading);
    pipeline_stop(a->pipeline);
}

static bool enough(struct app *a, int64_t now)
{
    struct pipeline_stats s;
    if (a->config.stop_after == 0)
        return false;
    pipeline_stats(a->pipeline, &s);
    if (a->first_us == 0 && s.admitted > 0)
        a->first_us = now;
    return s.committed >= a->config.stop_after;
}

/* True when the replay is done; else when it is to be looked at again. */
static bool mind_replay(struct app *a, int64_t now, int64_t *ret_due)
{
    *ret_due = CLOCK_NEVER;
    if (a->replay == NULL)
        return false;
    *ret_due = replay_tick(a->replay, now);
    return replay_finished(a->replay);
}

static bool is_hopeless(struct app *a)
{
    return a->config.hurried && !a->stopping && grading_is_hopeless(&a->grading, &a->hopeless);
}

static int64_t maintain(void *arg)
{
    struct app *a = arg;
    if (a->pipeline == NULL)
        return CLOCK_NEVER;
    int64_t now = clock_mono_us(&clock_real);
    (void)grading_tick(&a->grading); /* what it settles, the pipeline takes now */
    int64_t due = pipeline_tick(a->pipeline);
    int64_t grader_due = grading_tick(&a->grading); /* what was admitted is asked now */
    int64_t replay_due;
    bool replayed = mind_replay(a, now, &replay_due);
    if (atomic_load(&signals) > 0 || enough(a, now) || replayed || is_hopeless(a) ||
        pipeline_error(a->pipeline) != NULL)
        stop(a, now);
    if (a->config.watch != NULL)
        a->config.watch(a->config.watch_arg, a);
    if (now >= a->next_report_us)
        report(a, now);
    if (now >= a->next_usage_us)
        report_usage(a, now);
    keep_memory(a, now);
    bool finished = pipeline_finished(a->pipeline) && grading_is_idle(&a->grading);
    if (finished || (a->stopping && now >= a->give_up_us))
        loop_stop(&a->grading.loop);
    due = due < grader_due ? due : grader_due;
    return due < replay_due ? due : replay_due;
}

/* ---- building ---------------------------------------------------------------------------------
 */

static enum err_code join_kafka(struct app *a, struct err *err)
{
    struct kafka_config *kafka = &a->kafka.config;
    kafka_setup_init(&a->kafka, &a->config.settings->kafka, a->config.embedded);
    kafka->record_bytes = 4 * a->config.settings->limits.completion_bytes;
    if (a->replay != NULL)
        kafka->ranges = replay_ranges(a->replay, &kafka->n_ranges);
    if (a->config.shadow != NULL)
        kafka->shadow_output = a->config.settings->kafka.shadow_output;
    enum err_code code = kafka_source_new(&a->grading.loop, kafka, &a->source, err);
    if (code == ERR_OK)
        code =
            kafka_sink_new(&a->grading.loop, a->source, kafka, CONNECT_TIMEOUT_US, &a->sink, err);
    if (code == ERR_OK && a->replay != NULL)
        code = replay_watch(a->replay, &a->grading.loop, kafka, err);
    return code;
}

/* What the pipeline reads: the source, behind what stands in front of it. */
static struct source *source_of(struct app *a)
{
    const struct settings *s = a->config.settings;
    const struct restore_config restore = {
        .kafka = &a->kafka.config,
        .topics = s->cache.restore_from.items,
        .n_topics = s->cache.restore_from.n,
        .since_ms = a->config.replay != NULL ? a->config.replay->restore_since_ms : 0,
        .wait_us = s->cache.restore_wait_us,
    };
    struct source *source = kafka_source_port(a->source);
    if (a->replay != NULL)
        source = replay_source(a->replay, source);
    if (restore.n_topics == 0)
        return source;
    a->restore = restore_new(&a->grading.loop, source, a->grading.cache, &restore);
    return restore_port(a->restore);
}

static enum err_code open_blackbox(struct app *a, struct err *err)
{
    const struct settings *s = a->config.settings;
    if (a->config.embedded)
        return ERR_OK;
    if (s->state.dir.n == 0) {
        log_info("worker.no_state", "state.dir is not set: a record that kills the worker will "
                                    "kill each successor");
        return ERR_OK;
    }
    return blackbox_open(s->state.dir, s->kafka.group, s->kafka.input, &a->blackbox, err);
}

static struct pipeline_config pipeline_config(const struct settings *s,
                                              const struct kafka_source *source)
{
    struct pipeline_config c = pipeline_config_default;
    c.record.value_bytes = 4 * s->limits.completion_bytes;
    c.record.memory_bytes = 32 * s->limits.completion_bytes;
    c.records_in_flight = s->limits.records_in_flight;
    c.memory_bytes = s->limits.memory_bytes;
    c.partition_bytes = kafka_source_partition_bytes(source);
    c.window = s->limits.window;
    c.record_deadline_us = s->limits.record_deadline_us;
    c.drain_us = s->limits.drain_us;
    c.publish_interval_us = s->limits.publish_interval_us;
    c.shadow_wait_us = s->shadow_wait_us;
    return c;
}

enum err_code app_init(struct app *a, const struct app_config *config, struct err *err)
{
    *a = (struct app){.config = *config};
    resident_init();
    handle_signals();
    enum err_code code =
        grading_init(&a->grading, config->policy, &config->settings->graders[0], maintain, a, err);
    if (code != ERR_OK)
        return code;
    if (config->replay != NULL)
        a->replay = replay_new(config->replay);
    if (config->shadow != NULL)
        code = grading_add_shadow(&a->grading, config->shadow, &config->settings->graders[0], err);
    if (code == ERR_OK)
        code = grading_watch(&a->grading, config->settings, err);
    if (code == ERR_OK)
        code = open_blackbox(a, err);
    if (code == ERR_OK)
        code = join_kafka(a, err);
    if (code != ERR_OK) {
        app_done(a);
        return code;
    }
    grading_limit_cost(&a->grading, config->settings);
    grading_keep(&a->grading, config->settings);
    struct pipeline_config pipeline = pipeline_config(config->settings, a->source);
    pipeline.blackbox = a->blackbox;
    if (config->replay != NULL)
        pipeline.replay_id = config->replay->id;
    pipeline.shadow = config->shadow != NULL ? &a->grading.shadow : NULL;
    a->pipeline = pipeline_new(&pipeline, &a->grading.judge, source_of(a), kafka_sink_port(a->sink),
                               &clock_real);
    return ERR_OK;
}

enum err_code app_run(struct app *a, struct err *err)
{
    running = a;
    atomic_store(&started, true);
    a->next_report_us = clock_mono_us(&clock_real) + REPORT_US;
    a->next_usage_us = a->next_report_us + USAGE_US;
    loop_run(&a->grading.loop);
    running = NULL;
    report_usage(a, clock_mono_us(&clock_real));
    const struct err *failure = pipeline_error(a->pipeline);
    if (!pipeline_finished(a->pipeline)) {
        /* Kafka does not answer: leave without good order. What was committed stands, the rest is
         * read again. The publisher thread may still be at work on a batch: nothing is freed. */
        if (failure != NULL)
            log_error("worker.failed", "%s", failure->msg);
        log_error("worker.gave_up", "Kafka did not let us leave in time; ending without it");
        _exit(EXIT_FAILURE);
    }
    *err = failure != NULL ? *failure : a->hopeless;
    return err->code;
}

void app_done(struct app *a)
{
    pipeline_free(a->pipeline);
    a->pipeline = NULL;
    kafka_sink_free(a->sink);
    restore_free(a->restore);
    kafka_source_free(a->source);
    replay_free(a->replay);
    kafka_setup_done(&a->kafka);
    blackbox_close(a->blackbox);
    grading_done(&a->grading);
}
