#include "worker/comparison.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "worker/table.h"

enum { CELL_MAX = 64, PARTS_MAX = 256, WIDE = 24, NARROW = 8 };

static const char *const side_names[COMPARE_SIDES] = {"A", "B"};
static const char *const sign_names[] = {"negative", "zero", "positive"};

static struct str or_dash(struct str s)
{
    return s.n > 0 ? s : STR("-");
}

static void heading(const char *text)
{
    (void)printf("\n%s\n", text);
    (void)fflush(stdout);
}

static void finish(struct table *t)
{
    table_print(t);
    table_free(t);
}

/* ---- text -------------------------------------------------------------------------------------
 */

static void print_counts(const struct compare_report *r, const char *const names[COMPARE_SIDES])
{
    struct table_column columns[6 + COMPARE_STATUSES] = {
        {STR_INIT(""), 1, false},
        {STR_INIT("REWARDS"), NARROW, true},
        {STR_INIT("ONLY HERE"), NARROW, true},
        {STR_INIT("AGAIN"), NARROW, true},
        {STR_INIT("WITH A NUMBER"), NARROW, true},
    };
    size_t n = 5;
    for (int s = 0; s < COMPARE_STATUSES; s++)
        if (r->sides[COMPARE_A].by_status[s] + r->sides[COMPARE_B].by_status[s] > 0)
            columns[n++] = (struct table_column){str_z(status_name((enum status)s)), NARROW, true};
    struct table *t = table_of(columns, n);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        const struct compare_counts *c = &r->sides[side];
        struct table_cells row = {.n = 0};
        cell_text(&row, str_z(side_names[side]));
        cell_count(&row, c->rewards);
        cell_count(&row, c->alone);
        cell_count(&row, c->repeated);
        cell_count(&row, c->with_number);
        for (int s = 0; s < COMPARE_STATUSES; s++)
            if (r->sides[COMPARE_A].by_status[s] + r->sides[COMPARE_B].by_status[s] > 0)
                cell_count(&row, c->by_status[s]);
        table_row(t, row.cells);
    }
    (void)printf("A: %s\nB: %s\n%" PRIu64 " completions in both, %" PRIu64
                 " with a number in both, %" PRIu64 " of another response type in B\n\n",
                 names[COMPARE_A], names[COMPARE_B], r->both, r->compared, r->rerouted);
    (void)fflush(stdout);
    finish(t);
}

static void print_transitions(const struct compare_report *r)
{
    size_t n = r->n_classes;
    struct table_column *columns = mem_array(n + 1, sizeof(*columns));
    struct str *cells = mem_array(n + 1, sizeof(*cells));
    char(*texts)[CELL_MAX] = mem_array(n + 1, sizeof(*texts));
    uint64_t moved = 0;
    columns[0] = (struct table_column){STR("A \\ B"), WIDE, false};
    for (size_t i = 0; i < n; i++) {
        columns[i + 1] = (struct table_column){or_dash(r->classes[i]), NARROW, true};
    }
    struct table *t = table_of(columns, n + 1);
    for (size_t from = 0; from < n; from++) {
        cells[0] = or_dash(r->classes[from]);
        for (size_t to = 0; to < n; to++) {
            uint64_t count = r->transitions[from * n + to];
            moved += from != to ? count : 0;
            (void)snprintf(texts[to], CELL_MAX, "%" PRIu64, count);
            cells[to + 1] = count > 0 ? str_z(texts[to]) : STR(".");
        }
        table_row(t, cells);
    }
    (void)printf("\nClasses: %" PRIu64 " of %" PRIu64 " completions changed theirs\n", moved,
                 r->both);
    (void)fflush(stdout);
    finish(t);
    mem_free(texts);
    mem_free(cells);
    mem_free(columns);
}

static void add_shift(struct table *t, const struct compare_shift *s, struct str name)
{
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        struct table_cells row = {.n = 0};
        cell_text(&row, side == COMPARE_A ? name : (struct str){0});
        cell_text(&row, str_z(side_names[side]));
        cell_count(&row, s->n);
        cell_number(&row, s->mean[side], false);
        for (size_t q = 0; q < COMPARE_QUANTILES; q++)
            cell_number(&row, s->quantiles[side][q], false);
        table_row(t, row.cells);
    }
    struct table_cells row = {.n = 0};
    cell_text(&row, (struct str){0});
    cell_text(&row, STR("B-A"));
    cell_text(&row, (struct str){0});
    cell_number(&row, s->mean[COMPARE_B] - s->mean[COMPARE_A], true);
    for (size_t q = 0; q < COMPARE_QUANTILES; q++)
        cell_number(&row, s->quantiles[COMPARE_B][q] - s->quantiles[COMPARE_A][q], true);
    table_row(t, row.cells);
}

