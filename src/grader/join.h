/* Single flight: a question that is being asked is not asked again. Calls that ask it too join the
 * one that does, its leader, and get its answers, which are then `cached`: not paid for again.
 *
 * Only answers are shared. What the leader's end leaves unanswered, be it that its group was given
 * up, the grader failed it, or its policy takes less mass for an answer, the joined call asks for
 * itself: it waits for another only once, and has all its own attempts. Part of the grader
 * (grader_parts.h); loop thread. */
#ifndef RBR_GRADER_JOIN_H
#define RBR_GRADER_JOIN_H

#include "grader/grader_parts.h"

/* Who asks this question of the group now, for another group; NULL: nobody. */
struct grader_call *join_leader(const struct grader *g, const struct grader_group *group,
                                size_t proposition);

/* The call will ask this question; if it has a digest, others may join. */
void join_lead(struct grader *g, struct grader_call *c, size_t proposition);

void join_call(struct grader_call *c, struct grader_call *leader);

/* A question of the call has ended, as its judgment says: the joined get the answer. */
void join_pass_on(struct grader *g, struct grader_call *c, size_t proposition);

/* The call ends: who still waits for it asks. */
void join_release(struct grader *g, struct grader_call *c);

#endif
