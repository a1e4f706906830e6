#include "pipeline/window.h"

#include <assert.h>

#include "base/mem.h"

static struct slot *at(const struct window *w, int64_t offset)
{
    return &w->ring[(uint64_t)offset % w->slots];
}

static void set(struct window *w, int64_t offset, enum slot_state state, void *item)
{
    struct slot *slot = at(w, offset);
    if (slot->state != SLOT_ABSENT)
        w->count[slot->state]--;
    if (state != SLOT_ABSENT)
        w->count[state]++;
    *slot = (struct slot){.state = state, .item = item};
}

/* Whether the watermark may pass an offset. One that is ABSENT at or above `next` may still come.
 */
static bool may_pass(const struct window *w, int64_t offset, bool publishing)
{
    enum slot_state state = at(w, offset)->state;
    return state == SLOT_DONE || (state == SLOT_PUBLISHING && publishing) ||
           (state == SLOT_ABSENT && offset < w->next);
}

static void advance(struct window *w)
{
    for (; w->base < w->end && may_pass(w, w->base, false); w->base++)
        set(w, w->base, SLOT_ABSENT, NULL);
    if (w->cursor < w->base)
        w->cursor = w->base;
}

void window_init(struct window *w, int64_t base, size_t span, const struct ackmap *done)
{
    assert(span > 0 && span <= WINDOW_SPAN_MAX);
    size_t n = done != NULL ? done->n : 0;
    *w = (struct window){.base = base,
                         .next = base,
                         .end = base + (int64_t)n,
                         .span = span,
                         .slots = n > span ? n : span};
    w->ring = mem_array(w->slots, sizeof(*w->ring));
    for (size_t i = 0; i < n; i++)
        if (ackmap_get(done, i))
            set(w, base + (int64_t)i, SLOT_DONE, NULL);
    advance(w);
}

void window_done(struct window *w)
{
    mem_free(w->ring);
    *w = (struct window){0};
}

bool window_has_room(const struct window *w)
{
    return w->next - w->base < (int64_t)w->span;
}

enum window_admit window_admit(struct window *w, int64_t offset, void *item)
{
    if (offset < w->next)
        return WINDOW_STALE;
    if (offset < w->base || (offset < w->end && at(w, offset)->state == SLOT_DONE)) {
        w->next = offset + 1;
        advance(
            w); /* else a span of nothing but these would leave no room, with no batch to come */
        return WINDOW_DONE;
    }
    if (w->base == w->end) /* nothing pending: a gap of any length is jumped */
        w->base = w->end = w->cursor = offset;
    if (offset - w->base >= (int64_t)w->span)
        return WINDOW_FULL;
    w->next = offset + 1;
    if (w->end < w->next)
        w->end = w->next;
    set(w, offset, SLOT_RUNNING, item);
    return WINDOW_ADMITTED;
}

void window_pass(struct window *w, int64_t offset)
{
    if (w->base == w->end && offset > w->base)
        w->base = w->end = w->next = w->cursor = offset;
}

struct slot *window_slot(struct window *w, int64_t offset)
{
    return offset >= w->base && offset < w->end ? at(w, offset) : NULL;
}

void window_ready(struct window *w, int64_t offset)
{
    assert(window_slot(w, offset) != NULL && at(w, offset)->state == SLOT_RUNNING);
    set(w, offset, SLOT_READY, at(w, offset)->item);
}

struct slot *window_give_up(struct window *w)
{
    size_t others = w->count[SLOT_RUNNING] + w->count[SLOT_READY] + w->count[SLOT_PUBLISHING];
    if (w->count[SLOT_RUNNING] == 0 || others * 50 > w->count[SLOT_DONE] + others)
        return NULL;
    for (int64_t o = w->base; (w->next - o) * 10 > (int64_t)w->span * 9; o++) {
        struct slot *slot = at(w, o);
        if (slot->state != SLOT_RUNNING || slot->given_up)
            continue;
        slot->given_up = true;
        return slot;
    }
    return NULL;
}

struct slot *window_take(struct window *w, bool prefix)
{
    if (w->count[SLOT_READY] == 0)
        return NULL;
    for (; w->cursor < w->next; w->cursor++) {
        struct slot *slot = at(w, w->cursor);
        if (slot->state == SLOT_READY) {
            set(w, w->cursor++, SLOT_PUBLISHING, slot->item);
            return slot;
        }
        if (prefix && slot->state == SLOT_RUNNING)
            return NULL;
    }
    return NULL;
}

int64_t window_watermark(const struct window *w)
{
    int64_t o = w->base;
    while (o < w->end && may_pass(w, o, true))
        o++;
    return o;
}

void window_map(const struct window *w, int64_t watermark, struct ackmap *ret)
{
    ackmap_clear(ret);
    for (int64_t o = watermark; o < w->end; o++)
        if (at(w, o)->state == SLOT_DONE || at(w, o)->state == SLOT_PUBLISHING)
            ackmap_set(ret, (size_t)(o - watermark));
}

void window_commit(struct window *w)
{
    for (int64_t o = w->base; w->count[SLOT_PUBLISHING] > 0; o++)
        if (at(w, o)->state == SLOT_PUBLISHING)
            set(w, o, SLOT_DONE, NULL);
    advance(w);
    w->cursor = w->base;
}

void window_untake(struct window *w)
{
    for (int64_t o = w->base; w->count[SLOT_PUBLISHING] > 0; o++)
        if (at(w, o)->state == SLOT_PUBLISHING)
            set(w, o, SLOT_READY, at(w, o)->item);
    w->cursor = w->base;
}
