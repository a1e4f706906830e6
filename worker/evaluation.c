#include "worker/evaluation.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "worker/table.h"

enum { WIDE = 24, NARROW = 8 };

/* ---- what all three show ----------------------------------------------------------------------
 */

bool evaluation_metrics(const struct evaluation *e, size_t proposition, size_t response_type,
                        struct evaluation_metrics *ret)
{
    struct eval_answers a = eval_answers(e->eval, proposition, response_type);
    *ret = (struct evaluation_metrics){
        .ungraded = a.ungraded, .low_mass = a.low_mass, .unlabelled = a.unlabelled};
    metrics_bins(a.used, a.n, ret->bins);
    metrics_compute(a.used, a.n, e->threshold, &ret->m);
    mem_free(a.used);
    mem_free(a.asked);
    return a.n + a.ungraded > 0;
}

double evaluation_share(size_t part, size_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

struct evaluation_class evaluation_class(const struct evaluation *e, size_t response_type,
                                         size_t class_index)
{
    struct eval_class rows = eval_class(e->eval, response_type, class_index);
    return (struct evaluation_class){
        .rows = rows,
        .precision = evaluation_share(rows.both, rows.judged),
        .recall = evaluation_share(rows.both, rows.labelled),
        .f1 =
            rows.labelled > 0 ? evaluation_share(2 * rows.both, rows.labelled + rows.judged) : NAN,
    };
}

/* ---- text -------------------------------------------------------------------------------------
 */

/* Of a response type the first columns, of all (SIZE_MAX) every one. */
static void print_propositions(const struct evaluation *e, size_t response_type)
{
    enum { OF_TYPE = 10 };
    static const struct table_column columns[] = {
        {STR_INIT("PROPOSITION"), WIDE, false}, {STR_INIT("ANSWERS"), NARROW, true},
        {STR_INIT("YES"), NARROW, true},        {STR_INIT("ACCURACY"), NARROW, true},
        {STR_INIT("PRECISION"), NARROW, true},  {STR_INIT("RECALL"), NARROW, true},
        {STR_INIT("F1"), NARROW, true},         {STR_INIT("AUC"), NARROW, true},
        {STR_INIT("BRIER"), NARROW, true},      {STR_INIT("ECE"), NARROW, true},
        {STR_INIT("BEST FROM"), NARROW, true},  {STR_INIT("F1 THERE"), NARROW, true},
        {STR_INIT("NOT GRADED"), NARROW, true}, {STR_INIT("LOW MASS"), NARROW, true},
    };
    struct table *t =
        table_of(columns, response_type == SIZE_MAX ? ARRAY_LEN(columns) : (size_t)OF_TYPE);
    for (size_t i = 0; i < e->eval->policy->n_propositions; i++) {
        struct table_cells row = {.n = 0};
        struct evaluation_metrics of;
        if (!evaluation_metrics(e, i, response_type, &of))
            continue;
        const double numbers[] = {
            of.m.accuracy, of.m.precision,         of.m.recall,         of.m.f1,     of.m.auc,
            of.m.brier,    of.m.calibration_error, of.m.best_threshold, of.m.best_f1};
        cell_text(&row, e->eval->policy->propositions[i].name);
        cell_count(&row, of.m.n);
        cell_count(&row, of.m.positives);
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
            cell_number(&row, numbers[k], false);
        cell_count(&row, of.ungraded);
        cell_number(&row, evaluation_share(of.low_mass, of.m.n + of.ungraded), false);
        table_row(t, row.cells);
    }
    table_print(t);
    table_free(t);
}

/* Rows by labelled and judged class; the columns are the classes' numbers. */
static void print_confusion(const struct evaluation *e, size_t response_type)
{
    const struct policy *policy = e->eval->policy;
    const size_t n = policy->n_classes, *confusion = e->eval->types[response_type].confusion;
    struct table_column columns[POLICY_CLASSES_MAX + 4] = {
        {STR_INIT("LABELLED \\ JUDGED"), WIDE, false}};
    char names[POLICY_CLASSES_MAX][16], label[128];
    for (size_t k = 0; k < n; k++) {
        (void)snprintf(names[k], sizeof(names[k]), "%zu", k + 1);
        columns[k + 1] = (struct table_column){str_z(names[k]), 4, true};
    }
    columns[n + 1] = (struct table_column){STR("PRECISION"), NARROW, true};
    columns[n + 2] = (struct table_column){STR("RECALL"), NARROW, true};
    columns[n + 3] = (struct table_column){STR("F1"), NARROW, true};
    struct table *t = table_of(columns, n + 4);
    for (size_t k = 0; k < n; k++) {
        struct table_cells row = {.n = 0};
        struct evaluation_class c = evaluation_class(e, response_type, k);
        (void)snprintf(label, sizeof(label), "%zu %.*s", k + 1, STR_ARGS(policy->classes[k]));
        cell_text(&row, str_z(label));
        for (size_t to = 0; to < n; to++)
            cell_count(&row, confusion[k * n + to]);
        cell_number(&row, c.precision, false);
        cell_number(&row, c.recall, false);
        cell_number(&row, c.f1, false);
        table_row(t, row.cells);
    }
    table_print(t);
    table_free(t);
}

static size_t types_with_rows(const struct eval *eval)
{
    size_t n = 0;
    for (size_t t = 0; t < eval->policy->n_response_types; t++)
        n += eval->types[t].rows > 0;
    return n;
}

/* The table of all propositions is that of the type where there is one alone. */
static void print_types(const struct evaluation *e)
{
    const struct eval *eval = e->eval;
    const bool several = types_with_rows(eval) > 1;
    for (size_t t = 0; t < eval->policy->n_response_types; t++) {
        size_t classified = eval_classified(eval, t), right = eval_right(eval, t);
        if (eval->types[t].rows == 0)
            continue;
        (void)printf("\n%.*s: %zu rows, %zu of %zu in their class (%.4f)",
                     STR_ARGS(eval->policy->response_types[t].name), eval->types[t].rows, right,
                     classified, evaluation_share(right, classified));
        if (eval->types[t].unclassified > 0)
            (void)printf(", %zu without a class by labels or judgments",
                         eval->types[t].unclassified);
        (void)printf("\n");
        (void)fflush(stdout);
        print_confusion(e, t);
        if (several) {
            (void)printf("\n");
            (void)fflush(stdout);
            print_propositions(e, t);
        }
    }
}

static void print_calibration(const struct evaluation *e)
{
    static const struct table_column columns[] = {
        {STR_INIT("CALIBRATION"), WIDE, false}, {STR_INIT("A"), NARROW, true},
        {STR_INIT("B"), NARROW, true},          {STR_INIT("BRIER"), NARROW, true},
        {STR_INIT("HELD OUT"), NARROW, true},   {STR_INIT("LOG LOSS"), NARROW, true},
        {STR_INIT("HELD OUT"), NARROW, true},   {STR_INIT(""), WIDE, false},
    };
    struct table *t = table_of(columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < e->eval->policy->n_propositions; i++) {
        const struct platt *p = &e->calibration->of[i];
        const double numbers[] = {p->a,           p->b,           p->brier_before,
                                  p->brier_after, p->loss_before, p->loss_after};
        struct table_cells row = {.n = 0};
        if (e->calibration->answers[i] == 0)
            continue;
        cell_text(&row, e->eval->policy->propositions[i].name);
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
            cell_number(&row, p->verdict == PLATT_TOO_FEW ? NAN : numbers[k], false);
        cell_text(&row, str_z(calibration_word(p->verdict)));
        table_row(t, row.cells);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    table_print(t);
    table_free(t);
}

void evaluation_print(const struct evaluation *e)
{
    const struct eval *eval = e->eval;
    (void)printf("%s: %zu rows judged by %s, %zu settled without a question; %zu answers, %zu not "
                 "graded (%zu for low mass); yes from %g\n\n",
                 e->gold, eval->rows - eval->unjudged, e->judges, eval->unjudged, eval->answers,
                 eval->ungraded, eval->low_mass, e->threshold);
    (void)fflush(stdout);
    print_propositions(e, SIZE_MAX);
    print_types(e);
    if (e->calibration != NULL)
        print_calibration(e);
}
