/* A comparison of rewards as text for a terminal, and as JSON with keys that stay. */
#ifndef RBR_WORKER_COMPARISON_H
#define RBR_WORKER_COMPARISON_H

#include "base/buf.h"
#include "replay/compare.h"

/* To stdout. `names`: what A and B are. */
void comparison_print(const struct compare_report *r, const char *const names[COMPARE_SIDES]);

/* Appends one object; a number that does not exist is null. docs/comparing.md has the keys. */
void comparison_json(const struct compare_report *r, const char *const names[COMPARE_SIDES],
                     struct buf *out);

#endif
