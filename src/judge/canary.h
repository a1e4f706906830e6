/* Canaries: completions whose answers are known, graded again and again, to see that the grader
 * still tells right from wrong.
 *
 * They are completion records with `propositions`: yes or no for questions of the policy. All are
 * asked in one round, at the start and then each time that so many records have been put to the
 * grader, through the policy's own template and the grader like any other, but never looked up
 * among kept judgments, never kept, never published. An answer is wrong when P(yes) is on the other
 * side of one half. What gets no answer is neither right nor wrong; a round with more of that than
 * of answers is tried again after a minute.
 *
 * A round with more wrong answers than tolerated fails: one log line, canary.failed, says which
 * canary, which question and since when. That is all under ALARM. Under STOP the grader is held for
 * good (grader_hold), and canaries_let_out is false from then on; it is false also until the first
 * round has passed.
 *
 * Lifecycle: canaries_new, canaries_add..., canaries_start; canaries_tick before each grader_tick;
 * canaries_cancel and turns of the loop until canaries_idle; canaries_free. Loop thread. */
#ifndef RBR_JUDGE_CANARY_H
#define RBR_JUDGE_CANARY_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "grader/grader.h"
#include "policy/policy.h"

enum { CANARIES_MAX = 256 };

struct canaries_config {
    uint64_t every; /* records put to the grader from one round to the next */
    uint64_t tolerance; /* wrong answers, of a million */
    bool stop;
};

struct canaries_stats {
    uint64_t rounds, failed; /* that ended; of them */
    uint64_t answers, wrong, unanswered; /* in all rounds */
};

struct canaries;

/* The policy outlives them. */
struct canaries *canaries_new(const struct policy *policy, const struct canaries_config *config);
void canaries_free(struct canaries *c); /* NULL is fine; none may be on its way */

/* One line of the file. ERR_INVALID says what is wrong with it; ERR_LIMIT: there are too many. */
enum err_code canaries_add(struct canaries *c, struct str line, struct err *err) RBR_MUST_CHECK;
size_t canaries_count(const struct canaries *c);

/* The grader and the clock outlive them. The first round begins with the next tick. */
void canaries_start(struct canaries *c, struct grader *grader, const struct clock *clock);

/* A record's questions are put to the grader. */
void canaries_saw_record(struct canaries *c);

/* Begins a round when it is time; when it wants to be called again. */
int64_t canaries_tick(struct canaries *c);

/* Whether records may be read and what the grader said may be published. */
bool canaries_let_out(const struct canaries *c);

void canaries_cancel(struct canaries *c);
bool canaries_idle(const struct canaries *c);

const struct canaries_stats *canaries_stats(const struct canaries *c);

#endif
