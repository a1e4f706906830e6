/* The port through which results go out: Kafka, or a fixture in tests.
 *
 * A batch is published whole: its records and the offsets that they finish become visible together
 * (exactly_once), or records first and then offsets (at_least_once). One batch at a time. The batch
 * is caller-owned and stays untouched until `done`, which runs on the loop thread, from sink->poll.
 */
#ifndef RBR_STREAM_SINK_H
#define RBR_STREAM_SINK_H

#include "stream/source.h"

enum sink_topic {
    SINK_REWARDS,
    SINK_DEAD_LETTERS,
    SINK_SHADOW, /* rewards of the shadow policy, where there is one */
    SINK_TOPICS,
};

struct sink_record {
    enum sink_topic to;
    int32_t partition; /* of the input: kept when the output topic has as many partitions, else by
                          key */
    struct str key; /* p == NULL: none */
    struct str value; /* p == NULL: null */
    const struct header *headers;
    size_t n_headers;
    bool too_large; /* out: the topic refused its size; the batch was not published */
};

struct sink_offset {
    struct str topic;
    int32_t partition;
    int64_t offset; /* next offset to read after a restart */
    struct str metadata; /* at most 4,096 bytes */
};

enum sink_outcome {
    SINK_COMMITTED, /* records and offsets are visible */
    SINK_ABORTED, /* nothing of it is visible; it may be published again as it is, or without
                     `too_large` ones */
    SINK_FAILED, /* the sink cannot go on; whether the batch is visible is for the next start to
                    find out */
};

struct sink_batch {
    /* in */
    struct sink_record *records;
    size_t n_records;
    const struct sink_offset *offsets;
    size_t n_offsets;
    void (*done)(struct sink_batch *b);
    /* out */
    enum sink_outcome outcome;
    struct err err; /* unless COMMITTED */
    bool metadata_too_large; /* ABORTED, because the broker takes less metadata with an offset */
    /* private */
    void *impl;
};

struct sink {
    void (*publish)(struct sink *s, struct sink_batch *b); /* done is never called from inside */
    void (*poll)(struct sink *s); /* calls done of what has finished */
    void (*close)(struct sink *s); /* after the last done; may block up to its timeout */
};

#endif
