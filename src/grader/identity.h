/* The name of a judgment in the cache and in rewards: a digest of whatever can change the answer.
 * It must stay what it is, or all that was kept is asked again. Pure. */
#ifndef RBR_GRADER_IDENTITY_H
#define RBR_GRADER_IDENTITY_H

#include "grader/grader.h"

void identity_digest(const struct grader_config *c, const struct prompt *p, size_t proposition,
                     uint8_t out[JUDGMENT_DIGEST_BYTES]);

#endif
