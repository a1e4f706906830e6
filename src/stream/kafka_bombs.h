/* A bound on what librdkafka decompresses. Private to stream/.
 *
 * librdkafka 2.0.2 bounds zstd by receive.message.max.bytes, gzip and lz4 by nothing: a record of
 * 300 KB that grows to 300 MB would be held in memory before any code of ours sees it, or end the
 * process. It calls zlib and liblz4 through the dynamic linker, which finds our functions of the
 * same names first. These pass the calls on, and report damaged data once a batch has grown past
 * the bound; librdkafka then says BAD_COMPRESSION for the batch, as it does for zstd, and we go on
 * after it (stream/unreadable.h). A librdkafka with these libraries built in is not bounded.
 *
 * The bound holds for every user of zlib in the process. Any thread. */
#ifndef RBR_STREAM_KAFKA_BOMBS_H
#define RBR_STREAM_KAFKA_BOMBS_H

#include "stream/kafka_client.h"

/* Of one batch or stream, decompressed; before clients are made. */
void kafka_bound_decompression(size_t bytes);

/* Asks for the topic's configuration, and says in the log what it lets in: batches that grow, and
 * records larger than `record_bytes` (0: not said). */
void kafka_warn_of_bombs(rd_kafka_t *client, const char *topic, size_t record_bytes,
                         int timeout_ms);

#endif
