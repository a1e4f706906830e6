/* Questions with known answers, for when the grader itself is in question: is it there, does it
 * answer, and sensibly? They are asked as any other, through prompt and dialect. Two propositions:
 * the first is true, the second is not. Lifecycle: known_init, read only, known_done. Pure. */
#ifndef RBR_GRADER_KNOWN_H
#define RBR_GRADER_KNOWN_H

#include "grader/prompt.h"

enum { KNOWN_YES, KNOWN_NO }; /* indices of the propositions */

struct known {
    struct policy *policy;
    struct message turns[2];
    struct record record;
    struct arena arena;
    struct prompt prompt;
    struct str escaped[2]; /* the questions, as JSON text */
};

void known_init(struct known *k); /* its address must not change */
void known_done(struct known *k); /* fine when zeroed */

#endif
