/* A fit of one response type or several: weights from pairs, perhaps centred, and what came of it
 * for people (fitted_report, fitted_page) and for the worker (fitted_overlay).
 *
 * Lifecycle of an item: fitted_init, limits set by the caller, fitted_fit, then read only,
 * fitted_done. The ranking error is the share of pairs whose worse completion scores at least as
 * high. Both texts are appended to `out`; ERR_LIMIT when it is full. Pure. */
#ifndef RBR_FIT_FITTED_H
#define RBR_FIT_FITTED_H

#include "fit/adamw.h"
#include "fit/exact.h"

#define WEIGHT_MAX 1e6 /* what a policy takes, either way */

/* One response type. */
struct fitted {
    struct pairs pairs;
    double *weights; /* per feature */
    bool *ignored; /* per feature: its weight stays 0 */
    double *lower, *upper; /* per feature: bounds of its weight; EXACT only */
    double *curve, *held_out_curve; /* ADAMW: mean losses, before the first step and after each */
    struct exact_result exact; /* EXACT */
    double centre; /* what centring took off the class weights */
    size_t n_centred; /* the completions that it took the mean of */
};

enum optimizer { OPTIMIZER_ADAMW, OPTIMIZER_EXACT };

/* A file that went into the fit. */
struct fit_input {
    struct str name; /* n == 0: there was none */
    char sha256[65];
};

struct fit {
    const struct policy *policy;
    const struct orderings *orderings;
    struct pairs_options pairs;
    enum optimizer optimizer;
    struct adamw_options adamw;
    double exact_decay; /* EXACT */
    bool center; /* the best labels' completions get 0 in the mean, R_rm left out */
    struct fit_input data, orderings_file;
    size_t n_rows;
    struct fitted *items; /* in the policy's order; types without rows are left out */
    size_t n;
};

const struct response_type *fitted_type(const struct fit *fit, const struct fitted *f);

/* An item for these pairs, which it takes over: nothing ignored, nothing bounded. */
void fitted_init(struct fitted *f, const struct pairs *pairs);

/* Fits the item. ERR_RANGE when a weight leaves what a policy takes; ERR_INVALID when it cannot be
 * centred. */
enum err_code fitted_fit(const struct fit *fit, struct fitted *f, struct err *err) RBR_MUST_CHECK;
void fitted_done(struct fitted *f);

/* Losses, ranking errors by pair of labels, rewards by label, and weights, as text. */
enum err_code fitted_report(const struct fit *fit, struct buf *out) RBR_MUST_CHECK;

/* A policy overlay (YAML): `weights` of the fitted types, `reward_model: require` when R_rm was in
 * the loss, and where they come from as comments. The same fit gives the same bytes. */
enum err_code fitted_overlay(const struct fit *fit, struct buf *out) RBR_MUST_CHECK;

/* The report as an HTML page (report/page.h), with loss curves and histograms. */
enum err_code fitted_page(const struct fit *fit, struct buf *out, struct err *err) RBR_MUST_CHECK;

#endif
