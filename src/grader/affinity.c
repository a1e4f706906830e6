#include "grader/affinity.h"

static const double bound = 1.25; /* of the mean load */
static const double idle = 8; /* less is no load: a completion's questions stay together */

/* splitmix64's finaliser: every bit of the sum decides every bit of the score. */
static uint64_t score(uint64_t seed, uint64_t prompt)
{
    uint64_t x = seed + prompt * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

size_t affinity_pick(const struct affinity_endpoint *endpoints, size_t n, uint64_t prompt)
{
    double total = 0;
    size_t able = 0, best = AFFINITY_NONE, spare = AFFINITY_NONE;
    uint64_t best_score = 0;
    for (size_t i = 0; i < n; i++) {
        total += endpoints[i].load;
        able += endpoints[i].may;
    }
    if (able == 0)
        return AFFINITY_NONE;
    double most = bound * (total / (double)able);
    for (size_t i = 0; i < n; i++) {
        const struct affinity_endpoint *e = &endpoints[i];
        if (!e->may)
            continue;
        if (spare == AFFINITY_NONE || e->load < endpoints[spare].load)
            spare = i;
        uint64_t s = score(e->seed, prompt);
        bool free = e->load < idle || e->load <= most;
        if (free && (best == AFFINITY_NONE || s > best_score)) {
            best = i;
            best_score = s;
        }
    }
    return best != AFFINITY_NONE ? best : spare;
}
