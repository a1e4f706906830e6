#include "worker/options.h"

#include <assert.h>
#include <stdio.h>

#include "base/json.h"
#include "worker/cmd.h"

enum { KEY_SET = 0x100, KEY_POLICY };

static const struct argp_option option_list[] = {
    {"config", 'c', "FILE", 0, "settings file (default " OPTIONS_DEFAULT_FILE ")", 0},
    {"set", KEY_SET, "KEY=VALUE", 0, "override one setting, e.g. --set kafka.group=test", 0},
    {0},
};

static const struct argp_option policy_list[] = {
    {"policy", KEY_POLICY, "FILE", 0, "policy file; again for an overlay (default: the settings')",
     0},
    {0},
};

/* Where no settings are read. */
static const struct argp_option policy_only_list[] = {
    {"policy", KEY_POLICY, "FILE", 0, "policy file; again for an overlay", 0},
    {0},
};

static const struct argp_option manifest_policy_list[] = {
    {"policy", KEY_POLICY, "FILE", 0, "policy file; again for an overlay (default: the manifest's)",
     0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'c':
        o->file = arg;
        return 0;
    case KEY_SET:
        if (o->n_sets == OPTIONS_SETS_MAX)
            argp_error(state, "at most %d --set options", OPTIONS_SETS_MAX);
        else
            o->sets[o->n_sets++] = str_z(arg);
        return 0;
    case KEY_POLICY:
        if (o->n_policies == OPTIONS_POLICIES_MAX)
            argp_error(state, "at most %d policy files", OPTIONS_POLICIES_MAX);
        else
            o->policies[o->n_policies++].name = str_z(arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp settings_argp = {.options = option_list, .parser = parse};
static const struct argp policies_argp = {.options = policy_list, .parser = parse};
static const struct argp policies_only_argp = {.options = policy_only_list, .parser = parse};
static const struct argp manifest_argp = {.options = manifest_policy_list, .parser = parse};

const struct argp_child options_settings[] = {{&settings_argp, 0, NULL, 0}, {0}};
const struct argp_child options_policies[] = {{&policies_only_argp, 0, NULL, 0}, {0}};
const struct argp_child options_all[] = {
    {&settings_argp, 0, NULL, 0}, {&policies_argp, 0, NULL, 0}, {0}};
const struct argp_child options_with_manifest[] = {
    {&settings_argp, 0, NULL, 0}, {&manifest_argp, 0, NULL, 0}, {0}};

error_t options_file(int key, char *arg, struct argp_state *state, const char **file)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (*file != NULL)
            argp_error(state, "one file, please");
        *file = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which file?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void options_model(const struct argp_state *state, const char *model, const char *grader)
{
    if (model != NULL && grader == NULL)
        argp_error(state,
                   "--model goes with --grader; for the settings' grader say --set "
                   "graders.0.model=%s",
                   model);
}

/* A command's parser, its input and its children's. */
struct command {
    const struct argp *argp;
    void *input;
    struct options *options;
};

/* argp asks at its beginning what to hand to the children. */
static error_t parse_command(int key, char *arg, struct argp_state *state)
{
    const struct command *c = state->input;
    const struct argp_child *children = c->argp->children;
    for (size_t i = 0; key == ARGP_KEY_INIT && children != NULL && children[i].argp != NULL; i++)
        state->child_inputs[i] = c->options;
    state->input = c->input;
    return c->argp->parser(key, arg, state);
}

void options_parse(const struct argp *argp, int argc, char **argv, void *input, struct options *o)
{
    struct argp whole = *argp;
    struct command command = {argp, input, o};
    whole.parser = parse_command;
    argp_err_exit_status = EXIT_USAGE;
    (void)argp_parse(&whole, argc, argv, 0, NULL, &command);
}

static struct settings *load(struct str name, const struct str *text, const struct options *o,
                             unsigned needs)
{
    struct settings_problems problems = {0};
    buf_init(&problems.lines, 1u << 20);
    struct settings *s = settings_load(name, text, o->sets, o->n_sets, needs, &problems);
    if (s == NULL)
        (void)fprintf(stderr, "%.*s", STR_ARGS(buf_str(&problems.lines)));
    else
        log_configure(s->log.level, s->log.format);
    buf_done(&problems.lines);
    return s;
}

struct settings *options_load_settings(const struct options *o, unsigned needs)
{
    return load(str_z(o->file != NULL ? o->file : OPTIONS_DEFAULT_FILE), NULL, o, needs);
}

struct settings *options_load_settings_text(struct str name, struct str text, unsigned needs)
{
    const struct options none = {0};
    return load(name, &text, &none, needs);
}

struct settings *options_grader_settings(const char *url, const char *model)
{
    struct buf yaml;
    buf_init(&yaml, 1u << 16);
    /* A JSON string is a YAML string. */
    (void)buf_append_z(&yaml, "graders: [{insecure: true, endpoints: [");
    (void)json_quote(&yaml, str_z(url));
    (void)buf_append_z(&yaml, "], model: ");
    (void)json_quote(&yaml, str_z(model != NULL ? model : "default"));
    (void)buf_append_z(&yaml, "}]\n");
    struct settings *s =
        options_load_settings_text(STR("--grader"), buf_str(&yaml), SETTINGS_NEED_GRADER);
    buf_done(&yaml);
    return s;
}

struct policy *options_load_policy(const struct policy_file *files, size_t n, bool require_weights,
                                   bool quiet)
{
    struct findings findings;
    struct buf text;
    findings_init(&findings);
    buf_init(&text, 4u << 20);
    struct policy *p = policy_load(files, n, &findings);
    if (p != NULL && require_weights) {
        policy_require_weights(p, &findings);
        if (findings.errors > 0) {
            policy_free(p);
            p = NULL;
        }
    }
    for (size_t i = 0; i < findings.n; i++)
        if (!quiet || findings.items[i].severity == SEVERITY_ERROR)
            finding_print(&findings.items[i], &text);
    (void)fprintf(stderr, "%.*s", STR_ARGS(buf_str(&text)));
    buf_done(&text);
    findings_done(&findings);
    return p;
}

static struct policy *load_list(const struct setting_list *list, bool require_weights)
{
    struct policy_file files[OPTIONS_POLICIES_MAX] = {0};
    assert(list->n <= ARRAY_LEN(files)); /* the settings see to that */
    for (size_t i = 0; i < list->n; i++)
        files[i].name = list->items[i];
    return options_load_policy(files, list->n, require_weights, true);
}

struct policy *options_policy_of(const struct settings *s, bool require_weights)
{
    return load_list(&s->policy_files, require_weights);
}

bool options_policies_of(const struct settings *s, struct policies *ret)
{
    *ret = (struct policies){.live = options_policy_of(s, true)};
    if (s->shadow_files.n > 0)
        ret->shadow = load_list(&s->shadow_files, true);
    if (ret->live != NULL && (ret->shadow != NULL || s->shadow_files.n == 0))
        return true;
    options_policies_free(ret);
    return false;
}

void options_policies_free(struct policies *p)
{
    policy_free(p->live);
    policy_free(p->shadow);
    *p = (struct policies){0};
}
