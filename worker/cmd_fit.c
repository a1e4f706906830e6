#include "worker/cmd.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "fit/fitted.h"
#include "worker/hash_file.h"
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
    "  rbr fit --policy config/policies/safety.yaml --orderings orderings.yaml \\\n"
    "    --out weights.yaml ranked.jsonl\n"
    "  rbr score --policy config/policies/safety.yaml --policy weights.yaml \\\n"
    "    --use-labels ranked.jsonl\n\n"
    "A file of orderings says which labels stand below which; without one the labels are the "
    "policy's classes:\n"
    "  orderings:\n"
    "    hard_refuse: {perfect: [bad, disallowed], bad: [disallowed]}\n\n"
    "The same data, options and seed give the same bytes.\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options, policy, orderings or data; then nothing is "
    "written.";

enum {
    KEY_OUT = 0x500,
    KEY_HTML,
    KEY_ORDERINGS,
    KEY_IGNORE,
    KEY_BOUNDS,
    KEY_OPTIMIZER,
    KEY_CENTER,
    KEY_NO_REWARD_MODEL,
    KEY_STEPS,
    KEY_LEARNING_RATE,
    KEY_DECAY,
    KEY_SPLIT,
    KEY_HELD_OUT,
    KEY_SEED,
    NAMED_MAX = 64, /* --ignore, and --bounds */
    OUTPUT_MAX = 16 << 20, /* bytes */
};

/* --bounds FEATURE=LOWER:UPPER; NAN: that side is left as it is. */
struct bounds {
    struct str feature;
    double lower, upper;
};

struct arguments {
    struct options options;
    const char *data, *out, *orderings;
    const char *html; /* the page's file; NULL: none */
    struct str ignored[NAMED_MAX];
    size_t n_ignored;
    struct bounds bounds[NAMED_MAX];
    size_t n_bounds;
    bool no_reward_model, center;
    bool stepwise; /* an option of AdamW's is given */
    enum optimizer optimizer;
    struct pairs_options pairs;
    struct adamw_options adamw;
    double exact_decay;
};

static const struct argp_option option_list[] = {
    {"out", KEY_OUT, "FILE", 0, "the overlay to write", 0},
    {"html", KEY_HTML, "FILE", 0, "also write a page with loss curves and histograms", 0},
    {"orderings", KEY_ORDERINGS, "FILE", 0, "which label ranks above which", 0},
    {"ignore", KEY_IGNORE, "FEATURE", 0, "keep this feature's weight at 0; may be repeated", 0},
    {"bounds", KEY_BOUNDS, "FEATURE=LOWER:UPPER", 0,
     "keep this feature's weight there; either side may be left out; with --optimizer exact", 0},
    {"center", KEY_CENTER, 0, 0, "shift the rewards so that the best completions have 0", 0},
    {"no-reward-model", KEY_NO_REWARD_MODEL, 0, 0, "leave reward_model_score out of the loss", 0},
    {"optimizer", KEY_OPTIMIZER, "HOW", 0,
     "the released procedure (adamw), or to the least loss (exact)", 1},
    {"steps", KEY_STEPS, "N", 0, "AdamW steps (1000)", 1},
    {"learning-rate", KEY_LEARNING_RATE, "X", 0, "(0.01)", 1},
    {"decay", KEY_DECAY, "X", 0, "weight decay (adamw 0.05, exact 0)", 1},
    {"held-out", KEY_HELD_OUT, "SHARE", 0, "not trained on (0.05)", 2},
    {"split", KEY_SPLIT, "HOW", 0, "hold out a share of the prompts (prompt) or pairs (pair)", 2},
    {"seed", KEY_SEED, "N", 0, "of the split (1)", 2},
    {0},
};

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

static double bound(struct str text, const struct argp_state *state)
{
    double v = NAN;
    if (text.n > 0 && (!num_parse_f64(text, &v) || fabs(v) > WEIGHT_MAX))
        argp_error(state, "--bounds: '%.*s' is no number from -1e6 to 1e6", STR_ARGS(text));
    return v;
}

