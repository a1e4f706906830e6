#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/num.h"
#include "obs/log.h"
#include "worker/app.h"
#include "worker/cmd.h"
#include "worker/replaying.h"
#include "worker/spending.h"

static const char doc[] =
    "Does what a manifest of `rbr replay plan` says: judges its records again and writes the "
    "rewards to its output, exactly once. Start it on as many hosts as you like, and again after a "
    "crash: each goes on where all of them are, and each ends when all is done. Once it is done, "
    "another run does nothing. A SIGTERM stops it in good order. The policy's files are looked for "
    "under the names that `plan` was given; --policy says where else they are.\v"
    "Examples:\n"
    "  rbr replay run -c worker.yaml m.yaml\n"
    "  rbr replay run -c worker.yaml --share 0.5 --set cache.size=4GiB m.yaml\n\n"
    "Exit code: 0 done, 1 failed or stopped before the end, 2 wrong options, settings, policy or "
    "manifest, 3 done, and this process had failures.";

enum { KEY_SHARE = 0xa00, PROGRESS_US = 200000, BAR = 30 };

#define SHARE "0.25"

struct arguments {
    struct options options;
    const char *manifest;
    double share;
};

static const struct argp_option option_list[] = {
    {"share", KEY_SHARE, "PART", 0,
     "of the grader, beside a live worker's 1, for this process (default " SHARE ")", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_SHARE:
        if (!num_parse_f64(str_z(arg), &a->share) || a->share <= 0 || a->share > 1)
            argp_error(state, "--share takes a number above 0, at most 1, not '%s'", arg);
        return 0;
    default:
        return options_file(key, arg, state, &a->manifest);
    }
}

/* ---- what is shown ------------------------------------------------------------------------------
 */

/* On a terminal: one line that is written over and over. */
struct bar {
    bool shown;
    int64_t started_us, next_us;
    uint64_t done_before; /* when this process began */
};

static void draw(const struct bar *b, const struct replay_progress *p,
                 const struct pipeline_stats *s, int64_t now)
{
    char drawn[BAR + 1];
    double seconds = (double)(now - b->started_us) / 1e6;
    double rate = seconds > 0 ? (double)(p->done - b->done_before) / seconds : 0;
    size_t full = p->total > 0 ? (size_t)(BAR * p->done / p->total) : BAR;
    for (size_t i = 0; i < BAR; i++)
        drawn[i] = i < full ? '#' : '.';
    drawn[BAR] = '\0';
    (void)fprintf(stderr, "\r\033[K[%s] %" PRIu64 " of %" PRIu64 ", %.0f/s", drawn, p->done,
                  p->total, rate);
    if (rate > 0)
        (void)fprintf(stderr, ", %.0f s left", (double)(p->total - p->done) / rate);
    if (s->rewards[STATUS_FAILED] > 0)
        (void)fprintf(stderr, ", %" PRIu64 " failed here", s->rewards[STATUS_FAILED]);
}

static void show(void *arg, const struct app *a)
{
    struct bar *b = arg;
    struct replay_progress p;
    struct pipeline_stats s;
    int64_t now = clock_mono_us(&clock_real);
    if (!b->shown || now < b->next_us)
        return;
    b->next_us = now + PROGRESS_US;
    replay_progress(a->replay, &p);
    pipeline_stats(a->pipeline, &s);
    if (p.done >= b->done_before) /* else it has not been looked up yet */
        draw(b, &p, &s, now);
}

/* What this process did; returns how many of its records have no reward to train on that should. */
static uint64_t summarise(const struct app *a, const struct bar *b)
{
    struct replay_progress p;
    struct pipeline_stats s;
    struct grader_stats g;
    char used[SPENDING_TEXT_MAX];
    replay_progress(a->replay, &p);
    pipeline_stats(a->pipeline, &s);
    grader_stats(a->grading.grader, &g);
    uint64_t failed = s.rewards[STATUS_FAILED] + s.rewards[STATUS_EXPIRED];
    if (b->shown)
        (void)fprintf(stderr, "\r\033[K");
    (void)printf("replay       %.*s: %s\n", STR_ARGS(a->config.replay->id),
                 replay_finished(a->replay) ? "done" : "stopped; run it again to go on");
    (void)printf("offsets      %" PRIu64 " of %" PRIu64 "\n", p.done, p.total);
    (void)printf("records      %" PRIu64 " by this process\n", s.committed);
    (void)printf("asked        %" PRIu64 "\n", g.judgments + g.ungraded);
    (void)printf("saved        %" PRIu64 "\n", a->grading.cache->stats.hits);
    (void)printf("failed       %" PRIu64 "\n", failed);
    (void)printf("dead letters %" PRIu64 "\n", s.dead_letters);
    (void)printf("used         %s\n", spending_text(a->grading.grader, used));
    (void)printf("seconds      %.1f\n", (double)(clock_mono_us(&clock_real) - b->started_us) / 1e6);
    (void)fflush(stdout);
    return failed;
}

