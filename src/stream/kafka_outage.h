/* Tells in the log that Kafka cannot be reached, and that it can again: one line each way
 * (outage.h), from the consumer's statistics, which say every second how each of its brokers is
 * doing. Loop thread. */
#ifndef RBR_STREAM_KAFKA_OUTAGE_H
#define RBR_STREAM_KAFKA_OUTAGE_H

#include "base/arena.h"
#include "base/str.h"
#include "stream/outage.h"

#define KAFKA_OUTAGE_INTERVAL_MS "1000" /* statistics.interval.ms */

struct kafka_outage {
    struct outage outage;
    struct arena arena; /* of the statistics in hand */
    const struct json *brokers; /* in those */
};

void kafka_outage_init(struct kafka_outage *o);
void kafka_outage_done(struct kafka_outage *o);

/* librdkafka's statistics as JSON; what is none is passed over. */
void kafka_outage_see(struct kafka_outage *o, struct str statistics, int64_t now_us);

#endif
