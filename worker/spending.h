/* What a grader used and cost, for people: a log line now and then, a sentence at the end. */
#ifndef RBR_WORKER_SPENDING_H
#define RBR_WORKER_SPENDING_H

#include "grader/grader.h"

/* The line grader.usage; `last` is what it said before. None when that was the same. */
void spending_log(const struct grader *g, struct usage *last);

/* "1204 input tokens (640 of them cached), 12 output tokens, 0.000048 USD; ..." */
enum { SPENDING_TEXT_MAX = 256 };
const char *spending_text(const struct grader *g, char out[SPENDING_TEXT_MAX]);

#endif
