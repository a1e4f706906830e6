/* The judgments in a published reward, as the cache keeps them: a topic of rewards is a complete
 * log of what graders have answered, and this reads it.
 *
 * Only graders' answers: a check costs nothing, a label is nobody's judgment, a failure is asked
 * again. When an answer was given is not in the message; the time of the reward stands for it. No
 * I/O, any thread. */
#ifndef RBR_REWARD_KEPT_H
#define RBR_REWARD_KEPT_H

#include "base/arena.h"
#include "cache/cache.h"

struct kept_judgment {
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct cache_entry entry;
};

/* From the packed message, and from the line of JSON that reward/message.h prints. The array is the
 * arena's. ERR_INVALID says why it is no reward; ERR_LIMIT: more than the arena may hold. */
enum err_code kept_unpack(struct str packed, struct arena *a, struct kept_judgment **ret,
                          size_t *ret_n, struct err *err) RBR_MUST_CHECK;
enum err_code kept_parse(struct str line, struct arena *a, struct kept_judgment **ret,
                         size_t *ret_n, struct err *err) RBR_MUST_CHECK;

#endif
