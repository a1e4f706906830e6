#include "fit/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "base/attr.h"

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static int by_probability(const void *a, const void *b)
{
    double x = ((const struct labelled *)a)->p, y = ((const struct labelled *)b)->p;
    return (x > y) - (x < y);
}

/* F1 = 2 TP / (2 TP + FP + FN); the denominator is all that is or counts as yes. */
static double f1_of(size_t true_yes, size_t counted_yes, size_t positives)
{
    return share(2 * (double)true_yes, (double)(counted_yes + positives));
}

static void count(const struct labelled *answers, size_t n, double threshold, struct metrics *m)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        bool yes = answers[i].p >= threshold, truth = answers[i].truth;
        double off = answers[i].p - (truth ? 1 : 0);
        m->positives += truth;
        m->true_yes += yes && truth;
        m->false_yes += yes && !truth;
        m->true_no += !yes && !truth;
        m->false_no += !yes && truth;
        squares += off * off;
    }
    m->accuracy = share((double)(m->true_yes + m->true_no), (double)n);
    m->precision = share((double)m->true_yes, (double)(m->true_yes + m->false_yes));
    m->recall = share((double)m->true_yes, (double)m->positives);
    m->f1 = m->positives > 0 ? f1_of(m->true_yes, m->true_yes + m->false_yes, m->positives) : NAN;
    m->brier = share(squares, (double)n);
}

/* From the surest yes down, a group of equal answers at a time. With each the threshold passes
 * below it: the area gains the nos so far above each yes (Mann and Whitney). */
static void sweep(const struct labelled *answers, size_t n, struct metrics *m)
{
    size_t yes_above = 0, no_above = 0;
    double wrong = 0; /* pairs of a yes and a no above it, ties half */
    m->best_threshold = m->best_f1 = NAN;
    for (size_t end = n, from; end > 0; end = from) {
        size_t yes = 0, no = 0;
        for (from = end; from > 0 && !(answers[from - 1].p < answers[end - 1].p); from--) {
            yes += answers[from - 1].truth;
            no += !answers[from - 1].truth;
        }
        wrong += (double)yes * ((double)no_above + (double)no / 2);
        yes_above += yes;
        no_above += no;
        double f1 = m->positives > 0 ? f1_of(yes_above, yes_above + no_above, m->positives) : NAN;
        if (f1 > m->best_f1 || (isnan(m->best_f1) && !isnan(f1))) {
            m->best_f1 = f1;
            m->best_threshold = from > 0 ? (answers[from].p + answers[from - 1].p) / 2 : 0;
        }
    }
    double pairs = (double)yes_above * (double)no_above;
    m->auc = pairs > 0 ? 1 - wrong / pairs : NAN;
}

void metrics_bins(const struct labelled *answers, size_t n, struct metrics_bin out[METRICS_BINS])
{
    for (size_t b = 0; b < METRICS_BINS; b++)
        out[b] = (struct metrics_bin){0};
    for (size_t i = 0; i < n; i++) {
        size_t b = 0;
        while (b < METRICS_BINS - 1 && answers[i].p > (double)(b + 1) / METRICS_BINS)
            b++;
        out[b].n++;
        out[b].positives += answers[i].truth;
        out[b].mean += answers[i].p;
    }
    for (size_t b = 0; b < METRICS_BINS; b++)
        out[b].mean = share(out[b].mean, (double)out[b].n);
}

static double calibration_error(const struct labelled *answers, size_t n)
{
    struct metrics_bin bins[METRICS_BINS];
    double sum = 0;
    metrics_bins(answers, n, bins);
    for (size_t b = 0; b < METRICS_BINS; b++)
        if (bins[b].n > 0)
            sum += fabs(bins[b].mean * (double)bins[b].n - (double)bins[b].positives);
    return share(sum, (double)n);
}

void metrics_compute(struct labelled *answers, size_t n, double threshold, struct metrics *ret)
{
    *ret = (struct metrics){.n = n};
    if (n > 0)
        qsort(answers, n, sizeof(*answers), by_probability);
    count(answers, n, threshold, ret);
    sweep(answers, n, ret);
    ret->calibration_error = calibration_error(answers, n);
}
