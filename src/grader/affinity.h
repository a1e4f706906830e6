/* Which endpoint gets a question: the one that has its prompt in its prefix cache, unless that is
 * busy.
 *
 * Servers reuse the work on a prompt's beginning, and in RL all completions of one prompt and all
 * their questions begin alike. So endpoints are ordered by rendezvous hashing of the prompt (each
 * prompt its own order, and losing an endpoint moves only its prompts), and the first one is taken
 * that may be and has less than 1.25 times the mean load, or hardly any: hot prompts spill to their
 * second endpoint, together. Pure. */
#ifndef RBR_GRADER_AFFINITY_H
#define RBR_GRADER_AFFINITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AFFINITY_NONE SIZE_MAX

struct affinity_endpoint {
    uint64_t seed; /* hash of its URL: the same in every worker */
    bool may; /* has room, is healthy, has not just failed this question */
    double load; /* in flight, in any one unit */
};

/* Index of the endpoint for a prompt with this hash; AFFINITY_NONE when none may. */
size_t affinity_pick(const struct affinity_endpoint *endpoints, size_t n, uint64_t prompt);

#endif
