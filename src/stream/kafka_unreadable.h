/* Passes over what one partition's consumer cannot read (stream/unreadable.h): sees every message,
 * moves the consumer, and offers each offset passed over as a record of which nothing but that is
 * known. Private to stream/. Loop thread. */
#ifndef RBR_STREAM_KAFKA_UNREADABLE_H
#define RBR_STREAM_KAFKA_UNREADABLE_H

#include "stream/kafka_client.h"
#include "stream/unreadable.h"

struct kafka_unreadable {
    struct unreadable search;
    int64_t position; /* what is to be read next */
    char why[256];
};

/* True: the message is none for the pipeline, and is only to be destroyed. */
bool kafka_unreadable_took(struct kafka_unreadable *u, rd_kafka_t *client, const char *topic,
                           int32_t partition, const rd_kafka_message_t *message);

/* What was taken says that the log ends here, and nothing before it is left to be offered. */
bool kafka_unreadable_is_end(const struct kafka_unreadable *u, const rd_kafka_message_t *message);

/* An offset that was passed over; before each message. `ret` points to `why`. */
bool kafka_unreadable_next(struct kafka_unreadable *u, struct source_record *ret);

#endif
