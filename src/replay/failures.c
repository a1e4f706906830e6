#include "replay/failures.h"

#include "base/mem.h"

struct failures {
    struct str topic;
    const struct kafka_range *ranges;
    size_t n;
    uint8_t **bits; /* by range */
};

struct failures *failures_new(struct str topic, const struct kafka_range *ranges, size_t n)
{
    struct failures *f = mem_alloc(sizeof(*f));
    *f = (struct failures){.topic = topic, .ranges = ranges, .n = n};
    f->bits = mem_array(n, sizeof(*f->bits));
    for (size_t i = 0; i < n; i++)
        f->bits[i] = mem_array((size_t)(ranges[i].to - ranges[i].from) / 8 + 1, 1);
    return f;
}

void failures_free(struct failures *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n; i++)
        mem_free(f->bits[i]);
    mem_free(f->bits);
    mem_free(f);
}

void failures_add(struct failures *f, const struct reward_trace *reward)
{
    bool failed =
        reward->retryable && (reward->status == STATUS_FAILED || reward->status == STATUS_EXPIRED);
    if (!str_eq(reward->topic, f->topic))
        return;
    for (size_t i = 0; i < f->n; i++) {
        const struct kafka_range *r = &f->ranges[i];
        if (r->partition != reward->partition || reward->offset < r->from ||
            reward->offset >= r->to)
            continue;
        size_t at = (size_t)(reward->offset - r->from);
        uint8_t bit = (uint8_t)(1u << at % 8);
        f->bits[i][at / 8] =
            (uint8_t)(failed ? f->bits[i][at / 8] | bit : f->bits[i][at / 8] & ~bit);
    }
}

void failures_list(const struct failures *f, size_t index, struct offset_set *ret)
{
    const struct kafka_range *r = &f->ranges[index];
    for (int64_t o = r->from; o < r->to; o++) {
        size_t at = (size_t)(o - r->from);
        if ((f->bits[index][at / 8] >> at % 8 & 1) != 0)
            offset_set_add(ret, o);
    }
}
