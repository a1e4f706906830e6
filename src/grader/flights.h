/* A table from digests to the calls that ask these questions now. Entries are the caller's, and
 * stay where they are while they are in the table; their digests too. One thread. */
#ifndef RBR_GRADER_FLIGHTS_H
#define RBR_GRADER_FLIGHTS_H

#include <stddef.h>
#include <stdint.h>

struct grader_call;

struct flight {
    const uint8_t *digest; /* JUDGMENT_DIGEST_BYTES of a SHA-256 */
    struct grader_call *call;
    struct flight *next; /* private */
};

/* All zero is an empty table. */
struct flights {
    struct flight **buckets; /* a power of two of them */
    size_t n_buckets, n;
};

void flights_done(struct flights *t);

void flights_add(struct flights *t, struct flight *f); /* whose digest is not in it */
struct flight *flights_find(const struct flights *t, const uint8_t *digest); /* or NULL */
void flights_remove(struct flights *t, struct flight *f); /* which is in it */

#endif
