/* A comparison of rewards as text for a terminal, as JSON with keys that stay, and as a page. */
#ifndef RBR_WORKER_COMPARISON_H
#define RBR_WORKER_COMPARISON_H

#include "base/buf.h"
#include "base/err.h"
#include "replay/compare.h"

/* To stdout. `names`: what A and B are. */
void comparison_print(const struct compare_report *r, const char *const names[COMPARE_SIDES]);

/* Appends one object; a number that does not exist is null. docs/comparing.md has the keys. */
void comparison_json(const struct compare_report *r, const char *const names[COMPARE_SIDES],
                     struct buf *out);

/* Appends an HTML page (report/page.h). ERR_LIMIT when it does not fit. */
enum err_code comparison_page(const struct compare_report *r,
                              const char *const names[COMPARE_SIDES], struct buf *out,
                              struct err *err) RBR_MUST_CHECK;

#endif
