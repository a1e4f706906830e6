#include "replay/digests.h"

#include <string.h>

#include "base/mem.h"

enum { PLACES_MIN = 64 };

void digests_done(struct digests *d)
{
    mem_free(d->places);
    *d = (struct digests){0};
}

/* The digest's place, or the free one where it belongs. */
static struct digests_place *find(const struct digests *d, const uint8_t digest[DIGEST_BYTES])
{
    uint64_t at;
    memcpy(&at, digest, sizeof(at)); /* its bits are as good as random */
    for (;; at++) {
        struct digests_place *place = &d->places[at & (d->cap - 1)];
        if (!place->used || memcmp(place->digest, digest, DIGEST_BYTES) == 0)
            return place;
    }
}

static void grow(struct digests *d)
{
    struct digests bigger = {.cap = d->cap > 0 ? 2 * d->cap : PLACES_MIN, .n = d->n};
    bigger.places = mem_array(bigger.cap, sizeof(*bigger.places));
    for (size_t i = 0; i < d->cap; i++)
        if (d->places[i].used)
            *find(&bigger, d->places[i].digest) = d->places[i];
    mem_free(d->places);
    *d = bigger;
}

uint32_t digests_put(struct digests *d, const uint8_t digest[DIGEST_BYTES], uint32_t value)
{
    if (d->n >= d->cap / 4 * 3)
        grow(d);
    struct digests_place *place = find(d, digest);
    if (place->used)
        return place->value;
    memcpy(place->digest, digest, DIGEST_BYTES);
    place->used = true;
    place->value = value;
    d->n++;
    return value;
}

bool digests_find(const struct digests *d, const uint8_t digest[DIGEST_BYTES], uint32_t *ret)
{
    const struct digests_place *place = d->n > 0 ? find(d, digest) : NULL;
    if (place == NULL || !place->used)
        return false;
    *ret = place->value;
    return true;
}
