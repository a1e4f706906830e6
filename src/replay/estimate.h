/* What judging some records would take: how many questions would be asked, and how many have their
 * answer already.
 *
 * The judge itself goes over a sample of the records, with a cache in its hands that notes each
 * question it looks up and answers it with anything: so gates, routes, checks and digests are those
 * of a run, and nothing is asked. What is noted is then looked for among kept judgments and in
 * published rewards.
 *
 * Lifecycle: estimate_new; estimate_record for the sample; estimate_reward for rewards, until
 * estimate_is_complete; estimate_result. Pure; loop thread of the grader. */
#ifndef RBR_REPLAY_ESTIMATE_H
#define RBR_REPLAY_ESTIMATE_H

#include "judge/judge.h"
#include "replay/manifest.h"
#include "stream/source.h"

struct estimate;

/* `judge` as a run would have it: its cache, which may be NULL, is where kept judgments are; it
 * outlives the estimate, and so do the limits. */
struct estimate *estimate_new(const struct judge *judge,
                              const struct record_limits *limits) RBR_MUST_CHECK;
void estimate_free(struct estimate *e); /* NULL is fine */

void estimate_record(struct estimate *e, const struct source_record *in, struct str topic,
                     int32_t partition);

/* What is no reward is passed over. */
void estimate_reward(struct estimate *e, struct str packed);

/* Every question has been found: no reward can add to it. */
bool estimate_is_complete(const struct estimate *e);

/* Of `records` like those of the sample. */
void estimate_result(const struct estimate *e, uint64_t records, struct manifest_estimate *ret);

#endif
