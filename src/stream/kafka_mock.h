/* A Kafka cluster inside this process, by librdkafka's mock: for `rbr demo` and tests without a
 * broker.
 *
 * Real protocol on a loopback port, records in memory. It is no broker: transactions succeed, but
 * an abort hides nothing and the offsets they carry are not kept, so nothing about delivery is
 * proved on it. */
#ifndef RBR_STREAM_KAFKA_MOCK_H
#define RBR_STREAM_KAFKA_MOCK_H

#include "base/err.h"

struct kafka_mock;

enum err_code kafka_mock_new(const char *const *topics, size_t n_topics, int partitions,
                             struct kafka_mock **ret, struct err *err) RBR_MUST_CHECK;
void kafka_mock_free(struct kafka_mock *m);
const char *kafka_mock_brokers(const struct kafka_mock *m); /* host:port */

#endif
