/* How the completions of one response type score before and after a fit: rewards by label, ranking
 * errors by pair of labels, losses. What reports show, as text or as a page, comes from here.
 *
 * The ranking error of some pairs is the share of them whose worse completion scores at least as
 * high. Lifecycle: measured_init, read, measured_done. Pure. */
#ifndef RBR_FIT_MEASURED_H
#define RBR_FIT_MEASURED_H

#include "fit/fitted.h"

/* The rewards that are compared, any `clip` left out. */
enum measured_of {
    MEASURED_RM, /* rm_weight R_rm alone */
    MEASURED_BEFORE, /* with the policy's weights as they were */
    MEASURED_RBR, /* the fitted sum alone */
    MEASURED_AFTER, /* R_rm and the fitted sum: what the worker would publish */
    MEASURED_REWARDS
};

extern const struct str measured_names[MEASURED_REWARDS]; /* RM, before, RBR, after */

enum { MEASURED_BINS = 40 };

struct measured_label {
    struct str name;
    size_t n; /* completions */
    double mean[MEASURED_REWARDS]; /* NAN when n is 0, or there is no such reward */
    uint64_t bins[MEASURED_REWARDS][MEASURED_BINS];
};

struct measured_pairs {
    struct str better, worse; /* labels; n == 0: of all */
    size_t n;
    size_t wrong[MEASURED_REWARDS];
};

struct measured {
    bool has[MEASURED_REWARDS];
    double low[MEASURED_REWARDS], high[MEASURED_REWARDS]; /* of the bins, which are equal */
    struct measured_label *labels; /* of the ordering, in its order */
    size_t n_labels;
    struct measured_pairs *pairs; /* of the labels that it relates */
    size_t n_pairs;
    struct measured_pairs trained, held_out;
    struct pairs_loss trained_loss, held_out_loss; /* of MEASURED_AFTER */
};

void measured_init(struct measured *m, const struct fit *fit, const struct fitted *f);
void measured_done(struct measured *m);

/* NAN when there are no pairs, or no such reward. */
double measured_error(const struct measured *m, const struct measured_pairs *p,
                      enum measured_of reward);

#endif
