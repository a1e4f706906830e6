#include "stream/bounded.h"

#include "base/mem.h"

struct bounded_partition {
    int64_t stop;
    const struct offset_set *only;
    bool over; /* the stop has been reached */
};

static struct bounded *of(struct relay *relay)
{
    return CONTAINER_OF(relay, struct bounded, relay);
}

static struct bounded *of_port(struct source *port)
{
    return of(CONTAINER_OF(port, struct relay, port));
}

static const struct bound *find(const struct bounded *b, int32_t partition)
{
    for (size_t i = 0; i < b->n_bounds; i++)
        if (b->bounds[i].partition == partition)
            return &b->bounds[i];
    return NULL;
}

static void on_assigned(struct relay *relay, const struct source_partition *partitions, size_t n)
{
    struct bounded *b = of(relay);
    b->partitions = mem_array(n, sizeof(*b->partitions));
    for (size_t i = 0; i < n; i++) {
        const struct bound *bound = find(b, partitions[i].partition);
        struct bounded_partition *p = &b->partitions[i];
        p->stop = bound != NULL ? bound->stop : partitions[i].offset;
        p->only = bound != NULL ? bound->only : NULL;
        p->over = partitions[i].offset >= p->stop;
    }
}

static bool bounded_next(struct source *port, size_t index, struct source_record *ret)
{
    struct bounded *b = of_port(port);
    struct bounded_partition *p = &b->partitions[index];
    struct source *inner = b->relay.inner;
    while (!p->over && inner->next(inner, index, ret)) {
        p->over = ret->offset >= p->stop;
        if (!p->over && (p->only == NULL || offset_set_has(p->only, ret->offset)))
            return true;
        inner->release(inner, ret);
    }
    return false;
}

static int64_t bounded_position(struct source *port, size_t index)
{
    struct bounded *b = of_port(port);
    const struct bounded_partition *p = &b->partitions[index];
    int64_t position = b->relay.inner->position(b->relay.inner, index);
    return position < p->stop ? position : p->stop;
}

/* Asked for its positions until then. */
static void bounded_revoke_done(struct source *port)
{
    struct bounded *b = of_port(port);
    mem_free(b->partitions);
    b->partitions = NULL;
    b->relay.inner->revoke_done(b->relay.inner);
}

void bounded_init(struct bounded *b, struct source *inner, const struct bound *bounds, size_t n)
{
    *b = (struct bounded){.bounds = bounds, .n_bounds = n};
    relay_init(&b->relay, inner);
    b->relay.assigned = on_assigned;
    b->relay.port.next = bounded_next;
    b->relay.port.position = bounded_position;
    b->relay.port.revoke_done = bounded_revoke_done;
}

void bounded_done(struct bounded *b)
{
    mem_free(b->partitions);
    b->partitions = NULL;
}
