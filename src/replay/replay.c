#include "replay/replay.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "obs/log.h"
#include "stream/bounded.h"
#include "stream/kafka_group.h"

enum { LOOK_US = 500000, TIMEOUT_MS = 10000 };

struct replay {
    const struct manifest *manifest;
    struct kafka_range *ranges;
    struct bound *bounds;
    size_t n;
    struct bounded source;
    /* the watch */
    struct loop *loop; /* NULL: it has not begun */
    struct kafka_group *group;
    uv_work_t work;
    bool looking; /* the pool's thread has what follows */
    int64_t *committed;
    enum err_code code;
    struct err err;
    /* the loop's */
    int64_t next_us;
    struct replay_progress progress;
};

struct replay *replay_new(const struct manifest *m)
{
    struct replay *r = mem_alloc(sizeof(*r));
    r->manifest = m;
    r->n = m->n_partitions;
    r->ranges = mem_array(r->n, sizeof(*r->ranges));
    r->bounds = mem_array(r->n, sizeof(*r->bounds));
    r->committed = mem_array(r->n, sizeof(*r->committed));
    for (size_t i = 0; i < r->n; i++) {
        const struct manifest_partition *p = &m->partitions[i];
        r->ranges[i] = (struct kafka_range){p->partition, p->start, p->stop};
        r->bounds[i] = (struct bound){
            .partition = p->partition, .stop = p->stop, .only = p->only.n > 0 ? &p->only : NULL};
        r->committed[i] = -1;
    }
    replay_progress_of(m, r->committed, &r->progress);
    return r;
}

void replay_free(struct replay *r)
{
    if (r == NULL)
        return;
    while (r->looking)
        (void)uv_run(&r->loop->uv, UV_RUN_ONCE);
    kafka_group_free(r->group);
    bounded_done(&r->source);
    mem_free(r->ranges);
    mem_free(r->bounds);
    mem_free(r->committed);
    mem_free(r);
}

const struct kafka_range *replay_ranges(const struct replay *r, size_t *ret_n)
{
    *ret_n = r->n;
    return r->ranges;
}

struct source *replay_source(struct replay *r, struct source *inner)
{
    bounded_init(&r->source, inner, r->bounds, r->n);
    return &r->source.relay.port;
}

/* ---- the watch ----------------------------------------------------------------------------------
 */

static void look(uv_work_t *work)
{
    struct replay *r = CONTAINER_OF(work, struct replay, work);
    r->code = kafka_group_committed(r->group, r->ranges, r->n, TIMEOUT_MS, r->committed, &r->err);
}

static void on_looked(uv_work_t *work, int status)
{
    (void)status;
    struct replay *r = CONTAINER_OF(work, struct replay, work);
    r->looking = false;
    r->next_us = clock_mono_us(&clock_real) + LOOK_US;
    if (r->code == ERR_OK)
        replay_progress_of(r->manifest, r->committed, &r->progress);
    else
        log_debug("replay.look_failed", "%s", r->err.msg); /* the source tells of outages */
}

enum err_code replay_watch(struct replay *r, struct loop *loop, const struct kafka_config *config,
                           struct err *err)
{
    r->loop = loop;
    return kafka_group_new(config, &r->group, err);
}

int64_t replay_tick(struct replay *r, int64_t now_us)
{
    if (r->looking || replay_finished(r))
        return CLOCK_NEVER;
    if (now_us < r->next_us)
        return r->next_us;
    r->looking = true;
    (void)uv_queue_work(&r->loop->uv, &r->work, look, on_looked);
    return CLOCK_NEVER;
}

bool replay_finished(const struct replay *r)
{
    return r->progress.partitions_done == r->progress.partitions;
}

/* ---- progress -----------------------------------------------------------------------------------
 */

void replay_progress(const struct replay *r, struct replay_progress *ret)
{
    *ret = r->progress;
}

void replay_progress_of(const struct manifest *m, const int64_t *committed,
                        struct replay_progress *ret)
{
    *ret = (struct replay_progress){.partitions = m->n_partitions};
    for (size_t i = 0; i < m->n_partitions; i++) {
        const struct manifest_partition *p = &m->partitions[i];
        int64_t at = committed[i] < p->start  ? p->start
                     : committed[i] > p->stop ? p->stop
                                              : committed[i];
        ret->done += (uint64_t)(at - p->start);
        ret->total += (uint64_t)(p->stop - p->start);
        ret->partitions_done += committed[i] >= p->stop;
    }
}
