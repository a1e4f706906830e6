/* Warm first: of the calls about one completion the first is sent alone, and the others follow when
 * it was answered, in whatever way, or 2 s after it was sent. By then the server has what they
 * share in its prefix cache, where it would have read it once for each. Part of the grader
 * (grader_parts.h); loop thread. */
#ifndef RBR_GRADER_WARM_H
#define RBR_GRADER_WARM_H

#include "grader/grader_parts.h"

/* A call of a group that is being asked: queued, or held. */
void warm_start(struct grader *g, struct grader_call *c);

/* A call was sent; a request of it has ended. */
void warm_sent(struct grader *g, const struct grader_call *c, int64_t now_us);
void warm_ended(struct grader *g, const struct grader_call *c);

/* Those that were held for long enough follow; when the next have been. */
void warm_tick(struct grader *g, int64_t now_us);
int64_t warm_next_us(const struct grader *g);

#endif
