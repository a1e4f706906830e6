#include "fit/hinge.h"

#include <string.h>

#include "base/mem.h"

void hinge_init(struct hinge *h, const struct pairs *p)
{
    *h = (struct hinge){
        .p = p,
        .scores = mem_array(p->n_rows, sizeof(*h->scores)),
        .pulls = mem_array(p->n_rows, sizeof(*h->pulls)),
    };
}

void hinge_done(struct hinge *h)
{
    mem_free(h->scores);
    mem_free(h->pulls);
}

/* A pair adds its slope times phi(worse) - phi(better); summed row by row. */
static void sum_gradient(const struct hinge *h, double *gradient)
{
    const struct pairs *p = h->p;
    memset(gradient, 0, p->n_features * sizeof(*gradient));
    for (size_t i = 0; i < p->n_rows; i++) {
        const double *phi = p->features + i * p->n_features;
        for (size_t f = 0; f < p->n_features; f++)
            gradient[f] += h->pulls[i] * phi[f];
    }
    for (size_t f = 0; f < p->n_features; f++)
        gradient[f] /= (double)p->n_train;
}

double hinge_loss(struct hinge *h, const double *w, double width, double *gradient)
{
    const struct pairs *p = h->p;
    double loss = 0;
    pairs_scores(p, true, w, h->scores);
    memset(h->pulls, 0, p->n_rows * sizeof(*h->pulls));
    for (size_t i = 0; i < p->n_train; i++) {
        const struct pair *pair = &p->items[i];
        double hinge = pair->margin + h->scores[pair->worse] - h->scores[pair->better];
        double slope = hinge <= 0 ? 0 : hinge < width ? hinge / width : 1;
        loss += slope * (hinge - slope * width / 2);
        h->pulls[pair->worse] += slope;
        h->pulls[pair->better] -= slope;
    }
    if (gradient != NULL)
        sum_gradient(h, gradient);
    return loss / (double)p->n_train;
}
