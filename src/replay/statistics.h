/* What a comparison computes from numbers alone. Pure; any thread.
 *
 * Quantile: of sorted x_0 .. x_(n-1), with h = (n - 1) p and i = floor(h), x_i + (h - i) (x_(i+1) -
 * x_i): definition 7 of R. J. Hyndman and Y. Fan, Sample Quantiles in Statistical Packages, The
 * American Statistician 50 (1996), which is numpy's default.
 *
 * Rank agreement: Kendall's tau-b. Of the n0 = n (n - 1) / 2 pairs, n1 are tied in a, n2 in b, C
 * are in the same order in both and D in opposite ones: tau_b = (C - D) / sqrt((n0 - n1) (n0 -
 * n2)). M. G. Kendall, The Treatment of Ties in Ranking Problems, Biometrika 33 (1945); counted in
 * O(n log n) after W. R. Knight, A Computer Method for Calculating Kendall's Tau with Ungrouped
 * Data, JASA 61 (1966).
 *
 * Advantage: a reward minus the mean of its group; GRPO also divides by the standard deviation,
 * which leaves the sign alone (Z. Shao et al., DeepSeekMath, arXiv:2402.03300). One of no more than
 * 1e-12 times the group's largest magnitude is rounding, and its sign is 0. */
#ifndef RBR_REPLAY_STATISTICS_H
#define RBR_REPLAY_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

/* n > 0. */
double statistics_mean(const double *v, size_t n);

/* Ascending; NaN-free. */
void statistics_sort(double *v, size_t n);

/* `sorted` ascending, n > 0; p in [0, 1]. */
double statistics_quantile(const double *sorted, size_t n, double p);

/* Makes a range with one number in it wide enough for bins: half a unit to either side. */
void statistics_widen(double *low, double *high);

/* Equal bins between low and high, which belongs to the last one. Adds to counts[] for each of v[],
 * all within the range. */
void statistics_bins(const double *v, size_t n, double low, double high, uint64_t *counts,
                     size_t n_bins);

/* Where bin i of n begins; i == n: where the last one ends. */
double statistics_edge(double low, double high, size_t i, size_t n);

struct statistics_pair {
    double a, b; /* the two rewards of one completion; finite */
};

struct statistics_ranks {
    uint64_t concordant, discordant; /* pairs */
    double tau; /* NAN: all are tied on one side, so there is no order to agree with */
};

/* Reorders `pairs`; `scratch` has room for n too. */
void statistics_tau(struct statistics_pair *pairs, size_t n, struct statistics_pair *scratch,
                    struct statistics_ranks *ret);

/* -1, 0 or 1 for each of the n rewards of one group. */
void statistics_signs(const double *rewards, size_t n, int8_t *ret);

#endif
