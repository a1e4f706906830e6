#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "obs/log.h"
#include "standin/standin.h"
#include "stream/kafka_mock.h"
#include "stream/kafka_reader.h"
#include "worker/app.h"
#include "worker/kafka_setup.h"
#include "worker/options.h"
#include "worker/table.h"

static const char doc[] =
    "The whole job with no set-up: sample completions go through an embedded broker, the real "
    "worker, and a grader, and "
    "come back as rewards. The grader is an embedded stand-in that looks for words (it is no "
    "judge), unless --grader names a real one.\v"
    "Examples:\n"
    "  rbr demo\n"
    "  rbr demo --grader http://127.0.0.1:8000 --model my-model\n\n"
    "A grader that does not answer for 30 s ends it.\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options, 3 done, but some completion got no reward.";

/* tools/embed.cmake makes these from config/. */
extern const unsigned char embed_safety_policy[];
extern const size_t embed_safety_policy_len;
extern const unsigned char embed_demo_completions[];
extern const size_t embed_demo_completions_len;

enum { KEY_GRADER = 0x600, KEY_MODEL, PARTITIONS = 4, MEMORY = 64 << 20, WAIT_MS = 10000 };

struct demo {
    const char *grader, *model;
    struct standin *standin;
    struct kafka_mock *mock;
    struct settings *settings;
    struct policy *policy;
    struct kafka_setup kafka;
    uint64_t n_completions;
    /* what came out */
    struct arena arena;
    struct reward_summary *rows;
    size_t n_rows;
    uint64_t requests, without_reward;
    double seconds;
};

