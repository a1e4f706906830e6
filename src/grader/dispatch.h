/* Sends queued calls to endpoints that have room. Part of the grader (grader_parts.h); loop
 * thread. */
#ifndef RBR_GRADER_DISPATCH_H
#define RBR_GRADER_DISPATCH_H

#include "grader/grader_parts.h"

void dispatch_start(struct grader *g, int64_t now_us);

void dispatch_give_back(struct grader *g, struct attempt *a); /* to be used again */
void dispatch_done(struct grader *g); /* frees what was given back */

#endif
