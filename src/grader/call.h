/* A call's place: which of the grader's lists it is in, by its state (grader_parts.h). Part of the
 * grader; loop thread. */
#ifndef RBR_GRADER_CALL_H
#define RBR_GRADER_CALL_H

#include "grader/grader_parts.h"

void call_enqueue(struct grader *g, struct grader_call *c);
void call_hold(struct grader *g, struct grader_call *c); /* until it is taken out */
void call_wait_until(struct grader *g, struct grader_call *c, int64_t at_us);
void call_suspect(struct grader *g, struct grader_call *c); /* with its reason set */

/* Out of the list it is in, if any; its state is the caller's to set. */
void call_take_out(struct grader *g, struct grader_call *c);

/* Calls whose wait is over are queued; when the next one's is, or CLOCK_NEVER. */
void call_end_waits(struct grader *g, int64_t now_us);
int64_t call_next_us(const struct grader *g);

size_t call_count(void *arg); /* of a grader (`arg`): not settled */

#endif
