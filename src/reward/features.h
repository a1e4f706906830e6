/* From judgments to the probabilities that rules and features use; what reward/ and fit/
 * share. Pure. */
#ifndef RBR_REWARD_FEATURES_H
#define RBR_REWARD_FEATURES_H

#include "judge/judge.h"

/* log(p / (1 - p)); p is kept 1e-6 away from 0 and 1, where it has no value. */
double logit(double p);

/* sigmoid(a logit(p) + b). */
double calibrate(double p, double a, double b);

/* Whether a judgment is a grader's answer: not a check, not a label that came with the record. */
bool is_graders(const struct proposition *q, const struct judgment *j);

/* p[] per proposition: the judgment's probability, calibrated when a grader gave it; NAN where
 * there is no judgment. */
void features_probabilities(const struct policy *policy, const struct judged *judged, double *p);

/* Indices of the propositions without probability that a class or a weighted feature of this type
 * uses, in file order; returns how many. What only `ask: all` or an unweighted feature wants may be
 * missing. */
size_t features_missing(const struct policy *policy, const struct response_type *type,
                        const double *p, size_t missing[POLICY_PROPOSITIONS_MAX]);

/* phi of a feature; NAN when it is not known. `classes` may be NULL: not known. A derived
 * proposition is the product over its rule, under `exact` too. */
double feature_value(const struct feature *f, const double *p, const double *derived,
                     const double *classes);

/* phi of every feature of a response type, in its order; false, with NAN where it is not known,
 * when any is not. */
bool features_compute(const struct policy *policy, const struct response_type *type,
                      const double *p, double *out) RBR_MUST_CHECK;

#endif
