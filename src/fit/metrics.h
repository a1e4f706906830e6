/* How good a grader's answers to one question are, beside labels: what `rbr eval` prints of a
 * proposition.
 *
 * An answer counts as yes from the threshold up. A figure that has no value (precision without a
 * yes, AUC of one label only) is NAN, never 0. Definitions are scikit-learn's, which the tests
 * compare with. Pure. */
#ifndef RBR_FIT_METRICS_H
#define RBR_FIT_METRICS_H

#include <stdbool.h>
#include <stddef.h>

enum { METRICS_BINS = 10 };

struct labelled {
    double p; /* P(yes), [0, 1] */
    bool truth; /* the label */
};

struct metrics {
    size_t n, positives;
    size_t true_yes, false_yes, true_no, false_no;
    double accuracy, precision, recall, f1;
    double auc; /* P(a yes scores above a no), ties half */
    double brier; /* mean (p - truth)^2 */
    double calibration_error; /* expected: mean over bins of |mean p - share of yes|, by their n */
    double best_threshold, best_f1; /* where F1 is largest; halfway to the next answer below */
};

/* The reliability diagram: bin i has the answers with i / 10 < p <= (i + 1) / 10, the first 0 too.
 */
struct metrics_bin {
    size_t n, positives;
    double mean; /* of p; NAN when empty */
};

/* Sorts `answers` by p. */
void metrics_compute(struct labelled *answers, size_t n, double threshold, struct metrics *ret);
void metrics_bins(const struct labelled *answers, size_t n, struct metrics_bin out[METRICS_BINS]);

#endif
