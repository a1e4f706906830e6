/* Two sets of rewards side by side: what changed from A to B. Rewards are joined on (run_id,
 * completion_id, attempt).
 *
 * Lifecycle: compare_new; compare_add for all of A, then for all of B; compare_finish once;
 * compare_free. Pure; one thread.
 *
 * Memory: a completion takes 96 bytes, 32 to 64 in the table that finds it, 8 for each component of
 * A, and another 60 within compare_finish; its texts are not kept. Arrays grow by doubling.
 * Measured for a million completions of 20 components: 450 MB at the peak.
 *
 * A failure is never a number: rewards without one are counted by status and take part in nothing
 * else, except that a class that is known is in the transitions. The formulas are in
 * replay/statistics.h. */
#ifndef RBR_REPLAY_COMPARE_H
#define RBR_REPLAY_COMPARE_H

#include "reward/facts.h"

enum compare_side { COMPARE_A, COMPARE_B, COMPARE_SIDES };

enum {
    COMPARE_STATUSES = STATUS_CANCELLED + 1,
    COMPARE_QUANTILES = 5,
    COMPARE_BINS = 40,
    COMPARE_PARTS = 4, /* components shown of a mover */
    COMPARE_MOVERS_MAX = 1000,
    COMPARE_CLASSES_MAX = 1000
};

extern const double compare_quantiles[COMPARE_QUANTILES]; /* 0.05 .. 0.95 */

struct compare_counts {
    uint64_t rewards; /* different ones */
    uint64_t repeated; /* a reward_id again, as at_least_once delivers: the first one counts */
    uint64_t alone; /* missing on the other side */
    uint64_t with_number;
    uint64_t by_status[COMPARE_STATUSES];
};

/* Of the completions that have a number on both sides. */
struct compare_shift {
    struct str type; /* A's; n == 0: not routed */
    uint64_t n;
    double mean[COMPARE_SIDES]; /* NAN when n is 0, and so are the quantiles */
    double quantiles[COMPARE_SIDES][COMPARE_QUANTILES];
    double low, high; /* of the bins, which are equal; NAN when n is 0 */
    uint64_t bins[COMPARE_SIDES][COMPARE_BINS];
};

/* Of the groups that have two such completions or more. */
struct compare_ranks {
    uint64_t groups, ordered; /* ordered: with a tau, not all tied on one side */
    double tau_mean, tau_median, tau_min; /* over the ordered groups; NAN without any */
    uint64_t concordant, discordant; /* pairs within groups */
};

struct compare_part {
    struct str name;
    double value[COMPARE_SIDES]; /* 0 where the side has no such component */
};

struct compare_mover {
    struct str run_id, completion_id;
    uint32_t attempt;
    struct str type; /* A's */
    struct str class[COMPARE_SIDES];
    double reward[COMPARE_SIDES];
    struct compare_part parts[COMPARE_PARTS]; /* that changed, the largest change first */
    size_t n_parts;
};

struct compare_report {
    struct compare_counts sides[COMPARE_SIDES];
    uint64_t both; /* completions on both sides */
    uint64_t compared; /* of these with a number on both */
    uint64_t rerouted; /* of these with another response type in B */
    const struct str *classes; /* in the policy's order; n == 0: not known */
    size_t n_classes;
    const uint64_t *transitions; /* of `both`: [A's class * n_classes + B's] */
    struct compare_shift all;
    const struct compare_shift *shifts; /* by name of the response type */
    size_t n_shifts;
    struct compare_ranks ranks;
    uint64_t signs[3][3]; /* of advantages: [A's sign + 1][B's sign + 1] */
    const struct compare_mover *movers; /* the largest move first, then by key */
    size_t n_movers;
};

struct compare;

/* Keeps so many movers: 0 to COMPARE_MOVERS_MAX. */
struct compare *compare_new(size_t movers) RBR_MUST_CHECK;
void compare_free(struct compare *c); /* NULL is fine */

/* Copies what it keeps. ERR_INVALID: the side has this completion under another
 * reward_id already. ERR_LIMIT: too many completions, or classes. */
enum err_code compare_add(struct compare *c, enum compare_side side, const struct reward_facts *r,
                          struct err *err) RBR_MUST_CHECK;

/* The report's arrays and texts are the object's. */
void compare_finish(struct compare *c, struct compare_report *ret);

#endif
