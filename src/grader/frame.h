/* Fixed pieces of requests, for the dialects' `frame`: written into a buffer, kept in the grader's
 * arena. Pure. */
#ifndef RBR_GRADER_FRAME_H
#define RBR_GRADER_FRAME_H

#include "grader/dialect.h"

/* {"model":"...", and what follows it. */
void frame_begin(struct buf *b, const struct dialect_frame *f, const char *then);

/* Takes what was written and empties the buffer. */
bool frame_keep(struct arena *a, struct buf *b, struct str *ret) RBR_MUST_CHECK;

/* [yes ids, no ids] */
void frame_label_ids(struct buf *b, const struct dialect_options *o);

/* template_before and template_after, escaped. */
bool frame_template(struct arena *a, struct buf *b, struct dialect_frame *f) RBR_MUST_CHECK;

/* The text before each of n questions' instructions, its name between `before` and `after`; with a
 * comma from the second on. */
bool frame_openings(struct arena *a, struct buf *b, struct dialect_frame *f, size_t n,
                    const char *before, const char *after) RBR_MUST_CHECK;

#endif
