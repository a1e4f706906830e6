/* Keeps librdkafka fetching.
 *
 * librdkafka does not fetch a partition whose queue is full, and looks again only when its broker's
 * thread has something to do, or after a second (2.0.2; fetch.queue.backoff.ms came in 2.2). What
 * is read quicker than in a second would wait for the rest of it: measured, 1,500 records/s and
 * partition, whoever reads. So when a partition that may have been full has been read out, that
 * thread is given something to do: a question for the end of the log.
 *
 * Loop thread; the question blocks, so a thread of libuv's pool asks it, one at a time. Lifecycle:
 * kafka_nudge_init, kafka_nudge_read and kafka_nudge_dry while reading, kafka_nudge_done before the
 * client is destroyed. */
#ifndef RBR_STREAM_KAFKA_NUDGE_H
#define RBR_STREAM_KAFKA_NUDGE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "loop/loop.h"

struct kafka_nudge {
    /* private */
    uv_work_t work;
    struct loop *loop;
    rd_kafka_t *client;
    rd_kafka_topic_partition_list_t *asked; /* by the pool's thread; NULL: it is not asking */
};

/* What has been read of one partition since its broker was nudged. */
struct kafka_nudge_count {
    size_t records, bytes;
};

void kafka_nudge_init(struct kafka_nudge *n, struct loop *loop, rd_kafka_t *client);
void kafka_nudge_done(struct kafka_nudge *n); /* waits for a question that is out: at most 1 s */

/* A question is out: the client is in use. */
static inline bool kafka_nudge_asks(const struct kafka_nudge *n)
{
    return n->asked != NULL;
}

void kafka_nudge_read(struct kafka_nudge_count *c, size_t bytes);

/* The partition's queue is empty. */
void kafka_nudge_dry(struct kafka_nudge *n, struct kafka_nudge_count *c, const char *topic,
                     int32_t partition);

#endif
