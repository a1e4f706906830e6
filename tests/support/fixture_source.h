/* A source of one's own making, for what stands in front of sources: partitions with records at
 * given offsets, and what was said to it and by it. Header only. */
#ifndef RBR_TESTS_FIXTURE_SOURCE_H
#define RBR_TESTS_FIXTURE_SOURCE_H

#include "unit.h"

#include "stream/source.h"

enum { FIXTURE_PARTITIONS = 4, FIXTURE_OFFSETS = 64 };

struct fixture_source {
    struct source port;
    struct source_listener listener;
    size_t n; /* partitions assigned: 0 .. n - 1 */
    bool there[FIXTURE_PARTITIONS][FIXTURE_OFFSETS]; /* a record at this offset */
    int64_t from[FIXTURE_PARTITIONS], position[FIXTURE_PARTITIONS];
    int64_t end[FIXTURE_PARTITIONS];
    int out; /* records given and not released */
    int polls, revokes_done, closes;
    /* what the reader was told */
    int assigned, revoked, lost, failed, closed;
};

static inline struct fixture_source *fixture_source_of(struct source *port)
{
    return CONTAINER_OF(port, struct fixture_source, port);
}

static inline void fixture_source_listen(struct source *port, const struct source_listener *l)
{
    fixture_source_of(port)->listener = *l;
}

static inline void fixture_source_poll(struct source *port)
{
    fixture_source_of(port)->polls++;
}

static inline bool fixture_source_next(struct source *port, size_t index, struct source_record *ret)
{
    struct fixture_source *f = fixture_source_of(port);
    for (; f->position[index] < f->end[index]; f->position[index]++) {
        if (!f->there[index][f->position[index]])
            continue;
        *ret = (struct source_record){.offset = f->position[index]++, .impl = f};
        f->out++;
        return true;
    }
    return false;
}

static inline void fixture_source_release(struct source *port, struct source_record *r)
{
    assert_ptr_equal(r->impl, fixture_source_of(port));
    fixture_source_of(port)->out--;
    r->impl = NULL;
}

static inline int64_t fixture_source_position(struct source *port, size_t index)
{
    return fixture_source_of(port)->position[index];
}

static inline void fixture_source_revoke_done(struct source *port)
{
    fixture_source_of(port)->revokes_done++;
}

static inline void fixture_source_close(struct source *port)
{
    fixture_source_of(port)->closes++;
}

static inline void fixture_source_init(struct fixture_source *f)
{
    *f = (struct fixture_source){
        .port = {fixture_source_listen, fixture_source_poll, fixture_source_next,
                 fixture_source_release, fixture_source_position, fixture_source_revoke_done,
                 fixture_source_close},
    };
}

/* Records at the 'x' of the picture, from offset 0 on. */
static inline void fixture_source_draw(struct fixture_source *f, size_t partition,
                                       const char *picture)
{
    for (size_t i = 0; picture[i] != '\0'; i++)
        f->there[partition][i] = picture[i] == 'x';
    f->end[partition] = (int64_t)strlen(picture);
}

static inline void fixture_source_assign(struct fixture_source *f, size_t n)
{
    struct source_partition partitions[FIXTURE_PARTITIONS];
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        f->position[i] = f->from[i];
        partitions[i] = (struct source_partition){
            .topic = STR("in"), .partition = (int32_t)i, .offset = f->from[i], .committed = -1};
    }
    f->listener.assigned(f->listener.arg, partitions, n);
}

/* ---- who reads --------------------------------------------------------------------------------
 */

static inline void fixture_reader_assigned(void *arg, const struct source_partition *p, size_t n)
{
    struct fixture_source *f = arg;
    assert_int_equal(n, f->n);
    assert_true(n == 0 || p[0].offset == f->from[0]);
    f->assigned++;
}

static inline void fixture_reader_revoked(void *arg)
{
    ((struct fixture_source *)arg)->revoked++;
}

static inline void fixture_reader_lost(void *arg)
{
    ((struct fixture_source *)arg)->lost++;
}

static inline void fixture_reader_failed(void *arg, const struct err *e)
{
    assert_string_equal(e->msg, "why");
    ((struct fixture_source *)arg)->failed++;
}

static inline void fixture_reader_closed(void *arg)
{
    ((struct fixture_source *)arg)->closed++;
}

/* Reads `port`, which stands in front of the fixture. */
static inline void fixture_source_listen_to(struct fixture_source *f, struct source *port)
{
    const struct source_listener listener = {fixture_reader_assigned, fixture_reader_revoked,
                                             fixture_reader_lost,     fixture_reader_failed,
                                             fixture_reader_closed,   f};
    port->listen(port, &listener);
}

#endif
