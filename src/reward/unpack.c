#include "reward/unpack.h"

struct place {
    struct arena *arena;
    bool full;
};

static void *place_alloc(void *data, size_t size)
{
    struct place *p = data;
    void *at = arena_alloc(p->arena, size);
    p->full = p->full || at == NULL;
    return at;
}

static void place_free(void *data, void *at)
{
    (void)data;
    (void)at; /* with the arena */
}

Rbr__V1__Reward *reward_unpack(struct str packed, struct arena *a, struct err *err)
{
    struct place place = {.arena = a};
    ProtobufCAllocator allocator = {place_alloc, place_free, &place};
    Rbr__V1__Reward *m = rbr__v1__reward__unpack(&allocator, packed.n, (const uint8_t *)packed.p);
    /* Other messages unpack too: their fields are unknown ones here. */
    if (m != NULL && m->status != RBR__V1__STATUS__STATUS_UNSPECIFIED)
        return m;
    (void)(place.full ? err_set(err, ERR_LIMIT, "the reward is larger than allowed")
                      : err_set(err, ERR_INVALID,
                                "%zu bytes that are no rbr.v1.Reward; is this the right topic?",
                                packed.n));
    return NULL;
}