static const struct argp_option option_list[] = {
    {"grader", KEY_GRADER, "URL", 0, "ask this server (chat dialect) instead of the stand-in", 0},
    {"model", KEY_MODEL, "NAME", 0, "model name to send with --grader", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct demo *d = state->input;
    switch (key) {
    case KEY_GRADER:
        d->grader = arg;
        return 0;
    case KEY_MODEL:
        d->model = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        options_model(state, d->model, d->grader);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the parts ----------------------------------------------------------------------------------
 */

static enum err_code start_servers(struct demo *d, struct err *err)
{
    static const char *const topics[] = {"completions", "rewards", "dead-letters"};
    const struct standin_config standin = {.address = "127.0.0.1"};
    enum err_code code = kafka_mock_new(topics, ARRAY_LEN(topics), PARTITIONS, &d->mock, err);
    if (code == ERR_OK && d->grader == NULL)
        code = standin_new(&standin, &d->standin, err);
    return code;
}

static struct settings *load_settings(const struct demo *d)
{
    struct buf yaml;
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
                   d->standin != NULL ? standin_port(d->standin) : 0u);
    buf_init(&yaml, 1u << 16);
    (void)buf_printf(&yaml,
                     "kafka: {brokers: \"%s\", input: completions, output: rewards, "
                     "dead_letters: dead-letters, group: rbr-demo, start: earliest}\n"
                     "graders:\n"
                     "  - {name: %s, dialect: chat, model: \"%s\", endpoints: [\"%s\"], "
                     "insecure: true}\n"
                     "policy: {files: [safety.yaml]}\n"
                     "log: {level: warning}\n",
                     kafka_mock_brokers(d->mock), d->grader != NULL ? "grader" : "stand-in",
                     d->model != NULL ? d->model : "stand-in", d->grader != NULL ? d->grader : url);
    struct settings *s = options_load_settings_text(STR("rbr demo"), buf_str(&yaml),
                                                    SETTINGS_NEED_KAFKA | SETTINGS_NEED_GRADER |
                                                        SETTINGS_NEED_POLICY);
    buf_done(&yaml);
    return s;
}

static struct policy *load_policy(void)
{
    const struct policy_file file = {
        .name = STR("safety.yaml"),
        .text = {(const char *)embed_safety_policy, embed_safety_policy_len},
    };
    return options_load_policy(&file, 1, true, true);
}

/* ---- the job ------------------------------------------------------------------------------------
 */

static bool next_line(struct str *rest, struct str *ret)
{
    if (rest->n == 0)
        return false;
    const char *end = memchr(rest->p, '\n', rest->n);
    size_t n = end != NULL ? (size_t)(end - rest->p) : rest->n;
    *ret = str_sub(*rest, 0, n);
    *rest = str_sub(*rest, end != NULL ? n + 1 : n, rest->n);
    return true;
}

static enum err_code produce(struct demo *d, struct err *err)
{
    struct str rest = {(const char *)embed_demo_completions, embed_demo_completions_len}, line;
    struct kafka_writer *writer;
    enum err_code code = kafka_writer_new(&d->kafka.config, d->settings->kafka.input, &writer, err);
    if (code != ERR_OK)
        return code;
    while (code == ERR_OK && next_line(&rest, &line)) {
        struct str trimmed = str_trim(line);
        if (trimmed.n == 0)
            continue;
        /* Without a key they spread over the partitions. */
        code = kafka_writer_put(writer, (struct str){0}, trimmed, err);
        d->n_completions++;
    }
    if (code == ERR_OK)
        code = kafka_writer_flush(writer, WAIT_MS, err);
    kafka_writer_free(writer);
    return code;
}

static enum err_code work(struct demo *d, struct err *err)
{
    struct app app;
    const struct app_config config = {
        .settings = d->settings,
        .policy = d->policy,
        .embedded = true,
        .quiet = true,
        .hurried = true,
        .stop_after = d->n_completions,
    };
    enum err_code code = app_init(&app, &config, err);
    if (code != ERR_OK)
        return code;
    code = app_run(&app, err);
    d->seconds = (double)(app.stopped_us - app.first_us) / 1e6;
    app_done(&app);
    return code;
}

static int by_id(const void *a, const void *b)
{
    const struct reward_summary *x = a, *y = b;
    size_t n = x->completion_id.n < y->completion_id.n ? x->completion_id.n : y->completion_id.n;
    int order = n > 0 ? memcmp(x->completion_id.p, y->completion_id.p, n) : 0;
    return order != 0 ? order
                      : (x->completion_id.n > y->completion_id.n) - (n < y->completion_id.n);
}

static enum err_code collect(struct demo *d, struct err *err)
{
    struct kafka_reader *reader;
    struct source_record record;
    int32_t partition;
    enum kafka_read what;
    enum err_code code =
        kafka_reader_new(&d->kafka.config, d->settings->kafka.output, true, &reader, err);
    if (code != ERR_OK)
        return code;
    d->rows = mem_array(d->n_completions, sizeof(*d->rows));
    while (code == ERR_OK && d->n_rows < d->n_completions &&
           (what = kafka_reader_next(reader, WAIT_MS, &record, &partition, err)) !=
               KAFKA_READ_END) {
        if (what == KAFKA_READ_RECORD)
            code = reward_summarise(record.value, &d->arena, &d->rows[d->n_rows++], err);
        else
            code = what == KAFKA_READ_FAILED
                       ? err->code
                       : err_set(err, ERR_TIMEOUT, "the embedded broker does not answer");
    }
    kafka_reader_free(reader);
    if (d->n_rows > 0)
        qsort(d->rows, d->n_rows, sizeof(*d->rows), by_id);
    return code;
}

static void show(struct demo *d)
{
    struct table *table = table_new();
    for (size_t i = 0; i < d->n_rows; i++) {
        table_add(table, &d->rows[i]);
        d->requests += d->rows[i].requests;
        d->without_reward += !d->rows[i].has_reward;
    }
    table_print(table);
    table_free(table);
    (void)printf("\n%zu completions judged in %.2f s (%.0f/s, %" PRIu64
                 " questions, %.0f/s) by %s.\n",
                 d->n_rows, d->seconds, (double)d->n_rows / d->seconds, d->requests,
                 (double)d->requests / d->seconds,
                 d->grader != NULL ? d->grader : "a stand-in that looks for words: it is no judge");
}

static int run(struct demo *d)
{
    struct err err;
    enum err_code code = start_servers(d, &err);
    if (code == ERR_OK &&
        ((d->settings = load_settings(d)) == NULL || (d->policy = load_policy()) == NULL))
        return EXIT_USAGE;
    if (code == ERR_OK) {
        kafka_setup_init(&d->kafka, &d->settings->kafka, true);
        (void)fprintf(stderr, "broker %s, grader %s; joining the group takes about 3 s\n",
                      kafka_mock_brokers(d->mock), d->grader != NULL ? d->grader : "stand-in");
        code = produce(d, &err);
    }
    if (code == ERR_OK)
        code = work(d, &err);
    if (code == ERR_OK)
        code = collect(d, &err);
    if (code != ERR_OK) {
        (void)fprintf(stderr, "rbr demo: %s\n", err.msg);
        return EXIT_FAILED;
    }
    show(d);
    return d->without_reward > 0 || d->n_rows < d->n_completions ? EXIT_DATA : EXIT_DONE;
}

int cmd_demo(int argc, char **argv)
{
    struct demo d = {0};
    const struct argp argp = {option_list, parse, NULL, doc, NULL, NULL, NULL};
    options_parse(&argp, argc, argv, &d, NULL);
    arena_init(&d.arena, MEMORY);
    int exit_code = run(&d);
    kafka_setup_done(&d.kafka);
    policy_free(d.policy);
    settings_free(d.settings);
    standin_free(d.standin);
    kafka_mock_free(d.mock);
    mem_free(d.rows);
    arena_done(&d.arena);
    return exit_code;
}
