/* Judging one record: route it, gate it, answer its checks, look up what was judged before, ask the
 * grader the rest.
 *
 * A record may be judged under two policies at once. The second request names the first, and what
 * is asked for that is not asked again: a question with the same digest has one judgment, or one
 * reason why there is none, and both policies take it, with a cache and without. Only one that
 * takes less mass for an answer than the first asks for itself.
 *
 * The caller owns a `struct judge_req`; judge_start fills `result` and either finishes at once
 * (returns true: gates, checks, labels and cache needed no grader) or calls `done` later from the
 * loop. The result holds a judgment per proposition of the policy, or a status and reason that
 * settled the record without them. It knows nothing of classes, weights or Kafka. Loop thread. */
#ifndef RBR_JUDGE_JUDGE_H
#define RBR_JUDGE_JUDGE_H

#include "cache/cache.h"
#include "grader/grader.h"
#include "judge/canary.h"
#include "policy/policy.h"
#include "record/record.h"

/* What is remarkable about the text, bit set; names go into Reward.tripwires. */
enum tripwire {
    TRIPWIRE_CONTROL_TOKENS = 1, /* chat control tokens in untrusted text */
    TRIPWIRE_EMBEDDED_NUL = 2,
    TRIPWIRE_EMPTY_COMPLETION = 4, /* no letter or digit in the response */
    TRIPWIRE_FORGED_STRUCTURE = 8, /* turns or fences of our own prompt in untrusted text */
    TRIPWIRE_TRIVIAL_COMPLETION = 16, /* not empty, and yet nothing (trivial.h) */
};

struct judged {
    size_t response_type; /* index; SIZE_MAX when not routed */
    enum status status; /* OK: judgments hold. Otherwise settled: SKIPPED, FAILED, EXPIRED */
    enum reason reason; /* why, unless OK */
    char detail[128]; /* printable ASCII, "" when there is nothing to add */
    bool reward_model_only; /* unrouted under `unrouted: reward_model_only` */
    struct judgment *judgments; /* n_propositions of the policy; arena of the request */
    unsigned tripwires;
    struct grader_use use;
    struct str grader_name, grader_model; /* n == 0 when no grader was asked */
    int64_t grading_us; /* from judge_start to the end */
};

struct judge {
    const struct policy *policy;
    struct grader
        *grader; /* may be NULL: then a question that needs one is UNGRADED(MISSING_INPUT) */
    struct cache *cache; /* may be NULL: every question is asked */
    const struct clock *clock;
    struct canaries *canaries; /* may be NULL: none; told of records that are asked about */
    bool use_known; /* take `propositions` of the record as judgments (score --use-labels) */
};

struct judge_req {
    /* in */
    const struct record *record;
    struct arena *arena; /* the record's; holds prompt and judgments */
    int64_t deadline_us; /* ours, monotonic; does not run while the grader is down (grader.h) */
    int64_t expires_us; /* the record's own, monotonic; both CLOCK_NEVER for none */
    const struct judge_req *first; /* of the same record, started already: shares its judgments with
                                      this one, whose end is judge_follow; NULL: none */
    void (*done)(struct judge_req *req);
    /* out */
    struct judged result;
    /* private */
    struct judge *judge;
    struct prompt prompt;
    struct grader_group group;
    int64_t started_us;
    int64_t late_us; /* when it is given up because `first` waits for it; CLOCK_NEVER: not yet */
    size_t shared; /* judgments that are asked for `first` */
    bool asking, cancelled;
};

bool judge_start(struct judge *j, struct judge_req *req);

/* Whether records should be brought: not while the grader is down or held, they would only wait
 * here, and not before it has shown that it tells right from wrong (canary.h). */
bool judge_can_take(const struct judge *j);

/* Whether what was judged may go out. */
bool judge_lets_out(const struct judge *j);

/* `first` is done, this one is not: takes over what is shared, and has until `late_us` for the
 * rest. True: there is none, `done` is not called. */
bool judge_follow(struct judge_req *req, int64_t late_us);

/* Asks nothing more; what is on its way may still be judged. For a record that is no longer ours.
 * `done` follows, and so it does after judge_cancel. */
void judge_wind_down(struct judge_req *req);

/* Gives up, as the deadline would: what is not yet judged becomes UNGRADED(DEADLINE) and `done`
 * follows soon. */
void judge_cancel(struct judge_req *req);

#endif
