/* Records that are not decoded: what killed its worker too often (pipeline/blackbox.h), and what
 * the source found and could not read. They become dead letters by reference, so that nobody looks
 * at their bytes again. One line in the log for each. Loop thread. */
#ifndef RBR_PIPELINE_QUARANTINE_H
#define RBR_PIPELINE_QUARANTINE_H

#include "pipeline/blackbox.h"
#include "pipeline/item.h"

/* True: it is a dead letter now, whose message is the live ruling's. `b` may be NULL. */
bool quarantine(const struct blackbox *b, struct item *it, const struct source_record *in);

#endif
