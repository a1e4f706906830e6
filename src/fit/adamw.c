#include "fit/adamw.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;

const struct adamw_options adamw_released = {.steps = 1000, .learning_rate = 0.01, .decay = 0.05};

struct state {
    const struct pairs *p;
    double *scores; /* per row */
    double *pulls; /* per row: how many pairs pull its score down, less those that pull it up */
    double *gradient, *m, *v; /* per feature */
};

/* The mean loss over the training pairs at the scores, and its gradient: a pair with a positive
 * hinge adds phi(worse) - phi(better), summed row by row. */
static double loss_and_gradient(struct state *s)
{
    const struct pairs *p = s->p;
    const double n = (double)p->n_train;
    double loss = 0;
    memset(s->pulls, 0, p->n_rows * sizeof(*s->pulls));
    memset(s->gradient, 0, p->n_features * sizeof(*s->gradient));
    for (size_t i = 0; i < p->n_train; i++) {
        const struct pair *pair = &p->items[i];
        double hinge = pair->margin + s->scores[pair->worse] - s->scores[pair->better];
        double active = hinge > 0 ? 1 : 0;
        loss += active * hinge;
        s->pulls[pair->worse] += active;
        s->pulls[pair->better] -= active;
    }
    for (size_t i = 0; i < p->n_rows; i++) {
        const double *phi = p->features + i * p->n_features;
        for (size_t f = 0; f < p->n_features; f++)
            s->gradient[f] += s->pulls[i] * phi[f];
    }
    for (size_t f = 0; f < p->n_features; f++)
        s->gradient[f] /= n;
    return loss / n;
}

static void step(struct state *s, const struct adamw_options *o, size_t t, const bool *ignored,
                 double *w)
{
    const double correction1 = 1 - pow(beta1, (double)t);
    const double correction2 = sqrt(1 - pow(beta2, (double)t));
    for (size_t f = 0; f < s->p->n_features; f++) {
        double g = ignored[f] ? 0 : s->gradient[f];
        w[f] *= 1 - o->learning_rate * o->decay;
        s->m[f] = beta1 * s->m[f] + (1 - beta1) * g;
        s->v[f] = beta2 * s->v[f] + (1 - beta2) * g * g;
        w[f] -=
            o->learning_rate * (s->m[f] / correction1) / (sqrt(s->v[f]) / correction2 + epsilon);
    }
}

void adamw_fit(const struct pairs *p, const bool *ignored, const struct adamw_options *options,
               double *w, double *curve)
{
    struct state s = {
        .p = p,
        .scores = mem_array(p->n_rows, sizeof(*s.scores)),
        .pulls = mem_array(p->n_rows, sizeof(*s.pulls)),
        .gradient = mem_array(p->n_features + 1, sizeof(*s.gradient)),
        .m = mem_array(p->n_features + 1, sizeof(*s.m)),
        .v = mem_array(p->n_features + 1, sizeof(*s.v)),
    };
    memset(w, 0, p->n_features * sizeof(*w));
    for (size_t t = 1; t <= options->steps; t++) {
        pairs_scores(p, true, w, s.scores);
        curve[t - 1] = loss_and_gradient(&s);
        step(&s, options, t, ignored, w);
    }
    pairs_scores(p, true, w, s.scores);
    curve[options->steps] = pairs_loss(p, 0, p->n_train, s.scores).mean;
    mem_free(s.scores);
    mem_free(s.pulls);
    mem_free(s.gradient);
    mem_free(s.m);
    mem_free(s.v);
}
