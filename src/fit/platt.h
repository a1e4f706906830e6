/* Platt's calibration of one question: P' = sigmoid(a logit(P) + b), as a policy's `calibration`
 * has it.
 *
 * a and b make the log loss least, with Platt's targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2) in
 * place of 1 and 0, so that they stay finite; found by Newton's method as in Lin, Lin and Weng
 * 2007. Whether it helps is measured on answers that it was not fitted on. Deterministic. Pure. */
#ifndef RBR_FIT_PLATT_H
#define RBR_FIT_PLATT_H

#include "fit/metrics.h"

#define PLATT_MAX 1e3 /* of a and b, either way: what a policy takes */

enum {
    PLATT_FOLDS = 5,
    PLATT_LEAST = 10, /* labels of either kind that a fit needs: two in each fold */
};

enum platt_verdict {
    PLATT_HELPS,
    PLATT_TOO_FEW, /* answers labelled yes, or no */
    PLATT_BACKWARDS, /* a <= 0: the grader's yes says no; a calibration would turn it round */
    PLATT_TOO_FLAT, /* a or b is beyond what a policy takes: the answers hardly differ */
    PLATT_NO_GAIN, /* the held-out log loss does not fall */
};

struct platt {
    double a, b; /* of all answers; hold unless TOO_FEW */
    enum platt_verdict verdict;
    /* Means over held-out answers, each calibrated by the folds that it is not in. */
    double brier_before, brier_after, loss_before, loss_after;
};

/* The answers as the grader gave them, in file order: answer i of its label is in fold i modulo
 * PLATT_FOLDS. */
void platt_fit(const struct labelled *answers, size_t n, struct platt *ret);

#endif
