#include "fit/exact.h"

#include <nlopt.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "fit/hinge.h"

enum { EVALUATIONS_MAX = 4000 }; /* of a stage */

static const double widths[] = {1, 0.1, 0.01, 0.001, 0.0001};

struct search {
    struct hinge hinge;
    const struct exact_options *options;
    double width; /* of the stage */
    size_t evaluations;
};

static double objective(unsigned n, const double *w, double *gradient, void *arg)
{
    struct search *s = arg;
    double loss = hinge_loss(&s->hinge, w, s->width, gradient);
    s->evaluations++;
    for (unsigned f = 0; f < n; f++) {
        loss += s->options->decay / 2 * w[f] * w[f];
        if (gradient != NULL)
            gradient[f] += s->options->decay * w[f];
    }
    return loss;
}

/* The loss that is reported: with the corner. */
static double true_loss(struct search *s, const double *w)
{
    s->width = 0;
    return objective((unsigned)s->hinge.p->n_features, w, NULL, s);
}

/* From w, to the best point of this width. Rounding may end it: then w is as good as it gets. */
static nlopt_result search_at(struct search *s, double width, double *w)
{
    double least;
    nlopt_opt opt = nlopt_create(NLOPT_LD_SLSQP, (unsigned)s->hinge.p->n_features);
    s->width = width;
    (void)nlopt_set_lower_bounds(opt, s->options->lower);
    (void)nlopt_set_upper_bounds(opt, s->options->upper);
    (void)nlopt_set_min_objective(opt, objective, s);
    (void)nlopt_set_ftol_rel(opt, 1e-12);
    (void)nlopt_set_ftol_abs(opt, 1e-14);
    (void)nlopt_set_maxeval(opt, EVALUATIONS_MAX);
    nlopt_result result = nlopt_optimize(opt, w, &least);
    nlopt_destroy(opt);
    return result == NLOPT_ROUNDOFF_LIMITED ? NLOPT_SUCCESS : result;
}

static void start_at(const struct exact_options *o, size_t n, double *w)
{
    for (size_t f = 0; f < n; f++) {
        w[f] = o->lower[f] > 0 ? o->lower[f] : 0;
        w[f] = o->upper[f] < 0 ? o->upper[f] : w[f];
    }
}

void exact_fit(const struct pairs *p, const struct exact_options *options, double *w,
               struct exact_result *ret)
{
    struct search s = {.options = options};
    nlopt_result result = NLOPT_SUCCESS;
    const size_t n = p->n_features;
    double *at = mem_array(n + 1, sizeof(*at));
    hinge_init(&s.hinge, p);
    start_at(options, n, w);
    memcpy(at, w, n * sizeof(*w));
    ret->first = ret->last = true_loss(&s, w);
    for (size_t i = 0; i < ARRAY_LEN(widths) && result >= 0; i++) {
        result = search_at(&s, widths[i], at);
        double loss = true_loss(&s, at);
        if (loss < ret->last)
            memcpy(w, at, n * sizeof(*w));
        ret->last = loss < ret->last ? loss : ret->last;
    }
    ret->evaluations = s.evaluations;
    ret->converged = result >= 0 && result != NLOPT_MAXEVAL_REACHED;
    hinge_done(&s.hinge);
    mem_free(at);
}

const char *exact_method(void)
{
    static char text[64];
    int major, minor, bugfix;
    nlopt_version(&major, &minor, &bugfix);
    (void)snprintf(text, sizeof(text), "NLopt %d.%d.%d SLSQP", major, minor, bugfix);
    return text;
}
