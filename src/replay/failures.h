/* Which records of some ranges have no reward that can be trained on, though a later try could give
 * one: FAILED or EXPIRED, and retryable. Fed with published rewards in their order, of which a
 * record's last one counts. One bit an offset. Pure. */
#ifndef RBR_REPLAY_FAILURES_H
#define RBR_REPLAY_FAILURES_H

#include "reward/trace.h"
#include "stream/kafka.h"
#include "stream/offset_set.h"

struct failures;

/* Of this topic's ranges, which outlive it. */
struct failures *failures_new(struct str topic, const struct kafka_range *ranges,
                              size_t n) RBR_MUST_CHECK;
void failures_free(struct failures *f); /* NULL is fine */

void failures_add(struct failures *f, const struct reward_trace *reward);

/* Those of the range with this index; `ret` is empty before. */
void failures_list(const struct failures *f, size_t index, struct offset_set *ret);

#endif
