#include "worker/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/sha256.h"
#include "fit/fitted.h"
#include "worker/lines.h"
#include "worker/options.h"
#include "worker/replace.h"

static const char doc[] =
    "Fits a policy's weights to ranked completions, as the paper does: pairs of completions of one "
    "prompt, the better one is to score higher by a margin. DATA is a JSONL file of completions "
    "with given `propositions`, or what rbr score --jsonl prints; each row has its rank as "
    "labels: {\"rank\": ...}. Writes an overlay for the policy, prints losses and ranking errors."
    "\v"
    "Examples:\n"
    "  rbr fit --policy config/policies/safety.yaml --orderings orderings.yaml --out weights.yaml "
    "ranked.jsonl\n"
    "  rbr score --policy config/policies/safety.yaml --policy weights.yaml --use-labels "
    "ranked.jsonl\n\n"
    "A file of orderings says which labels stand below which; without one the labels are the "
    "policy's classes:\n"
    "  orderings:\n"
    "    hard_refuse: {perfect: [bad, disallowed], bad: [disallowed]}\n\n"
    "The same data, options and seed give the same bytes.\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options, policy, orderings or data; then nothing is "
    "written.";

enum {
    KEY_OUT = 0x500,
    KEY_ORDERINGS,
    KEY_IGNORE,
    KEY_NO_REWARD_MODEL,
    KEY_STEPS,
    KEY_LEARNING_RATE,
    KEY_DECAY,
    KEY_SPLIT,
    KEY_HELD_OUT,
    KEY_SEED,
    IGNORED_MAX = 64,
    OUTPUT_MAX = 16 << 20, /* bytes */
};

struct arguments {
    struct options options;
    const char *data, *out, *orderings;
    struct str ignored[IGNORED_MAX];
    size_t n_ignored;
    bool no_reward_model;
    struct pairs_options pairs;
    struct adamw_options adamw;
};

static const struct argp_option option_list[] = {
    {"out", KEY_OUT, "FILE", 0, "the overlay to write", 0},
    {"orderings", KEY_ORDERINGS, "FILE", 0, "which label ranks above which", 0},
    {"ignore", KEY_IGNORE, "FEATURE", 0, "keep this feature's weight at 0; may be repeated", 0},
    {"no-reward-model", KEY_NO_REWARD_MODEL, 0, 0, "leave reward_model_score out of the loss", 0},
    {"steps", KEY_STEPS, "N", 0, "AdamW steps (1000)", 1},
    {"learning-rate", KEY_LEARNING_RATE, "X", 0, "(0.01)", 1},
    {"decay", KEY_DECAY, "X", 0, "weight decay (0.05)", 1},
    {"held-out", KEY_HELD_OUT, "SHARE", 0, "not trained on (0.05)", 2},
    {"split", KEY_SPLIT, "HOW", 0, "hold out a share of the prompts (prompt) or pairs (pair)", 2},
    {"seed", KEY_SEED, "N", 0, "of the split (1)", 2},
    {0},
};

static const struct argp_child children[] = {{&options_policies_argp, 0, NULL, 0}, {0}};

/* ---- options ----------------------------------------------------------------------------------
 */

static double number(const char *arg, double min, double max, const char *name,
                     const struct argp_state *state)
{
    double v = 0;
    if (!num_parse_f64(str_z(arg), &v) || v < min || v > max)
        argp_error(state, "--%s must be a number from %g to %g, not '%s'", name, min, max, arg);
    return v;
}

