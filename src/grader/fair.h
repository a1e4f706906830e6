/* Fair shares: whose turn it is among some that want more than there is.
 *
 * Each has a clock that runs by what it was given, divided by its weight; of those that wait, the
 * one whose clock is behind is next (start-time fair queueing). Whoever has waited for nothing
 * begins at the clock of the one that was served last: time without a wish is not saved up, and
 * what was taken beyond one's share before is not forgotten. Pure. */
#ifndef RBR_GRADER_FAIR_H
#define RBR_GRADER_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_NOBODY SIZE_MAX

struct fair_share {
    double weight; /* above 0; the caller's to set */
    double clock;
    bool waits;
};

struct fair {
    struct fair_share *shares; /* the caller's */
    size_t n;
    double now; /* clock of the one that was served last, when it was */
};

void fair_wait(struct fair *f, size_t i); /* wants something from now on */
void fair_rest(struct fair *f, size_t i); /* wants nothing any more */

size_t fair_next(const struct fair *f); /* or FAIR_NOBODY */
void fair_serve(struct fair *f, size_t i, double cost); /* was given that much; it was next */

#endif
