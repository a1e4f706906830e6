/* The black box: which record a worker was at work on when it died, so that one which kills its
 * worker is put aside after three deaths instead of being the end of every successor.
 *
 * A small file in `state.dir`, mapped into memory and shared by all workers of one group and input
 * on this host. What is stored there outlives the process, however it ends, and costs no system
 * call. Each worker has a cell: the place of the record its code is busy with. Whoever starts, or
 * is given partitions, looks through the cells of the dead (a lock on the cell tells: the kernel
 * drops it with the process) and counts a death against the place it finds. A place is forgotten
 * as soon as its record is committed, so kills at random moments condemn nobody: it takes three
 * deaths at one record that never once got through.
 *
 * On a local disk; workers on several hosts count for themselves. Functions take NULL for a worker
 * without one. Loop thread; the file is guarded by locks between processes, which are held for
 * microseconds. Logs each death it counts. */
#ifndef RBR_PIPELINE_BLACKBOX_H
#define RBR_PIPELINE_BLACKBOX_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
    BLACKBOX_DEATHS_MAX = 3,
    BLACKBOX_WORKERS_MAX = 64, /* at a time */
    BLACKBOX_SUSPECTS_MAX = 256, /* then the oldest is forgotten */
};

struct blackbox;

/* Makes the folder (not its parents) and the file when they are missing; a file that is not ours is
 * replaced, with a line. */
enum err_code blackbox_open(struct str folder, struct str group, struct str input,
                            struct blackbox **ret, struct err *err) RBR_MUST_CHECK;

/* A good end, unless something is marked: then it is a death like any other. */
void blackbox_close(struct blackbox *b);

const char *blackbox_path(const struct blackbox *b);

/* Around all code that works on one record's bytes; not nested. A few stores each. */
void blackbox_mark(struct blackbox *b, int32_t partition, int64_t offset);
void blackbox_clear(struct blackbox *b);

/* When partitions were assigned: counts who died since, and learns what others counted. */
void blackbox_look(struct blackbox *b);

/* Deaths at this place, as of the last look. */
unsigned blackbox_deaths(const struct blackbox *b, int32_t partition, int64_t offset);

/* The record, or all of its partition below `offset`, is done with. */
void blackbox_forget(struct blackbox *b, int32_t partition, int64_t offset);
void blackbox_forget_below(struct blackbox *b, int32_t partition, int64_t offset);

#endif
