#include "grader/flights.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "grader/judgment.h"

enum { BUCKETS_MIN = 64 };

void flights_done(struct flights *t)
{
    mem_free(t->buckets);
    *t = (struct flights){0};
}

/* What points to the digest's entry, or to the end of the list where it belongs. */
static struct flight **place_of(const struct flights *t, const uint8_t *digest)
{
    uint64_t at;
    memcpy(&at, digest, sizeof(at)); /* its bits are as good as random */
    struct flight **place = &t->buckets[at & (t->n_buckets - 1)];
    while (*place != NULL && memcmp((*place)->digest, digest, JUDGMENT_DIGEST_BYTES) != 0)
        place = &(*place)->next;
    return place;
}

static void grow(struct flights *t)
{
    struct flights bigger = {.n_buckets = t->n_buckets > 0 ? 2 * t->n_buckets : BUCKETS_MIN,
                             .n = t->n};
    bigger.buckets = mem_array(bigger.n_buckets, sizeof(struct flight *));
    for (size_t i = 0; i < t->n_buckets; i++) {
        for (struct flight *f = t->buckets[i], *next; f != NULL; f = next) {
            next = f->next;
            f->next = NULL;
            *place_of(&bigger, f->digest) = f;
        }
    }
    mem_free(t->buckets);
    *t = bigger;
}

void flights_add(struct flights *t, struct flight *f)
{
    if (t->n == t->n_buckets)
        grow(t);
    struct flight **place = place_of(t, f->digest);
    assert(*place == NULL);
    f->next = NULL;
    *place = f;
    t->n++;
}

struct flight *flights_find(const struct flights *t, const uint8_t *digest)
{
    return t->n > 0 ? *place_of(t, digest) : NULL;
}

void flights_remove(struct flights *t, struct flight *f)
{
    struct flight **place = place_of(t, f->digest);
    assert(*place == f);
    *place = f->next;
    t->n--;
}
