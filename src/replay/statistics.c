#include "replay/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double rounding = 1e-12; /* of the largest magnitude in a group */

double statistics_mean(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum / (double)n;
}

static int order(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_value(const void *a, const void *b)
{
    return order(*(const double *)a, *(const double *)b);
}

void statistics_sort(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), by_value);
}

double statistics_quantile(const double *sorted, size_t n, double p)
{
    double h = (double)(n - 1) * p;
    size_t i = (size_t)h;
    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (h - (double)i) * (sorted[i + 1] - sorted[i]);
}

void statistics_widen(double *low, double *high)
{
    if (*low != *high)
        return;
    *low -= 0.5;
    *high += 0.5;
}

double statistics_edge(double low, double high, size_t i, size_t n)
{
    double part = (double)i / (double)n;
    return i == n ? high : low * (1 - part) + high * part;
}

void statistics_bins(const double *v, size_t n, double low, double high, uint64_t *counts,
                     size_t n_bins)
{
    const double width = high / 2 - low / 2; /* halves, as the whole may be infinite */
    for (size_t i = 0; i < n; i++) {
        double part = width > 0 ? (v[i] / 2 - low / 2) / width : 0;
        size_t bin = (size_t)(part * (double)n_bins);
        counts[bin < n_bins ? bin : n_bins - 1]++;
    }
}

/* ---- Kendall's tau ----------------------------------------------------------------------------
 */

static int by_a_then_b(const void *x, const void *y)
{
    const struct statistics_pair *p = x, *q = y;
    int first = order(p->a, q->a);
    return first != 0 ? first : order(p->b, q->b);
}

static uint64_t pairs_of(uint64_t n)
{
    return n % 2 == 0 ? n / 2 * (n - 1) : n * ((n - 1) / 2);
}

/* Pairs that are equal, `equal` being so for neighbours of a sorted array. */
static uint64_t tied(const struct statistics_pair *p, size_t n,
                     bool (*equal)(const struct statistics_pair *, const struct statistics_pair *))
{
    uint64_t sum = 0, run = 1;
    for (size_t i = 1; i <= n; i++) {
        if (i < n && equal(&p[i - 1], &p[i])) {
            run++;
            continue;
        }
        sum += pairs_of(run);
        run = 1;
    }
    return sum;
}

static bool equal_a(const struct statistics_pair *p, const struct statistics_pair *q)
{
    return p->a == q->a;
}

static bool equal_b(const struct statistics_pair *p, const struct statistics_pair *q)
{
    return p->b == q->b;
}

static bool equal_both(const struct statistics_pair *p, const struct statistics_pair *q)
{
    return equal_a(p, q) && equal_b(p, q);
}

/* Merges from[low, middle) and from[middle, high) by b; returns the pairs that were out of order.
 */
static uint64_t merge(const struct statistics_pair *from, struct statistics_pair *to, size_t low,
                      size_t middle, size_t high)
{
    uint64_t swaps = 0;
    size_t left = low, right = middle;
    for (size_t i = low; i < high; i++) {
        if (right < high && (left == middle || from[right].b < from[left].b)) {
            swaps += middle - left;
            to[i] = from[right++];
        } else {
            to[i] = from[left++];
        }
    }
    return swaps;
}

/* Sorts by b, from the bottom up; returns the pairs that were out of order. */
static uint64_t sort_by_b(struct statistics_pair *pairs, size_t n, struct statistics_pair *scratch)
{
    struct statistics_pair *from = pairs, *to = scratch;
    uint64_t swaps = 0;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t middle = low + width < n ? low + width : n;
            size_t high = middle + width < n ? middle + width : n;
            swaps += merge(from, to, low, middle, high);
        }
        struct statistics_pair *merged = to;
        to = from;
        from = merged;
    }
    if (from != pairs)
        memcpy(pairs, from, n * sizeof(*pairs));
    return swaps;
}

void statistics_tau(struct statistics_pair *pairs, size_t n, struct statistics_pair *scratch,
                    struct statistics_ranks *ret)
{
    qsort(pairs, n, sizeof(*pairs), by_a_then_b);
    uint64_t all = pairs_of(n);
    uint64_t tied_a = tied(pairs, n, equal_a), tied_both = tied(pairs, n, equal_both);
    uint64_t discordant = sort_by_b(pairs, n, scratch);
    uint64_t tied_b = tied(pairs, n, equal_b);
    *ret = (struct statistics_ranks){
        .concordant = all - tied_a - tied_b + tied_both - discordant,
        .discordant = discordant,
        .tau = NAN,
    };
    double scale = sqrt((double)(all - tied_a) * (double)(all - tied_b));
    if (scale > 0)
        ret->tau = ((double)ret->concordant - (double)ret->discordant) / scale;
}

/* ---- advantages -------------------------------------------------------------------------------
 */

void statistics_signs(const double *rewards, size_t n, int8_t *ret)
{
    double mean = n > 0 ? statistics_mean(rewards, n) : 0, largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(rewards[i]));
    for (size_t i = 0; i < n; i++) {
        double advantage = rewards[i] - mean;
        ret[i] = fabs(advantage) <= rounding * largest ? 0 : (int8_t)order(advantage, 0);
    }
}