static void print_shifts(const struct compare_report *r)
{
    struct table_column columns[4 + COMPARE_QUANTILES] = {{STR_INIT("TYPE"), WIDE, false},
                                                          {STR_INIT(""), 3, false},
                                                          {STR_INIT("N"), NARROW, true},
                                                          {STR_INIT("MEAN"), NARROW, true}};
    char names[COMPARE_QUANTILES][CELL_MAX];
    for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
        (void)snprintf(names[q], CELL_MAX, "%.0f%%", 100 * compare_quantiles[q]);
        columns[4 + q] = (struct table_column){str_z(names[q]), NARROW, true};
    }
    struct table *t = table_of(columns, ARRAY_LEN(columns));
    add_shift(t, &r->all, STR("all"));
    for (size_t i = 0; i < r->n_shifts; i++)
        add_shift(t, &r->shifts[i], or_dash(r->shifts[i].type));
    heading("Rewards: mean and quantiles by response type");
    finish(t);
}

static void print_signs(const struct compare_report *r)
{
    static const struct table_column columns[] = {
        {STR_INIT("A \\ B"), WIDE, false},
        {STR_INIT("NEGATIVE"), NARROW, true},
        {STR_INIT("ZERO"), NARROW, true},
        {STR_INIT("POSITIVE"), NARROW, true},
    };
    struct table *t = table_of(columns, ARRAY_LEN(columns));
    for (size_t a = 0; a < 3; a++) {
        struct table_cells row = {.n = 0};
        cell_text(&row, str_z(sign_names[a]));
        for (size_t b = 0; b < 3; b++)
            cell_count(&row, r->signs[a][b]);
        table_row(t, row.cells);
    }
    (void)printf("Advantages: %" PRIu64 " change from negative to positive, %" PRIu64
                 " from positive to negative\n",
                 r->signs[0][2], r->signs[2][0]);
    (void)fflush(stdout);
    finish(t);
}

static void print_groups(const struct compare_report *r)
{
    const struct compare_ranks *k = &r->ranks;
    if (k->groups == 0) {
        heading("Groups: none has two completions with a number in both");
        return;
    }
    (void)printf("\nGroups: %" PRIu64 ", %" PRIu64 " of them with an order in both", k->groups,
                 k->ordered);
    if (k->ordered > 0)
        (void)printf(" (Kendall's tau: mean %.4f, median %.4f, least %.4f)", k->tau_mean,
                     k->tau_median, k->tau_min);
    (void)printf("; pairs in the same order %" PRIu64 ", in the opposite one %" PRIu64 "\n",
                 k->concordant, k->discordant);
    print_signs(r);
}

static struct str parts_of(const struct compare_mover *m, char out[PARTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_parts && n < PARTS_MAX - 1; i++) {
        const struct compare_part *p = &m->parts[i];
        int wrote = snprintf(out + n, PARTS_MAX - n, "%s%.*s %+.2f", i > 0 ? ", " : "",
                             STR_ARGS(p->name), p->value[COMPARE_B] - p->value[COMPARE_A]);
        n += wrote > 0 ? (size_t)wrote : 0;
    }
    return (struct str){out, n < PARTS_MAX ? n : PARTS_MAX - 1};
}

static void print_movers(const struct compare_report *r)
{
    static const struct table_column columns[] = {
        {STR_INIT("COMPLETION"), 0.2, false},  {STR_INIT("TYPE"), 0.1, false},
        {STR_INIT("CLASS IN A"), 0.12, false}, {STR_INIT("IN B"), 0.12, false},
        {STR_INIT("A"), NARROW, true},         {STR_INIT("B"), NARROW, true},
        {STR_INIT("B-A"), NARROW, true},       {STR_INIT("MOVED BY"), 0.3, false},
    };
    if (r->n_movers == 0)
        return;
    struct table *t = table_of(columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < r->n_movers; i++) {
        const struct compare_mover *m = &r->movers[i];
        char parts[PARTS_MAX];
        struct table_cells row = {.n = 0};
        cell_text(&row, m->completion_id);
        cell_text(&row, or_dash(m->type));
        cell_text(&row, or_dash(m->class[COMPARE_A]));
        cell_text(&row, or_dash(m->class[COMPARE_B]));
        cell_number(&row, m->reward[COMPARE_A], false);
        cell_number(&row, m->reward[COMPARE_B], false);
        cell_number(&row, m->reward[COMPARE_B] - m->reward[COMPARE_A], true);
        cell_text(&row, parts_of(m, parts));
        table_row(t, row.cells);
    }
    heading("The largest moves");
    finish(t);
}

void comparison_print(const struct compare_report *r, const char *const names[COMPARE_SIDES])
{
    print_counts(r, names);
    print_transitions(r);
    print_shifts(r);
    print_groups(r);
    print_movers(r);
}
