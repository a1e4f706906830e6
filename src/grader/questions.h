/* The questions of a policy, JSON-escaped once for all requests. They stay as long as somebody uses
 * them: the grader for new groups, and each group that was asked with them. Loop thread. */
#ifndef RBR_GRADER_QUESTIONS_H
#define RBR_GRADER_QUESTIONS_H

#include "base/arena.h"
#include "policy/policy.h"

struct questions {
    uint8_t policy_hash[POLICY_HASH_BYTES]; /* not the address: that may be used again */
    size_t users;
    struct str *escaped; /* by proposition */
    struct arena arena;
};

/* With one user, who had `last` so far (may be NULL): the same again if they are this policy's. */
struct questions *questions_of(const struct policy *policy, struct questions *last);
struct questions *questions_share(struct questions *q); /* one user more; returns q */
void questions_drop(struct questions *q); /* one less; fine with NULL */

#endif
