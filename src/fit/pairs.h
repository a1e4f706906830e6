/* Rows of one response type as pairs: the problem that a fit solves.
 *
 * A pair is two completions of one prompt, the label of one above the other's (orderings.h). Its
 * loss is max(0, margin + R(worse) - R(better)), R = base + w * phi; the mean over pairs is what is
 * made small (Mu et al. 2024, eq. 2). Pairs point to rows, so a score is computed once a row.
 * Lifecycle: pairs_make, then read only, pairs_done. Pure. */
#ifndef RBR_FIT_PAIRS_H
#define RBR_FIT_PAIRS_H

#include "fit/orderings.h"
#include "fit/rows.h"

enum { PAIRS_MAX = 20000000 };

enum split {
    SPLIT_PROMPT, /* a prompt's pairs are all trained on, or all held out */
    SPLIT_PAIR, /* as OpenAI's released code: both sides may hold the same completions */
};

struct pairs_options {
    bool reward_model; /* R_rm is in the loss: in every row */
    enum split split;
    double held_out; /* share of prompts, or of pairs; [0, 1) */
    uint64_t seed;
};

struct pair {
    uint32_t better, worse; /* rows of the problem */
    double margin;
};

struct pairs {
    size_t response_type;
    size_t n_features;
    size_t n_rows, n_prompts;
    double *features; /* n_rows x n_features */
    double *base; /* per row: rm_weight * R_rm, or 0 */
    size_t *labels; /* per row: index in the ordering */
    struct pair *items; /* the first n_train are trained on, the others held out */
    size_t n, n_train;
};

/* What the response type's rows give. ERR_INVALID, with a sentence, for a label that the orderings
 * do not know, for one label only, and for no pair; ERR_LIMIT above PAIRS_MAX. */
enum err_code pairs_make(const struct rows *rows, const struct orderings *orderings,
                         size_t response_type, const struct pairs_options *options,
                         struct pairs *ret, struct err *err) RBR_MUST_CHECK;
void pairs_done(struct pairs *p); /* fine after a failed pairs_make, and on zeroed memory */

/* out[] per row: base, when wanted, + w * phi, when w is not NULL. */
void pairs_scores(const struct pairs *p, bool with_base, const double *w, double *out);

/* Mean loss of the pairs [from, to) at these scores, and the share of them without any. Zeros when
 * there are none. */
struct pairs_loss {
    double mean, clipped;
};
struct pairs_loss pairs_loss(const struct pairs *p, size_t from, size_t to, const double *scores);

#endif
