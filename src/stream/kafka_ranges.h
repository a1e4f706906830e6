/* Where in a topic something lies: offsets of each of its partitions, from moments, offsets or
 * ends. Blocking, for up to a minute. Any thread. */
#ifndef RBR_STREAM_KAFKA_RANGES_H
#define RBR_STREAM_KAFKA_RANGES_H

#include "stream/kafka.h"

enum kafka_point_kind {
    KAFKA_POINT_BEGINNING,
    KAFKA_POINT_OFFSET, /* of each partition */
    KAFKA_POINT_TIME, /* the first record of this time or later, as its timestamp has it */
    KAFKA_POINT_END, /* now; what open transactions hide is beyond it */
};

struct kafka_point {
    enum kafka_point_kind kind;
    int64_t value; /* an offset; wall time in ms */
};

/* A range for each partition in order, cut to what the log has; empty ones have from == to. The
 * caller frees them with mem_free. */
enum err_code kafka_ranges(const struct kafka_config *config, struct str topic,
                           struct kafka_point from, struct kafka_point to, struct kafka_range **ret,
                           size_t *ret_n, struct err *err) RBR_MUST_CHECK;

#endif
