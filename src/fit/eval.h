/* A grader's judgments beside labels: rows are added one by one, then each proposition's answers
 * and each response type's classes can be looked at.
 *
 * A proposition is looked at only where it applies: in the response types that have it as a
 * feature, itself or in a derived one (a type whose features are classes only: what its rules use).
 * Elsewhere labels are often false by default, and a grader would be scored against nothing. What
 * was not graded is counted, and is in no figure. A row's class is what the policy's rules make of
 * its labels; the judged one, what they make of the judgments. Lifecycle: eval_init, eval_add for
 * each row, reads, eval_done. One thread. */
#ifndef RBR_FIT_EVAL_H
#define RBR_FIT_EVAL_H

#include "fit/platt.h"
#include "judge/judge.h"

/* One proposition in one response type. */
struct eval_answers {
    struct labelled *used; /* as the rules take it: calibrated where the policy says so */
    struct labelled *asked; /* as the grader gave it; in the same order */
    size_t n, cap_used, cap_asked;
    size_t ungraded; /* no judgment, whatever the reason */
    size_t low_mass; /* of them for too little mass on yes and no */
    size_t unlabelled; /* rows without a label for it */
};

struct eval_type {
    size_t rows;
    bool *applies; /* per proposition */
    struct eval_answers *of; /* per proposition */
    size_t *confusion; /* [labelled class * n_classes + judged class]: rows */
    size_t unclassified; /* rows without a class, by their labels or by their judgments */
};

struct eval {
    const struct policy *policy; /* outlives it */
    struct eval_type *types; /* per response type */
    size_t rows; /* all that were added */
    size_t unjudged; /* of them settled before a question: not routed, skipped, failed */
    size_t answers, ungraded, low_mass; /* sums over all that applies and is labelled */
};

void eval_init(struct eval *e, const struct policy *policy);
void eval_done(struct eval *e);

/* A row and its judgments. ERR_INVALID, with a sentence: no labels, or one that is neither true nor
 * false. */
enum err_code eval_add(struct eval *e, const struct record *record, const struct judged *judged,
                       struct err *err) RBR_MUST_CHECK;

/* The answers of a proposition in one type, or in all (SIZE_MAX) where it applies, in the order
 * added. The caller frees `used` and `asked`. */
struct eval_answers eval_answers(const struct eval *e, size_t proposition, size_t response_type);

/* Rows of a type whose judged class is the labelled one, and those that have both. */
size_t eval_right(const struct eval *e, size_t response_type);
size_t eval_classified(const struct eval *e, size_t response_type);

/* A class of a type's confusion: how many rows are labelled so, judged so, and both. */
struct eval_class {
    size_t labelled, judged, both;
};
struct eval_class eval_class(const struct eval *e, size_t response_type, size_t class_index);

#endif
