#include "fit/eval.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "reward/features.h"
#include "reward/reward.h"

/* ---- lifecycle --------------------------------------------------------------------------------
 */

static void mark_applying(const struct policy *p, const struct response_type *type, bool *applies)
{
    bool any = false;
    for (size_t i = 0; i < type->n_features; i++) {
        const struct feature *f = &type->features[i];
        any = any || f->kind != FEATURE_CLASS;
        if (f->kind == FEATURE_PROPOSITION)
            applies[f->index] = true;
        else if (f->kind == FEATURE_DERIVED)
            policy_mark(p, &p->derived[f->index].rule, applies);
    }
    for (size_t k = 0; !any && k < p->n_classes; k++)
        if (type->has_rule[k])
            policy_mark(p, &type->rules[k], applies);
}

void eval_init(struct eval *e, const struct policy *policy)
{
    *e = (struct eval){.policy = policy};
    e->types = mem_array(policy->n_response_types, sizeof(*e->types));
    for (size_t t = 0; t < policy->n_response_types; t++) {
        struct eval_type *type = &e->types[t];
        type->applies = mem_array(policy->n_propositions, sizeof(*type->applies));
        type->of = mem_array(policy->n_propositions, sizeof(*type->of));
        type->confusion =
            mem_array(policy->n_classes * policy->n_classes, sizeof(*type->confusion));
        mark_applying(policy, &policy->response_types[t], type->applies);
    }
}

void eval_done(struct eval *e)
{
    for (size_t t = 0; t < e->policy->n_response_types; t++) {
        for (size_t i = 0; i < e->policy->n_propositions; i++) {
            mem_free(e->types[t].of[i].used);
            mem_free(e->types[t].of[i].asked);
        }
        mem_free(e->types[t].applies);
        mem_free(e->types[t].of);
        mem_free(e->types[t].confusion);
    }
    mem_free(e->types);
}

/* ---- adding -----------------------------------------------------------------------------------
 */

/* labels[] per proposition: 0 or 1, NAN where there is none. */
static enum err_code read_labels(const struct policy *policy, const struct record *record,
                                 double *labels, struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < policy->n_propositions; i++)
        labels[i] = NAN;
    for (size_t i = 0; i < record->n_known; i++) {
        const struct known_judgment *k = &record->known[i];
        size_t at = policy_find_proposition(policy, k->name);
        if (at == SIZE_MAX)
            continue;
        if (k->probability != 0 && k->probability != 1)
            return err_set(err, ERR_INVALID,
                           "the label of '%.*s' is %g; a label is true or false: correct it, or "
                           "leave it out",
                           STR_ARGS(k->name), k->probability);
        labels[at] = k->probability;
        any = true;
    }
    if (any)
        return ERR_OK;
    if (record->n_known > 0)
        return err_set(err, ERR_INVALID,
                       "no label of a proposition of the policy, which has no '%.*s'; is it the "
                       "right policy?",
                       STR_ARGS(record->known[0].name));
    return err_set(err, ERR_INVALID, "no labels; give them as propositions: {NAME: true or false}");
}

static void add_answer(struct eval_answers *to, double used, double asked, bool truth)
{
    size_t n = to->n++;
    mem_grow((void **)&to->used, &to->cap_used, n, sizeof(*to->used));
    mem_grow((void **)&to->asked, &to->cap_asked, n, sizeof(*to->asked));
    to->used[n] = (struct labelled){used, truth};
    to->asked[n] = (struct labelled){asked, truth};
}

static void add_answers(struct eval *e, struct eval_type *type, const struct judged *judged,
                        const double *used, const double *labels)
{
    for (size_t i = 0; i < e->policy->n_propositions; i++) {
        struct eval_answers *to = &type->of[i];
        const struct judgment *j = &judged->judgments[i];
        if (!type->applies[i])
            continue;
        if (isnan(labels[i])) {
            to->unlabelled++;
        } else if (isnan(used[i])) {
            bool low = j->status == JUDGMENT_UNGRADED && j->reason == REASON_LOW_PROBABILITY_MASS;
            to->ungraded++;
            to->low_mass += low;
            e->ungraded++;
            e->low_mass += low;
        } else {
            add_answer(to, used[i], j->probability, labels[i] > 0);
            e->answers++;
        }
    }
}

static void add_class(const struct eval *e, struct eval_type *type, size_t response_type,
                      const double *used, const double *labels)
{
    const size_t n = e->policy->n_classes;
    double of_labels[POLICY_CLASSES_MAX], of_judgments[POLICY_CLASSES_MAX];
    if (classes_compute(e->policy, response_type, labels, of_labels) &&
        classes_compute(e->policy, response_type, used, of_judgments))
        type->confusion[classes_best(of_labels, n) * n + classes_best(of_judgments, n)]++;
    else
        type->unclassified++;
}

enum err_code eval_add(struct eval *e, const struct record *record, const struct judged *judged,
                       struct err *err)
{
    double labels[POLICY_PROPOSITIONS_MAX], used[POLICY_PROPOSITIONS_MAX];
    enum err_code code = read_labels(e->policy, record, labels, err);
    if (code != ERR_OK)
        return code;
    e->rows++;
    if (judged->response_type == SIZE_MAX || judged->status != STATUS_OK) {
        e->unjudged++;
        return ERR_OK;
    }
    struct eval_type *type = &e->types[judged->response_type];
    type->rows++;
    features_probabilities(e->policy, judged, used);
    add_answers(e, type, judged, used, labels);
    add_class(e, type, judged->response_type, used, labels);
    return ERR_OK;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static void append(struct eval_answers *to, const struct eval_answers *from)
{
    for (size_t i = 0; i < from->n; i++)
        add_answer(to, from->used[i].p, from->asked[i].p, from->used[i].truth);
    to->ungraded += from->ungraded;
    to->low_mass += from->low_mass;
    to->unlabelled += from->unlabelled;
}

struct eval_answers eval_answers(const struct eval *e, size_t proposition, size_t response_type)
{
    struct eval_answers all = {0};
    for (size_t t = 0; t < e->policy->n_response_types; t++)
        if (response_type == SIZE_MAX || response_type == t)
            append(&all, &e->types[t].of[proposition]);
    return all;
}

struct eval_class eval_class(const struct eval *e, size_t response_type, size_t class_index)
{
    const size_t n = e->policy->n_classes;
    const size_t *confusion = e->types[response_type].confusion;
    struct eval_class c = {.both = confusion[class_index * n + class_index]};
    for (size_t k = 0; k < n; k++) {
        c.labelled += confusion[class_index * n + k];
        c.judged += confusion[k * n + class_index];
    }
    return c;
}

size_t eval_right(const struct eval *e, size_t response_type)
{
    size_t sum = 0;
    for (size_t k = 0; k < e->policy->n_classes; k++)
        sum += eval_class(e, response_type, k).both;
    return sum;
}

size_t eval_classified(const struct eval *e, size_t response_type)
{
    return e->types[response_type].rows - e->types[response_type].unclassified;
}