static uint64_t whole(const char *arg, uint64_t min, uint64_t max, const char *name,
                      const struct argp_state *state)
{
    uint64_t v = 0;
    if (!num_parse_u64(str_z(arg), &v) || v < min || v > max)
        argp_error(state, "--%s must be a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                   name, min, max, arg);
    return v;
}

static error_t parse_method(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_STEPS:
        a->adamw.steps = (size_t)whole(arg, 1, 1000000, "steps", state);
        return 0;
    case KEY_LEARNING_RATE:
        a->adamw.learning_rate = number(arg, 1e-9, 1, "learning-rate", state);
        return 0;
    case KEY_DECAY:
        a->adamw.decay = number(arg, 0, 1, "decay", state);
        return 0;
    case KEY_HELD_OUT:
        a->pairs.held_out = number(arg, 0, 0.9, "held-out", state);
        return 0;
    case KEY_SPLIT:
        a->pairs.split = strcmp(arg, "pair") == 0 ? SPLIT_PAIR : SPLIT_PROMPT;
        if (strcmp(arg, "pair") != 0 && strcmp(arg, "prompt") != 0)
            argp_error(state, "--split is prompt or pair, not '%s'", arg);
        return 0;
    case KEY_SEED:
        a->pairs.seed = whole(arg, 0, UINT64_MAX, "seed", state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->options;
        return 0;
    case KEY_OUT:
        a->out = arg;
        return 0;
    case KEY_ORDERINGS:
        a->orderings = arg;
        return 0;
    case KEY_IGNORE:
        if (a->n_ignored == IGNORED_MAX)
            argp_error(state, "at most %d --ignore options", IGNORED_MAX);
        else
            a->ignored[a->n_ignored++] = str_z(arg);
        return 0;
    case KEY_NO_REWARD_MODEL:
        a->no_reward_model = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->data != NULL || strcmp(arg, "-") == 0)
            argp_error(state, "one file, please; it is read twice, so not standard input");
        a->data = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->data == NULL || a->out == NULL || a->options.n_policies == 0)
            argp_error(state, "DATA, --policy and --out are needed");
        return 0;
    default:
        return parse_method(key, arg, state);
    }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static enum err_code hash_file(const char *path, struct fit_input *ret, struct err *err)
{
    char block[1 << 16];
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;
    size_t n;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    sha256_init(&h);
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        sha256_raw(&h, (struct str){block, n});
    bool ok = ferror(f) == 0;
    (void)fclose(f);
    sha256_finish(&h, digest);
    sha256_done(&h);
    if (!ok)
        return err_set(err, ERR_IO, "%s: cannot be read", path);
    ret->name = str_z(path);
    hex_encode(digest, sizeof(digest), ret->sha256);
    return ERR_OK;
}

static enum err_code read_rows(struct rows *rows, const char *path, struct err *err)
{
    struct lines in;
    struct str line;
    enum err_code code = lines_open(&in, path, err);
    while (code == ERR_OK && lines_next(&in, &line)) {
        code = rows_add(rows, line, in.number, err);
        if (code != ERR_OK)
            (void)err_wrap(err, "%s: line %" PRIu64, path, in.number);
    }
    lines_close(&in);
    if (code == ERR_OK && rows->n == 0)
        code = err_set(err, ERR_INVALID, "%s: no rows; give ranked completions, one a line", path);
    return code;
}

/* ---- fitting ----------------------------------------------------------------------------------
 */

/* Marks the features that --ignore names; each name must be a feature of a fitted type. */
static enum err_code mark_ignored(const struct arguments *a, struct fit *fit, struct err *err)
{
    for (size_t n = 0; n < a->n_ignored; n++) {
        bool found = false;
        for (size_t t = 0; t < fit->n; t++) {
            const struct pairs *p = &fit->items[t].pairs;
            for (size_t i = 0; i < p->n_features; i++) {
                if (!str_eq(fit->policy->response_types[p->response_type].features[i].name,
                            a->ignored[n]))
                    continue;
                fit->items[t].ignored[i] = found = true;
            }
        }
        if (!found)
            return err_set(err, ERR_INVALID, "--ignore %.*s: no such feature in the fitted types",
                           STR_ARGS(a->ignored[n]));
    }
    return ERR_OK;
}

static enum err_code make_pairs(struct fit *fit, const struct rows *rows, struct err *err)
{
    bool *seen = mem_array(fit->policy->n_response_types, sizeof(*seen));
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < rows->n; i++)
        seen[rows->items[i].response_type] = true;
    for (size_t t = 0; code == ERR_OK && t < fit->policy->n_response_types; t++) {
        if (!seen[t])
            continue;
        struct fitted *f = &fit->items[fit->n++];
        code = pairs_make(rows, fit->orderings, t, &fit->pairs, &f->pairs, err);
        f->ignored = mem_array(f->pairs.n_features + 1, sizeof(*f->ignored));
    }
    if (code != ERR_OK)
        (void)err_wrap(err, "%.*s", STR_ARGS(fit->data.name));
    mem_free(seen);
    return code;
}

