#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/date.h"
#include "base/num.h"
#include "cache/slot.h"
#include "replay/plan.h"
#include "yaml/yaml.h"
#include "worker/cmd.h"
#include "worker/grading.h"
#include "worker/kafka_setup.h"
#include "worker/replaying.h"

static const char doc[] =
    "Writes a manifest to standard output: which records are judged again, fixed now, under which "
    "policy, where their rewards go, and, from a sample, what it will take: how many questions are "
    "asked, and how many were answered before. Nothing is judged and nothing is written anywhere "
    "else. The output is a topic of its own; create it with as many partitions as the input "
    "has.\v"
    "FROM and TO are a time (2026-01-15T10:15:30Z, or 2026-01-15 for its midnight in UTC), an "
    "offset of each partition, `beginning` or `now`. Judgments are taken from the file of "
    "cache.path, and from the topics of --restore-from.\n\n"
    "Examples:\n"
    "  rbr replay plan -c worker.yaml --policy v8.yaml --output rewards.v8 > m.yaml\n"
    "  rbr replay plan -c worker.yaml --from 2026-01-15 --to 2026-01-16T12:00:00Z \\\n"
    "    --policy v8.yaml --policy weights.yaml --output rewards.v8 > m.yaml\n"
    "  rbr replay plan -c worker.yaml --failed-only rewards \\\n"
    "    --output rewards.again > m.yaml\n\n"
    "Exit code: 0 planned, 1 failed, or there is nothing to replay, 2 wrong options, settings or "
    "policy.";

enum {
    KEY_FROM = 0xb00,
    KEY_TO,
    KEY_TOPIC,
    KEY_OUTPUT,
    KEY_DEAD_LETTERS,
    KEY_RESTORE_FROM,
    KEY_NO_RESTORE,
    KEY_FAILED_ONLY,
    KEY_SAMPLE,
    KEY_ID,
    SAMPLE_MAX = 1000000,
    PROGRESS_US = 200000,
    MEMORY = 256 << 20,
};

struct arguments {
    struct options options;
    struct kafka_point from, to;
    const char *topic, *output, *dead_letters, *failed_in, *id;
    struct str restore_from[MANIFEST_LIST_MAX];
    size_t n_restore_from;
    bool no_restore;
    uint64_t sample;
};

static const struct argp_option option_list[] = {
    {"from", KEY_FROM, "FROM", 0, "the first records (default: beginning)", 0},
    {"to", KEY_TO, "TO", 0, "up to before these (default: now)", 0},
    {"topic", KEY_TOPIC, "TOPIC", 0, "the records (default: kafka.input)", 0},
    {"output", KEY_OUTPUT, "TOPIC", 0, "where the rewards go; needed", 0},
    {"dead-letters", KEY_DEAD_LETTERS, "TOPIC", 0, "default: kafka.dead_letters", 0},
    {"restore-from", KEY_RESTORE_FROM, "TOPIC", 0,
     "rewards to take judgments from; again for more (default: kafka.output)", 0},
    {"no-restore", KEY_NO_RESTORE, 0, 0, "take no judgments from rewards", 0},
    {"failed-only", KEY_FAILED_ONLY, "TOPIC", 0,
     "only records whose last reward in this topic failed and may be tried again", 0},
    {"sample", KEY_SAMPLE, "N", 0, "records to estimate from (default 1000); 0: no estimate", 0},
    {"id", KEY_ID, "ID", 0, "name of the replay (default: time and chance)", 0},
    {0},
};

/* ---- arguments ----------------------------------------------------------------------------------
 */

static bool parse_point(struct str s, struct kafka_point *ret)
{
    if (str_eq(s, STR("beginning")))
        *ret = (struct kafka_point){KAFKA_POINT_BEGINNING, 0};
    else if (str_eq(s, STR("now")))
        *ret = (struct kafka_point){KAFKA_POINT_END, 0};
    else if (date_parse(s, &ret->value))
        ret->kind = KAFKA_POINT_TIME;
    else if (num_parse_i64(s, &ret->value) && ret->value >= 0)
        ret->kind = KAFKA_POINT_OFFSET;
    else
        return false;
    return true;
}

static void take_point(struct argp_state *state, const char *arg, const char *option,
                       struct kafka_point *ret)
{
    if (!parse_point(str_z(arg), ret))
        argp_error(state, "--%s takes a time, an offset, beginning or now, not '%s'", option, arg);
}

