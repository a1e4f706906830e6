/* OpenAI's released fit: full-batch AdamW on the mean hinge loss of the training pairs.
 *
 * w starts at 0; each step, with g the gradient of the mean loss (0 where a hinge is exactly 0):
 *   w <- w (1 - lr decay)
 *   m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2
 *   w <- w - lr (m / (1 - b1^t)) / (sqrt(v) / sqrt(1 - b2^t) + eps)
 * b1 = 0.9, b2 = 0.999, eps = 1e-8, as PyTorch's AdamW, in double. The number of steps is part of
 * the method: the default does not converge. Deterministic. Pure. */
#ifndef RBR_FIT_ADAMW_H
#define RBR_FIT_ADAMW_H

#include "fit/pairs.h"

struct adamw_options {
    size_t steps;
    double learning_rate, decay;
};

extern const struct adamw_options adamw_released; /* 1,000 steps, 0.01, 0.05 */

/* w[] per feature; ignored[] per feature: its weight stays 0. trained[] and held_out[] have room
 * for steps + 1: the mean losses of these pairs before each step, and after the last. held_out may
 * be NULL: not wanted. */
void adamw_fit(const struct pairs *p, const bool *ignored, const struct adamw_options *options,
               double *w, double *trained, double *held_out);

#endif
