/* What `rbr eval` found, as text for a terminal, as JSON with keys that stay, and as a page. */
#ifndef RBR_WORKER_EVALUATION_H
#define RBR_WORKER_EVALUATION_H

#include "fit/calibration.h"

struct evaluation {
    const struct eval *eval;
    const struct calibration *calibration; /* NULL: none was fitted */
    double threshold; /* an answer counts as yes from here up */
    const char *gold; /* the file of labels */
    const char *judges; /* who judged, in words */
};

/* To stdout. */
void evaluation_print(const struct evaluation *e);

/* Appends one object; a number that does not exist is null. docs/evaluating.md says more. */
void evaluation_json(const struct evaluation *e, struct buf *out);

/* Appends an HTML page (report/page.h). ERR_LIMIT when it does not fit. */
enum err_code evaluation_page(const struct evaluation *e, struct buf *out,
                              struct err *err) RBR_MUST_CHECK;

/* The metrics of a proposition in a response type, or in all where it applies (SIZE_MAX), and its
 * reliability diagram. False: there is no labelled answer, graded or not. */
struct evaluation_metrics {
    struct metrics m;
    struct metrics_bin bins[METRICS_BINS];
    size_t ungraded, low_mass, unlabelled;
};
bool evaluation_metrics(const struct evaluation *e, size_t proposition, size_t response_type,
                        struct evaluation_metrics *ret);

double evaluation_share(size_t part, size_t whole); /* NAN of nothing */

/* precision, recall and F1 of a class; NAN where there is none. */
struct evaluation_class {
    struct eval_class rows;
    double precision, recall, f1;
};
struct evaluation_class evaluation_class(const struct evaluation *e, size_t response_type,
                                         size_t class_index);

#endif
