/* Judging an item's record: the judge is asked, and when it has answered the message is made.
 *
 * judging_start, then `done` once, unless it was finished at once. An item whose assignment ended
 * meanwhile gets no message; `done` is called all the same. Loop thread. */
#ifndef RBR_PIPELINE_JUDGING_H
#define RBR_PIPELINE_JUDGING_H

#include "pipeline/blackbox.h"
#include "pipeline/item.h"

struct judging {
    struct judge *judge;
    const struct clock *clock;
    struct blackbox *blackbox; /* NULL: none */
    int64_t record_deadline_us;
    void (*done)(struct item *it);
};

/* True: the message is made, `done` is not called. The item is decoded. */
bool judging_start(struct judging *j, struct item *it) RBR_MUST_CHECK;

void judging_wind_down(struct item *it); /* as judge_wind_down */
void judging_cancel(struct item *it); /* as judge_cancel */

#endif
