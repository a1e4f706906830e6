#include "worker/cmd.h"

#include <inttypes.h>
#include <string.h>

#include "obs/log.h"
#include "worker/app.h"
#include "worker/options.h"

static const char doc[] = "The worker: consumes completion records from kafka.input, has each "
                          "judged by the grader, and publishes one "
                          "reward each to kafka.output, exactly once. Start more of them with the "
                          "same kafka.group to scale; stop one "
                          "with SIGTERM.\v"
                          "Example:\n"
                          "  rbr run -c config/worker.yaml --set kafka.brokers=127.0.0.1:9092\n\n"
                          "Exit code: 0 stopped, 1 failed, 2 wrong settings or policy.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state, "unexpected argument '%s'", arg);
    return ARGP_ERR_UNKNOWN;
}

static void log_shadow(const struct settings *settings, const struct policies *policies)
{
    const struct policy *p = policies->shadow;
    if (p == NULL)
        return;
    log_info("worker.shadow", "policy=%.*s version_of_policy=%.*s hash=%.12s output=%.*s",
             STR_ARGS(p->id), STR_ARGS(p->version), p->hash_hex,
             STR_ARGS(settings->kafka.shadow_output));
    if (strcmp(p->hash_hex, policies->live->hash_hex) == 0)
        log_warning("worker.shadow_is_live", "the shadow policy means the same as the policy: its "
                                             "rewards will be the same");
}

static int run(const struct settings *settings, const struct policies *policies)
{
    struct app app;
    struct err err;
    const struct policy *policy = policies->live;
    const struct app_config config = {
        .settings = settings, .policy = policy, .shadow = policies->shadow};
    if (app_init(&app, &config, &err) != ERR_OK) {
        log_error("worker.start_failed", "%s", err.msg);
        return EXIT_FAILED;
    }
    log_info("worker.started",
             "version=%s policy=%.*s version_of_policy=%.*s hash=%.12s group=%.*s input=%.*s "
             "output=%.*s delivery=%s",
             RBR_VERSION, STR_ARGS(policy->id), STR_ARGS(policy->version), policy->hash_hex,
             STR_ARGS(settings->kafka.group), STR_ARGS(settings->kafka.input),
             STR_ARGS(settings->kafka.output),
             settings->kafka.at_least_once ? "at_least_once" : "exactly_once");
    log_shadow(settings, policies);
    enum err_code code = app_run(&app, &err);
    struct pipeline_stats s;
    pipeline_stats(app.pipeline, &s);
    if (code != ERR_OK)
        log_error("worker.failed", "%s", err.msg);
    log_info("worker.stopped", "committed=%" PRIu64 " dead_letters=%" PRIu64 " dropped=%" PRIu64,
             s.committed, s.dead_letters, s.dropped);
    app_done(&app);
    return code == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

int cmd_run(int argc, char **argv)
{
    struct options o = {0};
    const struct argp argp = {.parser = parse, .doc = doc, .children = options_settings};
    options_parse(&argp, argc, argv, &o, &o);
    struct settings *settings = options_load_settings(
        &o, SETTINGS_NEED_KAFKA | SETTINGS_NEED_GRADER | SETTINGS_NEED_POLICY);
    if (settings == NULL)
        return EXIT_USAGE;
    struct policies policies;
    int exit_code =
        options_policies_of(settings, &policies) ? run(settings, &policies) : EXIT_USAGE;
    options_policies_free(&policies);
    settings_free(settings);
    return exit_code;
}
