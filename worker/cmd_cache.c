#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "reward/kept.h"
#include "worker/options.h"
#include "worker/place.h"

static const char doc[] =
    "Looks into the file of kept judgments: FILE, or cache.path of the settings. Workers may be "
    "using it. info says what is in it; verify says the same, and fails when a judgment is not "
    "what was written (a worker asks for such a one again, it never uses it). load REWARDS puts "
    "into cache.path what graders answered for published rewards, so that no question of theirs is "
    "asked again: a file of rewards as `rbr tail --json` prints them, - for standard input, "
    "topic:NAME, or topic:NAME[FROM,TO) for offsets of each partition.\v"
    "Examples:\n"
    "  rbr cache info -c config/worker.yaml\n"
    "  rbr cache verify /var/lib/rbr/judgments\n"
    "  rbr cache load -c config/worker.yaml topic:rewards\n\n"
    "Exit code: 0 done, 1 it cannot be read or written, or verify found damage, 2 wrong options or "
    "settings.";

enum {
    MEMORY = 64 << 20, /* of one reward */
    PROGRESS_US = 200000,
};

struct arguments {
    struct options options;
    const char *verb, *file; /* of load: where the rewards are */
};

static bool is_verb(const struct arguments *a, const char *verb)
{
    return strcmp(a->verb, verb) == 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num == 0 && strcmp(arg, "info") != 0 && strcmp(arg, "verify") != 0 &&
            strcmp(arg, "load") != 0)
            argp_error(state, "'%s' is none of info, verify, load", arg);
        else if (state->arg_num == 0)
            a->verb = arg;
        else if (state->arg_num == 1)
            a->file = arg;
        else
            argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (a->verb == NULL)
            argp_error(state, "say info, verify or load");
        else if (is_verb(a, "load") && a->file == NULL)
            argp_error(state, "load what? a file of rewards, or topic:NAME");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- info, verify -----------------------------------------------------------------------------
 */

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
    return is_verb(args, "verify") && s.damaged > 0 ? EXIT_FAILED : EXIT_DONE;
}

/* cache.path of the settings in `out`; false when there is none. */
static bool path_of(const struct settings *settings, char *out, size_t size)
{
    struct str given = settings->cache.path;
    if (given.n == 0)
        (void)fprintf(stderr,
                      "rbr cache: the settings have no cache.path, so judgments are kept in "
                      "memory; name a FILE, or set it\n");
    else
        (void)snprintf(out, size, "%.*s", STR_ARGS(given));
    return given.n > 0;
}

static int look_at_settings(const struct arguments *args)
{
    char path[4096];
    struct settings *settings = options_load_settings(&args->options, 0);
    int exit_code = EXIT_USAGE;
    if (settings != NULL && path_of(settings, path, sizeof(path)))
        exit_code = look(args, path);
    settings_free(settings);
    return exit_code;
}

/* ---- load -------------------------------------------------------------------------------------
 */

struct loading {
    struct cache *cache;
    struct arena arena; /* of one reward */
    uint64_t rewards, judgments;
    bool progress;
    int64_t next_progress_us;
};

static void show_progress(struct loading *l)
{
    int64_t now = clock_mono_us(&clock_real);
    if (!l->progress || now < l->next_progress_us)
        return;
    l->next_progress_us = now + PROGRESS_US;
    (void)fprintf(stderr, "\r%" PRIu64 " rewards, %" PRIu64 " judgments ", l->rewards,
                  l->judgments);
}

static enum err_code take(void *arg, struct str reward, bool packed, struct err *err)
{
    struct loading *l = arg;
    struct kept_judgment *kept = NULL;
    size_t n = 0;
    arena_reset(&l->arena);
    enum err_code code = packed ? kept_unpack(reward, &l->arena, &kept, &n, err)
                                : kept_parse(reward, &l->arena, &kept, &n, err);
    for (size_t i = 0; code == ERR_OK && i < n; i++)
        l->cache->put(l->cache, kept[i].digest, &kept[i].entry);
    l->rewards++;
    l->judgments += n;
    show_progress(l);
    return code;
}

static int load_into(const struct place *place, const struct settings *settings, const char *path)
{
    struct loading l = {.progress = isatty(STDERR_FILENO)};
    struct err err;
    enum err_code code = cache_file_new(path, settings->cache.bytes, &l.cache, &err);
    arena_init(&l.arena, MEMORY);
    if (code == ERR_OK)
        code = place_read(place, settings, take, &l, &err);
    if (code == ERR_OK && l.cache->stats.errors > 0)
        code = err_set(&err, ERR_IO, "%s could not be written", path);
    if (l.progress)
        (void)fprintf(stderr, "\r");
    if (code == ERR_OK)
        (void)fprintf(stderr, "%" PRIu64 " judgments of %" PRIu64 " rewards put into %s\n",
                      l.judgments, l.rewards, path);
    else
        (void)fprintf(stderr, "rbr cache: %s\n", err.msg);
    arena_done(&l.arena);
    cache_free(l.cache);
    return code == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

static int load(const struct arguments *args)
{
    char path[4096];
    struct place place;
    int exit_code = EXIT_USAGE;
    if (!place_parse(args->file, &place)) {
        (void)fprintf(stderr,
                      "rbr cache: '%s' is not topic:NAME or topic:NAME[FROM,TO) with FROM below "
                      "TO\n",
                      args->file);
        return EXIT_USAGE;
    }
    struct settings *settings =
        options_load_settings(&args->options, place.topic.n > 0 ? SETTINGS_NEED_KAFKA : 0);
    if (settings != NULL && path_of(settings, path, sizeof(path)))
        exit_code = load_into(&place, settings, path);
    settings_free(settings);
    return exit_code;
}

int cmd_cache(int argc, char **argv)
{
    struct arguments args = {0};
    const struct argp argp = {
        NULL, parse, "info|verify [FILE]\nload REWARDS", doc, options_settings, NULL, NULL};
    options_parse(&argp, argc, argv, &args, &args.options);
    if (is_verb(&args, "load"))
        return load(&args);
    return args.file != NULL ? look(&args, args.file) : look_at_settings(&args);
}
