/* The questions of a policy, JSON-escaped once for all requests. They stay as long as somebody uses
 * them: a shelf, which has those of the policies asked last, and each group that was asked with
 * them. Loop thread. */
#ifndef RBR_GRADER_QUESTIONS_H
#define RBR_GRADER_QUESTIONS_H

#include "base/arena.h"
#include "base/sha256.h"
#include "policy/policy.h"

struct questions {
    uint8_t policy_hash[POLICY_HASH_BYTES]; /* not the address: that may be used again */
    size_t users;
    struct str *escaped; /* by proposition */
    struct sha256 *begun; /* likewise: the digests of its judgments (identity.h); NULL: none yet */
    struct arena arena;
};

enum {
    QUESTIONS_SHELF = 4
}; /* policies that take turns: a live one, its shadow, and some to spare */

struct questions_shelf {
    struct questions *of[QUESTIONS_SHELF]; /* the last one asked for first; zeroed: empty */
};

/* The policy's, which are the shelf's; whoever keeps them longer takes a share. */
struct questions *questions_of(struct questions_shelf *s, const struct policy *policy);
void questions_shelf_done(struct questions_shelf *s);

struct questions *questions_share(struct questions *q); /* one user more; returns q */
void questions_drop(struct questions *q); /* one less; fine with NULL */

#endif
