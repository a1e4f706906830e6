/* P(yes) from the alternatives at one token position. The method's own text is silent on it.
 *
 *   Y = sum exp(logprob) over alternatives that read as a yes label, N likewise for no
 *   mass = Y + N        P = Y / mass when mass >= min_mass, else LOW_PROBABILITY_MASS
 * A token reads as a label after stripping white space, quotes, asterisks and the word marks of
 * tokenisers (U+2581, G with a dot), and case folding. Pure. */
#ifndef RBR_GRADER_LABELS_H
#define RBR_GRADER_LABELS_H

#include "grader/answer.h"
#include "policy/policy.h"

enum { LABELS_SEEN_MAX = 16 };

struct labels_sum {
    const struct policy *policy;
    double yes, no;
    struct {
        struct str token;
        double logprob;
    } seen[LABELS_SEEN_MAX]; /* counted labels: some servers list the sampled token twice */
    size_t n_seen;
};

/* What is left of token s: empty when it is only decoration. */
struct str label_strip(struct str s);

/* What a word means, after label_strip. */
enum verdict { VERDICT_NONE, VERDICT_YES, VERDICT_NO };
enum verdict verdict_of(const struct policy *policy, struct str word);

/* Counts one alternative; the same token with the same logprob counts once. False when the logprob
 * is no logprob (positive beyond rounding). The token's bytes must stay until labels_judge. */
bool labels_add(struct labels_sum *s, struct str token, double logprob) RBR_MUST_CHECK;

/* Probability and mass, or the reason. A mass above 1 is no distribution and no number. */
struct answer labels_judge(const struct labels_sum *s);

#endif
