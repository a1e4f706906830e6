#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "fit/measured.h"
#include "replay/statistics.h"
#include "report/page.h"

enum { CURVE_POINTS = 250 };

static const struct str captions[MEASURED_REWARDS] = {
    [MEASURED_RM] = STR_INIT("RM: the reward model alone"),
    [MEASURED_BEFORE] = STR_INIT("Before: with the policy's weights as they were"),
    [MEASURED_RBR] = STR_INIT("RBR: the fitted sum alone"),
    [MEASURED_AFTER] = STR_INIT("After: with the fitted weights"),
};

/* ---- losses -----------------------------------------------------------------------------------
 */

static void put_curve(struct page *p, const struct fit *fit, const struct fitted *f)
{
    static const struct page_plot plot = {PAGE_LINES, "step", "mean loss of the pairs", false};
    static const struct page_column columns[] = {
        {STR_INIT("step"), true}, {STR_INIT("trained on"), true}, {STR_INIT("held out"), true}};
    const size_t steps = fit->adamw.steps, points = steps < CURVE_POINTS ? steps : CURVE_POINTS;
    const bool held_out = f->pairs.n_train < f->pairs.n;
    page_plot(p, STR("Loss"), &plot, columns, held_out ? 3 : 2);
    for (size_t i = 0; i <= points; i++) {
        size_t step = steps * i / points;
        page_count(p, step);
        page_number(p, f->curve[step]);
        if (held_out)
            page_number(p, f->held_out_curve[step]);
    }
    page_table_end(p);
}

static void put_exact(struct page *p, const struct fitted *f)
{
    page_text(p,
              "There is no curve of the loss: this method takes no steps. What it makes small went "
              "from %.6f to %.6f in %zu evaluations%s.",
              f->exact.first, f->exact.last, f->exact.evaluations,
              f->exact.converged ? "" : ", not converged");
}

static void put_centre(struct page *p, const struct fitted *f)
{
    page_text(
        p,
        "Centred: %+.6f taken off the class weights; the %zu best completions trained on have "
        "0 in the mean.",
        f->centre, f->n_centred);
}

static void put_facts(struct page *p, const struct fitted *f, const struct measured *m)
{
    double before = measured_error(m, &m->trained, MEASURED_BEFORE);
    page_text(p, "%zu rows, %zu prompts, %zu pairs, of them %zu trained on.", f->pairs.n_rows,
              f->pairs.n_prompts, f->pairs.n, f->pairs.n_train);
    page_facts(p);
    if (!isnan(before))
        page_fact(p, "ranking error before", "%.4f", before);
    page_fact(p, "ranking error after", "%.4f", measured_error(m, &m->trained, MEASURED_AFTER));
    if (m->held_out.n > 0)
        page_fact(p, "of those held out", "%.4f", measured_error(m, &m->held_out, MEASURED_AFTER));
    page_fact(p, "loss", "%.4f", m->trained_loss.mean);
    if (m->held_out.n > 0)
        page_fact(p, "loss of those held out", "%.4f", m->held_out_loss.mean);
    page_fact(p, "pairs past their margin", "%.2f %%", 100 * m->trained_loss.clipped);
    page_facts_end(p);
}

/* ---- by label ---------------------------------------------------------------------------------
 */

/* Labels that no completion has are left out. */
static void put_histogram(struct page *p, const struct measured *m, enum measured_of reward)
{
    static const struct page_plot plot = {PAGE_BINS, "reward", "share of the label", false};
    const double low = m->low[reward], high = m->high[reward];
    struct page_column columns[2 + ORDERING_LABELS_MAX] = {{STR_INIT("from"), true},
                                                           {STR_INIT("to"), true}};
    size_t n = 2;
    for (size_t i = 0; i < m->n_labels; i++)
        if (m->labels[i].n > 0)
            columns[n++] = (struct page_column){m->labels[i].name, true};
    page_plot(p, captions[reward], &plot, columns, n);
    for (size_t bin = 0; bin < MEASURED_BINS; bin++) {
        page_number(p, statistics_edge(low, high, bin, MEASURED_BINS));
        page_number(p, statistics_edge(low, high, bin + 1, MEASURED_BINS));
        for (size_t i = 0; i < m->n_labels; i++)
            if (m->labels[i].n > 0)
                page_number(p, (double)m->labels[i].bins[reward][bin] / (double)m->labels[i].n);
    }
    page_table_end(p);
}

/* Those of the four rewards, after `n` columns of the table's own. */
static size_t add_rewards(struct page_column *columns, size_t n)
{
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        columns[n++] = (struct page_column){measured_names[r], true};
    return n;
}

