#include "worker/evaluation.h"
#include "worker/json_keys.h"

static void put_bins(struct buf *b, const struct metrics_bin bins[METRICS_BINS])
{
    json_key(b, "reliability");
    for (size_t i = 0; i < METRICS_BINS; i++) {
        (void)buf_append_z(b, i > 0 ? ",{" : "[{");
        json_count(b, "n", bins[i].n);
        json_real(b, "mean", bins[i].mean);
        json_count(b, "yes", bins[i].positives);
        (void)buf_append_z(b, "}");
    }
    (void)buf_append_z(b, "]");
}

/* Into an open object. */
static void put_metrics(struct buf *b, const struct evaluation_metrics *of)
{
    json_count(b, "answers", of->m.n);
    json_count(b, "yes", of->m.positives);
    json_count(b, "ungraded", of->ungraded);
    json_count(b, "low_mass", of->low_mass);
    json_count(b, "unlabelled", of->unlabelled);
    json_count(b, "true_yes", of->m.true_yes);
    json_count(b, "false_yes", of->m.false_yes);
    json_count(b, "true_no", of->m.true_no);
    json_count(b, "false_no", of->m.false_no);
    json_real(b, "accuracy", of->m.accuracy);
    json_real(b, "precision", of->m.precision);
    json_real(b, "recall", of->m.recall);
    json_real(b, "f1", of->m.f1);
    json_real(b, "auc", of->m.auc);
    json_real(b, "brier", of->m.brier);
    json_real(b, "calibration_error", of->m.calibration_error);
    json_real(b, "best_threshold", of->m.best_threshold);
    json_real(b, "best_f1", of->m.best_f1);
    put_bins(b, of->bins);
}

static void put_calibration(struct buf *b, const struct platt *p)
{
    json_key(b, "calibration");
    (void)buf_append_z(b, "{");
    json_text(b, "verdict", str_z(calibration_word(p->verdict)));
    if (p->verdict != PLATT_TOO_FEW) {
        json_real(b, "a", p->a);
        json_real(b, "b", p->b);
        json_real(b, "brier_before", p->brier_before);
        json_real(b, "brier_after", p->brier_after);
        json_real(b, "log_loss_before", p->loss_before);
        json_real(b, "log_loss_after", p->loss_after);
    }
    (void)buf_append_z(b, "}");
}

static void put_proposition(struct buf *b, const struct evaluation *e, size_t i,
                            const struct evaluation_metrics *all)
{
    const struct policy *policy = e->eval->policy;
    struct evaluation_metrics of;
    json_text(b, "name", policy->propositions[i].name);
    put_metrics(b, all);
    if (e->calibration != NULL)
        put_calibration(b, &e->calibration->of[i]);
    json_key(b, "response_types");
    (void)buf_append_z(b, "[");
    for (size_t t = 0, n = 0; t < policy->n_response_types; t++) {
        if (!evaluation_metrics(e, i, t, &of))
            continue;
        (void)buf_append_z(b, n++ > 0 ? ",{" : "{");
        json_text(b, "response_type", policy->response_types[t].name);
        put_metrics(b, &of);
        (void)buf_append_z(b, "}");
    }
    (void)buf_append_z(b, "]");
}

static void put_propositions(struct buf *b, const struct evaluation *e)
{
    struct evaluation_metrics all;
    bool first = true;
    json_key(b, "propositions");
    (void)buf_append_z(b, "[");
    for (size_t i = 0; i < e->eval->policy->n_propositions; i++) {
        if (!evaluation_metrics(e, i, SIZE_MAX, &all))
            continue;
        (void)buf_append_z(b, first ? "{" : ",{");
        put_proposition(b, e, i, &all);
        (void)buf_append_z(b, "}");
        first = false;
    }
    (void)buf_append_z(b, "]");
}

static void put_confusion(struct buf *b, const struct evaluation *e, size_t t)
{
    const size_t n = e->eval->policy->n_classes;
    json_key(b, "confusion");
    for (size_t i = 0; i < n * n; i++)
        (void)buf_printf(b, "%s%zu",
                         i == 0       ? "[["
                         : i % n == 0 ? "],["
                                      : ",",
                         e->eval->types[t].confusion[i]);
    (void)buf_append_z(b, n > 0 ? "]]" : "[]");
}

static void put_classes(struct buf *b, const struct evaluation *e, size_t t)
{
    json_key(b, "classes");
    (void)buf_append_z(b, "[");
    for (size_t k = 0; k < e->eval->policy->n_classes; k++) {
        struct evaluation_class c = evaluation_class(e, t, k);
        (void)buf_append_z(b, k > 0 ? ",{" : "{");
        json_text(b, "name", e->eval->policy->classes[k]);
        json_count(b, "labelled", c.rows.labelled);
        json_count(b, "judged", c.rows.judged);
        json_count(b, "both", c.rows.both);
        json_real(b, "precision", c.precision);
        json_real(b, "recall", c.recall);
        json_real(b, "f1", c.f1);
        (void)buf_append_z(b, "}");
    }
    (void)buf_append_z(b, "]");
}

static void put_types(struct buf *b, const struct evaluation *e)
{
    const struct eval *eval = e->eval;
    json_key(b, "response_types");
    (void)buf_append_z(b, "[");
    for (size_t t = 0, n = 0; t < eval->policy->n_response_types; t++) {
        if (eval->types[t].rows == 0)
            continue;
        (void)buf_append_z(b, n++ > 0 ? ",{" : "{");
        json_text(b, "response_type", eval->policy->response_types[t].name);
        json_count(b, "rows", eval->types[t].rows);
        json_count(b, "classified", eval_classified(eval, t));
        json_count(b, "right", eval_right(eval, t));
        put_classes(b, e, t);
        put_confusion(b, e, t);
        (void)buf_append_z(b, "}");
    }
    (void)buf_append_z(b, "]");
}

void evaluation_json(const struct evaluation *e, struct buf *out)
{
    const struct policy *policy = e->eval->policy;
    (void)buf_append_z(out, "{");
    json_text(out, "gold", str_z(e->gold));
    json_text(out, "judges", str_z(e->judges));
    json_text(out, "policy_id", policy->id);
    json_text(out, "policy_hash", str_z(policy->hash_hex));
    json_real(out, "threshold", e->threshold);
    json_count(out, "rows", e->eval->rows);
    json_count(out, "unjudged", e->eval->unjudged);
    json_count(out, "answers", e->eval->answers);
    json_count(out, "ungraded", e->eval->ungraded);
    json_count(out, "low_mass", e->eval->low_mass);
    put_propositions(out, e);
    put_types(out, e);
    (void)buf_append_z(out, "}\n");
}
