/* Kafka source and sink on librdkafka 2.0.2 (Debian 12); the traps it works around:
 * docs/internals/kafka.md.
 *
 * Source: consumer with one librdkafka queue per partition; committed offsets are read on
 * assignment and assigned explicitly; records carry their librdkafka message until released. Sink:
 * a producer on its own thread (its calls block), transactional for exactly_once. librdkafka's
 * threads only wake the loop. */
#ifndef RBR_STREAM_KAFKA_H
#define RBR_STREAM_KAFKA_H

#include "loop/loop.h"
#include "stream/sink.h"
#include "stream/source.h"

struct kafka_property {
    struct str name, value;
};

/* Offsets [from, to) of one partition. */
struct kafka_range {
    int32_t partition; /* KAFKA_EVERY_PARTITION where that is allowed */
    int64_t from, to;
};

enum { KAFKA_EVERY_PARTITION = -1 };

enum delivery { DELIVERY_EXACTLY_ONCE, DELIVERY_AT_LEAST_ONCE };
enum kafka_start { KAFKA_START_ERROR, KAFKA_START_EARLIEST, KAFKA_START_LATEST };

struct kafka_config {
    struct str brokers, input, output, dead_letters, group;
    struct str shadow_output; /* n == 0: no such rewards */
    struct str instance_id; /* group.instance.id; n == 0: dynamic membership */
    struct str transactional_id; /* n == 0: the group, and instance_id or kafka_identity.h's */
    struct str client_id;
    enum delivery delivery;
    enum kafka_start start;
    const struct kafka_range
        *ranges; /* of the input, outlive the source: where a partition starts
                    that has committed nothing, instead of `start`; NULL: all */
    size_t n_ranges;
    size_t record_bytes; /* larger ones are refused; 0: not said */
    bool embedded; /* the brokers are stream/kafka_mock.h's: they have no admin calls */
    const struct kafka_property *common, *consumer,
        *producer; /* passed to librdkafka, override ours */
    size_t n_common, n_consumer, n_producer;
};

/* Whether librdkafka knows the properties and takes their values: ERR_INVALID names the first that
 * it does not. Connects to nobody. Any thread. */
enum err_code kafka_check(const struct kafka_config *config, struct err *err) RBR_MUST_CHECK;

struct kafka_source;
struct kafka_sink;

/* librdkafka's log lines go to obs/log. The group is joined when the port is listened to, not
 * before: a worker whose start fails takes nothing from the others. */
enum err_code kafka_source_new(struct loop *loop, const struct kafka_config *config,
                               struct kafka_source **ret, struct err *err) RBR_MUST_CHECK;
/* After `closed`, or when giving up: then the group is left here. Waits at most 15 s (5 s, and 10
 * for a look-up under way); a client that still does not close is left to the end of the process.
 * The listener is not called. */
void kafka_source_free(struct kafka_source *s);
struct source *kafka_source_port(struct kafka_source *s);

/* Memory that librdkafka may take for each assigned partition: its queue, and one answer of a
 * broker beyond that, compressed four to one. */
size_t kafka_source_partition_bytes(const struct kafka_source *s);

/* The sink commits for the source's group: the source outlives it. Blocks until the producer is
 * initialised (transactions of a dead predecessor are aborted here) or `timeout_us` has passed; a
 * topic that is missing or denied is told at once.
 *
 * A batch is tried for 60 s at most, calls that outlast their timeout aside, before it comes back;
 * the log says so every 15 s. A worker that is told to stop meanwhile may end without waiting for
 * it: a transaction is committed whole or not at all, what is left open is aborted by the next
 * start with the same transactional id, or by the brokers after transaction.timeout.ms (60 s), and
 * who takes the partitions over waits for that before it reads the committed offsets. */
enum err_code kafka_sink_new(struct loop *loop, struct kafka_source *source,
                             const struct kafka_config *config, int64_t timeout_us,
                             struct kafka_sink **ret, struct err *err) RBR_MUST_CHECK;
void kafka_sink_free(struct kafka_sink *s);
struct sink *kafka_sink_port(struct kafka_sink *s);

#endif