static void put_means(struct page *p, const struct measured *m)
{
    struct page_column columns[2 + MEASURED_REWARDS] = {{STR_INIT("label"), false},
                                                        {STR_INIT("completions"), true}};
    page_table(p, STR("Mean reward"), columns, add_rewards(columns, 2));
    for (size_t i = 0; i < m->n_labels; i++) {
        page_cell(p, m->labels[i].name);
        page_count(p, m->labels[i].n);
        for (size_t r = 0; r < MEASURED_REWARDS; r++)
            page_number(p, m->labels[i].mean[r]);
    }
    page_table_end(p);
}

static void put_errors(struct page *p, const struct measured *m, const struct measured_pairs *of,
                       struct str better, struct str worse)
{
    page_cell(p, better);
    page_cell(p, worse);
    page_count(p, of->n);
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        page_number(p, measured_error(m, of, (enum measured_of)r));
}

static void put_ranking(struct page *p, const struct measured *m)
{
    struct page_column columns[3 + MEASURED_REWARDS] = {
        {STR_INIT("better"), false}, {STR_INIT("worse"), false}, {STR_INIT("pairs"), true}};
    page_table(
        p, STR("Ranking error: the share of pairs whose worse completion scores at least as high"),
        columns, add_rewards(columns, 3));
    for (size_t i = 0; i < m->n_pairs; i++)
        put_errors(p, m, &m->pairs[i], m->pairs[i].better, m->pairs[i].worse);
    put_errors(p, m, &m->trained, STR("all"), STR("trained on"));
    put_errors(p, m, &m->held_out, STR("all"), STR("held out"));
    page_table_end(p);
}

/* ---- weights ----------------------------------------------------------------------------------
 */

static void put_weights(struct page *p, const struct response_type *type, const struct fitted *f)
{
    static const struct page_column columns[] = {{STR_INIT("feature"), false},
                                                 {STR_INIT("before"), true},
                                                 {STR_INIT("after"), true},
                                                 {STR_INIT(""), false}};
    double largest = 0;
    for (size_t i = 0; i < type->n_features; i++)
        largest = fmax(largest, fabs(f->weights[i]));
    page_table(p, STR("Weights"), columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < type->n_features; i++) {
        page_cell(p, type->features[i].name);
        page_change(p, type->has_weights ? type->features[i].weight : NAN);
        page_change(p, f->weights[i]);
        page_bar(p, largest > 0 ? f->weights[i] / largest : 0);
    }
    page_table_end(p);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void put_input(struct page *p, const char *what, const struct fit_input *in)
{
    if (in->name.n > 0)
        page_text(p, "%s: %.*s, sha256 %s", what, STR_ARGS(in->name), in->sha256);
}

static void put_method(struct page *p, const struct fit *fit)
{
    if (fit->optimizer == OPTIMIZER_EXACT)
        page_text(p, "Method: %s to the least hinge loss, weight decay %g.", exact_method(),
                  fit->exact_decay);
    else
        page_text(p,
                  "Method: AdamW on the hinge loss, %zu steps, learning rate %g, weight decay %g.",
                  fit->adamw.steps, fit->adamw.learning_rate, fit->adamw.decay);
}

static void put_provenance(struct page *p, const struct fit *fit)
{
    page_section(p, "In short");
    put_input(p, "Data", &fit->data);
    put_input(p, "Orderings", &fit->orderings_file);
    page_text(p, "Policy: %.*s, hash %s", STR_ARGS(fit->policy->id), fit->policy->hash_hex);
    page_text(p,
              "%zu rows; the reward model is %s the loss; %g of the %s held out, seed %" PRIu64 ".",
              fit->n_rows, fit->pairs.reward_model ? "in" : "not in", fit->pairs.held_out,
              fit->pairs.split == SPLIT_PAIR ? "pairs" : "prompts", fit->pairs.seed);
    put_method(p, fit);
}

static void put_type(struct page *p, const struct fit *fit, const struct fitted *f)
{
    const struct response_type *type = fitted_type(fit, f);
    struct measured m;
    measured_init(&m, fit, f);
    page_section(p, "%.*s", STR_ARGS(type->name));
    put_facts(p, f, &m);
    if (fit->center)
        put_centre(p, f);
    if (f->curve != NULL)
        put_curve(p, fit, f);
    else
        put_exact(p, f);
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        if (m.has[r])
            put_histogram(p, &m, (enum measured_of)r);
    put_means(p, &m);
    put_ranking(p, &m);
    put_weights(p, type, f);
    measured_done(&m);
}

enum err_code fitted_page(const struct fit *fit, struct buf *out, struct err *err)
{
    struct page p;
    page_begin(&p, out, "Fitted weights", "rbr fit");
    put_provenance(&p, fit);
    for (size_t i = 0; i < fit->n; i++)
        put_type(&p, fit, &fit->items[i]);
    return page_end(&p, err);
}
