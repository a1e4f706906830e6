/* The mean hinge loss of the training pairs, and its gradient: what an optimizer makes small.
 *
 * A pair's hinge is h = margin + R(worse) - R(better), its loss max(0, h); the gradient is 0 where
 * h is exactly 0. With a width d > 0 the corner is rounded: h^2 / 2d for 0 < h < d and h - d/2
 * above, which lies below the hinge, by d/2 at most. Scores are computed once a row, not once a
 * pair, and so is a row's part of the gradient. Lifecycle: hinge_init, any number of hinge_loss,
 * hinge_done. Deterministic. One thread. */
#ifndef RBR_FIT_HINGE_H
#define RBR_FIT_HINGE_H

#include "fit/pairs.h"

struct hinge {
    const struct pairs *p; /* outlives it */
    double *scores; /* per row, at the last weights */
    double *pulls; /* per row: how many pairs pull its score down, less those that pull it up */
};

void hinge_init(struct hinge *h, const struct pairs *p);
void hinge_done(struct hinge *h);

/* At the weights w[]; gradient[] per feature, or NULL: not wanted. */
double hinge_loss(struct hinge *h, const double *w, double width, double *gradient);

#endif
