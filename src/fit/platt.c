#include "fit/platt.h"

#include <math.h>

#include "base/mem.h"
#include "reward/features.h"

enum { ROUNDS_MAX = 100, HALVINGS_MAX = 50 };

/* What a fit sees: logits and targets. */
struct sample {
    double *logit, *target;
    size_t n;
};

struct line {
    double a, b;
};

/* -(t log q + (1 - t) log(1 - q)) of q = sigmoid(z), without overflow. */
static double loss_at(double z, double t)
{
    return z >= 0 ? (1 - t) * z + log1p(exp(-z)) : -t * z + log1p(exp(z));
}

static double loss_of(const struct sample *s, struct line at)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += loss_at(at.a * s->logit[i] + at.b, s->target[i]);
    return sum;
}

/* Newton's step at `at`: minus the gradient over the Hessian, which a trace of ridge keeps
 * invertible. */
static struct line newton_step(const struct sample *s, struct line at, double *ret_slope)
{
    double g_a = 0, g_b = 0, h_aa = 1e-12, h_ab = 0, h_bb = 1e-12;
    for (size_t i = 0; i < s->n; i++) {
        double f = s->logit[i], q = 1 / (1 + exp(-(at.a * f + at.b)));
        double off = q - s->target[i], h = q * (1 - q);
        g_a += off * f;
        g_b += off;
        h_aa += h * f * f;
        h_ab += h * f;
        h_bb += h;
    }
    double det = h_aa * h_bb - h_ab * h_ab;
    struct line step = {-(h_bb * g_a - h_ab * g_b) / det, -(h_aa * g_b - h_ab * g_a) / det};
    *ret_slope = g_a * step.a + g_b * step.b;
    return step;
}

static struct line fit_line(const struct sample *s, size_t positives)
{
    struct line at = {0, log(((double)positives + 1) / ((double)(s->n - positives) + 1))};
    double loss = loss_of(s, at);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        double slope;
        struct line step = newton_step(s, at, &slope);
        if (!(slope < -1e-14 * (double)s->n))
            break;
        for (int i = 0; i < HALVINGS_MAX; i++) {
            double length = ldexp(1, -i);
            struct line next = {at.a + length * step.a, at.b + length * step.b};
            double there = loss_of(s, next);
            if (there < loss + 1e-4 * length * slope) {
                at = next;
                loss = there;
                break;
            }
        }
    }
    return at;
}

/* Fold of answer i, by how many of its label came before it. */
static void deal(const struct labelled *answers, size_t n, unsigned char *fold)
{
    size_t seen[2] = {0, 0};
    for (size_t i = 0; i < n; i++)
        fold[i] = (unsigned char)(seen[answers[i].truth]++ % PLATT_FOLDS);
}

/* On the answers outside one fold; PLATT_FOLDS: on all of them. */
static struct line fit_without(const struct labelled *answers, size_t n, const unsigned char *fold,
                               size_t without)
{
    struct sample s = {mem_array(n, sizeof(double)), mem_array(n, sizeof(double)), 0};
    size_t positives = 0;
    for (size_t i = 0; i < n; i++)
        positives += fold[i] != without && answers[i].truth;
    for (size_t i = 0; i < n; i++) {
        if (fold[i] == without)
            continue;
        s.logit[s.n] = logit(answers[i].p);
        s.target[s.n++] = answers[i].truth ? 1 : 0;
    }
    double yes = ((double)positives + 1) / ((double)positives + 2);
    double no = 1 / ((double)(s.n - positives) + 2);
    for (size_t i = 0; i < s.n; i++)
        s.target[i] = s.target[i] > 0 ? yes : no;
    struct line found = fit_line(&s, positives);
    mem_free(s.logit);
    mem_free(s.target);
    return found;
}

static double square(double x)
{
    return x * x;
}

static void hold_out(const struct labelled *answers, size_t n, const unsigned char *fold,
                     struct platt *ret)
{
    struct line of[PLATT_FOLDS];
    for (size_t k = 0; k < PLATT_FOLDS; k++)
        of[k] = fit_without(answers, n, fold, k);
    for (size_t i = 0; i < n; i++) {
        struct line line = of[fold[i]];
        double truth = answers[i].truth ? 1 : 0, f = logit(answers[i].p);
        ret->brier_before += square(answers[i].p - truth) / (double)n;
        ret->brier_after += square(calibrate(answers[i].p, line.a, line.b) - truth) / (double)n;
        ret->loss_before += loss_at(f, truth) / (double)n;
        ret->loss_after += loss_at(line.a * f + line.b, truth) / (double)n;
    }
}

void platt_fit(const struct labelled *answers, size_t n, struct platt *ret)
{
    size_t positives = 0;
    *ret = (struct platt){.verdict = PLATT_TOO_FEW};
    for (size_t i = 0; i < n; i++)
        positives += answers[i].truth;
    if (positives < PLATT_LEAST || n - positives < PLATT_LEAST)
        return;
    unsigned char *fold = mem_array(n, sizeof(*fold));
    deal(answers, n, fold);
    struct line all = fit_without(answers, n, fold, PLATT_FOLDS);
    ret->a = all.a;
    ret->b = all.b;
    hold_out(answers, n, fold, ret);
    mem_free(fold);
    if (!(ret->a > 0))
        ret->verdict = PLATT_BACKWARDS;
    else if (ret->a > PLATT_MAX || fabs(ret->b) > PLATT_MAX)
        ret->verdict = PLATT_TOO_FLAT;
    else
        ret->verdict = ret->loss_after < ret->loss_before ? PLATT_HELPS : PLATT_NO_GAIN;
}
