#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "reward/explain.h"
#include "reward/message.h"
#include "reward/reward.h"
#include "worker/judged_file.h"
#include "worker/options.h"
#include "worker/table.h"

static const char doc[] =
    "Scores a JSONL file of completions (or - for standard input), one reward each, without Kafka. "
    "The grader is the settings' first one or --grader; without any, only checks and given labels "
    "count.\v"
    "Examples:\n"
    "  rbr score config/demo/completions.jsonl\n"
    "  rbr score --policy config/policies/safety.yaml \\\n"
    "    --grader http://127.0.0.1:8000 --explain one.jsonl\n"
    "  rbr score --policy proposition_prompts.yaml --use-labels --jsonl gold.jsonl\n"
    "  sampler | rbr score --policy mine.yaml \\\n"
    "    --grader http://127.0.0.1:8000 --jsonl -\n\n"
    "Rewards come in the order of the lines. Except in the table, each is printed when it is made, "
    "also while the next line is waited for.\n\n"
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
};

struct arguments {
    struct options options;
    const char *grader, *model, *input;
    enum output output;
    bool use_labels;
};

struct scoring {
    const struct arguments *args;
    struct judged_file file;
    struct buf packed; /* the reward in hand */
    uint64_t scored, failed;
    uint64_t unrouted; /* without a response type of the policy */
    uint64_t unanswered; /* without a judgment that nobody was asked for */
    struct table *table;
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

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
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
    case ARGP_KEY_END:
        options_model(state, a->model, a->grader);
        return 0;
    default:
        return options_file(key, arg, state, &a->input);
    }
}

/* ---- output -----------------------------------------------------------------------------------
 */

static void print_json(const struct scoring *s, const struct judged_file_row *row,
                       enum message_style style, const char *before)
{
    struct buf text;
    struct err err;
    buf_init(&text, 16u << 20);
    if (message_print(MESSAGE_REWARD, buf_str(&s->packed), style, &text, &err) == ERR_OK) {
        (void)fputs(before, stdout);
        (void)fwrite(text.p, 1, text.n, stdout);
    } else {
        (void)fprintf(stderr, "line %" PRIu64 ": %s\n", row->line, err.msg);
    }
    buf_done(&text);
}

static void print_explanation(const struct policy *policy, struct judged_file_row *row,
                              const struct reward *reward)
{
    struct buf text;
    buf_init(&text, 4u << 20);
    if (reward_explain(policy, row->record, &row->judge.result, reward, &text) == ERR_OK)
        (void)fwrite(text.p, 1, text.n, stdout);
    (void)fputc('\n', stdout);
    buf_done(&text);
}

static void print(struct scoring *s, struct judged_file_row *row, const struct reward *reward)
{
    struct reward_summary summary;
    struct err err;
    switch (s->args->output) {
    case OUTPUT_TABLE:
        if (reward_summarise(buf_str(&s->packed), &row->arena, &summary, &err) == ERR_OK)
            table_add(s->table, &summary);
        break;
    case OUTPUT_JSON:
        print_json(s, row, MESSAGE_JSON_PRETTY, s->scored > 1 ? ",\n" : "[\n");
        break;
    case OUTPUT_JSON_LINES:
        print_json(s, row, MESSAGE_JSON_LINE, "");
        (void)fputc('\n', stdout);
        break;
    case OUTPUT_EXPLAIN:
        print_explanation(s->file.grading.policy, row, reward);
        break;
    }
}

static void on_row(struct judged_file *j, struct judged_file_row *row)
{
    struct scoring *s = CONTAINER_OF(j, struct scoring, file);
    const struct policy *policy = j->grading.policy;
    struct reward reward;
    struct reward_envelope envelope = {
        .topic = str_z(s->args->input),
        .offset = (int64_t)row->line,
        .received_at_ms = row->received_ms,
        .scored_at_ms = clock_wall_ms(&clock_real),
        .traceparent = row->record->traceparent,
    };
    buf_reset(&s->packed);
    if (reward_compute(&row->arena, policy, row->record, &row->judge.result, &reward) != ERR_OK ||
        reward_encode(policy, row->record, &row->judge.result, &reward, &envelope, &s->packed) !=
            ERR_OK) {
        (void)fprintf(stderr, "%s:%" PRIu64 ": the reward is too large to make\n", s->args->input,
                      row->line);
        j->refused++;
        return;
    }
    s->scored++;
    s->failed += reward.status == STATUS_FAILED || reward.status == STATUS_EXPIRED;
    s->unrouted += reward.reason == REASON_NO_POLICY;
    s->unanswered += reward.reason == REASON_MISSING_INPUT;
    print(s, row, &reward);
}

static void start_output(struct scoring *s)
{
    s->file.progress = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    if (s->args->output == OUTPUT_TABLE)
        s->table = table_new();
    buf_init(&s->packed, 16u << 20);
}

/* What is probably not meant, and what to do about it. */
static void advise(const struct scoring *s)
{
    const struct policy *p = s->file.grading.policy;
    if (s->unrouted > 0) {
        (void)fprintf(stderr, "%" PRIu64 " with no response type of the policy; it has",
                      s->unrouted);
        for (size_t i = 0; i < p->n_response_types; i++)
            (void)fprintf(stderr, "%s %.*s", i > 0 ? "," : "", STR_ARGS(p->response_types[i].name));
        (void)fputc('\n', stderr);
    }
    if (s->unanswered > 0)
        (void)fprintf(stderr, "%" PRIu64 " without an answer to all questions; %s\n", s->unanswered,
                      s->args->use_labels
                          ? "label them, or ask a grader instead of --use-labels"
                          : "name a grader with --grader URL, or settings with -c FILE");
}

static void end_output(struct scoring *s)
{
    if (s->args->output == OUTPUT_JSON)
        (void)fputs(s->scored > 0 ? "\n]\n" : "[]\n", stdout);
    if (s->table != NULL)
        table_print(s->table);
    (void)fprintf(stderr,
                  "%" PRIu64 " scored, %" PRIu64 " failed, %" PRIu64 " refused; %" PRIu64
                  " questions asked in %.1f s\n",
                  s->scored, s->failed, s->file.refused, s->file.questions, s->file.seconds);
    if (s->file.spent[0] != '\0')
        (void)fprintf(stderr, "%s\n", s->file.spent);
    advise(s);
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
    s->file.input = args->input;
    s->file.use_known = args->use_labels;
    s->file.row = on_row;
    start_output(s);
    if (judged_file_run(&s->file, policy, grader, settings, &err) != ERR_OK) {
        (void)fprintf(stderr, "rbr score: %s\n", err.msg);
    } else {
        end_output(s);
        exit_code = s->failed + s->file.refused > 0 ? EXIT_DATA : EXIT_DONE;
        if (s->file.hopeless.code != ERR_OK) {
            (void)fprintf(stderr, "rbr score: %s\n", s->file.hopeless.msg);
            exit_code = EXIT_FAILED;
        }
    }
    table_free(s->table);
    buf_done(&s->packed);
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
    const struct argp argp = {option_list, parse, "FILE", doc, options_all, NULL, NULL};
    options_parse(&argp, argc, argv, &args, &args.options);
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
