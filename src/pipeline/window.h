/* The window: which offsets of one partition are unfinished, and where the watermark stands.
 *
 *      base                              next
 *       | P P P | R R  a  R | r  R  q  q |            P publishing  R ready  a absent
 *       '-batch-'             '- unfinished            r running     q queued
 *
 * `base` is the next offset to commit: everything below it is published and committed. Slots sit in
 * a ring by offset - base; offsets that the log skipped (compaction, transaction markers) are
 * ABSENT. The span is capped, so one stuck record bounds how far we read past it. Publishing is
 * contiguous: a batch takes the READY prefix, so what is committed never lies above something
 * unfinished.
 *
 * Pure code, no I/O, no allocation after window_init. Loop thread. Property-tested. */
#ifndef RBR_PIPELINE_WINDOW_H
#define RBR_PIPELINE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum { WINDOW_SPAN_MAX = 24000 }; /* offsets */

enum slot_state {
    SLOT_ABSENT, /* no record at this offset */
    SLOT_RUNNING, /* being judged */
    SLOT_READY, /* has its message, unpublished */
    SLOT_PUBLISHING, /* in the batch on its way */
    SLOT_STATES,
};

struct slot {
    enum slot_state state;
    void *item; /* the caller's; NULL when ABSENT */
};

struct window {
    int64_t base; /* next offset to commit */
    int64_t taken; /* one past the PUBLISHING prefix; base when nothing is taken */
    int64_t next; /* one past the highest offset admitted */
    size_t span; /* cap on next - base */
    struct slot *ring;
    size_t count[SLOT_STATES]; /* slots in [base, next) by state */
};

enum window_admit {
    WINDOW_ADMITTED,
    WINDOW_FULL, /* offset >= base + span: offer it again later */
    WINDOW_STALE, /* offset < next: seen already */
};

void window_init(struct window *w, int64_t base, size_t span);
void window_done(struct window *w);

/* A new record; its slot is RUNNING. Offsets between `next` and it become ABSENT. */
enum window_admit window_admit(struct window *w, int64_t offset, void *item) RBR_MUST_CHECK;

bool window_has_room(const struct window *w);

/* RUNNING -> READY. */
void window_ready(struct window *w, int64_t offset);

/* The next slot of the READY prefix, marked PUBLISHING; NULL at the first unfinished one. ABSENT
 * slots are passed over. */
struct slot *window_take(struct window *w);

/* What to commit with the batch: one past the PUBLISHING prefix. Equals base when nothing is taken.
 */
static inline int64_t window_watermark(const struct window *w)
{
    return w->taken;
}

/* The batch is committed: base moves to the watermark. The caller has freed the items. */
void window_commit(struct window *w);

/* The batch was not published: PUBLISHING -> READY. */
void window_untake(struct window *w);

/* The slot of an admitted offset, for walks; NULL outside [base, next). */
struct slot *window_slot(struct window *w, int64_t offset);

/* RUNNING slots. */
static inline size_t window_unfinished(const struct window *w)
{
    return w->count[SLOT_RUNNING];
}

#endif
