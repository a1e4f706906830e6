/* A published reward's message with all its texts and lists in the caller's arena: what is read
 * from it needs no copies, and nothing is freed one by one. Private to reward/. Pure. */
#ifndef RBR_REWARD_UNPACK_H
#define RBR_REWARD_UNPACK_H

#include "base/arena.h"
#include "base/err.h"
#include "proto/reward.pb-c.h"
#include "record/reason.h"

/* NULL and *err: ERR_INVALID, it is no reward; ERR_LIMIT, the arena is full. */
Rbr__V1__Reward *reward_unpack(struct str packed, struct arena *a, struct err *err) RBR_MUST_CHECK;

static inline struct str unpacked_str(ProtobufCBinaryData in)
{
    return (struct str){(const char *)in.data, in.len};
}

/* UNSPECIFIED: one that a later version made. */
static inline enum status unpacked_status(const Rbr__V1__Reward *m)
{
    bool known = (unsigned)m->status <= STATUS_CANCELLED;
    return known ? (enum status)m->status : STATUS_UNSPECIFIED;
}

#endif
