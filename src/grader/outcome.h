/* What an attempt's end means for its call: answered, tried again, suspected, given up. Part of the
 * grader (grader_parts.h); loop thread. */
#ifndef RBR_GRADER_OUTCOME_H
#define RBR_GRADER_OUTCOME_H

#include "grader/grader_parts.h"

void outcome_on_reply(struct transport_req *req); /* of an attempt */

/* The pool's `decided`: what becomes of the suspects of that endpoint. */
void outcome_on_decided(void *arg, size_t endpoint, bool works);

/* The pool's `recall`: that endpoint has fallen silent, it is asked elsewhere. */
void outcome_on_recall(void *arg, struct pool_flight *flight);

/* Before an attempt: what failed before the grader came up was the outage's. */
void outcome_spare_earlier(const struct grader *g, struct grader_call *c);

#endif
