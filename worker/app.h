/* The worker's whole object graph: what judges (grading.h), with Kafka and the pipeline around it.
 *
 * app_init builds it bottom up, app_run turns the loop until the pipeline has finished, app_done
 * tears it down in reverse. SIGTERM and SIGINT stop it in good order (drain, publish, commit,
 * leave); a second one ends the process at once, which is safe: nothing half done is visible. One
 * app per process. Loop thread.
 *
 * A stop ends within drain + 15 s: when Kafka does not answer by then, the process ends as it is,
 * with a batch on its way perhaps. Nothing is lost, and nothing doubled with exactly_once: see
 * kafka_sink_new. A signal during app_init ends the process at once. */
#ifndef RBR_WORKER_APP_H
#define RBR_WORKER_APP_H

#include "pipeline/pipeline.h"
#include "replay/replay.h"
#include "replay/restore.h"
#include "stream/kafka.h"
#include "worker/grading.h"
#include "worker/kafka_setup.h"

struct app;

struct app_config {
    const struct settings *settings;
    const struct policy *policy;
    const struct policy *shadow; /* NULL: none; outlives the app, too */
    bool embedded; /* the brokers live in this process (stream/kafka_mock.h) */
    bool quiet; /* no progress lines in the log */
    bool hurried; /* end with an error when the grader is down for long (grading.h) */
    uint64_t stop_after; /* stop when this many records are committed; 0: never */
    const struct manifest *replay; /* stop when it is done; NULL: live traffic */
    void (*watch)(void *arg, const struct app *a); /* in every turn of the loop; may be NULL */
    void *watch_arg;
};

struct app {
    struct app_config config;
    struct grading grading;
    struct kafka_setup kafka;
    struct kafka_source *source;
    struct replay *replay; /* NULL: live traffic */
    struct restore *restore; /* NULL: none */
    struct kafka_sink *sink;
    struct blackbox *blackbox; /* NULL: none */
    struct pipeline *pipeline;
    bool stopping;
    struct err hopeless; /* why it does not wait for its grader any longer */
    int64_t first_us; /* the first record was admitted; 0: none yet */
    int64_t stopped_us, give_up_us, next_report_us, next_usage_us, next_memory_check_us;
    struct pipeline_stats reported; /* at the last progress line */
    struct usage reported_usage, reported_shadow_usage; /* at the last line of that */
};

/* The settings and the policy outlive the app. */
enum err_code app_init(struct app *a, const struct app_config *config,
                       struct err *err) RBR_MUST_CHECK;

/* Returns when the pipeline has finished: ERR_OK when it was asked to stop, or did what it was to
 * do. */
enum err_code app_run(struct app *a, struct err *err) RBR_MUST_CHECK;
void app_done(struct app *a);

#endif