static enum err_code read_data(const struct arguments *a, struct fit *fit, struct rows *rows,
                               struct err *err)
{
    enum err_code code;
    bool has_reward_model = false;
    if ((code = hash_file(a->data, &fit->data, err)) != ERR_OK ||
        (a->orderings != NULL &&
         (code = hash_file(a->orderings, &fit->orderings_file, err)) != ERR_OK) ||
        (code = read_rows(rows, a->data, err)) != ERR_OK)
        return code;
    fit->n_rows = rows->n;
    if (!a->no_reward_model && fit->policy->reward_model != REWARD_MODEL_IGNORE) {
        code = rows_reward_model(rows, &has_reward_model, err);
        if (code != ERR_OK)
            return err_wrap(err, "%s", a->data);
    }
    fit->pairs.reward_model = has_reward_model;
    return make_pairs(fit, rows, err);
}

static enum err_code write_results(const struct arguments *a, const struct fit *fit,
                                   struct err *err)
{
    struct buf report, overlay;
    buf_init(&report, OUTPUT_MAX);
    buf_init(&overlay, OUTPUT_MAX);
    enum err_code code = fitted_report(fit, &report);
    if (code == ERR_OK)
        code = fitted_overlay(fit, &overlay);
    if (code != ERR_OK)
        (void)err_set(err, code, "%s: the results are too large", a->out);
    else
        code = replace_file(a->out, buf_str(&overlay), err);
    if (code == ERR_OK) {
        (void)fwrite(report.p, 1, report.n, stdout);
        (void)printf("wrote %s\n", a->out);
    }
    buf_done(&report);
    buf_done(&overlay);
    return code;
}

static enum err_code fit_weights(const struct arguments *a, struct fit *fit, struct err *err)
{
    struct rows rows;
    rows_init(&rows, fit->policy);
    enum err_code code = read_data(a, fit, &rows, err);
    rows_done(&rows);
    if (code == ERR_OK)
        code = mark_ignored(a, fit, err);
    for (size_t i = 0; code == ERR_OK && i < fit->n; i++)
        code = fitted_fit(fit, &fit->items[i], err);
    return code == ERR_OK ? write_results(a, fit, err) : code;
}

int cmd_fit(int argc, char **argv)
{
    struct arguments a = {
        .pairs = {.split = SPLIT_PROMPT, .held_out = 0.05, .seed = 1},
        .adamw = adamw_released,
    };
    const struct argp argp = {option_list, parse, "DATA", doc, children, NULL, NULL};
    struct orderings orderings;
    struct err err;
    enum err_code code = ERR_OK;
    options_parse(&argp, argc, argv, &a);
    struct policy *policy =
        options_load_policy(a.options.policies, a.options.n_policies, false, true);
    if (policy == NULL)
        return EXIT_USAGE;
    struct fit fit = {
        .policy = policy,
        .orderings = &orderings,
        .pairs = a.pairs,
        .adamw = a.adamw,
        .items = mem_array(policy->n_response_types, sizeof(*fit.items)),
    };
    if (a.orderings == NULL)
        orderings_of_classes(&orderings, policy);
    else
        code = orderings_load(&orderings, policy, str_z(a.orderings), (struct str){0}, &err);
    if (code == ERR_OK)
        code = fit_weights(&a, &fit, &err);
    if (code != ERR_OK)
        (void)fprintf(stderr, "rbr fit: %s\n", err.msg);
    for (size_t i = 0; i < fit.n; i++)
        fitted_done(&fit.items[i]);
    mem_free(fit.items);
    orderings_done(&orderings);
    policy_free(policy);
    return code == ERR_OK ? EXIT_DONE : code == ERR_IO ? EXIT_FAILED : EXIT_USAGE;
}
