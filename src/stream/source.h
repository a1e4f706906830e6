/* The port through which records come in: Kafka, or a fixture in tests.
 *
 * Pull: the pipeline asks a partition for its next record only while it has room, so a slow grader
 * makes us read less and nothing has to be paused. Membership changes arrive through a listener,
 * always from inside source->poll. One assignment at a time (eager rebalance): `assigned` starts an
 * epoch, `revoked` or `lost` ends it, and the pipeline answers with source->revoke_done. Loop
 * thread. */
#ifndef RBR_STREAM_SOURCE_H
#define RBR_STREAM_SOURCE_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct header {
    struct str name;
    struct str value; /* p == NULL: a null value */
};

struct source_record {
    int64_t offset;
    int64_t timestamp_ms; /* the broker's or producer's; -1 when unknown */
    struct str key; /* p == NULL: no key */
    struct str value; /* p == NULL: no value (a tombstone) */
    const struct header *headers;
    size_t n_headers;
    /* Why nothing but the offset is known; NULL: the record could be read. One line; the source's
     * until the release. */
    const char *unreadable;
    void *impl; /* released by source->release */
};

/* The value of its first header of that name, which matches folded; n == 0 when there is none. */
struct str source_header(const struct source_record *r, struct str name);

struct source_partition {
    struct str topic; /* valid while assigned */
    int32_t partition;
    int64_t offset; /* next offset to read: the committed one while the log has it */
    int64_t committed; /* -1: none */
    int64_t end; /* of the log when it was looked up */
    struct str metadata; /* committed with `committed`; n == 0 when none; valid inside `assigned` */
};

struct source_listener {
    void (*assigned)(void *arg, const struct source_partition *partitions, size_t n);
    void (*revoked)(void *arg); /* finish, publish, commit, then revoke_done */
    void (*lost)(void *arg); /* no longer ours: drop, then revoke_done */
    void (*failed)(void *arg, const struct err *e); /* the source cannot go on */
    void (*closed)(void *arg); /* the last event after close */
    void *arg;
};

struct source {
    void (*listen)(struct source *s, const struct source_listener *l); /* once, before poll */
    void (*poll)(struct source *s); /* serve events; every loop turn, at least once a second */
    /* Next record of the partition at `index` of the assignment; false when none is here now. Every
     * record got is released, before the source is closed. */
    bool (*next)(struct source *s, size_t index, struct source_record *ret);
    void (*release)(struct source *s, struct source_record *r);
    /* Every record of the partition below this offset was given out by `next`, and released or not;
     * what else is below it is none: transaction markers, what was aborted or compacted away. */
    int64_t (*position)(struct source *s, size_t index);
    void (*revoke_done)(struct source *s);
    void (*close)(struct source *s); /* leave: revoked (when assigned), then closed follow */
};

#endif
