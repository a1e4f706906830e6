#include "replay/estimate.h"

#include "base/mem.h"
#include "replay/digests.h"
#include "reward/kept.h"

enum { BYTES_PER_TOKEN = 4, REWARD_MEMORY = 64 << 20 }; /* English text, roughly */

_Static_assert((int)DIGEST_BYTES == (int)JUDGMENT_DIGEST_BYTES, "one table for both");

struct question {
    uint64_t bytes; /* of its prompt */
    bool found;
};

struct estimate {
    struct cache notes; /* the judge's cache */
    struct judge judge;
    struct cache *kept; /* NULL: none */
    const struct record_limits *limits;
    double min_mass;
    struct arena arena;
    struct digests digests; /* -> questions */
    struct question *questions; /* different ones */
    size_t n_questions, cap_questions, n_found;
    uint64_t sampled, looked_up;
};

static void found(struct estimate *e, struct question *q)
{
    e->n_found += !q->found;
    q->found = true;
}

static bool note(struct cache *c, const uint8_t digest[JUDGMENT_DIGEST_BYTES],
                 struct cache_entry *ret)
{
    struct estimate *e = CONTAINER_OF(c, struct estimate, notes);
    struct cache_entry entry;
    void *questions = e->questions;
    *ret = (struct cache_entry){.probability = 0.5, .mass = 1};
    e->looked_up++;
    if (digests_put(&e->digests, digest, (uint32_t)e->n_questions) != e->n_questions)
        return true; /* asked for before */
    mem_grow(&questions, &e->cap_questions, e->n_questions, sizeof(*e->questions));
    e->questions = questions;
    struct question *q = &e->questions[e->n_questions++];
    *q = (struct question){0};
    if (e->kept != NULL && e->kept->get(e->kept, digest, &entry) && entry.mass >= e->min_mass)
        found(e, q);
    return true;
}

struct estimate *estimate_new(const struct judge *judge, const struct record_limits *limits)
{
    struct estimate *e = mem_alloc(sizeof(*e));
    *e = (struct estimate){
        .notes = {.get = note},
        .judge = *judge,
        .kept = judge->cache,
        .limits = limits,
        .min_mass = judge->policy->min_mass,
    };
    e->judge.cache = &e->notes;
    arena_init(&e->arena, 2 * limits->memory_bytes + 8 * limits->value_bytes + REWARD_MEMORY);
    return e;
}

void estimate_free(struct estimate *e)
{
    if (e == NULL)
        return;
    arena_done(&e->arena);
    digests_done(&e->digests);
    mem_free(e->questions);
    mem_free(e);
}

static void never(struct judge_req *req)
{
    (void)req; /* everything is found, so nothing is waited for */
}

void estimate_record(struct estimate *e, const struct source_record *in, struct str topic,
                     int32_t partition)
{
    const struct record_origin origin = {topic, partition, in->offset};
    struct refusal refusal;
    size_t before = e->n_questions;
    arena_reset(&e->arena);
    e->sampled++;
    const struct record *record = record_decode(
        &e->arena, in->value, record_format_of(source_header(in, STR("content-type"))), e->limits,
        &origin, &refusal);
    if (record == NULL)
        return;
    struct judge_req req = {.record = record,
                            .arena = &e->arena,
                            .deadline_us = CLOCK_NEVER,
                            .expires_us = CLOCK_NEVER,
                            .done = never};
    (void)judge_start(&e->judge, &req);
    for (size_t i = before; i < e->n_questions; i++)
        e->questions[i].bytes = req.prompt.shared_bytes;
}

void estimate_reward(struct estimate *e, struct str packed)
{
    struct kept_judgment *kept;
    struct err err;
    size_t n;
    arena_reset(&e->arena);
    if (kept_unpack(packed, &e->arena, &kept, &n, &err) != ERR_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        uint32_t at;
        if (kept[i].entry.mass >= e->min_mass && digests_find(&e->digests, kept[i].digest, &at))
            found(e, &e->questions[at]);
    }
}

bool estimate_is_complete(const struct estimate *e)
{
    return e->n_found == e->n_questions;
}

void estimate_result(const struct estimate *e, uint64_t records, struct manifest_estimate *ret)
{
    uint64_t asked = 0, bytes = 0;
    double scale = e->sampled > 0 ? (double)records / (double)e->sampled : 0;
    for (size_t i = 0; i < e->n_questions; i++)
        if (!e->questions[i].found) {
            asked++;
            bytes += e->questions[i].bytes;
        }
    *ret = (struct manifest_estimate){
        .sampled = e->sampled,
        .records = records,
        .asked = (uint64_t)((double)asked * scale + 0.5),
        .saved = (uint64_t)((double)(e->looked_up - asked) * scale + 0.5),
        .input_tokens = (uint64_t)((double)bytes / BYTES_PER_TOKEN * scale + 0.5),
    };
}
