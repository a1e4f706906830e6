#include "stream/kafka_unreadable.h"

#include <inttypes.h>
#include <stdio.h>

#include "obs/log.h"

static bool is_unreadable(const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED: /* a codec or a message format */
    case RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE: /* no memory to decompress it */
        return message->offset >= 0;
    default:
        return false;
    }
}

/* What was fetched before is dropped by librdkafka as soon as seek is called. It fails only for a
 * partition that is being taken away. */
static void read_at(struct kafka_unreadable *u, rd_kafka_t *client, const char *topic,
                    int32_t partition, int64_t offset)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_seek(handle, partition, offset, 0);
    rd_kafka_topic_destroy(handle);
    u->position = offset;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_warning("source.seek", "%s[%" PRId32 "] to offset %" PRId64 ": %s", topic, partition,
                    offset, rd_kafka_err2str(code));
}

static int64_t failed(struct kafka_unreadable *u, rd_kafka_t *client, const char *topic,
                      int32_t partition, const rd_kafka_message_t *message)
{
    int64_t low, end = 0;
    (void)rd_kafka_get_watermark_offsets(client, topic, partition, &low, &end);
    int64_t to = unreadable_failed(&u->search, u->position, message->offset, end);
    if (message->offset == u->search.batch) /* else it ends a search for another one's end */
        (void)snprintf(u->why, sizeof(u->why), "%s", rd_kafka_message_errstr(message));
    if (u->search.times < UNREADABLE_TIMES)
        log_warning("source.unreadable", "%s[%" PRId32 "]: %s; trying again", topic, partition,
                    u->why);
    return to;
}

bool kafka_unreadable_took(struct kafka_unreadable *u, rd_kafka_t *client, const char *topic,
                           int32_t partition, const rd_kafka_message_t *message)
{
    bool at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (is_unreadable(message)) {
        read_at(u, client, topic, partition, failed(u, client, topic, partition, message));
        return true;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && !at_end)
        return false;
    if (unreadable_searching(&u->search)) {
        read_at(u, client, topic, partition, unreadable_read(&u->search, u->position));
        return true;
    }
    if (!at_end) {
        u->search.times = 0;
        u->position = message->offset + 1;
    }
    return at_end;
}

bool kafka_unreadable_is_end(const struct kafka_unreadable *u, const rd_kafka_message_t *message)
{
    return message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && u->search.times == 0 &&
           message->offset > u->position;
}

bool kafka_unreadable_next(struct kafka_unreadable *u, struct source_record *ret)
{
    int64_t offset;
    if (!unreadable_next(&u->search, &offset))
        return false;
    *ret = (struct source_record){.offset = offset, .timestamp_ms = -1, .unreadable = u->why};
    return true;
}
