/* The weights of least training loss, within bounds: NLopt's SLSQP on a hinge whose corner is
 * rounded (hinge.h), over a width that shrinks from stage to stage, each begun where the one before
 * ended.
 *
 *   mean hinge + decay / 2 * |w|^2          the last width, 1e-4, costs at most half of itself
 *
 * It begins at 0, or at the bound nearest to it, and moves only where the loss pulls: what changes
 * no pair, such as a constant on all classes, is not moved. Without decay or bounds weights may
 * grow large, and where a loss of 0 can be had there are many best ones; this is the one come to
 * first. Deterministic with one version of NLopt, whose only home this is. Pure. */
#ifndef RBR_FIT_EXACT_H
#define RBR_FIT_EXACT_H

#include "fit/pairs.h"

struct exact_options {
    const double *lower, *upper; /* per feature, lower <= upper; both 0: the feature is ignored */
    double decay; /* >= 0 */
};

struct exact_result {
    size_t evaluations; /* of the loss */
    double first, last; /* what is made small, at the start and at the end, with the corner */
    bool converged; /* false: w is the best seen, but a stage failed or was cut off */
};

/* w[] per feature. */
void exact_fit(const struct pairs *p, const struct exact_options *options, double *w,
               struct exact_result *ret);

/* "NLopt 2.7.1 SLSQP": beside the data, what decides which weights these are. Static text. */
const char *exact_method(void);

#endif
