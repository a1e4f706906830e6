/* One record on its way through the pipeline: its memory, its judging, and the message it becomes.
 */
#ifndef RBR_PIPELINE_ITEM_H
#define RBR_PIPELINE_ITEM_H

#include "base/buf.h"
#include "judge/judge.h"
#include "reward/reward.h"
#include "stream/sink.h"
#include "stream/source.h"

struct partition;
struct pipeline;

enum { ITEM_REWARD_BYTES_MAX = 900 * 1024 };

struct item {
    struct pipeline *pipeline;
    struct partition *partition; /* NULL: the assignment ended while a judge worked on it */
    int64_t offset;
    int64_t received_us; /* monotonic */
    int64_t received_ms; /* wall */
    size_t bytes; /* charged to the memory budget */
    struct arena arena; /* record, prompt, judgments; emptied when the message is encoded */
    struct record *record;
    struct str key, traceparent; /* of the input; in the arena; key.p == NULL: none */
    struct judge_req judge;
    enum status status; /* of the reward it became */
    struct buf out; /* key, value and header bytes of the message */
    struct header *headers;
    size_t cap_headers;
    struct sink_record message; /* points into out and headers */
    bool by_reference; /* a dead letter without the record's own bytes: as small as it gets */
    struct item *next; /* free list, or orphans */
    struct item **link; /* orphans: what points to this */
    int64_t until_us; /* orphans: then it is cancelled */
};

void item_init(struct item *it, size_t arena_bytes);
void item_reset(struct item *it); /* ready for another record; keeps some memory */
void item_done(struct item *it);

/* Takes the record in, with the key and traceparent that its message needs; false: `ret_refusal`
 * says why it is none. */
bool item_decode(struct item *it, const struct source_record *in, struct str topic,
                 int32_t partition, const struct record_limits *limits,
                 struct refusal *ret_refusal) RBR_MUST_CHECK;

/* Until when it is wanted, as it says itself; CLOCK_NEVER when it does not. */
int64_t item_expires_us(const struct item *it);

/* Becomes a dead letter: key, value and headers as they came, plus why. `in` NULL: by reference
 * only (the value is gone or too large to keep); then key and value are null. */
void item_make_dead_letter(struct item *it, struct str topic, int32_t partition,
                           const struct source_record *in, const char *stage, const char *reason,
                           const char *text);

/* Becomes a reward from what the judge found. The record's memory is given back. */
void item_make_reward(struct item *it, struct str topic, int32_t partition,
                      const struct policy *policy, int64_t now_ms);

/* Bytes held now, for the memory budget. */
size_t item_bytes(const struct item *it);

#endif
