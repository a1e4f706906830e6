/* Groups: cut into calls, judged, out of time, done. Part of the grader (grader_parts.h); loop
 * thread. */
#ifndef RBR_GRADER_GROUP_H
#define RBR_GRADER_GROUP_H

#include "grader/grader_parts.h"

/* One question ends as `answer` says; the caller takes it out of the call. */
void group_judge(struct grader *g, struct grader_call *c, uint16_t proposition,
                 const struct answer *answer);

/* A call ends; what is left of its questions ends without an answer first. With the last call of
 * its group `done` is owed. */
void group_settle(struct grader *g, struct grader_call *c);
void group_give_up(struct grader *g, struct grader_call *c, enum reason reason);

/* Calls `done` of the groups it is owed. Last in whatever comes from outside: it may ask more. */
void group_call_done(struct grader *g);

/* Until a group's time is up; CLOCK_NEVER when it has for ever. */
int64_t group_time_left(const struct grader *g, const struct grader_group *group, int64_t now_us);

/* Cancels groups whose time is up; when the next one's is, or CLOCK_NEVER. */
void group_tick(struct grader *g, int64_t now_us);
int64_t group_next_us(const struct grader *g, int64_t now_us);

#endif
