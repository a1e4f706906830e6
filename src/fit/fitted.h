/* What a fit found, for people (fitted_report) and for the worker (fitted_overlay).
 *
 * The ranking error is the share of pairs whose worse completion scores at least as high. Both
 * append to `out`; ERR_LIMIT when it is full. Pure. */
#ifndef RBR_FIT_FITTED_H
#define RBR_FIT_FITTED_H

#include "fit/adamw.h"

/* One response type. */
struct fitted {
    struct pairs pairs;
    double *weights; /* per feature */
    bool *ignored; /* per feature */
    double *curve; /* training loss, before the first step and after each */
};

/* A file that went into the fit. */
struct fit_input {
    struct str name; /* n == 0: there was none */
    char sha256[65];
};

struct fit {
    const struct policy *policy;
    const struct orderings *orderings;
    struct pairs_options pairs;
    struct adamw_options adamw;
    struct fit_input data, orderings_file;
    size_t n_rows;
    struct fitted *items; /* in the policy's order; types without rows are left out */
    size_t n;
};

/* Fits item `f`, whose pairs and `ignored` are there. ERR_RANGE when a weight leaves what a policy
 * takes. */
enum err_code fitted_fit(const struct fit *fit, struct fitted *f, struct err *err) RBR_MUST_CHECK;
void fitted_done(struct fitted *f);

/* Loss by step, weights, and ranking errors by pair of labels, as text. */
enum err_code fitted_report(const struct fit *fit, struct buf *out) RBR_MUST_CHECK;

/* A policy overlay (YAML): `weights` of the fitted types, `reward_model: require` when R_rm was in
 * the loss, and where they come from as comments. The same fit gives the same bytes. */
enum err_code fitted_overlay(const struct fit *fit, struct buf *out) RBR_MUST_CHECK;

#endif
