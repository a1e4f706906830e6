#include "worker/cmd.h"

#include <stdio.h>

#include "base/mem.h"
#include "worker/canary_file.h"
#include "worker/grading.h"
#include "worker/options.h"
#include "worker/kafka_setup.h"
#include "worker/probe.h"

static const char doc[] =
    "Checks settings and policy and says what is wrong with file, line and column. With --policy "
    "only those files "
    "are checked. --probe also asks every endpoint of every grader two questions with known "
    "answers.\v"
    "Examples:\n"
    "  rbr check -c config/worker.yaml\n"
    "  rbr check --policy proposition_prompts.yaml --policy overlay.yaml\n"
    "  rbr check -c config/worker.yaml --probe\n"
    "  rbr check --probe=http://127.0.0.1:8000\n\n"
    "Exit code: 0 nothing wrong (warnings allowed), 1 a probe failed, 2 errors found.";

enum { KEY_PROBE = 0x400, KEY_MODEL, KEY_DUMP, KEY_PRINT_DOCS, KEY_PRINT_SCHEMA };

enum mode { MODE_CHECK, MODE_DUMP, MODE_PRINT_DOCS, MODE_PRINT_SCHEMA };

struct arguments {
    struct options options;
    enum mode mode;
    bool probe;
    const char *url, *model;
};

static const struct argp_option option_list[] = {
    {"probe", KEY_PROBE, "URL", OPTION_ARG_OPTIONAL,
     "ask the graders; with a URL: try every dialect there, and print settings for it", 0},
    {"model", KEY_MODEL, "NAME", 0, "with --probe=URL: of this model, not the server's first", 0},
    {"dump", KEY_DUMP, 0, 0, "print every setting with its value, secrets redacted", 0},
    {"print-docs", KEY_PRINT_DOCS, 0, 0, "print docs/settings.md", 0},
    {"print-schema", KEY_PRINT_SCHEMA, 0, 0, "print the JSON Schema of the settings", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_PROBE:
        a->probe = true;
        a->url = arg;
        return 0;
    case KEY_MODEL:
        a->model = arg;
        return 0;
    case KEY_DUMP:
        a->mode = MODE_DUMP;
        return 0;
    case KEY_PRINT_DOCS:
        a->mode = MODE_PRINT_DOCS;
        return 0;
    case KEY_PRINT_SCHEMA:
        a->mode = MODE_PRINT_SCHEMA;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int print_generated(bool (*generate)(struct buf *out))
{
    struct buf text;
    buf_init(&text, 1u << 20);
    bool ok = generate(&text);
    (void)fwrite(text.p, 1, text.n, stdout);
    buf_done(&text);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static int dump(const struct settings *s)
{
    struct buf text;
    buf_init(&text, 1u << 20);
    bool ok = settings_dump(s, &text);
    (void)fwrite(text.p, 1, text.n, stdout);
    buf_done(&text);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static void describe(const char *what, const struct policy *p)
{
    size_t weighted = 0;
    for (size_t i = 0; i < p->n_response_types; i++)
        weighted += p->response_types[i].has_weights;
    (void)printf("%s %.*s version %.*s hash %.12s: %zu propositions, %zu classes, "
                 "%zu response types (%zu with weights)\n",
                 what, STR_ARGS(p->id), STR_ARGS(p->version), p->hash_hex, p->n_propositions,
                 p->n_classes, p->n_response_types, weighted);
}

static int check_policies(const struct arguments *a)
{
    struct policy *p =
        options_load_policy(a->options.policies, a->options.n_policies, false, false);
    if (p == NULL)
        return EXIT_USAGE;
    describe("policy", p);
    policy_free(p);
    return EXIT_DONE;
}

static bool check_graders(const struct settings *s, const struct policy *p)
{
    bool ok = true;
    for (size_t i = 0; i < s->n_graders; i++) {
        struct err err;
        if (grading_check(&s->graders[i], p, &err) == ERR_OK)
            continue;
        (void)fprintf(stderr, "%.*s: %s\n", STR_ARGS(s->file), err.msg);
        ok = false;
    }
    return ok;
}

static bool check_canaries(const struct settings *s, const struct policy *p)
{
    struct canaries *c;
    struct err err;
    bool ok = canary_file_load(s, p, &c, &err) == ERR_OK;
    if (!ok)
        (void)fprintf(stderr, "%.*s: %s\n", STR_ARGS(s->file), err.msg);
    canaries_free(c);
    return ok;
}

static bool check_kafka(const struct settings *s)
{
    struct kafka_setup kafka;
    struct err err;
    kafka_setup_init(&kafka, &s->kafka, false);
    bool ok = kafka_check(&kafka.config, &err) == ERR_OK;
    if (!ok)
        (void)fprintf(stderr, "%.*s: %s; correct it, or remove it\n", STR_ARGS(s->file), err.msg);
    kafka_setup_done(&kafka);
    return ok;
}

static bool check_all(const struct settings *s)
{
    struct policies p;
    if (!options_policies_of(s, &p))
        return false;
    bool ok = check_kafka(s) && check_graders(s, p.live) &&
              (p.shadow == NULL || check_graders(s, p.shadow)) && check_canaries(s, p.live);
    if (ok)
        describe("policy", p.live);
    if (ok && p.shadow != NULL)
        describe("shadow policy", p.shadow);
    options_policies_free(&p);
    return ok;
}

static int check_settings(const struct arguments *a)
{
    struct settings *s = options_load_settings(
        &a->options, SETTINGS_NEED_KAFKA | SETTINGS_NEED_GRADER | SETTINGS_NEED_POLICY);
    if (s == NULL)
        return EXIT_USAGE;
    int exit_code = EXIT_DONE;
    if (a->mode == MODE_DUMP)
        exit_code = dump(s);
    else if (!check_all(s))
        exit_code = EXIT_USAGE;
    if (exit_code == EXIT_DONE && a->probe)
        exit_code = probe_graders(s) ? EXIT_DONE : EXIT_FAILED;
    settings_free(s);
    return exit_code;
}

/* With -c, as the settings' first grader is asked: key, TLS, chat template. */
static int probe_server(const struct arguments *a)
{
    struct settings *of_url = options_grader_settings(a->url, a->model), *of_file = NULL;
    int exit_code = EXIT_USAGE;
    if (of_url != NULL && a->options.file != NULL)
        of_file = options_load_settings(&a->options, SETTINGS_NEED_GRADER);
    const struct settings *s = a->options.file != NULL ? of_file : of_url;
    if (of_url != NULL && s != NULL)
        exit_code =
            probe_url(&s->graders[0], str_z(a->url), str_z(a->model != NULL ? a->model : ""))
                ? EXIT_DONE
                : EXIT_FAILED;
    settings_free(of_url);
    settings_free(of_file);
    return exit_code;
}

int cmd_check(int argc, char **argv)
{
    struct arguments a = {0};
    const struct argp argp = {option_list, parse, NULL, doc, options_all, NULL, NULL};
    options_parse(&argp, argc, argv, &a, &a.options);
    if (a.mode == MODE_PRINT_DOCS)
        return print_generated(settings_document);
    if (a.mode == MODE_PRINT_SCHEMA)
        return print_generated(settings_schema);
    if (a.url != NULL)
        return probe_server(&a);
    return a.options.n_policies > 0 && a.options.file == NULL ? check_policies(&a)
                                                              : check_settings(&a);
}
