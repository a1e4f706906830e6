/* Class probabilities. `product`: each class is the product over its rule, normalised by their sum.
 * `exact`: the probability that it is the first class that holds, when propositions are
 * independent: mass 1 starts at the root of the policy's decision diagram and is split at every
 * node. */
#include "reward/classes.h"

#include <math.h>

#include "base/mem.h"
#include "reward/reward.h"

static double literal(const struct rule *r, const double *p, const double *derived)
{
    double probability = r->ref_kind == REF_PROPOSITION ? p[r->ref] : derived[r->ref];
    return r->want ? probability : 1 - probability;
}

double rule_probability(const struct rule *r, const double *p, const double *derived)
{
    double product = 1;
    switch (r->op) {
    case RULE_LITERAL:
        return literal(r, p, derived);
    case RULE_ALL:
        for (size_t i = 0; i < r->n_kids; i++)
            product *= rule_probability(&r->kids[i], p, derived);
        return product;
    case RULE_ANY:
        for (size_t i = 0; i < r->n_kids; i++)
            product *= 1 - rule_probability(&r->kids[i], p, derived);
        return 1 - product;
    case RULE_NOT:
        return 1 - rule_probability(&r->kids[0], p, derived);
    case RULE_OTHERWISE:
        break;
    }
    return NAN;
}

void derived_compute(const struct policy *policy, const double *p, double *out)
{
    for (size_t i = 0; i < policy->n_derived; i++)
        out[i] = rule_probability(&policy->derived[i].rule, p, out);
}

double products_compute(const struct policy *policy, const struct response_type *type,
                        const double *p, const double *derived, double *out)
{
    double z = 0;
    for (size_t k = 0; k < policy->n_classes; k++) {
        out[k] = type->has_rule[k] ? rule_probability(&type->rules[k], p, derived) : 0;
        z += out[k];
    }
    return z;
}

static bool by_product(const struct policy *policy, const struct response_type *type,
                       const double *p, const double *derived, double *out)
{
    double z = products_compute(policy, type, p, derived, out);
    if (!(z > 0)) /* NAN too */
        return false;
    for (size_t k = 0; k < policy->n_classes; k++)
        out[k] /= z;
    return true;
}

static void pour(double mass, int32_t branch, double *at, double *out)
{
    if (branch >= 0)
        at[branch] += mass;
    else
        out[-1 - branch] += mass;
}

/* Branches lead to later nodes only, so that one pass in order sees each node's mass complete. */
static bool by_diagram(const struct policy *policy, const struct response_type *type,
                       const double *p, double *out)
{
    enum { ON_STACK = 512 };
    double room[ON_STACK] = {0};
    double *at = type->n_decisions <= ON_STACK ? room : mem_array(type->n_decisions, sizeof(*at));
    bool ok = true;
    for (size_t k = 0; k < policy->n_classes; k++)
        out[k] = 0;
    if (type->n_decisions == 0)
        out[type->only] = 1;
    else
        at[0] = 1;
    for (size_t i = 0; i < type->n_decisions; i++) {
        const struct decision *d = &type->decisions[i];
        pour(at[i] * p[d->proposition], d->when_true, at, out);
        pour(at[i] * (1 - p[d->proposition]), d->when_false, at, out);
    }
    for (size_t k = 0; k < policy->n_classes; k++) {
        ok = ok && !isnan(out[k]);
        out[k] = out[k] > 1 ? 1 : out[k]; /* by a rounding */
    }
    if (at != room)
        mem_free(at);
    return ok;
}

bool classes_from(const struct policy *policy, const struct response_type *type, const double *p,
                  const double *derived, double *out)
{
    if (policy->class_probability == CLASS_EXACT)
        return by_diagram(policy, type, p, out);
    return by_product(policy, type, p, derived, out);
}

bool classes_compute(const struct policy *policy, size_t response_type, const double *p,
                     double *out)
{
    double derived[POLICY_PROPOSITIONS_MAX];
    derived_compute(policy, p, derived);
    return classes_from(policy, &policy->response_types[response_type], p, derived, out);
}

size_t classes_best(const double *probability, size_t n)
{
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (probability[k] > probability[best])
            best = k;
    return best;
}
