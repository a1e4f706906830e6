/* Asking a grader two questions with known answers: does it answer, with logprobs, and sensibly? */
#ifndef RBR_WORKER_PROBE_H
#define RBR_WORKER_PROBE_H

#include "grader/grader.h"
#include "grader/known.h"
#include "settings/settings.h"

/* Prints a few lines for each endpoint of each grader; true when all of them gave probabilities. */
bool probe_graders(const struct settings *s);

/* What a server can do: asks the same two questions in every dialect, with the rest of `grader` as
 * it is, and prints what each gave and settings for the best. `model` n == 0: the first that the
 * server names. True when any dialect gave probabilities. */
bool probe_url(const struct settings_grader *grader, struct str url, struct str model);

/* The probe itself: two judgments, the first of a question whose answer is yes, and what it took.
 */
struct probe_answer {
    struct judgment judgments[2];
    struct grader_use use;
    char error[GRADER_WORDS_MAX]; /* the last failure in words; "" when there was none */
};

/* Asks an endpoint; an error when it cannot even be asked so. */
enum err_code probe_ask(const struct settings_grader *grader, struct str url, const struct known *q,
                        struct probe_answer *ret, struct err *err) RBR_MUST_CHECK;

#endif
