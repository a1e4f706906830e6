/* Whether the endpoints of a grader work. Pure: it is told what happens and when.
 *
 *     CLOSED -- 5 failures in a row, more than half of at least 20 results
 *      ^  ^     in 10 s, one that took 5 s in which nothing was
 *      |  |     answered, or a question out of attempts -----> DOUBTED
 *      |  |                                                     |  |
 *      |  '------- its probe is answered, or others in 5 s ------'  |
 *      |                                    the probe fails, or nothing is
 *      |                                    answered in 5 s
 *      |                                                           v
 *      '--------------------- a probe is answered --------------- OPEN
 *
 * CLOSED and DOUBTED endpoints are asked, OPEN ones get nothing but probes. The probe, a question
 * of our own, decides: failures may be the doing of one poisonous question, and a doubt stops
 * nobody. A probe that is told 429 has not failed. However many doubts are raised, probes are at
 * least 100 ms apart. Only failures of the server count as failures: no connection, a broken one,
 * no answer in time, 5xx, a wrong key or path. What is about one request does not, and 429 is the
 * limiter's business.
 *
 * An endpoint that is out is probed after 5, 10, 20, 40, then every 60 s. No more than half of the
 * endpoints are out: further ones that fail are asked all the same, until none is left that works.
 * Then all are out, the grader is down, and each endpoint is probed at least every 4 s, whatever
 * its backoff was: that many questions do no harm to servers nobody uses, and with a grader that is
 * back rewards flow within 5 s. Coming back from that, each endpoint stays out until its own probe
 * is answered. */
#ifndef RBR_GRADER_HEALTH_H
#define RBR_GRADER_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEALTH_WINDOW_SECONDS = 10 };

enum health_state { HEALTH_CLOSED, HEALTH_DOUBTED, HEALTH_OPEN, HEALTH_GONE };

struct health_second {
    int64_t second;
    uint32_t results, failures;
};

struct health {
    enum health_state state;
    bool kept; /* OPEN, and asked all the same: half of the others are out */
    bool probed; /* DOUBTED: since then */
    unsigned in_a_row, probes; /* failures; probes sent since it is OPEN */
    struct health_second window[HEALTH_WINDOW_SECONDS];
    int64_t good_us; /* the last usable reply */
    int64_t bad_since_us; /* when the first of the failures in a row was sent */
    int64_t since_us; /* in this state; DOUBTED: since its last probe */
    int64_t doubted_us; /* DOUBTED: the last reason for it */
    int64_t asked_us; /* the last probe ever */
    int64_t probe_us; /* DOUBTED, OPEN: when the next probe is due; GONE: never */
};

void health_init(struct health *h);

static inline bool health_is_asked(const struct health *h)
{
    return h->state < HEALTH_OPEN || (h->state == HEALTH_OPEN && h->kept);
}

/* Results of ordinary questions. A failure may raise a doubt. */
void health_good(struct health *h, int64_t now_us);
void health_bad(struct health *h, int64_t sent_us, int64_t now_us);

/* A question is out of attempts because of failures there. */
void health_doubt(struct health *h, int64_t now_us);

/* DOUBTED for one more reason, and no probe in the air (429 ended it): whether to send one, which
 * is at most every second and gives it no more time. */
bool health_asks_again(struct health *h, int64_t now_us);

enum health_due {
    HEALTH_WAIT,
    HEALTH_PROBE, /* send one; when the next is due is set */
    HEALTH_LOST, /* DOUBTED, and nothing was answered: health_open follows */
    HEALTH_FOUND, /* DOUBTED, and others were answered: health_close follows */
};
enum health_due health_due(struct health *h, bool down, int64_t now_us);

/* It does not work. True when with that none does: the grader is down. */
bool health_open(struct health *all, size_t n, size_t i, int64_t now_us);

/* It is none of them any more: GONE. True when none of those that stay works: as above. */
bool health_leave(struct health *all, size_t n, size_t i, int64_t now_us);

/* It is a new one: CLOSED, or while none works OPEN, and its probe is due. */
void health_join(struct health *h, bool down, int64_t now_us);

/* Its probe was answered: CLOSED. `down`: none worked so far; then the others are probed now. */
void health_close(struct health *all, size_t n, size_t i, bool down, int64_t now_us);

#endif
