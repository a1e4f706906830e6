/* The working of one reward as text for a person: judgments, derived propositions, the rule of each
 * class with the probability of every part, components and their sum (`rbr score --explain`). Pure.
 */
#ifndef RBR_REWARD_EXPLAIN_H
#define RBR_REWARD_EXPLAIN_H

#include "reward/reward.h"

/* Appends lines; control characters in ids come out as '?'. ERR_LIMIT when `out` is full. */
enum err_code reward_explain(const struct policy *policy, const struct record *record,
                             const struct judged *judged, const struct reward *reward,
                             struct buf *out) RBR_MUST_CHECK;

#endif
