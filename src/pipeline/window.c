#include "pipeline/window.h"

#include <assert.h>

#include "base/mem.h"

static struct slot *at(const struct window *w, int64_t offset)
{
    return &w->ring[(uint64_t)offset % w->span];
}

static void set(struct window *w, int64_t offset, enum slot_state state)
{
    struct slot *slot = at(w, offset);
    w->count[slot->state]--;
    w->count[state]++;
    slot->state = state;
}

void window_init(struct window *w, int64_t base, size_t span)
{
    assert(span > 0 && span <= WINDOW_SPAN_MAX);
    *w = (struct window){.base = base, .taken = base, .next = base, .span = span};
    w->ring = mem_array(span, sizeof(*w->ring));
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

static void append(struct window *w, enum slot_state state, void *item)
{
    *at(w, w->next) = (struct slot){.state = state, .item = item};
    w->count[state]++;
    w->next++;
}

enum window_admit window_admit(struct window *w, int64_t offset, void *item)
{
    if (offset < w->next)
        return WINDOW_STALE;
    if (w->base == w->next) /* nothing pending: a gap of any length is jumped */
        w->base = w->taken = w->next = offset;
    if (offset - w->base >= (int64_t)w->span)
        return WINDOW_FULL;
    while (w->next < offset)
        append(w, SLOT_ABSENT, NULL);
    append(w, SLOT_RUNNING, item);
    return WINDOW_ADMITTED;
}

struct slot *window_slot(struct window *w, int64_t offset)
{
    return offset >= w->base && offset < w->next ? at(w, offset) : NULL;
}

void window_ready(struct window *w, int64_t offset)
{
    assert(window_slot(w, offset) != NULL && at(w, offset)->state == SLOT_RUNNING);
    set(w, offset, SLOT_READY);
}

struct slot *window_take(struct window *w)
{
    if (w->count[SLOT_READY] == 0)
        return NULL;
    for (int64_t o = w->taken; o < w->next; o++) {
        struct slot *slot = at(w, o);
        if (slot->state == SLOT_RUNNING)
            return NULL;
        if (slot->state == SLOT_READY) {
            set(w, o, SLOT_PUBLISHING);
            w->taken = o + 1;
            return slot;
        }
    }
    return NULL;
}

void window_commit(struct window *w)
{
    for (; w->base < w->taken; w->base++)
        w->count[at(w, w->base)->state]--;
    assert(w->count[SLOT_PUBLISHING] == 0);
}

void window_untake(struct window *w)
{
    for (; w->taken > w->base; w->taken--)
        if (at(w, w->taken - 1)->state == SLOT_PUBLISHING)
            set(w, w->taken - 1, SLOT_READY);
}
