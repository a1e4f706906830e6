/* What the decoders share. Private to record/. Pure. */
#ifndef RBR_RECORD_DECODE_H
#define RBR_RECORD_DECODE_H

#include "record/record.h"

struct decoder {
    struct arena *arena;
    struct str value;
    const struct record_limits *limits;
    const struct record_origin *origin;
    struct record *record;
    struct refusal *refusal;
};

/* Fills the refusal; returns false, so that `return refuse(...)` reads well. */
bool refuse(struct refusal *r, enum refusal_kind kind, size_t offset, const char *field);

/* A role goes into the prompt as a heading: letters, digits, _ and -, a letter first, at most 32.
 */
bool role_is_plain(struct str role);

bool decode_json(struct decoder *d);
bool decode_pb(struct decoder *d,
               size_t start); /* the message begins at byte `start` of the value */
bool decode_confluent(struct decoder *d);

#endif
