#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "reward/explain.h"
#include "reward/message.h"
#include "reward/reward.h"
#include "worker/grading.h"
#include "worker/lines.h"
#include "worker/options.h"
#include "worker/spending.h"
#include "worker/table.h"

static const char doc[] =
    "Scores a JSONL file of completions (or - for standard input), one reward each, without Kafka. "
    "The grader is the "
    "settings' first one or --grader; without any, only checks and given labels count.\v"
    "Examples:\n"
    "  rbr score config/demo/completions.jsonl\n"
    "  rbr score --policy config/policies/safety.yaml --grader http://127.0.0.1:8000 --explain "
    "one.jsonl\n"
    "  rbr score --policy proposition_prompts.yaml --use-labels --jsonl gold.jsonl\n\n"
    "A grader that does not answer for 30 s ends it: what was scored by then is printed.\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options, settings or policy, 3 done with failures in the "
    "data.";

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_JSON_LINES, OUTPUT_EXPLAIN };

enum {
    KEY_GRADER = 0x200,
    KEY_MODEL,
    KEY_USE_LABELS,
    KEY_JSON,
    KEY_JSON_LINES,
    KEY_EXPLAIN,
    IN_FLIGHT = 256, /* records */
    PROGRESS_US = 200000,
};

struct arguments {
    struct options options;
    const char *grader, *model, *input;
    enum output output;
    bool use_labels;
};

/* One line of the file on its way. */
struct task {
    struct arena arena;
    struct record *record; /* NULL: refused */
    struct judge_req judge;
    struct buf out; /* the packed reward */
    uint64_t line;
    int64_t received_ms;
    bool done, dropped; /* dropped: the grader is down, nothing is printed */
};

struct scoring {
    const struct arguments *args;
    struct grading grading;
    struct lines in;
    bool at_end;
    struct task tasks[IN_FLIGHT]; /* ring: [first, next) by number */
    uint64_t first, next;
    uint64_t scored, refused, failed, questions;
    struct table *table;
    int64_t started_us, next_progress_us;
    bool progress;
    struct err hopeless; /* why there is no more waiting for the grader */
};

static const struct argp_option option_list[] = {
    {"grader", KEY_GRADER, "URL", 0, "ask this server (chat dialect)", 0},
    {"model", KEY_MODEL, "NAME", 0, "model name to send with --grader", 0},
    {"use-labels", KEY_USE_LABELS, 0, 0, "take the records' `propositions` as judgments", 0},
    {"json", KEY_JSON, 0, 0, "print one JSON array", 0},
    {"jsonl", KEY_JSON_LINES, 0, 0, "print one JSON object a line", 0},
    {"explain", KEY_EXPLAIN, 0, 0, "show the working of each record", 0},
    {0},
};

static const struct argp_child children[] = {
    {&options_argp, 0, NULL, 0}, {&options_policies_argp, 0, NULL, 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &a->options;
        return 0;
    case KEY_GRADER:
        a->grader = arg;
        return 0;
    case KEY_MODEL:
        a->model = arg;
        return 0;
    case KEY_USE_LABELS:
        a->use_labels = true;
        return 0;
    case KEY_JSON:
        a->output = OUTPUT_JSON;
        return 0;
    case KEY_JSON_LINES:
        a->output = OUTPUT_JSON_LINES;
        return 0;
    case KEY_EXPLAIN:
        a->output = OUTPUT_EXPLAIN;
        return 0;
    default:
        return options_file(key, arg, state, &a->input);
    }
}

/* ---- output -----------------------------------------------------------------------------------
 */

static void print_json(const struct task *t, enum message_style style, const char *before)
{
    struct buf text;
    struct err err;
    buf_init(&text, 16u << 20);
    if (message_print(MESSAGE_REWARD, buf_str(&t->out), style, &text, &err) == ERR_OK) {
        (void)fputs(before, stdout);
        (void)fwrite(text.p, 1, text.n, stdout);
    } else {
        (void)fprintf(stderr, "line %" PRIu64 ": %s\n", t->line, err.msg);
    }
    buf_done(&text);
}

static void print_explanation(const struct scoring *s, struct task *t, const struct reward *reward)
{
    struct buf text;
    buf_init(&text, 4u << 20);
    if (reward_explain(s->grading.policy, t->record, &t->judge.result, reward, &text) == ERR_OK)
        (void)fwrite(text.p, 1, text.n, stdout);
    (void)fputc('\n', stdout);
    buf_done(&text);
}

