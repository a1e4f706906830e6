/* The window: which offsets of one partition are unfinished, and where the watermark stands.
 *
 *      base                               next          end
 *       | r  D  D  a  P  R  D  r  R  a  r  | .  D  D  .  D |     r running   P publishing
 *       '- offered by the source ----------'- of the map --'     R ready     D done   a absent
 *
 * `base` is the watermark, the next offset to commit: everything below it is done, or was never
 * there. Slots sit in a ring by offset - base; offsets that the log skipped (compaction,
 * transaction markers) are ABSENT. Records finish in any order and are published in any order: a
 * batch takes what is READY wherever it is, and what is DONE above the watermark is committed as an
 * ack map with it. A map that was read back marks its offsets DONE before the source offers them.
 * The span is capped, so one stuck record bounds how far we read past it, and any map fits; and
 * when it is all that a full window waits for, window_give_up names it.
 *
 * Pure code, no I/O, no allocation after window_init. Loop thread. Property-tested. */
#ifndef RBR_PIPELINE_WINDOW_H
#define RBR_PIPELINE_WINDOW_H

#include "stream/ackmap.h"

enum { WINDOW_SPAN_MAX = ACKMAP_SPAN_MAX }; /* offsets */

enum slot_state {
    SLOT_ABSENT, /* no record at this offset, or none offered yet */
    SLOT_RUNNING, /* being judged */
    SLOT_READY, /* has its message, unpublished */
    SLOT_PUBLISHING, /* in the batch on its way */
    SLOT_DONE, /* committed, by us or by who had the partition before */
    SLOT_STATES,
};

struct slot {
    enum slot_state state;
    bool given_up; /* RUNNING, and window_give_up has named it */
    void *item; /* the caller's; NULL when ABSENT or DONE */
};

struct window {
    int64_t base; /* next offset to commit */
    int64_t next; /* one past the highest offset offered; below base when a map went further */
    int64_t end; /* one past the highest slot in use; base when there is none */
    int64_t cursor; /* window_take goes on here */
    size_t span; /* cap on next - base */
    size_t slots; /* of the ring: span, or more when the map reaches further */
    struct slot *ring;
    size_t count[SLOT_STATES]; /* slots in [base, end) by state; those ABSENT are not counted */
};

enum window_admit {
    WINDOW_ADMITTED,
    WINDOW_FULL, /* offset >= base + span: offer it again later */
    WINDOW_STALE, /* offered before */
    WINDOW_DONE, /* finished before this assignment: pass it over */
};

/* `done` (NULL: none) is what is done from `base` on; base moves over it where it can. */
void window_init(struct window *w, int64_t base, size_t span, const struct ackmap *done);
void window_done(struct window *w);

/* A new record; its slot is RUNNING. Offsets between `next` and it become ABSENT. */
enum window_admit window_admit(struct window *w, int64_t offset, void *item) RBR_MUST_CHECK;

/* There is no record below `offset` that was not offered: the watermark moves there when nothing is
 * unfinished or done above it. */
void window_pass(struct window *w, int64_t offset);

bool window_has_room(const struct window *w);

/* The head-of-line rule. When more than 90 % of the span are in use and at least 98 % of the
 * records in it are DONE, the few that are left only hold up the rest: this names the oldest that
 * is RUNNING, once; its judging should end now. Called again it names the next, as long as the
 * window would be as full without those named before. NULL: let them run. */
struct slot *window_give_up(struct window *w);

/* RUNNING -> READY. */
void window_ready(struct window *w, int64_t offset);

/* The next READY slot from the last one taken on, marked PUBLISHING; NULL: there is none. With
 * `prefix` only what lies below everything that is unfinished, so that the map does not grow. */
struct slot *window_take(struct window *w, bool prefix);

/* What to commit with the batch: the watermark, and what is done above it, when PUBLISHING counts
 * as DONE. */
int64_t window_watermark(const struct window *w);
void window_map(const struct window *w, int64_t watermark, struct ackmap *ret);

/* The batch is committed: PUBLISHING -> DONE, and base moves to the watermark. The caller has freed
 * the items. */
void window_commit(struct window *w);

/* The batch was not published: PUBLISHING -> READY. */
void window_untake(struct window *w);

/* The slot of an offset, for walks; NULL outside [base, end). */
struct slot *window_slot(struct window *w, int64_t offset);

/* RUNNING slots. */
static inline size_t window_unfinished(const struct window *w)
{
    return w->count[SLOT_RUNNING];
}

#endif
