/* Whether what one endpoint of a grader answers is worth as much as what the others do: an endpoint
 * may be quick, polite, and of no use. Pure: it is told each reply's model and each answer's mass.
 *
 * The model. What servers call the configured model is learned from them: a name that more than
 * half of the endpoints agree on, of those that have given one (two at least; the configured name
 * has a vote of its own as soon as somebody gives it). An endpoint that gives a name which is
 * neither that one nor the configured one is another model. Without an agreement, or without names,
 * none is.
 *
 * The mass that answers have on their labels. An endpoint has collapsed when the median of its last
 * 50 answers is less than half that of the others, and more than half of the 50 had too little to
 * be used: another chat template, another model, broken weights. That may also be the doing of the
 * prompts it got, so it raises a doubt, and the probe decides by the same measure. Until then, an
 * answer with too little mass is worth another try elsewhere, while of the endpoint's last 8 as
 * many as half were such and others are better than that. */
#ifndef RBR_GRADER_QUALITY_H
#define RBR_GRADER_QUALITY_H

#include <stdbool.h>

#include "base/str.h"

enum { QUALITY_MASSES = 50, QUALITY_MODEL_MAX = 96 };

/* What is wrong with a well-formed reply. */
enum quality_flaw {
    QUALITY_WELL,
    QUALITY_BLIND, /* no probabilities in it */
    QUALITY_OTHER_MODEL,
    QUALITY_UNKNOWN_MODEL, /* it may be another, not all have been heard */
    QUALITY_LITTLE_MASS,
};

struct quality_endpoint {
    char model[QUALITY_MODEL_MAX]; /* as the last reply that did named it; printable */
    double masses[QUALITY_MASSES]; /* of the last answers, a ring */
    bool low[QUALITY_MASSES]; /* too little to be used */
    size_t n_masses, next; /* in the ring; where the next one goes */
    bool gone;
};

struct quality {
    struct quality_endpoint *endpoints;
    size_t n;
    char configured[QUALITY_MODEL_MAX];
    char agreed[QUALITY_MODEL_MAX]; /* "": nothing */
};

void quality_init(struct quality *q, size_t n, struct str model);
void quality_done(struct quality *q); /* fine when zeroed */

/* Endpoint i is a new one, i at most n; is none of them any more. */
void quality_join(struct quality *q, size_t i);
void quality_leave(struct quality *q, size_t i);

/* A reply names its model. True: it is another than the others'. */
bool quality_is_other_model(struct quality *q, size_t endpoint, struct str model);

/* Whether the name it gave last, if any, is known to be right: agreed on, or the configured one. */
bool quality_is_sure(const struct quality *q, size_t endpoint);

/* An answer has this mass; `low`: too little for its policy. */
void quality_mass(struct quality *q, size_t endpoint, double mass, bool low);
void quality_forget_masses(struct quality *q, size_t endpoint);

/* Of an answer with too little mass: is it worth asking another endpoint? */
bool quality_is_doubtful(const struct quality *q, size_t endpoint);

bool quality_has_collapsed(const struct quality *q, size_t endpoint);

/* Of one answer, a probe's, with too little mass: less than half of what the others give. */
bool quality_is_poor(const struct quality *q, size_t endpoint, double mass);

#endif
