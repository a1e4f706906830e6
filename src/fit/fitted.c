#include "fit/fitted.h"

#include <math.h>

#include "base/mem.h"

const struct response_type *fitted_type(const struct fit *fit, const struct fitted *f)
{
    return &fit->policy->response_types[f->pairs.response_type];
}

void fitted_init(struct fitted *f, const struct pairs *pairs)
{
    const size_t k = pairs->n_features;
    *f = (struct fitted){
        .pairs = *pairs,
        .weights = mem_array(k + 1, sizeof(*f->weights)),
        .ignored = mem_array(k + 1, sizeof(*f->ignored)),
        .lower = mem_array(k + 1, sizeof(*f->lower)),
        .upper = mem_array(k + 1, sizeof(*f->upper)),
    };
    for (size_t i = 0; i < k; i++) {
        f->lower[i] = -WEIGHT_MAX;
        f->upper[i] = WEIGHT_MAX;
    }
}

/* ---- fitting ----------------------------------------------------------------------------------
 */

static void fit_exactly(const struct fit *fit, struct fitted *f)
{
    for (size_t i = 0; i < f->pairs.n_features; i++)
        if (f->ignored[i])
            f->lower[i] = f->upper[i] = 0;
    const struct exact_options options = {
        .lower = f->lower, .upper = f->upper, .decay = fit->exact_decay};
    exact_fit(&f->pairs, &options, f->weights, &f->exact);
}

static enum err_code fit_by_steps(const struct fit *fit, struct fitted *f, struct err *err)
{
    const struct response_type *type = fitted_type(fit, f);
    f->curve = mem_array(fit->adamw.steps + 1, sizeof(*f->curve));
    f->held_out_curve = mem_array(fit->adamw.steps + 1, sizeof(*f->held_out_curve));
    adamw_fit(&f->pairs, f->ignored, &fit->adamw, f->weights, f->curve, f->held_out_curve);
    for (size_t i = 0; i < f->pairs.n_features; i++)
        if (!(fabs(f->weights[i]) <= WEIGHT_MAX))
            return err_set(err, ERR_RANGE,
                           "the weight of %.*s left +-1e6; use fewer --steps or a smaller "
                           "--learning-rate",
                           STR_ARGS(type->features[i].name));
    return ERR_OK;
}

/* Whether a constant taken off the class weights is a constant taken off every reward: only when
 * the classes' probabilities, which add up to 1, are all features with weights that may move. */
static enum err_code can_center(const struct fit *fit, const struct fitted *f, struct err *err)
{
    const struct response_type *type = fitted_type(fit, f);
    bool weighted[POLICY_CLASSES_MAX] = {false};
    for (size_t i = 0; i < type->n_features; i++) {
        bool is_free = !f->ignored[i] && f->lower[i] == -WEIGHT_MAX && f->upper[i] == WEIGHT_MAX;
        if (type->features[i].kind == FEATURE_CLASS)
            weighted[type->features[i].index] = is_free;
    }
    for (size_t k = 0; k < fit->policy->n_classes; k++)
        if (type->has_rule[k] && !weighted[k])
            return err_set(err, ERR_INVALID,
                           "--center moves the weights of all classes, and %.*s is no feature, or "
                           "is ignored or bounded; change that, or do without",
                           STR_ARGS(fit->policy->classes[k]));
    return ERR_OK;
}

/* The completions that nothing ranks above, of those trained on. */
static void mark_best(const struct fit *fit, const struct fitted *f, bool *best)
{
    const struct pairs *p = &f->pairs;
    const struct ordering *o = &fit->orderings->types[p->response_type];
    bool top[ORDERING_LABELS_MAX] = {false};
    for (size_t i = 0; i < o->n; i++) {
        top[i] = true;
        for (size_t j = 0; j < o->n; j++)
            top[i] = top[i] && !o->above[j][i];
    }
    for (size_t i = 0; i < p->n_train; i++)
        best[p->items[i].better] = top[p->labels[p->items[i].better]];
}

static void center(const struct fit *fit, struct fitted *f)
{
    const struct pairs *p = &f->pairs;
    const struct response_type *type = fitted_type(fit, f);
    double *scores = mem_array(p->n_rows, sizeof(*scores)), sum = 0;
    bool *best = mem_array(p->n_rows, sizeof(*best));
    pairs_scores(p, false, f->weights, scores);
    mark_best(fit, f, best);
    for (size_t i = 0; i < p->n_rows; i++) {
        sum += best[i] ? scores[i] : 0;
        f->n_centred += best[i];
    }
    f->centre = f->n_centred > 0 ? sum / (double)f->n_centred : 0;
    for (size_t i = 0; i < type->n_features; i++)
        if (type->features[i].kind == FEATURE_CLASS)
            f->weights[i] -= f->centre;
    mem_free(scores);
    mem_free(best);
}

enum err_code fitted_fit(const struct fit *fit, struct fitted *f, struct err *err)
{
    enum err_code code = fit->center ? can_center(fit, f, err) : ERR_OK;
    if (code == ERR_OK && fit->optimizer == OPTIMIZER_ADAMW)
        code = fit_by_steps(fit, f, err);
    else if (code == ERR_OK)
        fit_exactly(fit, f);
    if (code != ERR_OK)
        return err_wrap(err, "%.*s", STR_ARGS(fitted_type(fit, f)->name));
    if (fit->center)
        center(fit, f);
    return ERR_OK;
}

void fitted_done(struct fitted *f)
{
    pairs_done(&f->pairs);
    mem_free(f->weights);
    mem_free(f->ignored);
    mem_free(f->lower);
    mem_free(f->upper);
    mem_free(f->curve);
    mem_free(f->held_out_curve);
}
