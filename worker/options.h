/* What the commands share: the options -c and --set, loading settings and policy, printing what is
 * wrong. */
#ifndef RBR_WORKER_OPTIONS_H
#define RBR_WORKER_OPTIONS_H

#include <argp.h>

#include "policy/policy.h"
#include "settings/settings.h"

enum { OPTIONS_SETS_MAX = 64, OPTIONS_POLICIES_MAX = 16 };

#define OPTIONS_DEFAULT_FILE "config/worker.yaml"

/* What the options say that commands share. */
struct options {
    const char *file; /* NULL: the default file */
    struct str sets[OPTIONS_SETS_MAX];
    size_t n_sets;
    struct policy_file policies[OPTIONS_POLICIES_MAX];
    size_t n_policies;
};

/* Children of a command's argp: -c FILE and --set KEY=VALUE; --policy FILE; all of these; all of
 * these where a manifest names the policy. */
extern const struct argp_child options_settings[], options_policies[], options_all[],
    options_with_manifest[];

/* At ARGP_KEY_END of a command with --grader and --model: refuses a model without a grader, which
 * would be sent to nobody. */
void options_model(const struct argp_state *state, const char *model, const char *grader);

/* The end of the parser of a command that takes one FILE: takes it, or says what is wrong. */
error_t options_file(int key, char *arg, struct argp_state *state, const char **file);

/* Parses a command's arguments; ends the process with EXIT_USAGE when they are wrong. `input` is
 * for the command's own parser, `o` for its children; NULL when it has none. */
void options_parse(const struct argp *argp, int argc, char **argv, void *input, struct options *o);

/* Loads the settings, printing every problem to stderr; NULL when there is one. */
struct settings *options_load_settings(const struct options *o, unsigned needs);

/* The same from text; `name` stands for the file in messages. */
struct settings *options_load_settings_text(struct str name, struct str text, unsigned needs);

/* Settings that say nothing but one grader's URL and model (`--grader URL`); model NULL: any. */
struct settings *options_grader_settings(const char *url, const char *model);

/* Loads a policy, printing findings to stderr (warnings too unless `quiet`); NULL on errors. */
struct policy *options_load_policy(const struct policy_file *files, size_t n, bool require_weights,
                                   bool quiet);

/* The policy that the settings name. */
struct policy *options_policy_of(const struct settings *s, bool require_weights);

/* The policies of a worker: what `rbr run` needs of them is there. */
struct policies {
    struct policy *live;
    struct policy *shadow; /* NULL: none */
};

/* False, with everything wrong printed, when there is an error. */
bool options_policies_of(const struct settings *s, struct policies *ret) RBR_MUST_CHECK;
void options_policies_free(struct policies *p);

#endif
