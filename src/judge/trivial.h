/* Responses that say nothing and yet fool graders ("master keys", arXiv 2507.08794): punctuation of
 * any script alone, or the opening of an answer without the answer. Reported as a tripwire; what is
 * done about it is the reader's business. Pure. */
#ifndef RBR_JUDGE_TRIVIAL_H
#define RBR_JUDGE_TRIVIAL_H

#include <stdbool.h>

#include "base/str.h"

/* Whether it is well-formed text of that kind. */
bool trivial_response(struct str response);

#endif
