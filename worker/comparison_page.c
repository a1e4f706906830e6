#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "replay/statistics.h"
#include "report/page.h"
#include "worker/comparison.h"

#define B_LESS_A "B\u2212A" /* a minus: no line breaks there */

static const struct str side_names[COMPARE_SIDES] = {STR_INIT("A"), STR_INIT("B")};
static const struct str sign_names[] = {STR_INIT("negative"), STR_INIT("zero"),
                                        STR_INIT("positive")};

static struct str or_dash(struct str s)
{
    return s.n > 0 ? s : STR("-");
}

static struct str type_name(const struct compare_report *r, const struct compare_shift *s)
{
    return s == &r->all ? STR("all") : or_dash(s->type);
}

/* The shift of all, then those of the types. */
static const struct compare_shift *shift_at(const struct compare_report *r, size_t i)
{
    return i == 0 ? &r->all : &r->shifts[i - 1];
}

static uint64_t changed_classes(const struct compare_report *r)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->n_classes * r->n_classes; i++)
        sum += i / r->n_classes != i % r->n_classes ? r->transitions[i] : 0;
    return sum;
}

/* ---- counts -----------------------------------------------------------------------------------
 */

static void put_facts(struct page *p, const struct compare_report *r)
{
    page_facts(p);
    page_fact(p, "completions in both", "%" PRIu64, r->both);
    page_fact(p, "of them in another class", "%" PRIu64, changed_classes(r));
    if (r->compared > 0)
        page_fact(p, "mean reward, " B_LESS_A, "%+.4f",
                  r->all.mean[COMPARE_B] - r->all.mean[COMPARE_A]);
    if (r->ranks.groups > 0)
        page_fact(p, "advantages of another sign", "%" PRIu64, r->signs[0][2] + r->signs[2][0]);
    if (r->ranks.ordered > 0)
        page_fact(p, "mean of Kendall's tau", "%.4f", r->ranks.tau_mean);
    page_facts_end(p);
}

static bool has_status(const struct compare_report *r, int s)
{
    return r->sides[COMPARE_A].by_status[s] + r->sides[COMPARE_B].by_status[s] > 0;
}

static void put_counts(struct page *p, const struct compare_report *r)
{
    struct page_column columns[5 + COMPARE_STATUSES] = {
        {STR_INIT(""), false},     {STR_INIT("rewards"), true},       {STR_INIT("only here"), true},
        {STR_INIT("again"), true}, {STR_INIT("with a number"), true},
    };
    size_t n = 5;
    for (int s = 0; s < COMPARE_STATUSES; s++)
        if (has_status(r, s))
            columns[n++] = (struct page_column){str_z(status_name((enum status)s)), true};
    page_section(p, "Counts");
    page_table(p, STR(""), columns, n);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        const struct compare_counts *c = &r->sides[side];
        page_cell(p, side_names[side]);
        page_count(p, c->rewards);
        page_count(p, c->alone);
        page_count(p, c->repeated);
        page_count(p, c->with_number);
        for (int s = 0; s < COMPARE_STATUSES; s++)
            if (has_status(r, s))
                page_count(p, c->by_status[s]);
    }
    page_table_end(p);
    page_text(p,
              "%" PRIu64 " completions in both, %" PRIu64 " with a number in both, %" PRIu64
              " of another response type in B.",
              r->both, r->compared, r->rerouted);
}

/* ---- matrices ---------------------------------------------------------------------------------
 */

/* counts[from * n + to]; shares are of the rows. */
static void put_matrix(struct page *p, struct str caption, const struct str *names, size_t n,
                       const uint64_t *counts)
{
    struct page_column *columns = mem_array(n + 1, sizeof(*columns));
    columns[0] = (struct page_column){STR("A \\ B"), false};
    for (size_t i = 0; i < n; i++)
        columns[i + 1] = (struct page_column){or_dash(names[i]), true};
    page_table(p, caption, columns, n + 1);
    for (size_t from = 0; from < n; from++) {
        const uint64_t *row = &counts[from * n];
        uint64_t sum = 0;
        for (size_t to = 0; to < n; to++)
            sum += row[to];
        page_cell(p, names[from]);
        for (size_t to = 0; to < n; to++)
            page_share(p, row[to], sum > 0 ? (double)row[to] / (double)sum : 0);
    }
    page_table_end(p);
    mem_free(columns);
}

