/* Confluent framing: 0x00, schema id (4 bytes, big endian), message indexes (zigzag varints: a
 * count, then as many indexes; a lone 0 stands for [0]), then the protobuf message. The schema id
 * is not looked up. */
#include "record/decode.h"

static bool read_varint(struct str s, size_t *at, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *at < s.n; shift += 7) {
        unsigned char c = (unsigned char)s.p[(*at)++];
        v |= (uint64_t)(c & 0x7f) << shift;
        if ((c & 0x80) == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* *ret_at: where the message begins; on false, where the framing is wrong. */
static bool skip_framing(struct str value, size_t *ret_at)
{
    enum { HEADER = 5, INDEXES_MAX = 8 };
    uint64_t count, index;
    *ret_at = 0;
    if (value.n <= HEADER || value.p[0] != '\0')
        return false;
    *ret_at = HEADER;
    if (!read_varint(value, ret_at, &count))
        return false;
    count = (count >> 1) ^ (0 - (count & 1)); /* zigzag; a negative count becomes too large */
    if (count > INDEXES_MAX) {
        *ret_at = HEADER;
        return false;
    }
    for (uint64_t i = 0; i < count; i++)
        if (!read_varint(value, ret_at, &index) || index != 0) /* ours is its file's first */
            return false;
    return *ret_at < value.n;
}

bool decode_confluent(struct decoder *d)
{
    size_t at;
    if (!skip_framing(d->value, &at))
        return refuse(d->refusal, REFUSAL_BAD_FRAMING, at, "");
    return decode_pb(d, at);
}

struct str record_message(struct str value)
{
    size_t at;
    return skip_framing(value, &at) ? str_sub(value, at, value.n) : value;
}
