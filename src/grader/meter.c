#include "grader/meter.h"

enum {
    BYTES_A_TOKEN = 3, /* at least, in most languages */
    FADE_BYTES = 16 * 1024 * 1024,
};

void meter_init(struct meter *m, const struct price *price, struct spend *spend)
{
    *m = (struct meter){.price = *price, .spend = spend};
}

static uint64_t estimate_of(const struct meter *m, size_t bytes, size_t output_tokens)
{
    const struct usage guess = {.input_tokens = bytes / BYTES_A_TOKEN,
                                .output_tokens = output_tokens};
    if (m->bytes > 0)
        return (uint64_t)(m->cost / m->bytes * (double)bytes);
    return price_of(&m->price, &guess);
}

void meter_start(struct meter *m, struct bill *bill, size_t bytes, size_t output_tokens)
{
    bill->bytes = bytes;
    bill->estimate = m->price.known ? estimate_of(m, bytes, output_tokens) : 0;
    if (m->spend != NULL)
        spend_start(m->spend, bill->estimate);
}

enum billed billed_of(const struct transport_req *req, bool says_usage)
{
    if (req->outcome == TRANSPORT_REPLY && says_usage)
        return BILLED_AS_SAID;
    if (req->outcome == TRANSPORT_CONNECT ||
        (req->outcome == TRANSPORT_REPLY && req->status != 200))
        return BILLED_NOTHING;
    return BILLED_UNKNOWN;
}

static void learn(struct meter *m, size_t bytes, uint64_t cost)
{
    m->bytes += (double)bytes;
    m->cost += (double)cost;
    if (m->bytes < FADE_BYTES)
        return;
    m->bytes /= 2;
    m->cost /= 2;
}

void meter_end(struct meter *m, const struct bill *bill, enum billed billed, struct usage *used,
               int64_t now_us)
{
    uint64_t charged = billed == BILLED_UNKNOWN ? bill->estimate : 0;
    if (billed != BILLED_AS_SAID) {
        *used = (struct usage){.unknown = billed == BILLED_UNKNOWN};
    } else if (m->price.known) {
        charged = used->cost_pico = price_of(&m->price, used);
        learn(m, bill->bytes, charged);
    }
    usage_add(&m->total, used);
    hour_add(&m->hour, used, now_us);
    if (m->spend != NULL)
        spend_end(m->spend, bill->estimate, charged, now_us);
}
