/* What a modelled cache has seen: the latest keys, in a ring. */
#ifndef RBR_TESTS_KNOWN_KEYS_H
#define RBR_TESTS_KNOWN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the key is among the latest `cap`; if not, it is the latest now. `*n`: keys ever put in.
 */
static inline bool known(uint64_t *ring, size_t cap, size_t *n, uint64_t key)
{
    size_t used = *n < cap ? *n : cap;
    for (size_t i = 0; i < used; i++)
        if (ring[i] == key)
            return true;
    ring[(*n)++ % cap] = key;
    return false;
}

#endif
