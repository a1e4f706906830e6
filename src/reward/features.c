#include "reward/features.h"

#include <math.h>

#include "reward/classes.h"

double logit(double p)
{
    const double eps = 1e-6;
    double inside = p < eps ? eps : p > 1 - eps ? 1 - eps : p;
    return log(inside / (1 - inside));
}

double calibrate(double p, double a, double b)
{
    return 1 / (1 + exp(-(a * logit(p) + b)));
}

/* A check's judgment has a digest and its proposition a check; a given label has no digest. */
bool is_graders(const struct proposition *q, const struct judgment *j)
{
    return q->check == NULL && j->has_digest;
}

void features_probabilities(const struct policy *policy, const struct judged *judged, double *p)
{
    for (size_t i = 0; i < policy->n_propositions; i++) {
        const struct proposition *q = &policy->propositions[i];
        const struct judgment *j = judged->judgments != NULL ? &judged->judgments[i] : NULL;
        p[i] = NAN;
        if (j == NULL || j->status != JUDGMENT_GRADED)
            continue;
        p[i] = j->probability;
        if (q->has_calibration && is_graders(q, j))
            p[i] = calibrate(p[i], q->calibration_a, q->calibration_b);
    }
}

static void mark_feature(const struct policy *policy, const struct feature *f, bool *used)
{
    if (f->kind == FEATURE_PROPOSITION)
        used[f->index] = true;
    else if (f->kind == FEATURE_DERIVED)
        policy_mark(policy, &policy->derived[f->index].rule, used);
}

size_t features_missing(const struct policy *policy, const struct response_type *type,
                        const double *p, size_t missing[POLICY_PROPOSITIONS_MAX])
{
    bool used[POLICY_PROPOSITIONS_MAX] = {false};
    size_t n = 0;
    /* Nearly always everything that was asked has an answer: look before walking the rules. */
    for (size_t i = 0; i < policy->n_propositions; i++)
        n += type->asked[i] && isnan(p[i]);
    if (n == 0)
        return 0;
    for (size_t k = 0; k < policy->n_classes; k++)
        if (type->has_rule[k])
            policy_mark(policy, &type->rules[k], used);
    for (size_t i = 0; i < type->n_features; i++)
        if (type->features[i].weighted)
            mark_feature(policy, &type->features[i], used);
    n = 0;
    for (size_t i = 0; i < policy->n_propositions; i++)
        if (used[i] && isnan(p[i]))
            missing[n++] = i;
    return n;
}

double feature_value(const struct feature *f, const double *p, const double *derived,
                     const double *classes)
{
    switch (f->kind) {
    case FEATURE_PROPOSITION:
        return p[f->index];
    case FEATURE_DERIVED:
        return derived[f->index];
    case FEATURE_CLASS:
        break;
    }
    return classes != NULL ? classes[f->index] : NAN;
}

bool features_compute(const struct policy *policy, const struct response_type *type,
                      const double *p, double *out)
{
    double derived[POLICY_PROPOSITIONS_MAX], classes[POLICY_CLASSES_MAX];
    derived_compute(policy, p, derived);
    bool known = classes_from(policy, type, p, derived, classes);
    bool all = true;
    for (size_t i = 0; i < type->n_features; i++) {
        out[i] = feature_value(&type->features[i], p, derived, known ? classes : NULL);
        all = all && !isnan(out[i]);
    }
    return all;
}
