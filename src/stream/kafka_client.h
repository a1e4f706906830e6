/* What source, sink, reader and writer share of librdkafka: configuration, log lines, error
 * classes, headers. Private to stream/. Any thread, but for what says
 * whose it is. */
#ifndef RBR_STREAM_KAFKA_CLIENT_H
#define RBR_STREAM_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "stream/kafka.h"
#include "stream/kafka_mock.h"

/* One of ours; a property of the user's settings comes later and overrides it. */
struct kafka_default {
    const char *name, *value;
};

/* A configuration with brokers, client id, logging, `ours`, then the user's common and `theirs`.
 * NULL and *err when librdkafka refuses one: the message names it. */
rd_kafka_conf_t *kafka_conf_new(const struct kafka_config *config, const struct kafka_default *ours,
                                size_t n_ours, const struct kafka_property *theirs, size_t n_theirs,
                                struct err *err) RBR_MUST_CHECK;

/* Sets one more; false and *err when refused. */
bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                    struct err *err) RBR_MUST_CHECK;
bool kafka_conf_set_str(rd_kafka_conf_t *conf, const char *name, struct str value,
                        struct err *err) RBR_MUST_CHECK;

/* Takes `conf`. NULL and *err when the client cannot be made. */
rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                             struct err *err) RBR_MUST_CHECK;

/* A consumer that joins no group, with the reader's defaults; NULL and *err. */
rd_kafka_t *kafka_reader_client(const struct kafka_config *config, struct err *err) RBR_MUST_CHECK;

/* Our error for librdkafka's: DENIED and FENCED end the worker, the rest is transient or permanent.
 */
enum err_code kafka_err_code(rd_kafka_resp_err_t code);

/* What is left until then, for one blocking call: from 1, since 0 or less would mean "for ever", to
 * KAFKA_CALL_MS. */
enum { KAFKA_CALL_MS = 10000 };
int kafka_left_ms(int64_t until_us);

/* Partitions of a topic; asks the brokers for up to `timeout_ms`, but only for 2.5 s when none was
 * ever reached and connections fail: then the error says why. A topic that does not exist is an
 * error that says so. */
enum err_code kafka_partition_count(rd_kafka_t *client, const char *topic, int timeout_ms,
                                    int32_t *ret, struct err *err) RBR_MUST_CHECK;

/* What is assumed of a topic that does not say: below every broker's default. */
enum { KAFKA_MESSAGE_BYTES_MAX = 1000000 };

struct kafka_topic_limits {
    size_t message_bytes; /* max.message.bytes; KAFKA_MESSAGE_BYTES_MAX when it is not told */
    bool compressed; /* compression.type lets producers write what grows when it is read */
};

/* As the brokers tell within that time. */
void kafka_topic_limits(rd_kafka_t *client, const char *topic, int timeout_ms,
                        struct kafka_topic_limits *ret);

/* The first and the next offset of each partition's log, in the list's order. Per partition errors
 * are the call's. Not rd_kafka_query_watermark_offsets: when one of its two requests fails, 2.0.2
 * reports success with both ends the same, and what was not read yet would be passed over. */
rd_kafka_resp_err_t kafka_log_ends(rd_kafka_t *client,
                                   const rd_kafka_topic_partition_list_t *partitions,
                                   int timeout_ms, int64_t *low, int64_t *high) RBR_MUST_CHECK;

/* A consumed message as the port's record. Its headers array is malloc'ed together with the handle
 * that `impl` points to; kafka_record_release ends both. Takes `message`. */
void kafka_record_of(rd_kafka_message_t *message, struct source_record *ret);
void kafka_record_release(struct source_record *r);

/* Hands one message over to the producer; its payload is copied. `opaque` comes back in the
 * delivery report. */
rd_kafka_resp_err_t kafka_produce(rd_kafka_t *producer, const char *topic, int32_t partition,
                                  const struct sink_record *record, void *opaque) RBR_MUST_CHECK;

/* The consumer whose group the sink commits for; owned by the source, which takes another only
 * while no partition is assigned. A batch is out only while some are, so the publisher may use the
 * client for as long as it has one in hand, and asks here again for the next. */
rd_kafka_t *kafka_source_client(const struct kafka_source *s);
const char *kafka_source_state(const struct kafka_source *s); /* its name; static */

/* For tests that make the cluster misbehave; owned by the mock. */
rd_kafka_mock_cluster_t *kafka_mock_cluster(const struct kafka_mock *m);

/* rd_kafka_queue_cb_event_enable's callback: wakes the loop given as opaque. */
void kafka_wake_loop(rd_kafka_t *client, void *loop);

#endif
