/* A report as one HTML page that needs nothing else: style and scripts are in it, and its content
 * policy lets a browser load nothing and run nothing else. Every number is in a table, to be read
 * without JavaScript; a plot is a table that the page's script draws as well (page.js, uPlot), so
 * the two cannot differ. Light or dark as the reader has it; prints.
 *
 *   page_begin
 *     page_section, then in any order:
 *       page_text
 *       page_facts, page_fact for each, page_facts_end
 *       page_table or page_plot, cells row by row, page_table_end
 *   page_end
 *
 * Texts may be anything: they are escaped, and what is no UTF-8 or a control character becomes
 * U+FFFD. Numbers are shown with four decimals; their `title` has them exactly. All appends to
 * `out`, whose maximum bounds the page; page_end tells whether it fitted. The same calls give the
 * same bytes. Pure; one thread. */
#ifndef RBR_REPORT_PAGE_H
#define RBR_REPORT_PAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct page_column {
    struct str name;
    bool number; /* to the right */
};

struct page {
    struct buf *out;
    size_t n_columns, at; /* of the open table; `at` is the next cell's column */
    bool in_section, is_plot;
};

/* `program` is what made it, as "rbr compare". */
void page_begin(struct page *p, struct buf *out, const char *title, const char *program);
void page_section(struct page *p, const char *fmt, ...) RBR_PRINTF(2, 3); /* its heading */
/* One paragraph. */
void page_text(struct page *p, const char *fmt, ...) RBR_PRINTF(2, 3);

/* What a reader wants to know first, as a row of large numbers: page_facts, page_fact for each,
 * page_facts_end. */
void page_facts(struct page *p);
void page_fact(struct page *p, const char *name, const char *fmt, ...) RBR_PRINTF(3, 4);
void page_facts_end(struct page *p);

/* The first cell of a row is its heading; a row is full after a cell for each column. No caption
 * when it is empty. */
void page_table(struct page *p, struct str caption, const struct page_column *columns, size_t n);
void page_table_end(struct page *p);
void page_cell(struct page *p, struct str s); /* "-" when there is nothing */
void page_blank(struct page *p, size_t n); /* n cells with nothing, as where a row goes on */
void page_count(struct page *p, uint64_t n);
void page_number(struct page *p, double v); /* "-" for NAN */
void page_change(struct page *p, double v); /* with its sign */
/* A count of a matrix, the darker the larger its share of something (0 to 1). */
void page_share(struct page *p, uint64_t n, double share);
/* A bar from the middle to the left or right; v within -1 and 1. */
void page_bar(struct page *p, double v);

/* How a table is drawn. The first column is x, each other one a series; but for PAGE_BINS the first
 * two are where a bin begins and ends. */
enum page_drawing {
    PAGE_LINES,
    PAGE_POINTS, /* lines with their points */
    PAGE_BINS,
};

struct page_plot {
    enum page_drawing drawing;
    const char *x, *y; /* of the axes */
    bool diagonal; /* with the line y = x, as in a reliability diagram */
};

void page_plot(struct page *p, struct str caption, const struct page_plot *plot,
               const struct page_column *columns, size_t n);

/* ERR_LIMIT when the page did not fit. */
enum err_code page_end(struct page *p, struct err *err) RBR_MUST_CHECK;

#endif
