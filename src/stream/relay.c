#include "stream/relay.h"

/* ---- what the source says -----------------------------------------------------------------------
 */

static void on_assigned(void *arg, const struct source_partition *partitions, size_t n)
{
    struct relay *r = arg;
    if (r->assigned != NULL)
        r->assigned(r, partitions, n);
    r->listener.assigned(r->listener.arg, partitions, n);
}

static void on_revoked(void *arg)
{
    struct relay *r = arg;
    if (r->ended != NULL)
        r->ended(r);
    r->listener.revoked(r->listener.arg);
}

static void on_lost(void *arg)
{
    struct relay *r = arg;
    if (r->ended != NULL)
        r->ended(r);
    r->listener.lost(r->listener.arg);
}

static void on_failed(void *arg, const struct err *e)
{
    struct relay *r = arg;
    r->listener.failed(r->listener.arg, e);
}

static void on_closed(void *arg)
{
    struct relay *r = arg;
    r->listener.closed(r->listener.arg);
}

/* ---- what it is told ----------------------------------------------------------------------------
 */

static struct relay *of(struct source *port)
{
    return CONTAINER_OF(port, struct relay, port);
}

static void relay_listen(struct source *port, const struct source_listener *l)
{
    struct relay *r = of(port);
    const struct source_listener ours = {on_assigned, on_revoked, on_lost, on_failed, on_closed, r};
    r->listener = *l;
    r->inner->listen(r->inner, &ours);
}

static void relay_poll(struct source *port)
{
    struct relay *r = of(port);
    r->inner->poll(r->inner);
}

static bool relay_next(struct source *port, size_t index, struct source_record *ret)
{
    struct relay *r = of(port);
    return r->inner->next(r->inner, index, ret);
}

static void relay_release(struct source *port, struct source_record *record)
{
    struct relay *r = of(port);
    r->inner->release(r->inner, record);
}

static int64_t relay_position(struct source *port, size_t index)
{
    struct relay *r = of(port);
    return r->inner->position(r->inner, index);
}

static void relay_revoke_done(struct source *port)
{
    struct relay *r = of(port);
    r->inner->revoke_done(r->inner);
}

static void relay_close(struct source *port)
{
    struct relay *r = of(port);
    r->inner->close(r->inner);
}

void relay_init(struct relay *r, struct source *inner)
{
    *r = (struct relay){
        .port = {relay_listen, relay_poll, relay_next, relay_release, relay_position,
                 relay_revoke_done, relay_close},
        .inner = inner,
    };
}
