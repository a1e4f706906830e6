/* What one reply says about one question: a probability, or the typed reason why there is none.
 * Pure. */
#ifndef RBR_GRADER_ANSWER_H
#define RBR_GRADER_ANSWER_H

#include <stdint.h>

#include "base/attr.h"
#include "record/reason.h"

/* What some of a question's samples say (mode sample). */
struct samples {
    uint16_t n, yes, no, rejected;
};

static inline void samples_add(struct samples *to, const struct samples *s)
{
    to->n = (uint16_t)(to->n + s->n);
    to->yes = (uint16_t)(to->yes + s->yes);
    to->no = (uint16_t)(to->no + s->no);
    to->rejected = (uint16_t)(to->rejected + s->rejected);
}

struct answer {
    enum reason reason; /* REASON_NONE: probability and mass hold */
    bool retry; /* broken or missing rather than refused: another try may do */
    bool blind; /* there are no probabilities in it: so answers a server that gives none */
    double probability; /* P(yes) */
    double mass; /* of the labels it was read from, also when that is too little; 1 when the server
                    reports a probability alone */
    struct samples samples; /* n > 0: not an answer yet, but a part of one */
};

static inline struct answer answer_ungraded(enum reason reason)
{
    return (struct answer){.reason = reason};
}

/* Well formed, without what was asked for. */
static inline struct answer answer_blind(void)
{
    return (struct answer){.reason = REASON_UNPARSEABLE_VERDICT, .retry = true, .blind = true};
}

/* Not what the API promises. */
static inline struct answer answer_broken(void)
{
    return (struct answer){.reason = REASON_UNPARSEABLE_VERDICT, .retry = true};
}

#endif
