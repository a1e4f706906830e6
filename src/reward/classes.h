/* Probabilities of rules: what classes.c, features.c and explain.c share. Private to reward/. Pure.
 */
#ifndef RBR_REWARD_CLASSES_H
#define RBR_REWARD_CLASSES_H

#include "policy/policy.h"

/* The probability that a rule holds, as a product over its parts; `derived` as derived_compute left
 * it. NAN when a part is. Not for `otherwise`, which is no product. */
double rule_probability(const struct rule *r, const double *p, const double *derived);

/* P of every derived proposition, in file order: each may use the ones above it. */
void derived_compute(const struct policy *policy, const double *p, double *out);

/* u_k of every class under `product`, and their sum Z. */
double products_compute(const struct policy *policy, const struct response_type *type,
                        const double *p, const double *derived, double *out);

/* As classes_compute, with P(derived) at hand. */
bool classes_from(const struct policy *policy, const struct response_type *type, const double *p,
                  const double *derived, double *out) RBR_MUST_CHECK;

#endif
