/* Wakes the loop once there is something to read from a pipe, a terminal or a socket that is not
 * ours alone, such as standard input.
 *
 * libuv would make it non-blocking, for everyone who shares it: a shell's terminal stays so after
 * us, and what we print on it is lost in part. So the descriptor is left as it is, is watched
 * through an epoll of its own, and is read only after readable_now. Lifecycle: readable_init,
 * readable_wait..., readable_done before loop_done; the struct stays until then. Loop thread. */
#ifndef RBR_LOOP_READABLE_H
#define RBR_LOOP_READABLE_H

#include <stdbool.h>

#include "base/attr.h"
#include "loop/loop.h"

struct readable {
    /* private */
    uv_poll_t poll;
    int epoll;
};

/* A read returns at once, if only with the end or an error. Any thread. */
bool readable_now(int fd);

/* False: it cannot be watched, as a file, which is always readable; nothing is to be done. */
bool readable_init(struct readable *r, struct loop *loop, int fd) RBR_MUST_CHECK;

/* One more turn when it is readable; once. */
void readable_wait(struct readable *r);

void readable_done(struct readable *r);

#endif
