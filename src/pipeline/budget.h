/* Budgets: when to stop reading, and which of them it was.
 *
 * Whoever admits sets `used` (and `limit`, where it moves) of each budget and asks for room: there
 * is room when no budget holds. A budget holds from the moment it is used up until an eighth of it
 * is free again, so that reading goes on in stretches rather than record by record. Admission is
 * one record at a time, so a budget is overrun by what one record needs, never by more.
 *
 * That a budget holds is how a slow grader or broker slows down reading, and normal for moments;
 * budgets_watch says when one holds so long that an operator wants to know, and when that is over.
 * Pure code: it is told the time. */
#ifndef RBR_PIPELINE_BUDGET_H
#define RBR_PIPELINE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_kind {
    BUDGET_RECORDS, /* read and not committed */
    BUDGET_MEMORY, /* bytes held by them */
    BUDGET_QUESTIONS, /* for the grader, waiting or on their way */
    BUDGET_RESULTS, /* messages not published yet, those on their way included */
    BUDGET_RESULT_BYTES, /* of them */
    BUDGETS,
};

enum { BUDGET_PATIENCE_US = 10000000 }; /* holding for longer is remarkable */

struct budget {
    size_t used, limit; /* limit > 0 */
    bool holds;
    int64_t since_us; /* when it began to hold */
};

struct budgets {
    struct budget of[BUDGETS]; /* zero-initialised, then limits set */
    enum budget_kind told; /* the one last said to hold */
    int64_t told_since_us; /* its since_us then */
    bool telling;
};

bool budgets_room(struct budgets *b, int64_t now_us);

/* The one that holds longest; BUDGETS: none does. */
enum budget_kind budgets_holding(const struct budgets *b);

enum budget_news { BUDGET_NOTHING, BUDGET_HOLDS, BUDGET_EASED };

/* What is to be said now, of budget `told`: each HOLDS is followed by one EASED. */
enum budget_news budgets_watch(struct budgets *b, int64_t now_us);

const char *budget_name(enum budget_kind kind); /* BUDGETS: "none" */

#endif