static void add_bounds(struct arguments *a, const char *arg, const struct argp_state *state)
{
    const char *equals = strrchr(arg, '='), *colon = equals != NULL ? strchr(equals, ':') : NULL;
    if (a->n_bounds == NAMED_MAX)
        argp_error(state, "at most %d --bounds options", NAMED_MAX);
    else if (colon == NULL)
        argp_error(state, "--bounds is FEATURE=LOWER:UPPER, not '%s'", arg);
    else
        a->bounds[a->n_bounds++] = (struct bounds){
            .feature = {arg, (size_t)(equals - arg)},
            .lower = bound((struct str){equals + 1, (size_t)(colon - equals - 1)}, state),
            .upper = bound(str_z(colon + 1), state),
        };
}

static error_t parse_method(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    a->stepwise |= key == KEY_STEPS || key == KEY_LEARNING_RATE;
    switch (key) {
    case KEY_OPTIMIZER:
        a->optimizer = strcmp(arg, "exact") == 0 ? OPTIMIZER_EXACT : OPTIMIZER_ADAMW;
        if (strcmp(arg, "exact") != 0 && strcmp(arg, "adamw") != 0)
            argp_error(state, "--optimizer is adamw or exact, not '%s'", arg);
        return 0;
    case KEY_STEPS:
        a->adamw.steps = (size_t)whole(arg, 1, 1000000, "steps", state);
        return 0;
    case KEY_LEARNING_RATE:
        a->adamw.learning_rate = number(arg, 1e-9, 1, "learning-rate", state);
        return 0;
    case KEY_DECAY:
        a->adamw.decay = a->exact_decay = number(arg, 0, 1, "decay", state);
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
    case KEY_OUT:
        a->out = arg;
        return 0;
    case KEY_HTML:
        a->html = arg;
        return 0;
    case KEY_ORDERINGS:
        a->orderings = arg;
        return 0;
    case KEY_IGNORE:
        if (a->n_ignored == NAMED_MAX)
            argp_error(state, "at most %d --ignore options", NAMED_MAX);
        else
            a->ignored[a->n_ignored++] = str_z(arg);
        return 0;
    case KEY_BOUNDS:
        add_bounds(a, arg, state);
        return 0;
    case KEY_CENTER:
        a->center = true;
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
        else if (a->n_bounds > 0 && a->optimizer != OPTIMIZER_EXACT)
            argp_error(state, "--bounds needs --optimizer exact: AdamW as released has none");
        else if (a->stepwise && a->optimizer == OPTIMIZER_EXACT)
            argp_error(state, "--steps and --learning-rate are AdamW's; exact goes on to the end");
        return 0;
    default:
        return parse_method(key, arg, state);
    }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static enum err_code hash_input(const char *path, struct fit_input *ret, struct err *err)
{
    ret->name = str_z(path);
    return hash_file(path, ret->sha256, err);
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

/* Whether an option's FEATURE, TYPE.FEATURE or * names this feature. */
static bool is_named(const struct response_type *type, const struct feature *f, struct str name)
{
    return str_eq(f->name, name) || str_eq(name, STR("*")) ||
           (name.n == type->name.n + 1 + f->name.n && str_has_prefix(name, type->name) &&
            name.p[type->name.n] == '.' &&
            str_eq(str_sub(name, type->name.n + 1, name.n), f->name));
}

/* Ignores or bounds (`bounds` not NULL) what `name` names: a feature of a fitted type at least. */
static enum err_code limit(struct fit *fit, struct str name, const struct bounds *bounds,
                           struct err *err)
{
    bool found = false;
    for (size_t t = 0; t < fit->n; t++) {
        struct fitted *f = &fit->items[t];
        const struct response_type *type = &fit->policy->response_types[f->pairs.response_type];
        for (size_t i = 0; i < f->pairs.n_features; i++) {
            if (!is_named(type, &type->features[i], name))
                continue;
            found = true;
            f->ignored[i] |= bounds == NULL;
            if (bounds != NULL && !isnan(bounds->lower))
                f->lower[i] = bounds->lower;
            if (bounds != NULL && !isnan(bounds->upper))
                f->upper[i] = bounds->upper;
            if (f->lower[i] > f->upper[i])
                return err_set(err, ERR_INVALID,
                               "--bounds %.*s: the lower bound %g of %.*s is above its upper %g",
                               STR_ARGS(name), f->lower[i], STR_ARGS(type->features[i].name),
                               f->upper[i]);
        }
    }
    return found ? ERR_OK
                 : err_set(err, ERR_INVALID, "--%s %.*s: no such feature in the fitted types",
                           bounds != NULL ? "bounds" : "ignore", STR_ARGS(name));
}

static enum err_code limit_features(const struct arguments *a, struct fit *fit, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < a->n_ignored; i++)
        code = limit(fit, a->ignored[i], NULL, err);
    for (size_t i = 0; code == ERR_OK && i < a->n_bounds; i++)
        code = limit(fit, a->bounds[i].feature, &a->bounds[i], err);
    return code;
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
        struct pairs pairs;
        code = pairs_make(rows, fit->orderings, t, &fit->pairs, &pairs, err);
        fitted_init(&fit->items[fit->n++], &pairs);
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
    if ((code = hash_input(a->data, &fit->data, err)) != ERR_OK ||
        (a->orderings != NULL &&
         (code = hash_input(a->orderings, &fit->orderings_file, err)) != ERR_OK) ||
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

/* What a fit prints and writes, made before anything of it is written. */
struct results {
    struct buf report, overlay, page;
};

static enum err_code make_results(const struct arguments *a, const struct fit *fit,
                                  struct results *r, struct err *err)
{
    if (fitted_report(fit, &r->report) != ERR_OK || fitted_overlay(fit, &r->overlay) != ERR_OK)
        return err_set(err, ERR_LIMIT, "%s: the results are too large", a->out);
    if (a->html != NULL && fitted_page(fit, &r->page, err) != ERR_OK)
        return err_wrap(err, "%s", a->html);
    return ERR_OK;
}

static enum err_code write_results(const struct arguments *a, const struct fit *fit,
                                   struct err *err)
{
    struct results r;
    buf_init(&r.report, OUTPUT_MAX);
    buf_init(&r.overlay, OUTPUT_MAX);
    buf_init(&r.page, OUTPUT_MAX);
    enum err_code code = make_results(a, fit, &r, err);
    if (code == ERR_OK)
        code = replace_file(a->out, buf_str(&r.overlay), err);
    if (code == ERR_OK) {
        (void)fwrite(r.report.p, 1, r.report.n, stdout);
        (void)printf("wrote %s\n", a->out);
        if (a->html != NULL)
            code = replace_file(a->html, buf_str(&r.page), err);
        if (a->html != NULL && code == ERR_OK)
            (void)printf("wrote %s\n", a->html);
    }
    buf_done(&r.report);
    buf_done(&r.overlay);
    buf_done(&r.page);
    return code;
}

static enum err_code fit_weights(const struct arguments *a, struct fit *fit, struct err *err)
{
    struct rows rows;
    rows_init(&rows, fit->policy);
    enum err_code code = read_data(a, fit, &rows, err);
    rows_done(&rows);
    if (code == ERR_OK)
        code = limit_features(a, fit, err);
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
    const struct argp argp = {option_list, parse, "DATA", doc, options_policies, NULL, NULL};
    struct orderings orderings;
    struct err err;
    enum err_code code = ERR_OK;
    options_parse(&argp, argc, argv, &a, &a.options);
    struct policy *policy =
        options_load_policy(a.options.policies, a.options.n_policies, false, true);
    if (policy == NULL)
        return EXIT_USAGE;
    struct fit fit = {
        .policy = policy,
        .orderings = &orderings,
        .pairs = a.pairs,
        .optimizer = a.optimizer,
        .center = a.center,
        .adamw = a.adamw,
        .exact_decay = a.exact_decay,
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
