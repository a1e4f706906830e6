/* A judgment: one proposition's probability for one completion, or the typed reason why there is
 * none. Pure. */
#ifndef RBR_GRADER_JUDGMENT_H
#define RBR_GRADER_JUDGMENT_H

#include <stdint.h>

#include "record/reason.h"

/* The last bytes of a digest are of the content alone, and so the same for all questions about one
 * completion: a cache can keep those side by side. */
enum { JUDGMENT_DIGEST_BYTES = 16, JUDGMENT_CONTENT_BYTES = 4 };

enum judgment_status {
    JUDGMENT_NOT_ASKED, /* no feature, class or gate of this response type uses it */
    JUDGMENT_PENDING, /* being asked */
    JUDGMENT_SHARED, /* being asked for another policy (judge.h) */
    JUDGMENT_GRADED, /* probability and mass hold */
    JUDGMENT_UNGRADED, /* reason says why */
};

struct judgment {
    enum judgment_status status;
    enum reason reason; /* when UNGRADED */
    double probability; /* P(yes) as read, before calibration; when GRADED */
    double mass; /* probability mass on the labels that P was read from; 1 for checks and given
                    labels */
    uint32_t attempts; /* requests sent for it */
    uint32_t latency_ms; /* of the last attempt */
    bool cached; /* not asked now */
    bool has_digest;
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
};

/* Digest of a builtin check's judgment: its definition and the text it tested. */
void judgment_check_digest(struct str definition, struct str response,
                           uint8_t out[JUDGMENT_DIGEST_BYTES]);

#endif
