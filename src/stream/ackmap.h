/* The ack map: which offsets above the watermark are done, as text that fits into the metadata of a
 * committed offset. It travels in the transaction of the rewards that it is about, so after a crash
 * what was published above the watermark is neither judged nor published again.
 *
 *     rbr1b: base64(digest 8 | base 8 | length 2 | map)      numbers big endian
 *      |  ||                                  b  bitmap, bit i % 8 of byte i / 8 is offset base + i
 *      |  |'- how the map is written          r  run lengths: undone, done, undone, ... done,
 * LEB128 |  '- version
 *      '- product: other programs write metadata too
 *
 * The shorter of the two is written. `base` is the offset that is committed; the digest (of
 * SHA-256) is over all the rest, so a map that is damaged, cut, or committed with another offset is
 * refused, and what is refused leaves nothing done. Spans are capped so that any map fits. Pure
 * code. */
#ifndef RBR_STREAM_ACKMAP_H
#define RBR_STREAM_ACKMAP_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum {
    ACKMAP_SPAN_MAX = 24000, /* offsets */
    ACKMAP_TEXT_MAX = 4096, /* what Kafka takes, unless offset.metadata.max.bytes says less */
};

struct ackmap {
    size_t n; /* one past the highest offset done, from base; 0: none */
    uint8_t done[ACKMAP_SPAN_MAX / 8]; /* a bit an offset; zero from n on */
};

static inline bool ackmap_get(const struct ackmap *m, size_t i)
{
    return i < m->n && (m->done[i / 8] >> (i % 8) & 1) != 0;
}

void ackmap_clear(struct ackmap *m);
void ackmap_set(struct ackmap *m, size_t i); /* i < ACKMAP_SPAN_MAX */
size_t ackmap_count(const struct ackmap *m); /* offsets done */

/* Returns the length; at most ACKMAP_TEXT_MAX, whatever the map. ASCII, not terminated. */
size_t ackmap_encode(const struct ackmap *m, int64_t base, char out[ACKMAP_TEXT_MAX]);

enum ackmap_fault {
    ACKMAP_GOOD,
    ACKMAP_MISSING, /* no metadata at all */
    ACKMAP_FOREIGN, /* of another program */
    ACKMAP_NEWER, /* of a version, or in an encoding, that this one does not know */
    ACKMAP_CUT, /* ends early */
    ACKMAP_CORRUPT,
    ACKMAP_ELSEWHERE, /* a good map, but of another offset */
    ACKMAP_FAULTS,
};

/* The map that was committed with offset `base`; `ret` is empty unless GOOD. */
enum ackmap_fault ackmap_decode(struct str text, int64_t base, struct ackmap *ret) RBR_MUST_CHECK;

const char *ackmap_fault_text(enum ackmap_fault fault); /* for a log line; static */

#endif
