#include "worker/table.h"

#include <assert.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

enum { CELL_MAX = 96 };

enum column { ID, TYPE, CLASS, REWARD, LARGEST, STATUS, COLUMNS };

static const struct table_column of_rewards[COLUMNS] = {
    [ID] = {STR_INIT("COMPLETION"), 0.2, false},
    [TYPE] = {STR_INIT("TYPE"), 0.1, false},
    [CLASS] = {STR_INIT("CLASS"), 0.15, false},
    [REWARD] = {STR_INIT("REWARD"), 8, true},
    [LARGEST] = {STR_INIT("LARGEST COMPONENTS"), 0.4, false},
    [STATUS] = {STR_INIT("STATUS"), 0.1, false},
};

struct table {
    struct libscols_table *lines;
    size_t n; /* columns */
    bool colour;
};

/* Ids come from outside: control characters must not reach the terminal. */
static const char *clean(struct str s, char cell[CELL_MAX])
{
    size_t n = s.n < CELL_MAX - 1 ? s.n : CELL_MAX - 1;
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        cell[i] = (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i];
    cell[n] = '\0';
    return cell;
}

static void put(struct libscols_line *line, size_t column, struct str s)
{
    char cell[CELL_MAX];
    (void)scols_line_set_data(line, column, clean(s, cell));
}

struct table *table_of(const struct table_column *columns, size_t n)
{
    struct table *t = mem_alloc(sizeof(*t));
    t->lines = scols_new_table();
    t->n = n;
    t->colour = isatty(STDOUT_FILENO) && secure_getenv("NO_COLOR") == NULL;
    (void)scols_table_enable_colors(t->lines, t->colour);
    (void)scols_table_set_column_separator(t->lines, "  ");
    for (size_t i = 0; i < n; i++) {
        char name[CELL_MAX];
        (void)scols_table_new_column(t->lines, clean(columns[i].name, name), columns[i].width,
                                     columns[i].right ? SCOLS_FL_RIGHT : 0);
    }
    return t;
}

struct table *table_new(void)
{
    return table_of(of_rewards, COLUMNS);
}

void table_row(struct table *t, const struct str *cells)
{
    struct libscols_line *line = scols_table_new_line(t->lines, NULL);
    for (size_t i = 0; i < t->n; i++)
        put(line, i, cells[i]);
}

/* ---- cells of a row ---------------------------------------------------------------------------
 */

void cell_text(struct table_cells *c, struct str s)
{
    assert(c->n < TABLE_CELLS_MAX);
    c->cells[c->n++] = s;
}

void cell_count(struct table_cells *c, uint64_t v)
{
    (void)snprintf(c->texts[c->n], TABLE_CELL_BYTES, "%" PRIu64, v);
    cell_text(c, str_z(c->texts[c->n]));
}

void cell_number(struct table_cells *c, double v, bool sign)
{
    (void)snprintf(c->texts[c->n], TABLE_CELL_BYTES, sign ? "%+.4f" : "%.4f", v);
    cell_text(c, isnan(v) ? STR("-") : str_z(c->texts[c->n]));
}

/* ---- rewards ----------------------------------------------------------------------------------
 */

static const char *colour_of(const struct reward_summary *row)
{
    if (row->status != STATUS_OK)
        return "brown";
    if (!row->has_reward)
        return NULL;
    return row->reward >= 0 ? "green" : "red";
}

void table_add(struct table *t, const struct reward_summary *row)
{
    char text[CELL_MAX];
    struct libscols_line *line = scols_table_new_line(t->lines, NULL);
    put(line, ID, row->completion_id);
    put(line, TYPE, row->response_type);
    put(line, CLASS, row->predicted_class);
    if (row->has_reward)
        (void)snprintf(text, sizeof(text), "%+.3f", row->reward);
    put(line, REWARD, row->has_reward ? str_z(text) : STR("-"));
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < row->n_largest && n < sizeof(text) - 1; i++) {
        int wrote = snprintf(text + n, sizeof(text) - n, "%s%.*s %+.2f", i > 0 ? ", " : "",
                             STR_ARGS(row->largest[i].name), row->largest[i].value);
        n += wrote > 0 ? (size_t)wrote : 0;
    }
    put(line, LARGEST, str_z(text));
    if (row->status == STATUS_OK)
        put(line, STATUS, STR("OK"));
    else {
        (void)snprintf(text, sizeof(text), "%s %s", status_name(row->status),
                       reason_name(row->reason));
        put(line, STATUS, str_z(text));
    }
    if (t->colour && colour_of(row) != NULL)
        (void)scols_cell_set_color(scols_line_get_cell(line, REWARD), colour_of(row));
}

void table_print(struct table *t)
{
    (void)scols_print_table(t->lines);
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    scols_unref_table(t->lines);
    mem_free(t);
}
