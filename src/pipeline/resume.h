/* What a partition starts with when it is assigned: its window, with what the ack map says is done.
 *
 * A map that cannot be used, for whatever reason, leaves nothing done above the committed offset:
 * at worst records are judged and published again, never lost. Where the log no longer has the
 * committed offset, the map is cut to what the log still has. Says so in the log. Loop thread. */
#ifndef RBR_PIPELINE_RESUME_H
#define RBR_PIPELINE_RESUME_H

#include "pipeline/window.h"
#include "stream/source.h"

struct resume_report {
    bool refused; /* there should have been a map, and it could not be used */
    size_t done; /* offsets that are done above the start */
    int64_t lost; /* offsets that the log dropped before they were done */
};

void resume(struct window *w, const struct source_partition *from, size_t span,
            struct resume_report *ret);

#endif
