/* Aligned tables on the terminal (libsmartcols): of any columns, and of rewards. */
#ifndef RBR_WORKER_TABLE_H
#define RBR_WORKER_TABLE_H

#include "reward/summary.h"

struct table;

struct table_column {
    struct str name;
    double width; /* characters, or below 1 a part of the terminal's; cells may be wider */
    bool right; /* numbers */
};

struct table *table_of(const struct table_column *columns, size_t n) RBR_MUST_CHECK;
/* A cell for each column. Here and in names, what would move a terminal is taken out, and what is
 * too long is cut. */
void table_row(struct table *t, const struct str *cells);

/* The cells of one row, written one after another, from the left. */
enum { TABLE_CELLS_MAX = 96, TABLE_CELL_BYTES = 64 };
struct table_cells {
    struct str cells[TABLE_CELLS_MAX];
    char texts[TABLE_CELLS_MAX][TABLE_CELL_BYTES];
    size_t n; /* no more than the table's columns, and than TABLE_CELLS_MAX */
};
void cell_text(struct table_cells *c, struct str s); /* must outlive the row */
void cell_count(struct table_cells *c, uint64_t v);
void cell_number(struct table_cells *c, double v, bool sign); /* four decimals; "-" for NAN */

/* Rewards: completion, type, class, reward, largest components, status. */
struct table *table_new(void) RBR_MUST_CHECK;
void table_add(struct table *t, const struct reward_summary *row);

void table_print(struct table *t); /* to stdout; colour only on a terminal without NO_COLOR */
void table_free(struct table *t); /* NULL is fine */

#endif
