/* A clock that can be made to stand still, for deadlines that are not to run meanwhile.
 *
 * Who stops it has a reason; with several it goes on when the last one is gone. A stop may be found
 * out late: `since` lies in the past then, but never before the clock last began to go. Pure. */
#ifndef RBR_GRADER_STOPCLOCK_H
#define RBR_GRADER_STOPCLOCK_H

#include <stdint.h>

struct stopclock {
    unsigned reasons; /* bits of the caller's */
    int64_t since_us; /* while it stands */
    int64_t gone_us; /* when it last began to go */
    int64_t stood_us; /* for how long it stood before */
};

void stopclock_init(struct stopclock *c, int64_t now_us);
void stopclock_stop(struct stopclock *c, unsigned reason, int64_t since_us);
void stopclock_go(struct stopclock *c, unsigned reason, int64_t now_us);
int64_t stopclock_us(const struct stopclock *c, int64_t now_us);

#endif
