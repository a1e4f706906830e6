/* Pauses of a grader that works: nothing is sent, and deadlines stand still, while it is held.
 *
 * By the ceiling of what it may cost (spend.h), which begins and ends by itself and is told in one
 * log line each way, grader.paused and grader.goes_on; or by whoever called grader_hold. Part of
 * the grader (grader_parts.h); loop thread. */
#ifndef RBR_GRADER_HOLD_H
#define RBR_GRADER_HOLD_H

#include "grader/grader_parts.h"

/* Looks at the ceiling; when it is to be looked at again. Before anything is sent. */
int64_t hold_tick(struct grader *g, int64_t now_us);

/* Whether one more request may be sent. */
bool hold_lets(const struct grader *g);

#endif
