/* What the verbs of `rbr replay` share: a manifest, the settings that it runs under, and whether
 * they go together. One replay a process. */
#ifndef RBR_WORKER_REPLAYING_H
#define RBR_WORKER_REPLAYING_H

#include "replay/replay.h"
#include "worker/options.h"

struct replaying {
    struct manifest *manifest;
    struct settings *live; /* as in the file */
    struct settings settings; /* the same with the manifest's topics, group and judgments */
    struct settings_grader grader; /* of those */
    char group[sizeof(MANIFEST_GROUP_PREFIX) + MANIFEST_ID_MAX];
};

/* Loads both; prints why not, and then there is nothing to close. `share`: of the settings'
 * share of the grader, for this process; above 0, at most 1. */
bool replaying_open(struct replaying *r, const struct options *o, const char *manifest,
                    double share) RBR_MUST_CHECK;
void replaying_close(struct replaying *r);

/* How far all processes together are: what the group has committed. */
enum err_code replaying_look(const struct replaying *r, struct replay_progress *ret,
                             struct err *err) RBR_MUST_CHECK;

/* The grader of these settings as a manifest names it. */
struct manifest_grader replaying_grader(const struct settings *s);

/* Rewards of a replay must not go where they would be taken for live ones, or be read again. */
enum err_code replaying_check_topics(const struct manifest *m, const struct settings *live,
                                     struct err *err) RBR_MUST_CHECK;

/* The verbs; each with its own arguments, argv[0] being "rbr replay VERB". */
int replay_plan(int argc, char **argv);
int replay_run(int argc, char **argv);
int replay_status(int argc, char **argv);

#endif
