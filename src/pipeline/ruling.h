/* What a policy makes of one record: its judging, and the message that comes of it, a reward or a
 * dead letter.
 *
 * A ruling is a part of its item (item.h), which says where the record came from and holds it until
 * the messages are made. It keeps some memory for the next record. Loop thread. */
#ifndef RBR_PIPELINE_RULING_H
#define RBR_PIPELINE_RULING_H

#include "base/buf.h"
#include "judge/judge.h"
#include "reward/reward.h"
#include "stream/sink.h"
#include "stream/source.h"

enum { RULING_REWARD_BYTES_MAX = 900 * 1024 };

struct item;

struct ruling {
    struct item *item;
    enum sink_topic rewards; /* where its reward goes */
    struct arena arena; /* prompt, judgments */
    struct judge_req judge;
    enum status status; /* of the reward it became */
    struct buf out; /* key, value and header bytes of the message */
    struct header *headers;
    size_t cap_headers;
    struct sink_record message; /* points into out and headers */
    bool by_reference; /* a dead letter without the record's own bytes: as small as it gets */
};

void ruling_init(struct ruling *r, struct item *it, enum sink_topic rewards, size_t arena_bytes);
void ruling_reset(struct ruling *r);
void ruling_done(struct ruling *r);

/* Becomes a reward from what the judge found; `replay_id` n == 0: of live traffic. */
void ruling_make_reward(struct ruling *r, struct str replay_id, int64_t now_ms);

/* Becomes a dead letter: key, value and headers as they came, plus why. `in` NULL: by reference
 * only (the value is gone or too large to keep); then key and value are null. */
void ruling_make_dead_letter(struct ruling *r, const struct source_record *in, const char *stage,
                             const char *reason, const char *text);

/* Bytes held now, its own size aside. */
size_t ruling_bytes(const struct ruling *r);

#endif
