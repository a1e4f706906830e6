#include "grader/warm.h"

#include "grader/call.h"

enum { PATIENCE_US = 2000000 };

void warm_start(struct grader *g, struct grader_call *c)
{
    struct grader_group *group = c->group;
    if (group->ahead != NULL) {
        call_hold(g, c);
        return;
    }
    if (g->config.warm_from > 0 && dialect_shared_bytes(group->prompt) >= g->config.warm_from)
        group->ahead = c;
    call_enqueue(g, c);
}

void warm_sent(struct grader *g, const struct grader_call *c, int64_t now)
{
    if (c == c->group->ahead)
        heap_push(&g->warming, &c->group->warm, now + PATIENCE_US);
}

static void follow(struct grader *g, struct grader_group *group)
{
    heap_remove(&g->warming, &group->warm);
    group->ahead = NULL;
    for (size_t i = 0; i < group->n_calls; i++) {
        struct grader_call *c = &group->calls[i];
        if (c->state != CALL_HELD)
            continue;
        call_take_out(g, c);
        call_enqueue(g, c);
    }
}

void warm_ended(struct grader *g, const struct grader_call *c)
{
    if (c == c->group->ahead)
        follow(g, c->group);
}

void warm_tick(struct grader *g, int64_t now)
{
    struct heap_node *first;
    while ((first = heap_first(&g->warming)) != NULL && first->due_us <= now)
        follow(g, CONTAINER_OF(first, struct grader_group, warm));
}

int64_t warm_next_us(const struct grader *g)
{
    const struct heap_node *first = heap_first(&g->warming);
    return first != NULL ? first->due_us : CLOCK_NEVER;
}
