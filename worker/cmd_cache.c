#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cache/cache.h"
#include "worker/options.h"

static const char doc[] =
    "Looks into the file of kept judgments: FILE, or cache.path of the settings. Workers may be "
    "using it. info says what is in it; verify says the same, and fails when a judgment is not "
    "what "
    "was written (a worker asks for such a one again, it never uses it).\v"
    "Examples:\n"
    "  rbr cache info -c config/worker.yaml\n"
    "  rbr cache verify /var/lib/rbr/judgments\n\n"
    "Exit code: 0 done, 1 it cannot be read, or verify found damage, 2 wrong options or settings.";

struct arguments {
    struct options options;
    const char *verb, *file;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->options;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0 && strcmp(arg, "info") != 0 && strcmp(arg, "verify") != 0)
            argp_error(state, "'%s' is neither info nor verify", arg);
        else if (state->arg_num == 0)
            a->verb = arg;
        else if (state->arg_num == 1)
            a->file = arg;
        else
            argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (a->verb == NULL)
            argp_error(state, "say info or verify");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_time(const char *name, int64_t ms)
{
    char text[32] = "none";
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms != 0 && gmtime_r(&seconds, &tm) != NULL)
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    (void)printf("%-10s %s\n", name, text);
}

static void print(const char *path, const struct cache_survey *s)
{
    (void)printf("file       %s\n", path);
    (void)printf("bytes      %" PRIu64 " (%" PRIu64 " on disk)\n", s->bytes, s->bytes_on_disk);
    (void)printf("judgments  %" PRIu64 " (room for %" PRIu64 ")\n", s->judgments, s->room);
    print_time("oldest", s->oldest_ms);
    print_time("newest", s->newest_ms);
    (void)printf("damaged    %" PRIu64 "\n", s->damaged);
}

static int look(const struct arguments *args, const char *path)
{
    struct cache_survey s;
    struct err err;
    if (cache_file_survey(path, &s, &err) != ERR_OK) {
        (void)fprintf(stderr, "rbr cache: %s\n", err.msg);
        return EXIT_FAILED;
    }
    print(path, &s);
    return strcmp(args->verb, "verify") == 0 && s.damaged > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int look_at_settings(const struct arguments *args)
{
    char path[4096];
    struct settings *settings = options_load_settings(&args->options, 0);
    if (settings == NULL)
        return EXIT_USAGE;
    struct str given = settings->cache.path;
    int exit_code = EXIT_USAGE;
    if (given.n == 0) {
        (void)fprintf(stderr,
                      "rbr cache: the settings have no cache.path, so judgments are kept in "
                      "memory; name a FILE, or set it\n");
    } else {
        (void)snprintf(path, sizeof(path), "%.*s", STR_ARGS(given));
        exit_code = look(args, path);
    }
    settings_free(settings);
    return exit_code;
}

int cmd_cache(int argc, char **argv)
{
    static const struct argp_child children[] = {{&options_argp, 0, NULL, 0}, {0}};
    struct arguments args = {0};
    const struct argp argp = {NULL, parse, "info|verify [FILE]", doc, children, NULL, NULL};
    options_parse(&argp, argc, argv, &args);
    return args.file != NULL ? look(&args, args.file) : look_at_settings(&args);
}
