/* Judging an item's record: by the live policy, and by a shadow policy where there is one.
 *
 * Both judges are asked at once, each through a grader of its own, so that what slows one down does
 * not slow down the other; the shadow's asks only what the live one does not (judge.h). Each
 * ruling becomes a message when it is judged, and the record is finished when all are there: its
 * messages and its offset are published together. The live ruling waits for nothing but, when it is
 * there, for the shadow's, `shadow_wait_us` at most: what the shadow has not been told by then
 * leaves its reward EXPIRED. The other way round nothing is given up.
 *
 * judging_start, then `ruled` after each ruling that was not there at once; `awaited` says how many
 * are still to come. An item whose assignment ended meanwhile gets no messages; `ruled` is called
 * all the same. Loop thread. */
#ifndef RBR_PIPELINE_JUDGING_H
#define RBR_PIPELINE_JUDGING_H

#include "pipeline/blackbox.h"
#include "pipeline/item.h"

struct judging {
    struct judge *live, *shadow; /* shadow NULL: none */
    const struct clock *clock;
    struct blackbox *blackbox; /* NULL: none */
    int64_t record_deadline_us, shadow_wait_us;
    struct str replay_id; /* goes into rewards; n == 0: live traffic */
    void (*ruled)(struct item *it);
};

/* True: all messages are made, `ruled` is not called. The item is decoded. */
bool judging_start(struct judging *j, struct item *it) RBR_MUST_CHECK;

void judging_wind_down(struct item *it); /* as judge_wind_down */
void judging_cancel(struct item *it); /* as judge_cancel */

#endif
