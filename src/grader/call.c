#include "grader/call.h"

void call_enqueue(struct grader *g, struct grader_call *c)
{
    c->state = CALL_QUEUED;
    queue_put(&g->queue, c);
    g->stats.queued++;
}

void call_hold(struct grader *g, struct grader_call *c)
{
    c->state = CALL_HELD;
    g->stats.queued++;
}

void call_wait_until(struct grader *g, struct grader_call *c, int64_t at)
{
    c->state = CALL_WAITING;
    heap_push(&g->timers, &c->timer, at);
}

void call_suspect(struct grader *g, struct grader_call *c)
{
    c->state = CALL_SUSPECT;
    call_list_append(&g->suspects, c);
}

void call_take_out(struct grader *g, struct grader_call *c)
{
    switch ((enum call_state)c->state) {
    case CALL_QUEUED:
        queue_take_out(&g->queue, c);
        g->stats.queued--;
        break;
    case CALL_HELD:
        g->stats.queued--;
        break;
    case CALL_WAITING:
        heap_remove(&g->timers, &c->timer);
        break;
    case CALL_SUSPECT:
        call_list_remove(&g->suspects, c);
        break;
    case CALL_JOINED:
        call_list_remove(&c->leader->joined, c);
        break;
    case CALL_SENT:
    case CALL_SETTLED:
        break;
    }
}

void call_end_waits(struct grader *g, int64_t now)
{
    struct heap_node *first;
    while ((first = heap_first(&g->timers)) != NULL && first->due_us <= now) {
        heap_remove(&g->timers, first);
        call_enqueue(g, CONTAINER_OF(first, struct grader_call, timer));
    }
}

int64_t call_next_us(const struct grader *g)
{
    const struct heap_node *first = heap_first(&g->timers);
    return first != NULL ? first->due_us : CLOCK_NEVER;
}

size_t call_count(void *arg)
{
    const struct grader *g = arg;
    size_t suspects = 0;
    for (const struct grader_call *c = g->suspects.first; c != NULL; c = c->next)
        suspects++;
    return g->stats.queued + g->timers.n + g->stats.in_flight + suspects;
}
