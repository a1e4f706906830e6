/* Rewards as a table on the terminal (libsmartcols): completion, type, class, reward, largest
 * components, status. */
#ifndef RBR_WORKER_TABLE_H
#define RBR_WORKER_TABLE_H

#include "reward/summary.h"

struct table;

struct table *table_new(void);
void table_add(struct table *t, const struct reward_summary *row);
void table_print(struct table *t); /* to stdout; colour only on a terminal without NO_COLOR */
void table_free(struct table *t);

#endif
