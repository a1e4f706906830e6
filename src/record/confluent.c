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

bool decode_confluent(struct decoder *d)
{
    enum { HEADER = 5, INDEXES_MAX = 8 };
    size_t at = HEADER;
    uint64_t count, index;
    if (d->value.n <= HEADER || d->value.p[0] != '\0')
        return refuse(d->refusal, REFUSAL_BAD_FRAMING, 0, "");
    if (!read_varint(d->value, &at, &count))
        return refuse(d->refusal, REFUSAL_BAD_FRAMING, at, "");
    count = (count >> 1) ^ (0 - (count & 1)); /* zigzag; a negative count becomes too large */
    if (count > INDEXES_MAX)
        return refuse(d->refusal, REFUSAL_BAD_FRAMING, HEADER, "");
    for (uint64_t i = 0; i < count; i++)
        if (!read_varint(d->value, &at, &index) ||
            index != 0) /* ours is the first message of its file */
            return refuse(d->refusal, REFUSAL_BAD_FRAMING, at, "");
    if (at == d->value.n)
        return refuse(d->refusal, REFUSAL_BAD_FRAMING, at, "");
    return decode_pb(d, at);
}
