#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "fit/given.h"
#include "worker/evaluation.h"
#include "worker/hash_file.h"
#include "worker/judged_file.h"
#include "worker/options.h"
#include "worker/replace.h"

static const char doc[] =
    "Says how good a grader is, beside labels: asks it about the completions of a JSONL file whose "
    "`propositions` are labels (true or false), and prints accuracy, AUC, calibration and more per "
    "proposition, and per response type which class the judgments make of which labelled one. The "
    "grader is the settings' first one or --grader; --judgments takes judgments that were made "
    "before, --use-labels the labels themselves.\v"
    "Examples:\n"
    "  rbr eval --policy config/policies/safety.yaml --gold gold.jsonl \\\n"
    "    --grader http://127.0.0.1:8000 --model m --cache judgments\n"
    "  rbr eval --policy config/policies/safety.yaml --gold gold.jsonl \\\n"
    "    -c config/worker.yaml --write-calibration calibration.yaml\n"
    "  rbr eval --policy config/policies/safety.yaml --gold gold.jsonl \\\n"
    "    --judgments scored.jsonl --json\n\n"
    "With --cache, or cache.path in the settings, what was asked is kept: begun again after an "
    "interruption it goes on where it was. A grader that does not answer for 30 s ends it.\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options, settings or policy, 3 done with rows that were "
    "refused.";

enum {
    KEY_GOLD = 0x600,
    KEY_GRADER,
    KEY_MODEL,
    KEY_CACHE,
    KEY_JUDGMENTS,
    KEY_USE_LABELS,
    KEY_THRESHOLD,
    KEY_JSON,
    KEY_HTML,
    KEY_WRITE_CALIBRATION,
    OUTPUT_MAX = 64 << 20, /* bytes */
};

struct arguments {
    struct options options;
    const char *gold, *grader, *model, *cache, *judgments, *calibration, *html;
    bool use_labels, json;
    double threshold;
};

/* From the labels to what is printed. */
struct evaluating {
    const struct arguments *args;
    struct judged_file file;
    struct eval eval;
    struct given given; /* --judgments */
};

static const struct argp_option option_list[] = {
    {"gold", KEY_GOLD, "FILE", 0, "completions with labels", 0},
    {"grader", KEY_GRADER, "URL", 0, "ask this server (chat dialect)", 1},
    {"model", KEY_MODEL, "NAME", 0, "model name to send with --grader", 1},
    {"cache", KEY_CACHE, "FILE", 0, "keep judgments here (default: cache.path of the settings)", 1},
    {"judgments", KEY_JUDGMENTS, "FILE", 0,
     "take these, by completion_id, as rbr score --jsonl prints them; ask nothing", 1},
    {"use-labels", KEY_USE_LABELS, 0, 0, "take the labels as judgments: a perfect grader", 1},
    {"threshold", KEY_THRESHOLD, "X", 0, "from which probability an answer counts as yes (0.5)", 2},
    {"json", KEY_JSON, 0, 0, "print one JSON object", 2},
    {"html", KEY_HTML, "FILE", 0, "write a page with the tables and reliability diagrams too", 2},
    {"write-calibration", KEY_WRITE_CALIBRATION, "FILE", 0,
     "fit Platt's a and b per proposition, and write them as an overlay for the policy", 2},
    {0},
};

static error_t parse_output(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_THRESHOLD:
        if (!num_parse_f64(str_z(arg), &a->threshold) || a->threshold <= 0 || a->threshold > 1)
            argp_error(state, "--threshold must be a number above 0, at most 1, not '%s'", arg);
        return 0;
    case KEY_JSON:
        a->json = true;
        return 0;
    case KEY_HTML:
        a->html = arg;
        return 0;
    case KEY_WRITE_CALIBRATION:
        a->calibration = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'; the labels are --gold FILE", arg);
        return 0;
    case ARGP_KEY_END:
        if (a->gold == NULL)
            argp_error(state, "which labels? --gold FILE");
        else if ((a->grader != NULL) + (a->judgments != NULL) + a->use_labels > 1)
            argp_error(state, "one of --grader, --judgments and --use-labels, please");
        options_model(state, a->model, a->grader);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_GOLD:
        a->gold = arg;
        return 0;
    case KEY_GRADER:
        a->grader = arg;
        return 0;
    case KEY_MODEL:
        a->model = arg;
        return 0;
    case KEY_CACHE:
        a->cache = arg;
        return 0;
    case KEY_JUDGMENTS:
        a->judgments = arg;
        return 0;
    case KEY_USE_LABELS:
        a->use_labels = true;
        return 0;
    default:
        return parse_output(key, arg, state);
    }
}

/* ---- judging ----------------------------------------------------------------------------------
 */

