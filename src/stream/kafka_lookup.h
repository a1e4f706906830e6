/* Where the partitions of an assignment start: their committed offsets, with what is in the
 * metadata, while the log has them; else the beginning of their range, or what kafka.start says.
 * The calls block, for up to 10 s each, so a look-up runs on a thread of libuv's pool and is read
 * by its owner afterwards. */
#ifndef RBR_STREAM_KAFKA_LOOKUP_H
#define RBR_STREAM_KAFKA_LOOKUP_H

#include <stdatomic.h>

#include "stream/kafka_client.h"

struct kafka_lookup {
    uv_work_t work;
    rd_kafka_t *client;
    enum kafka_start start;
    const struct kafka_range *ranges; /* as in struct kafka_config */
    size_t n_ranges;
    rd_kafka_topic_partition_list_t *partitions; /* in: which; out: offset, metadata */
    int64_t *committed, *ends; /* out: of each; -1 where nothing is committed */
    struct err err;
    bool again; /* the failure may pass */
    atomic_bool stop; /* nobody waits for it any more */
};

/* For these partitions, which are copied; what was found before is forgotten. */
void kafka_lookup_prepare(struct kafka_lookup *l, rd_kafka_t *client,
                          const rd_kafka_topic_partition_list_t *partitions);
void kafka_lookup_run(uv_work_t *work); /* of a struct kafka_lookup; uv_queue_work's callback */
void kafka_lookup_done(struct kafka_lookup *l);

#endif