static void print(struct scoring *s, struct task *t, const struct reward *reward)
{
    struct reward_summary row;
    struct err err;
    switch (s->args->output) {
    case OUTPUT_TABLE:
        if (reward_summarise(buf_str(&t->out), &t->arena, &row, &err) == ERR_OK)
            table_add(s->table, &row);
        break;
    case OUTPUT_JSON:
        print_json(t, MESSAGE_JSON_PRETTY, s->scored > 1 ? ",\n" : "[\n");
        break;
    case OUTPUT_JSON_LINES:
        print_json(t, MESSAGE_JSON_LINE, "");
        (void)fputc('\n', stdout);
        break;
    case OUTPUT_EXPLAIN:
        print_explanation(s, t, reward);
        break;
    }
}

static void finish(struct scoring *s, struct task *t)
{
    struct reward reward;
    struct reward_envelope envelope = {
        .topic = str_z(s->args->input),
        .offset = (int64_t)t->line,
        .received_at_ms = t->received_ms,
        .scored_at_ms = clock_wall_ms(&clock_real),
        .traceparent = t->record->traceparent,
    };
    const struct policy *policy = s->grading.policy;
    for (size_t i = 0; i < policy->n_propositions; i++)
        s->questions += t->judge.result.judgments[i].attempts > 0;
    if (reward_compute(&t->arena, policy, t->record, &t->judge.result, &reward) != ERR_OK ||
        reward_encode(policy, t->record, &t->judge.result, &reward, &envelope, &t->out) != ERR_OK) {
        (void)fprintf(stderr, "%s:%" PRIu64 ": the reward is too large to make\n", s->args->input,
                      t->line);
        s->refused++;
        return;
    }
    s->scored++;
    s->failed += reward.status == STATUS_FAILED || reward.status == STATUS_EXPIRED;
    print(s, t, &reward);
}

/* ---- the loop ---------------------------------------------------------------------------------
 */

static void on_judged(struct judge_req *req)
{
    CONTAINER_OF(req, struct task, judge)->done = true;
}

/* Reads one line into a task; false at the end of the file. */
static bool read_task(struct scoring *s)
{
    struct str line;
    if (!lines_next(&s->in, &line))
        return false;
    struct task *t = &s->tasks[s->next++ % IN_FLIGHT];
    struct record_origin origin = {.topic = str_z(s->args->input), .offset = (int64_t)s->in.number};
    struct refusal refusal;
    arena_reset(&t->arena);
    buf_reset(&t->out);
    t->line = s->in.number;
    t->received_ms = clock_wall_ms(&clock_real);
    t->record =
        record_decode(&t->arena, line, RECORD_JSON, &record_limits_default, &origin, &refusal);
    if (t->record == NULL) {
        char text[256];
        refusal_print(&refusal, text);
        (void)fprintf(stderr, "%s:%" PRIu64 ": %s\n", s->args->input, t->line, text);
        s->refused++;
        t->done = true;
        return true;
    }
    t->judge = (struct judge_req){.record = t->record,
                                  .arena = &t->arena,
                                  .deadline_us = CLOCK_NEVER,
                                  .expires_us = CLOCK_NEVER,
                                  .done = on_judged};
    t->dropped = false;
    t->done = judge_start(&s->grading.judge, &t->judge);
    return true;
}

static void show_progress(struct scoring *s)
{
    int64_t now = clock_mono_us(&clock_real);
    if (!s->progress || now < s->next_progress_us)
        return;
    s->next_progress_us = now + PROGRESS_US;
    double seconds = (double)(now - s->started_us) / 1e6;
    (void)fprintf(stderr, "\r%" PRIu64 " scored, %.0f/s ", s->scored, (double)s->scored / seconds);
}

/* Those that wait for the grader end without a result, and no more is read. */
static void drop_the_rest(struct scoring *s)
{
    s->at_end = true;
    for (uint64_t i = s->first; i < s->next; i++) {
        struct task *t = &s->tasks[i % IN_FLIGHT];
        t->dropped = !t->done;
        if (t->dropped)
            judge_cancel(&t->judge);
    }
}

static int64_t maintain(void *arg)
{
    struct scoring *s = arg;
    if (s->hopeless.code == ERR_OK && grading_is_hopeless(&s->grading, &s->hopeless))
        drop_the_rest(s);
    for (;;) {
        while (s->first < s->next && s->tasks[s->first % IN_FLIGHT].done) {
            struct task *t = &s->tasks[s->first++ % IN_FLIGHT];
            if (t->record != NULL && !t->dropped)
                finish(s, t);
        }
        if (s->at_end || s->next - s->first == IN_FLIGHT)
            break;
        s->at_end = !read_task(s);
    }
    show_progress(s);
    if (s->at_end && s->first == s->next)
        loop_stop(&s->grading.loop);
    return grading_tick(&s->grading);
}

