#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "report/page.h"
#include "worker/evaluation.h"

/* ---- in short ---------------------------------------------------------------------------------
 */

static void put_facts(struct page *p, const struct evaluation *e)
{
    const struct eval *eval = e->eval;
    size_t right = 0, classified = 0;
    for (size_t t = 0; t < eval->policy->n_response_types; t++) {
        right += eval_right(eval, t);
        classified += eval_classified(eval, t);
    }
    page_section(p, "In short");
    page_text(p, "Labels: %s", e->gold);
    page_text(p, "Judgments: %s", e->judges);
    page_text(p,
              "An answer counts as yes from %g up. Figures of a proposition are of the response "
              "types in which it applies, over answers that are graded and labelled.",
              e->threshold);
    page_facts(p);
    page_fact(p, "rows", "%zu", eval->rows);
    page_fact(p, "answers", "%zu", eval->answers);
    if (classified > 0)
        page_fact(p, "rows in their class", "%.1f %%", 100 * evaluation_share(right, classified));
    page_fact(p, "not graded", "%zu", eval->ungraded);
    page_fact(p, "of them for low mass", "%zu", eval->low_mass);
    page_facts_end(p);
}

/* ---- propositions -----------------------------------------------------------------------------
 */

static void put_propositions(struct page *p, const struct evaluation *e)
{
    static const struct page_column columns[] = {
        {STR_INIT("proposition"), false}, {STR_INIT("answers"), true},
        {STR_INIT("labelled yes"), true}, {STR_INIT("accuracy"), true},
        {STR_INIT("precision"), true},    {STR_INIT("recall"), true},
        {STR_INIT("F1"), true},           {STR_INIT("AUC"), true},
        {STR_INIT("Brier"), true},        {STR_INIT("calibration error"), true},
        {STR_INIT("best from"), true},    {STR_INIT("F1 there"), true},
        {STR_INIT("not graded"), true},   {STR_INIT("low mass"), true},
    };
    page_section(p, "Propositions");
    page_table(p, STR(""), columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < e->eval->policy->n_propositions; i++) {
        struct evaluation_metrics of;
        if (!evaluation_metrics(e, i, SIZE_MAX, &of))
            continue;
        const double numbers[] = {
            of.m.accuracy, of.m.precision,         of.m.recall,         of.m.f1,     of.m.auc,
            of.m.brier,    of.m.calibration_error, of.m.best_threshold, of.m.best_f1};
        page_cell(p, e->eval->policy->propositions[i].name);
        page_count(p, of.m.n);
        page_count(p, of.m.positives);
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
            page_number(p, numbers[k]);
        page_count(p, of.ungraded);
        page_number(p, evaluation_share(of.low_mass, of.m.n + of.ungraded));
    }
    page_table_end(p);
}

static void put_reliability(struct page *p, const struct evaluation *e)
{
    static const struct page_plot plot = {PAGE_POINTS, "mean of P(yes)", "share labelled yes",
                                          true};
    static const struct page_column columns[] = {{STR_INIT("mean of P(yes)"), true},
                                                 {STR_INIT("share labelled yes"), true}};
    page_section(p, "Reliability");
    page_text(p, "Each point is the answers of a tenth of the range; those of a calibrated grader "
                 "lie on the diagonal. Above it the grader says no too often, below yes.");
    for (size_t i = 0; i < e->eval->policy->n_propositions; i++) {
        struct evaluation_metrics of;
        if (!evaluation_metrics(e, i, SIZE_MAX, &of) || of.m.n == 0)
            continue;
        page_plot(p, e->eval->policy->propositions[i].name, &plot, columns, ARRAY_LEN(columns));
        for (size_t b = 0; b < METRICS_BINS; b++) {
            if (of.bins[b].n == 0)
                continue;
            page_number(p, of.bins[b].mean);
            page_number(p, evaluation_share(of.bins[b].positives, of.bins[b].n));
        }
        page_table_end(p);
    }
}

/* ---- classes ----------------------------------------------------------------------------------
 */

static void put_confusion(struct page *p, const struct evaluation *e, size_t t)
{
    const struct policy *policy = e->eval->policy;
    const size_t n = policy->n_classes, *confusion = e->eval->types[t].confusion;
    struct page_column *columns = mem_array(n + 4, sizeof(*columns));
    columns[0] = (struct page_column){STR("labelled \\ judged"), false};
    for (size_t k = 0; k < n; k++)
        columns[k + 1] = (struct page_column){policy->classes[k], true};
    columns[n + 1] = (struct page_column){STR("precision"), true};
    columns[n + 2] = (struct page_column){STR("recall"), true};
    columns[n + 3] = (struct page_column){STR("F1"), true};
    page_table(p, policy->response_types[t].name, columns, n + 4);
    for (size_t k = 0; k < n; k++) {
        struct evaluation_class c = evaluation_class(e, t, k);
        page_cell(p, policy->classes[k]);
        for (size_t to = 0; to < n; to++)
            page_share(
                p, confusion[k * n + to],
                c.rows.labelled > 0 ? evaluation_share(confusion[k * n + to], c.rows.labelled) : 0);
        page_number(p, c.precision);
        page_number(p, c.recall);
        page_number(p, c.f1);
    }
    page_table_end(p);
    mem_free(columns);
}

static void put_classes(struct page *p, const struct evaluation *e)
{
    const struct eval *eval = e->eval;
    page_section(p, "Classes");
    page_text(p, "Rows by the class that the rules make of their labels (row) and of the judgments "
                 "(column), with shares of the row.");
    for (size_t t = 0; t < eval->policy->n_response_types; t++) {
        if (eval->types[t].rows == 0)
            continue;
        page_text(p, "%.*s: %zu rows, %zu of %zu in their class.",
                  STR_ARGS(eval->policy->response_types[t].name), eval->types[t].rows,
                  eval_right(eval, t), eval_classified(eval, t));
        put_confusion(p, e, t);
    }
}

/* ---- calibration ------------------------------------------------------------------------------
 */

static void put_calibration(struct page *p, const struct evaluation *e)
{
    static const struct page_column columns[] = {
        {STR_INIT("proposition"), false},
        {STR_INIT("a"), true},
        {STR_INIT("b"), true},
        {STR_INIT("Brier"), true},
        {STR_INIT("held out"), true},
        {STR_INIT("log loss"), true},
        {STR_INIT("held out"), true},
        {STR_INIT(""), false},
    };
    page_section(p, "Calibration");
    page_text(p, "P' = sigmoid(a logit(P) + b). The figures before it, and on answers that it was "
                 "not fitted on.");
    page_table(p, STR(""), columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < e->eval->policy->n_propositions; i++) {
        const struct platt *c = &e->calibration->of[i];
        const double numbers[] = {c->a,           c->b,           c->brier_before,
                                  c->brier_after, c->loss_before, c->loss_after};
        if (e->calibration->answers[i] == 0)
            continue;
        page_cell(p, e->eval->policy->propositions[i].name);
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
            page_number(p, c->verdict == PLATT_TOO_FEW ? NAN : numbers[k]);
        page_cell(p, str_z(calibration_word(c->verdict)));
    }
    page_table_end(p);
}

enum err_code evaluation_page(const struct evaluation *e, struct buf *out, struct err *err)
{
    struct page p;
    page_begin(&p, out, "A grader beside labels", "rbr eval");
    put_facts(&p, e);
    put_propositions(&p, e);
    put_classes(&p, e);
    put_reliability(&p, e);
    if (e->calibration != NULL)
        put_calibration(&p, e);
    return page_end(&p, err);
}
