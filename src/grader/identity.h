/* The name of a judgment in the cache and in rewards: a digest of whatever can change the answer.
 * It must stay what it is, or all that was kept is asked again. What was judged comes last, so that
 * the rest is hashed once for all of it. Pure. */
#ifndef RBR_GRADER_IDENTITY_H
#define RBR_GRADER_IDENTITY_H

#include "base/sha256.h"
#include "grader/grader.h"

/* Everything but what is judged. */
void identity_begin(struct sha256 *h, const struct grader_config *c, const struct policy *policy,
                    size_t proposition);
void identity_digest(const struct sha256 *begun, const struct prompt *p,
                     uint8_t out[JUDGMENT_DIGEST_BYTES]);

#endif
