/* The topics that a sink publishes to, as the brokers tell of them at the start: where a record
 * goes, and how large it may be. Private to stream/kafka_sink.
 *
 * Lifecycle: kafka_targets_init, kafka_targets_look, then reads; with each producer
 * kafka_targets_open and, before it ends, kafka_targets_close; kafka_targets_done. One thread at a
 * time: whoever starts the sink, then its publisher. */
#ifndef RBR_STREAM_KAFKA_TARGETS_H
#define RBR_STREAM_KAFKA_TARGETS_H

#include "stream/kafka_client.h"

struct kafka_target {
    char *topic;
    rd_kafka_topic_t *handle; /* kept so that the producer knows the topic before the first batch */
    bool same_partitions; /* as many as the input: a record keeps its partition */
    size_t message_bytes; /* its max.message.bytes */
};

struct kafka_targets {
    struct kafka_target of[SINK_TOPICS];
    size_t n; /* without the last one there is no shadow policy */
};

void kafka_targets_init(struct kafka_targets *t, const struct kafka_config *config);
void kafka_targets_done(struct kafka_targets *t);

/* Asks through any client, until then; a topic that is missing is an error that says so. */
enum err_code kafka_targets_look(struct kafka_targets *t, const struct kafka_config *config,
                                 rd_kafka_t *client, int64_t until_us,
                                 struct err *err) RBR_MUST_CHECK;

void kafka_targets_open(struct kafka_targets *t, rd_kafka_t *producer);
void kafka_targets_close(struct kafka_targets *t);

/* What the least and the most generous of them takes in one message, bytes. */
size_t kafka_targets_least(const struct kafka_targets *t);
size_t kafka_targets_most(const struct kafka_targets *t);

/* Whether the record is within the topic's limit, as far as that is known. */
bool kafka_target_takes(const struct kafka_target *t, const struct sink_record *r);

/* The record's partition; RD_KAFKA_PARTITION_UA: its key decides. */
int32_t kafka_target_partition(const struct kafka_target *t, const struct sink_record *r);

/* The topic has not as many partitions as the input any more: from now on keys decide. */
void kafka_target_by_key(struct kafka_target *t);

#endif
