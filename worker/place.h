/* Where the rewards that a command reads are: a file of JSON lines as `rbr score --jsonl` and `rbr
 * tail --json` print them, "-" for standard input, or a topic, whole or from one offset of each
 * partition to another. One thread; blocking. */
#ifndef RBR_WORKER_PLACE_H
#define RBR_WORKER_PLACE_H

#include "settings/settings.h"

struct place {
    const char *name; /* as given */
    struct str topic; /* n == 0: a file */
    int64_t from, to; /* offsets */
};

/* FILE, -, topic:NAME or topic:NAME[FROM,TO); false when it is none of them. */
bool place_parse(const char *arg, struct place *ret) RBR_MUST_CHECK;

/* Takes one reward: a packed message, or a line of JSON. An error ends the reading; where it was is
 * put before it. */
typedef enum err_code place_take(void *arg, struct str reward, bool packed, struct err *err);

/* All that is there; a topic up to about where it ended at the start. `settings` (Kafka's) may be
 * NULL for a file. ERR_NOT_FOUND when there is nothing. */
enum err_code place_read(const struct place *place, const struct settings *settings,
                         place_take *take, void *arg, struct err *err) RBR_MUST_CHECK;

#endif
