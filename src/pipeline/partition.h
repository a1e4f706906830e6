/* One assigned partition: its window, and what of it is committed. Loop thread. */
#ifndef RBR_PIPELINE_PARTITION_H
#define RBR_PIPELINE_PARTITION_H

#include "pipeline/resume.h"
#include "stream/sink.h"

struct partition {
    char *topic;
    int32_t number;
    size_t index; /* in the assignment */
    struct window window;
    struct source_record held; /* read, but its window had no room */
    bool has_held;
    int64_t committed; /* by us, or where we began */
    int64_t sent; /* with the batch on its way; -1: it is not in it */
    char map[ACKMAP_TEXT_MAX]; /* of that batch */
};

void partition_init(struct partition *part, const struct source_partition *from, size_t index,
                    size_t span, struct resume_report *ret);
void partition_done(struct partition *part); /* its records and `held` are given back */

/* Watermark and map as they are when what was taken is committed; false when the map is larger than
 * `map_bytes`, which the brokers take. An empty one may be left away. */
bool partition_offset(struct partition *part, size_t map_bytes,
                      struct sink_offset *ret) RBR_MUST_CHECK;

/* Offsets without a record lie between what was committed and what comes next, and no record is
 * left whose batch would commit past them: without that the partition would never count as read to
 * its end. */
bool partition_has_passed(struct partition *part, struct source *source);

/* The batch was committed. */
void partition_commit(struct partition *part);

#endif