static void summarise(const struct scoring *s)
{
    double seconds = (double)(clock_mono_us(&clock_real) - s->started_us) / 1e6;
    char text[SPENDING_TEXT_MAX];
    if (s->progress)
        (void)fprintf(stderr, "\r");
    (void)fprintf(stderr,
                  "%" PRIu64 " scored, %" PRIu64 " failed, %" PRIu64 " refused; %" PRIu64
                  " questions asked in %.1f s\n",
                  s->scored, s->failed, s->refused, s->questions, seconds);
    if (s->grading.grader != NULL)
        (void)fprintf(stderr, "%s\n", spending_text(s->grading.grader, text));
}

static void start_output(struct scoring *s)
{
    s->started_us = clock_mono_us(&clock_real);
    s->progress = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    if (s->args->output == OUTPUT_TABLE)
        s->table = table_new();
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        arena_init(&s->tasks[i].arena,
                   record_limits_default.memory_bytes + 8 * record_limits_default.value_bytes);
        buf_init(&s->tasks[i].out, 16u << 20);
    }
}

static void end_output(struct scoring *s)
{
    if (s->args->output == OUTPUT_JSON)
        (void)fputs(s->scored > 0 ? "\n]\n" : "[]\n", stdout);
    if (s->table != NULL)
        table_print(s->table);
    table_free(s->table);
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        arena_done(&s->tasks[i].arena);
        buf_done(&s->tasks[i].out);
    }
}

/* ---- set-up -----------------------------------------------------------------------------------
 */

static int score(const struct arguments *args, const struct policy *policy,
                 const struct settings_grader *grader, const struct settings *settings)
{
    struct err err;
    struct scoring *s = mem_alloc(sizeof(*s));
    int exit_code = EXIT_FAILED;
    s->args = args;
    if (lines_open(&s->in, args->input, &err) != ERR_OK ||
        grading_init(&s->grading, policy, grader, maintain, s, &err) != ERR_OK) {
        (void)fprintf(stderr, "rbr score: %s\n", err.msg);
    } else {
        s->grading.judge.use_known = args->use_labels;
        if (settings != NULL)
            grading_limit_cost(&s->grading, settings);
        if (settings != NULL && settings->cache.path.n > 0)
            grading_keep(&s->grading, settings);
        start_output(s);
        loop_run(&s->grading.loop);
        end_output(s);
        summarise(s);
        grading_done(&s->grading);
        exit_code = s->failed + s->refused > 0 ? EXIT_DATA : EXIT_DONE;
        if (s->hopeless.code != ERR_OK) {
            (void)fprintf(stderr, "rbr score: %s\n", s->hopeless.msg);
            exit_code = EXIT_FAILED;
        }
    }
    lines_close(&s->in);
    mem_free(s);
    return exit_code;
}

/* The policy: --policy, else the settings'. The grader: --grader, else the settings' first, else
 * none. Judgments are kept when the settings name a file for them. Either settings may be NULL. */
static int score_with(const struct arguments *args, const struct settings *settings,
                      const struct settings *given)
{
    const struct settings *of_grader = given != NULL ? given : settings;
    struct policy *policy =
        args->options.n_policies > 0
            ? options_load_policy(args->options.policies, args->options.n_policies, false, true)
            : options_policy_of(settings, false);
    if (policy == NULL)
        return EXIT_USAGE;
    bool has_grader = of_grader != NULL && of_grader->n_graders > 0;
    int exit_code = score(args, policy, has_grader ? &of_grader->graders[0] : NULL, settings);
    policy_free(policy);
    return exit_code;
}

int cmd_score(int argc, char **argv)
{
    struct arguments args = {0};
    const struct argp argp = {option_list, parse, "FILE", doc, children, NULL, NULL};
    options_parse(&argp, argc, argv, &args);
    /* With a policy and a place to take judgments from, no settings are needed. */
    bool needed = args.options.n_policies == 0 || args.options.file != NULL;
    unsigned needs =
        (args.options.n_policies == 0 ? (unsigned)SETTINGS_NEED_POLICY : 0u) |
        (args.grader == NULL && !args.use_labels ? (unsigned)SETTINGS_NEED_GRADER : 0u);
    struct settings *settings = needed ? options_load_settings(&args.options, needs) : NULL;
    struct settings *given =
        args.grader != NULL ? options_grader_settings(args.grader, args.model) : NULL;
    int exit_code = EXIT_USAGE;
    if ((!needed || settings != NULL) && (args.grader == NULL || given != NULL))
        exit_code = score_with(&args, settings, given);
    settings_free(given);
    settings_free(settings);
    return exit_code;
}