/* ---- running ------------------------------------------------------------------------------------
 */

/* Another policy would make other rewards than those that are there already. */
static struct policy *load_policy(const struct replaying *r, const struct options *o)
{
    const struct manifest *m = r->manifest;
    struct policy_file files[OPTIONS_POLICIES_MAX] = {0};
    _Static_assert((int)OPTIONS_POLICIES_MAX >= (int)MANIFEST_LIST_MAX, "room for each");
    for (size_t i = 0; i < m->policy_files.n; i++)
        files[i].name = m->policy_files.items[i];
    struct policy *p = o->n_policies > 0
                           ? options_load_policy(o->policies, o->n_policies, true, true)
                           : options_load_policy(files, m->policy_files.n, true, true);
    if (p == NULL || str_eq(str_z(p->hash_hex), m->policy_hash))
        return p;
    (void)fprintf(stderr,
                  "rbr replay: the policy's hash is %s and the manifest's %.*s: it is not the "
                  "policy that was planned; restore that, or plan anew\n",
                  p->hash_hex, STR_ARGS(m->policy_hash));
    policy_free(p);
    return NULL;
}

static int run(const struct replaying *r, const struct policy *policy,
               const struct replay_progress *before)
{
    struct bar bar = {.shown = isatty(STDERR_FILENO),
                      .started_us = clock_mono_us(&clock_real),
                      .done_before = before->done};
    const struct app_config config = {
        .settings = &r->settings,
        .policy = policy,
        .replay = r->manifest,
        .quiet = bar.shown,
        .watch = show,
        .watch_arg = &bar,
    };
    struct app app;
    struct err err;
    if (app_init(&app, &config, &err) != ERR_OK) {
        log_error("replay.start_failed", "%s", err.msg);
        return EXIT_FAILED;
    }
    log_info("replay.started",
             "version=%s id=%.*s policy=%.*s hash=%.12s group=%s input=%.*s output=%.*s",
             RBR_VERSION, STR_ARGS(r->manifest->id), STR_ARGS(policy->id), policy->hash_hex,
             r->group, STR_ARGS(r->manifest->input), STR_ARGS(r->manifest->output));
    enum err_code code = app_run(&app, &err);
    if (code != ERR_OK)
        log_error("replay.failed", "%s", err.msg);
    uint64_t failed = summarise(&app, &bar);
    bool done = code == ERR_OK && replay_finished(app.replay);
    app_done(&app);
    return !done ? EXIT_FAILED : failed > 0 ? EXIT_DATA : EXIT_DONE;
}

/* A replay that is done is not joined again. */
static int run_the_rest(const struct replaying *r, const struct policy *policy)
{
    struct replay_progress before;
    struct err err;
    if (replaying_look(r, &before, &err) != ERR_OK) {
        log_error("replay.start_failed", "%s", err.msg);
        return EXIT_FAILED;
    }
    if (before.partitions_done < before.partitions)
        return run(r, policy, &before);
    (void)printf("replay       %.*s: done, nothing is left to do\n", STR_ARGS(r->manifest->id));
    return EXIT_DONE;
}

int replay_run(int argc, char **argv)
{
    struct arguments args = {.share = 0.25};
    const struct argp argp = {.options = option_list,
                              .parser = parse,
                              .args_doc = "MANIFEST",
                              .doc = doc,
                              .children = options_with_manifest};
    struct replaying r;
    options_parse(&argp, argc, argv, &args, &args.options);
    if (!replaying_open(&r, &args.options, args.manifest, args.share))
        return EXIT_USAGE;
    struct policy *policy = load_policy(&r, &args.options);
    int exit_code = policy != NULL ? run_the_rest(&r, policy) : EXIT_USAGE;
    policy_free(policy);
    replaying_close(&r);
    return exit_code;
}
