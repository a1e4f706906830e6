/* Asking a grader two questions with known answers: does it answer, with logprobs, and sensibly? */
#ifndef RBR_WORKER_PROBE_H
#define RBR_WORKER_PROBE_H

#include "settings/settings.h"

/* Prints a few lines for each endpoint of each grader; true when all of them gave probabilities. */
bool probe_graders(const struct settings *s);

#endif