static enum err_code read_given(struct given *g, const char *path, struct err *err)
{
    struct lines in;
    struct str line;
    enum err_code code = lines_open(&in, path, err);
    while (code == ERR_OK && lines_next(&in, &line)) {
        code = given_add(g, line, in.number, err);
        if (code != ERR_OK)
            (void)err_wrap(err, "%s: line %" PRIu64, path, in.number);
    }
    lines_close(&in);
    return code == ERR_OK ? given_sort(g, err) : code;
}

/* What was asked before takes the place of what nobody was asked; checks are answered already. */
static enum err_code take_given(const struct evaluating *e, struct judged_file_row *row,
                                struct err *err)
{
    struct judged *judged = &row->judge.result;
    const struct judgment *given = given_find(&e->given, row->record->completion_id);
    if (given == NULL)
        return err_set(err, ERR_INVALID, "%s has no judgments of completion '%.*s'",
                       e->args->judgments, STR_ARGS(row->record->completion_id));
    for (size_t i = 0; judged->status == STATUS_OK && i < e->given.policy->n_propositions; i++)
        if (judged->judgments[i].status == JUDGMENT_UNGRADED)
            judged->judgments[i] = given[i];
    return ERR_OK;
}

static void on_row(struct judged_file *j, struct judged_file_row *row)
{
    struct evaluating *e = CONTAINER_OF(j, struct evaluating, file);
    const struct judged *judged = &row->judge.result;
    struct err err;
    enum err_code code = e->args->judgments != NULL ? take_given(e, row, &err) : ERR_OK;
    if (code == ERR_OK)
        code = eval_add(&e->eval, row->record, judged, &err);
    if (code != ERR_OK) {
        (void)fprintf(stderr, "%s:%" PRIu64 ": %s\n", j->input, row->line, err.msg);
        j->refused++;
    } else if (judged->status != STATUS_OK) {
        (void)fprintf(stderr, "%s:%" PRIu64 ": %s %s: %s\n", j->input, row->line,
                      status_name(judged->status), reason_name(judged->reason), judged->detail);
    }
}

/* ---- output -----------------------------------------------------------------------------------
 */

static enum err_code write_calibration(const struct evaluating *e, const struct calibration *c,
                                       const struct settings_grader *grader, struct err *err)
{
    char sha256[65];
    struct buf text;
    struct calibration_origin origin = {.gold = str_z(e->args->gold), .gold_sha256 = sha256};
    if (grader != NULL) {
        origin.grader = grader->name;
        origin.model = grader->model;
    }
    enum err_code code = hash_file(e->args->gold, sha256, err);
    if (code != ERR_OK)
        return code;
    buf_init(&text, OUTPUT_MAX);
    if ((code = calibration_overlay(c, &origin, &text)) != ERR_OK)
        (void)err_set(err, code, "%s: the calibration is too large", e->args->calibration);
    else
        code = replace_file(e->args->calibration, buf_str(&text), err);
    buf_done(&text);
    return code;
}

static enum err_code print(const struct evaluation *e, bool json, struct err *err)
{
    struct buf text;
    if (!json) {
        evaluation_print(e);
        return ERR_OK;
    }
    buf_init(&text, OUTPUT_MAX);
    evaluation_json(e, &text);
    bool fits = !text.failed;
    (void)fwrite(text.p, 1, fits ? text.n : 0, stdout);
    buf_done(&text);
    return fits ? ERR_OK : err_set(err, ERR_LIMIT, "the JSON is longer than %d bytes", OUTPUT_MAX);
}

static enum err_code write_page(const struct evaluation *e, const char *path, struct err *err)
{
    struct buf page;
    buf_init(&page, OUTPUT_MAX);
    enum err_code code = evaluation_page(e, &page, err);
    if (code == ERR_OK)
        code = replace_file(path, buf_str(&page), err);
    else
        (void)err_wrap(err, "%s", path);
    buf_done(&page);
    return code;
}

