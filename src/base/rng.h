/* Seeded pseudo-random numbers (xoshiro256**): jitter, and tests that replay. Not for secrets. One
 * thread per generator. */
#ifndef RBR_BASE_RNG_H
#define RBR_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 .. n-1; n > 0 */
double rng_unit(struct rng *r); /* [0, 1) */

#endif
