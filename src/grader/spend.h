/* A ceiling on what graders may cost in an hour, whichever hour one looks at.
 *
 * Requests in the air are counted with an estimate until what they cost is known, so the ceiling is
 * passed by no more than what was in the air: by how much the estimates of these were too low, and
 * by one request. Where spending reaches the ceiling a pause begins: nothing may be sent until an
 * eighth of the ceiling has left the hour, so that a worker goes on in stretches. All graders of a
 * worker share one. Pure: it is told the time. */
#ifndef RBR_GRADER_SPEND_H
#define RBR_GRADER_SPEND_H

#include "grader/usage.h"

#define SPEND_NO_CEILING UINT64_MAX

struct spend {
    uint64_t ceiling; /* pico-USD in an hour */
    struct hour hour; /* of this only cost_pico is used */
    uint64_t spent; /* in the hour, when it was last looked at */
    uint64_t in_air;
    bool pauses, told;
    int64_t since_us, until_us; /* the pause; its end, if those in the air cost what they should */
};

void spend_init(struct spend *s, uint64_t ceiling);

void spend_start(struct spend *s, uint64_t estimate);
void spend_end(struct spend *s, uint64_t estimate, uint64_t cost, int64_t now_us);

/* Begins and ends pauses. To be called before anything is sent, and at until_us of a pause. */
void spend_look(struct spend *s, int64_t now_us);

/* As of the last look: whether one more request may be sent. */
bool spend_may(const struct spend *s);

/* What is to be said now: each PAUSES is followed by one GOES_ON. */
enum spend_news { SPEND_NOTHING, SPEND_PAUSES, SPEND_GOES_ON };
enum spend_news spend_news(struct spend *s);

#endif