static enum err_code show(const struct evaluating *e, const struct settings_grader *grader,
                          struct err *err)
{
    const struct arguments *a = e->args;
    struct calibration calibration = {0};
    char judges[256];
    struct evaluation evaluation = {
        .eval = &e->eval, .threshold = a->threshold, .gold = a->gold, .judges = judges};
    enum err_code code = ERR_OK;
    if (grader != NULL)
        (void)snprintf(judges, sizeof(judges), "%.*s (%.*s)",
                       STR_ARGS(a->grader != NULL ? str_z(a->grader) : grader->name),
                       STR_ARGS(grader->model));
    else
        (void)snprintf(judges, sizeof(judges), "%s",
                       a->judgments != NULL ? a->judgments : "their labels");
    if (a->calibration != NULL) {
        calibration_fit(&calibration, &e->eval);
        evaluation.calibration = &calibration;
        code = write_calibration(e, &calibration, grader, err);
    }
    if (code == ERR_OK && a->html != NULL)
        code = write_page(&evaluation, a->html, err);
    if (code == ERR_OK)
        code = print(&evaluation, a->json, err);
    calibration_done(&calibration);
    return code;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static enum err_code evaluate(struct evaluating *e, const struct policy *policy,
                              const struct settings_grader *grader, const struct settings *settings,
                              struct err *err)
{
    struct judged_file *j = &e->file;
    enum err_code code = ERR_OK;
    bool keeps = settings != NULL && settings->cache.path.n > 0;
    j->input = e->args->gold;
    j->use_known = e->args->use_labels;
    j->progress = isatty(STDERR_FILENO);
    j->row = on_row;
    if (e->args->judgments != NULL)
        code = read_given(&e->given, e->args->judgments, err);
    if (code == ERR_OK)
        code = judged_file_run(j, policy, grader, settings, err);
    if (code == ERR_OK && j->hopeless.code != ERR_OK)
        code =
            err_set(err, ERR_UNAVAILABLE, "%s; %" PRIu64 " rows were judged%s", j->hopeless.msg,
                    j->judged, keeps ? ", begin again to go on" : ": with --cache they are kept");
    if (code == ERR_OK && e->eval.rows == 0)
        code = err_set(err, ERR_INVALID, "%s: no rows with labels", e->args->gold);
    if (code == ERR_OK)
        code = show(e, grader, err);
    return code;
}

/* The policy: --policy, else the settings'. R_rm is in no judgment, so nobody needs to have one. */
static struct policy *load_policy(const struct arguments *a, const struct settings *settings)
{
    struct policy *policy =
        a->options.n_policies > 0
            ? options_load_policy(a->options.policies, a->options.n_policies, false, true)
            : options_policy_of(settings, false);
    if (policy != NULL)
        policy->reward_model = REWARD_MODEL_IGNORE;
    return policy;
}

/* `settings` has the grader, or is NULL: nobody is asked. */
static int run(const struct arguments *a, const struct policy *policy,
               const struct settings *settings)
{
    struct evaluating *e = mem_alloc(sizeof(*e));
    const struct settings_grader *grader = NULL;
    bool asks = a->judgments == NULL && !a->use_labels;
    struct err err = {0};
    if (asks && settings != NULL && settings->n_graders > 0)
        grader = &settings->graders[0];
    e->args = a;
    eval_init(&e->eval, policy);
    given_init(&e->given, policy);
    enum err_code code = evaluate(e, policy, grader, settings, &err);
    if (code != ERR_OK)
        (void)fprintf(stderr, "rbr eval: %s\n", err.msg);
    else
        (void)fprintf(stderr, "%" PRIu64 " questions asked in %.1f s\n", e->file.questions,
                      e->file.seconds);
    if (e->file.spent[0] != '\0')
        (void)fprintf(stderr, "%s\n", e->file.spent);
    int exit_code = e->file.refused > 0 ? EXIT_DATA : EXIT_DONE;
    if (code != ERR_OK)
        exit_code = code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    given_done(&e->given);
    eval_done(&e->eval);
    mem_free(e);
    return exit_code;
}

int cmd_eval(int argc, char **argv)
{
    struct arguments a = {.threshold = 0.5};
    const struct argp argp = {option_list, parse, NULL, doc, options_all, NULL, NULL};
    options_parse(&argp, argc, argv, &a, &a.options);
    bool asks_settings = a.grader == NULL && a.judgments == NULL && !a.use_labels;
    bool needed = a.options.n_policies == 0 || a.options.file != NULL || asks_settings;
    unsigned needs = (a.options.n_policies == 0 ? (unsigned)SETTINGS_NEED_POLICY : 0u) |
                     (asks_settings ? (unsigned)SETTINGS_NEED_GRADER : 0u);
    struct settings *settings = needed ? options_load_settings(&a.options, needs) : NULL;
    struct settings *given = a.grader != NULL ? options_grader_settings(a.grader, a.model) : NULL;
    struct policy *policy = NULL;
    int exit_code = EXIT_USAGE;
    if ((!needed || settings != NULL) && (a.grader == NULL || given != NULL))
        policy = load_policy(&a, settings);
    if (given != NULL && settings != NULL)
        given->cache = settings->cache;
    struct settings *used = given != NULL ? given : settings;
    if (used != NULL && a.cache != NULL)
        used->cache.path = str_z(a.cache);
    if (policy != NULL)
        exit_code = run(&a, policy, used);
    policy_free(policy);
    settings_free(given);
    settings_free(settings);
    return exit_code;
}