static void put_transitions(struct page *p, const struct compare_report *r)
{
    page_section(p, "Classes");
    page_text(p, "%" PRIu64 " of %" PRIu64 " completions changed theirs.", changed_classes(r),
              r->both);
    put_matrix(p, STR("Completions by class in A (row) and in B (column), with shares of the row"),
               r->classes, r->n_classes, r->transitions);
}

static void put_groups(struct page *p, const struct compare_report *r)
{
    const struct compare_ranks *k = &r->ranks;
    page_section(p, "Groups and advantages");
    if (k->groups == 0) {
        page_text(p, "No group has two completions with a number in both.");
        return;
    }
    page_text(p,
              "%" PRIu64 " groups; pairs of completions in the same order: %" PRIu64
              ", in the opposite one: %" PRIu64 ".",
              k->groups, k->concordant, k->discordant);
    if (k->ordered > 0)
        page_text(p,
                  "Kendall's tau of the %" PRIu64 " groups with an order in both: mean %.4f, "
                  "median %.4f, least %.4f.",
                  k->ordered, k->tau_mean, k->tau_median, k->tau_min);
    put_matrix(p,
               STR("Completions by the sign of their advantage in A (row) and in B (column), with "
                   "shares of the row"),
               sign_names, ARRAY_LEN(sign_names), &r->signs[0][0]);
}

/* ---- rewards ----------------------------------------------------------------------------------
 */

static void put_histogram(struct page *p, const struct compare_shift *s, struct str name)
{
    static const struct page_plot plot = {PAGE_BINS, "reward", "completions", false};
    static const struct page_column columns[] = {{STR_INIT("from"), true},
                                                 {STR_INIT("to"), true},
                                                 {STR_INIT("A"), true},
                                                 {STR_INIT("B"), true}};
    page_plot(p, name, &plot, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < COMPARE_BINS; i++) {
        page_number(p, statistics_edge(s->low, s->high, i, COMPARE_BINS));
        page_number(p, statistics_edge(s->low, s->high, i + 1, COMPARE_BINS));
        for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
            page_count(p, s->bins[side][i]);
    }
    page_table_end(p);
}

/* B-A of each quantile, a line for each response type. */
static void put_quantile_shifts(struct page *p, const struct compare_report *r)
{
    static const struct page_plot plot = {PAGE_POINTS, "quantile", B_LESS_A, false};
    const size_t n = r->n_shifts + 2;
    struct page_column *columns = mem_array(n, sizeof(*columns));
    columns[0] = (struct page_column){STR("quantile"), true};
    for (size_t i = 0; i <= r->n_shifts; i++)
        columns[i + 1] = (struct page_column){type_name(r, shift_at(r, i)), true};
    page_plot(p, STR("Shift of the quantiles"), &plot, columns, n);
    for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
        page_number(p, compare_quantiles[q]);
        for (size_t i = 0; i <= r->n_shifts; i++) {
            const struct compare_shift *s = shift_at(r, i);
            page_change(p, s->quantiles[COMPARE_B][q] - s->quantiles[COMPARE_A][q]);
        }
    }
    page_table_end(p);
    mem_free(columns);
}

static void put_shift(struct page *p, const struct compare_shift *s, struct str name)
{
    for (int side = COMPARE_A; side <= COMPARE_SIDES; side++) {
        bool change = side == COMPARE_SIDES; /* the third row */
        if (side == COMPARE_A) {
            page_cell(p, name);
            page_count(p, s->n);
        } else {
            page_blank(p, 2);
        }
        page_cell(p, change ? STR(B_LESS_A) : side_names[side]);
        if (change)
            page_change(p, s->mean[COMPARE_B] - s->mean[COMPARE_A]);
        else
            page_number(p, s->mean[side]);
        for (size_t q = 0; q < COMPARE_QUANTILES; q++)
            if (change)
                page_change(p, s->quantiles[COMPARE_B][q] - s->quantiles[COMPARE_A][q]);
            else
                page_number(p, s->quantiles[side][q]);
    }
}

