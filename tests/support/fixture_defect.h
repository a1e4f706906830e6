/* Defects, put in on the way to the broker on purpose: to prove that what checks the batches finds
 * them. Header only. */
#ifndef RBR_TESTS_FIXTURE_DEFECT_H
#define RBR_TESTS_FIXTURE_DEFECT_H

#include "fixture_log.h"

/* A batch as the broker receives it: copied, so that a defect can be put in. */
struct received {
    struct sink_record *records;
    size_t n_records;
    struct sink_offset *offsets;
    size_t n_offsets;
};

/* False when this record has nothing that could be spoilt so. */
static inline bool broker_spoil_reward(struct broker *b, struct sink_record *r)
{
    bool spoilt = false;
    Rbr__V1__Reward *m = r->to == SINK_REWARDS ? broker_unpack(r->value) : NULL;
    if (m == NULL)
        return false;
    if (b->defect == DEFECT_DEFAULT_REWARD && m->reward_presence_case == 0) {
        m->reward_presence_case = RBR__V1__REWARD__REWARD_PRESENCE_REWARD;
        m->reward = 1;
        spoilt = true;
    } else if (b->defect == DEFECT_WRONG_SUM && m->reward_presence_case != 0) {
        m->reward += 1e-9;
        spoilt = true;
    }
    if (spoilt) {
        uint8_t *packed = arena_alloc(&b->memory, rbr__v1__reward__get_packed_size(m));
        r->value = (struct str){(char *)packed, rbr__v1__reward__pack(m, packed)};
    }
    rbr__v1__reward__free_unpacked(m, NULL);
    return spoilt;
}

/* Spoils the map that goes with the first offset; false when it is as good as before. */
static inline bool broker_spoil_map(struct broker *b, struct sink_offset *o)
{
    struct ackmap map;
    struct str before = o->metadata;
    if (ackmap_decode(before, o->offset, &map) != ACKMAP_GOOD)
        return false;
    char *text = arena_alloc(&b->memory, ACKMAP_TEXT_MAX);
    switch (b->defect) {
    case DEFECT_NO_MAP:
        if (map.n == 0 && b->metadata_refused)
            return false;
        o->metadata = (struct str){0};
        return true;
    case DEFECT_OLD_MAP:
        o->metadata = b->logs[o->partition].map;
        return !str_eq(o->metadata, before);
    case DEFECT_MAP_ONE_MORE:
        ackmap_set(&map, map.n);
        o->metadata = (struct str){text, ackmap_encode(&map, o->offset, text)};
        return true;
    case DEFECT_MAP_ONE_LESS:
        if (map.n == 0)
            return false;
        map.n--;
        map.done[map.n / 8] &= (uint8_t) ~(1u << (map.n % 8));
        while (map.n > 0 && !ackmap_get(&map, map.n - 1))
            map.n--;
        o->metadata = (struct str){text, ackmap_encode(&map, o->offset, text)};
        return true;
    default:
        return false;
    }
}

/* Leaves a shadow's reward out. */
static inline bool broker_spoil_shadow(struct received *in)
{
    for (size_t i = 0; i < in->n_records; i++) {
        if (in->records[i].to != SINK_SHADOW)
            continue;
        memmove(&in->records[i], &in->records[i + 1], (in->n_records - i) * sizeof(in->records[i]));
        in->n_records--;
        return true;
    }
    return false;
}

static inline bool broker_spoil(struct broker *b, struct received *in)
{
    struct sink_record *r = in->records, *end = r + in->n_records; /* with room for one more */
    struct sink_offset *o = &in->offsets[0];
    bool empty = in->n_records == 0; /* offsets alone */
    switch (b->defect) {
    case DEFECT_COMMIT_ONE_MORE:
        if (broker_is_gap(&b->logs[o->partition], o->offset))
            return false;
        o->offset++;
        return true;
    case DEFECT_COMMIT_ONE_LESS:
        o->offset--;
        return true;
    case DEFECT_COMMIT_AGAIN: {
        int64_t before = o->offset;
        o->offset = b->logs[o->partition].committed;
        return o->offset != before;
    }
    case DEFECT_NO_MAP:
    case DEFECT_OLD_MAP:
    case DEFECT_MAP_ONE_MORE:
    case DEFECT_MAP_ONE_LESS:
        return broker_spoil_map(b, o);
    case DEFECT_DROP_MESSAGE:
        in->n_records -= !empty;
        return !empty;
    case DEFECT_PUBLISH_TWICE:
        if (empty)
            return false;
        end[0] = end[-1];
        in->n_records++;
        return true;
    case DEFECT_SWAP:
        if (in->n_records < 2 || r[0].partition != r[1].partition)
            return false;
        end[0] = r[0];
        r[0] = r[1];
        r[1] = end[0];
        return true;
    case DEFECT_LOSE_KEY:
        if (empty || r[0].key.p == NULL)
            return false;
        r[0].key = (struct str){0};
        return true;
    case DEFECT_LOSE_SHADOW:
        return broker_spoil_shadow(in);
    case DEFECT_DEFAULT_REWARD:
    case DEFECT_WRONG_SUM:
        for (size_t i = 0; i < in->n_records; i++)
            if (broker_spoil_reward(b, &r[i]))
                return true;
        return false;
    case DEFECT_NONE:
    case DEFECTS:
        break;
    }
    return false;
}

#endif
