/* What the stand-in reads out of a rendered prompt: the question, the message it is about, and the
 * user's last turn.
 *
 * A prompt is one text. The pieces are found by the headings around them in the templates of
 * config/policies, of the released policy and of `rbr check --probe`; in another template by the
 * roles (|ASSISTANT|:) and the last paragraph. Pure; the pieces point into the prompt. */
#ifndef RBR_STANDIN_EXCHANGE_H
#define RBR_STANDIN_EXCHANGE_H

#include "base/str.h"

struct exchange {
    struct str question;
    struct str response;
    struct str user; /* n == 0 when the prompt shows no conversation */
};

void exchange_find(struct str prompt, struct exchange *ret);

#endif