static void put_shifts(struct page *p, const struct compare_report *r)
{
    struct page_column columns[4 + COMPARE_QUANTILES] = {
        {STR_INIT("response type"), false},
        {STR_INIT("n"), true},
        {STR_INIT(""), false},
        {STR_INIT("mean"), true},
    };
    char names[COMPARE_QUANTILES][8];
    page_section(p, "Rewards by response type");
    if (r->compared == 0) {
        page_text(p, "No completion has a number in both.");
        return;
    }
    for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
        (void)snprintf(names[q], sizeof(names[q]), "%.0f%%", 100 * compare_quantiles[q]);
        columns[4 + q] = (struct page_column){str_z(names[q]), true};
    }
    put_quantile_shifts(p, r);
    for (size_t i = 0; i <= r->n_shifts; i++)
        put_histogram(p, shift_at(r, i), type_name(r, shift_at(r, i)));
    page_table(p, STR("Mean and quantiles"), columns, ARRAY_LEN(columns));
    for (size_t i = 0; i <= r->n_shifts; i++)
        put_shift(p, shift_at(r, i), type_name(r, shift_at(r, i)));
    page_table_end(p);
}

/* ---- movers -----------------------------------------------------------------------------------
 */

/* A, B, B-A, and that as a bar beside the largest change. */
static void put_change(struct page *p, const double value[COMPARE_SIDES], double largest)
{
    double change = value[COMPARE_B] - value[COMPARE_A];
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
        page_number(p, value[side]);
    page_change(p, change);
    page_bar(p, change / largest);
}

static double largest_change(const struct compare_report *r)
{
    double largest = 0;
    for (size_t i = 0; i < r->n_movers; i++) {
        const struct compare_mover *m = &r->movers[i];
        largest = fmax(largest, fabs(m->reward[COMPARE_B] - m->reward[COMPARE_A]));
        for (size_t k = 0; k < m->n_parts; k++)
            largest =
                fmax(largest, fabs(m->parts[k].value[COMPARE_B] - m->parts[k].value[COMPARE_A]));
    }
    return largest;
}

static void put_movers(struct page *p, const struct compare_report *r)
{
    static const struct page_column columns[] = {
        {STR_INIT("completion"), false}, {STR_INIT("response type"), false},
        {STR_INIT("class in A"), false}, {STR_INIT("in B"), false},
        {STR_INIT(""), false},           {STR_INIT("A"), true},
        {STR_INIT("B"), true},           {STR_INIT(B_LESS_A), true},
        {STR_INIT(""), false},
    };
    const double largest = largest_change(r);
    page_section(p, "The largest moves");
    if (r->n_movers == 0) {
        page_text(p, "None.");
        return;
    }
    page_table(p, STR("Rewards, and below each its components that changed most"), columns,
               ARRAY_LEN(columns));
    for (size_t i = 0; i < r->n_movers; i++) {
        const struct compare_mover *m = &r->movers[i];
        page_cell(p, m->completion_id);
        page_cell(p, m->type);
        for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
            page_cell(p, m->class[side]);
        page_cell(p, STR("reward"));
        put_change(p, m->reward, largest);
        for (size_t k = 0; k < m->n_parts; k++) {
            page_blank(p, 4);
            page_cell(p, m->parts[k].name);
            put_change(p, m->parts[k].value, largest);
        }
    }
    page_table_end(p);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

enum err_code comparison_page(const struct compare_report *r,
                              const char *const names[COMPARE_SIDES], struct buf *out,
                              struct err *err)
{
    struct page p;
    page_begin(&p, out, "Two sets of rewards", "rbr compare");
    page_section(&p, "In short");
    page_text(&p, "A: %s", names[COMPARE_A]);
    page_text(&p, "B: %s", names[COMPARE_B]);
    put_facts(&p, r);
    put_counts(&p, r);
    put_transitions(&p, r);
    put_shifts(&p, r);
    put_groups(&p, r);
    put_movers(&p, r);
    return page_end(&p, err);
}
