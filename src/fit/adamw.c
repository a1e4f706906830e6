#include "fit/adamw.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/hinge.h"

static const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;

const struct adamw_options adamw_released = {.steps = 1000, .learning_rate = 0.01, .decay = 0.05};

struct state {
    double *gradient, *m, *v; /* per feature */
};

static void step(struct state *s, size_t n, const struct adamw_options *o, size_t t,
                 const bool *ignored, double *w)
{
    const double correction1 = 1 - pow(beta1, (double)t);
    const double correction2 = sqrt(1 - pow(beta2, (double)t));
    for (size_t f = 0; f < n; f++) {
        double g = ignored[f] ? 0 : s->gradient[f];
        w[f] *= 1 - o->learning_rate * o->decay;
        s->m[f] = beta1 * s->m[f] + (1 - beta1) * g;
        s->v[f] = beta2 * s->v[f] + (1 - beta2) * g * g;
        w[f] -=
            o->learning_rate * (s->m[f] / correction1) / (sqrt(s->v[f]) / correction2 + epsilon);
    }
}

void adamw_fit(const struct pairs *p, const bool *ignored, const struct adamw_options *options,
               double *w, double *trained, double *held_out)
{
    const size_t n = p->n_features;
    struct hinge hinge;
    struct state s = {
        .gradient = mem_array(n + 1, sizeof(*s.gradient)),
        .m = mem_array(n + 1, sizeof(*s.m)),
        .v = mem_array(n + 1, sizeof(*s.v)),
    };
    hinge_init(&hinge, p);
    memset(w, 0, n * sizeof(*w));
    for (size_t t = 0; t <= options->steps; t++) {
        trained[t] = hinge_loss(&hinge, w, 0, s.gradient);
        if (held_out != NULL)
            held_out[t] = pairs_loss(p, p->n_train, p->n, hinge.scores).mean;
        if (t < options->steps)
            step(&s, n, options, t + 1, ignored, w);
    }
    hinge_done(&hinge);
    mem_free(s.gradient);
    mem_free(s.m);
    mem_free(s.v);
}