static void take_restore_from(struct arguments *a, const char *arg, struct argp_state *state)
{
    if (a->n_restore_from == MANIFEST_LIST_MAX)
        argp_error(state, "at most %d topics to restore from", MANIFEST_LIST_MAX);
    else
        a->restore_from[a->n_restore_from++] = str_z(arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_FROM:
        take_point(state, arg, "from", &a->from);
        return 0;
    case KEY_TO:
        take_point(state, arg, "to", &a->to);
        return 0;
    case KEY_TOPIC:
        a->topic = arg;
        return 0;
    case KEY_OUTPUT:
        a->output = arg;
        return 0;
    case KEY_DEAD_LETTERS:
        a->dead_letters = arg;
        return 0;
    case KEY_RESTORE_FROM:
        take_restore_from(a, arg, state);
        return 0;
    case KEY_NO_RESTORE:
        a->no_restore = true;
        return 0;
    case KEY_FAILED_ONLY:
        a->failed_in = arg;
        return 0;
    case KEY_SAMPLE:
        if (!num_parse_u64(str_z(arg), &a->sample) || a->sample > SAMPLE_MAX)
            argp_error(state, "--sample takes a number up to %d, not '%s'", SAMPLE_MAX, arg);
        return 0;
    case KEY_ID:
        a->id = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (a->output == NULL)
            argp_error(state, "--output TOPIC is missing: where the rewards go");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the manifest -------------------------------------------------------------------------------
 */

static struct str or_else(const char *given, struct str other)
{
    return given != NULL ? str_z(given) : other;
}

/* Unique enough: two plans of one second differ. */
static void make_id(char out[MANIFEST_ID_MAX], const char *created)
{
    uint64_t chance = (uint64_t)getpid() ^ (uint64_t)clock_mono_us(&clock_real);
    (void)snprintf(out, MANIFEST_ID_MAX, "%.4s%.2s%.2s-%.2s%.2s%.2s-%04x", created, created + 5,
                   created + 8, created + 11, created + 14, created + 17,
                   (unsigned)(chance & 0xffff));
}

struct planning {
    const struct arguments *args;
    const struct settings *settings;
    const struct policy *policy;
    struct kafka_setup kafka;
    struct manifest manifest;
    struct str policy_files[OPTIONS_POLICIES_MAX];
    char created[DATE_MAX], id[MANIFEST_ID_MAX], cost[32];
};

static void describe(struct planning *p)
{
    const struct arguments *a = p->args;
    const struct settings_kafka *k = &p->settings->kafka;
    const struct setting_list *files = &p->settings->policy_files;
    struct manifest *m = &p->manifest;
    date_print(clock_wall_ms(&clock_real), p->created);
    make_id(p->id, p->created);
    for (size_t i = 0; i < a->options.n_policies; i++)
        p->policy_files[i] = a->options.policies[i].name;
    *m = (struct manifest){
        .id = or_else(a->id, str_z(p->id)),
        .created = str_z(p->created),
        .input = or_else(a->topic, k->input),
        .output = str_z(a->output),
        .dead_letters = or_else(a->dead_letters, k->dead_letters),
        .policy_files = {files->items, files->n},
        .policy_hash = str_z(p->policy->hash_hex),
        .grader = replaying_grader(p->settings),
        .failed_in = or_else(a->failed_in, (struct str){0}),
    };
    if (a->options.n_policies > 0)
        m->policy_files = (struct manifest_list){p->policy_files, a->options.n_policies};
    if (a->n_restore_from > 0)
        m->restore_from =
            (struct manifest_list){(struct str *)(uintptr_t)a->restore_from, a->n_restore_from};
    else if (!a->no_restore)
        m->restore_from = (struct manifest_list){(struct str *)(uintptr_t)&k->output, 1};
    arena_init(&m->arena, MEMORY);
}

static void undescribe(struct planning *p)
{
    for (size_t i = 0; i < p->manifest.n_partitions; i++)
        offset_set_done(&p->manifest.partitions[i].only);
    arena_done(&p->manifest.arena);
}

/* ---- the estimate -------------------------------------------------------------------------------
 */

static void show(const char *what, uint64_t n)
{
    static int64_t next_us;
    int64_t now = clock_mono_us(&clock_real);
    if (now < next_us)
        return;
    next_us = now + PROGRESS_US;
    (void)fprintf(stderr, "\r\033[K%" PRIu64 " %s ", n, what);
}

static int64_t no_maintenance(void *arg)
{
    (void)arg;
    return CLOCK_NEVER;
}

/* A file of judgments that is there already; planning does not make one. */
static bool has_cache(const struct settings *s)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%.*s", STR_ARGS(s->cache.path));
    return s->cache.path.n > 0 && access(path, R_OK | W_OK) == 0;
}

static enum err_code estimate_with(struct planning *p, struct plan *plan, struct grading *g,
                                   struct err *err)
{
    struct record_limits limits = record_limits_default;
    limits.value_bytes = 4 * p->settings->limits.completion_bytes;
    limits.memory_bytes = 32 * p->settings->limits.completion_bytes;
    if (has_cache(p->settings))
        grading_keep(g, p->settings);
    struct estimate *e = estimate_new(&g->judge, &limits);
    enum err_code code = plan_estimate(plan, e, p->args->sample, err);
    estimate_free(e);
    return code;
}

static enum err_code estimate(struct planning *p, struct plan *plan, struct err *err)
{
    struct grading g;
    if (p->args->sample == 0)
        return ERR_OK;
    enum err_code code =
        grading_init(&g, p->policy, &p->settings->graders[0], no_maintenance, NULL, err);
    if (code != ERR_OK)
        return code;
    code = estimate_with(p, plan, &g, err);
    grading_done(&g);
    return code;
}

/* An answer is one token. */
static void price(struct planning *p)
{
    struct manifest_estimate *e = &p->manifest.estimate;
    const struct price price = grading_price(&p->settings->graders[0]);
    const struct usage usage = {.input_tokens = e->input_tokens, .output_tokens = e->asked};
    if (price.known && e->sampled > 0)
        e->cost_usd = str_z(usd_print(price_of(&price, &usage), p->cost));
}

/* ---- telling ------------------------------------------------------------------------------------
 */

/* On stderr, for who looks on; the same numbers are in the manifest. */
static void summarise(const struct planning *p)
{
    const struct manifest *m = &p->manifest;
    const struct manifest_estimate *e = &m->estimate;
    (void)fprintf(stderr, "%" PRIu64 " offsets of %zu partitions of %.*s\n", manifest_offsets(m),
                  m->n_partitions, STR_ARGS(m->input));
    if (e->sampled == 0)
        return;
    (void)fprintf(stderr,
                  "about %" PRIu64 " records: %" PRIu64 " questions to ask, %" PRIu64
                  " saved; %" PRIu64 " tokens, of about four bytes (from %" PRIu64 " records)\n",
                  e->records, e->asked, e->saved, e->input_tokens, e->sampled);
    if (e->cost_usd.n > 0)
        (void)fprintf(stderr, "about %.*s USD\n", STR_ARGS(e->cost_usd));
    uint64_t needed = e->asked + e->saved, room = p->settings->cache.bytes / SLOT_BYTES;
    if (m->restore_from.n > 0 && needed > room / 2)
        (void)fprintf(stderr,
                      "cache.size has room for %" PRIu64 " judgments and this range has about "
                      "%" PRIu64 ": with less than twice as many some give way and are asked for "
                      "again; raise it for the run\n",
                      room, needed);
}

/* What is printed is what run reads: it must be readable. */
static enum err_code print(const struct planning *p, struct err *err)
{
    struct buf text;
    struct manifest *again = NULL;
    enum err_code code = ERR_OK;
    buf_init(&text, YAML_FILE_MAX);
    if (!manifest_print(&p->manifest, &text))
        code = err_set(err, ERR_LIMIT,
                       "the manifest is larger than %d bytes: failures lie too far apart; plan "
                       "shorter ranges",
                       YAML_FILE_MAX);
    if (code == ERR_OK)
        code = manifest_parse(STR("manifest"), buf_str(&text), &again, err);
    if (code == ERR_OK)
        (void)fwrite(text.p, 1, text.n, stdout);
    manifest_free(again);
    buf_done(&text);
    return code;
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

static enum err_code make(struct planning *p, struct err *err)
{
    struct plan plan = {
        .kafka = &p->kafka.config,
        .m = &p->manifest,
        .from = p->args->from,
        .to = p->args->to,
        .progress = isatty(STDERR_FILENO) ? show : NULL,
    };
    enum err_code code = replaying_check_topics(&p->manifest, p->settings, err);
    if (code != ERR_OK)
        return code;
    code = plan_partitions(&plan, err);
    if (code == ERR_OK)
        code = estimate(p, &plan, err);
    if (code == ERR_OK)
        price(p);
    if (plan.progress != NULL)
        (void)fprintf(stderr, "\r\033[K");
    return code == ERR_OK ? print(p, err) : code;
}

static int plan_with(const struct arguments *args, const struct settings *settings)
{
    struct policy *policy =
        args->options.n_policies > 0
            ? options_load_policy(args->options.policies, args->options.n_policies, true, true)
            : options_policy_of(settings, true);
    struct planning p = {.args = args, .settings = settings, .policy = policy};
    struct err err = {0};
    if (policy == NULL)
        return EXIT_USAGE;
    describe(&p);
    kafka_setup_init(&p.kafka, &settings->kafka, false);
    enum err_code code = make(&p, &err);
    if (code == ERR_OK)
        summarise(&p);
    else
        (void)fprintf(stderr, "rbr replay plan: %s\n", err.msg);
    kafka_setup_done(&p.kafka);
    undescribe(&p);
    policy_free(policy);
    return code == ERR_OK ? EXIT_DONE : code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

int replay_plan(int argc, char **argv)
{
    struct arguments args = {
        .from = {KAFKA_POINT_BEGINNING, 0}, .to = {KAFKA_POINT_END, 0}, .sample = 1000};
    const struct argp argp = {option_list, parse, "", doc, options_all, NULL, NULL};
    options_parse(&argp, argc, argv, &args, &args.options);
    unsigned needs = SETTINGS_NEED_KAFKA | SETTINGS_NEED_GRADER |
                     (args.options.n_policies == 0 ? (unsigned)SETTINGS_NEED_POLICY : 0u);
    struct settings *settings = options_load_settings(&args.options, needs);
    if (settings == NULL)
        return EXIT_USAGE;
    int exit_code = plan_with(&args, settings);
    settings_free(settings);
    return exit_code;
}
