#include "stream/kafka_nudge.h"

#include "base/mem.h"

enum {
    TIMEOUT_MS = 1000,
    /* Well below what librdkafka may hold of a partition, and enough that a partition which is
     * read as it comes costs few questions. */
    RECORDS_MIN = 256,
    BYTES_MIN = 256 * 1024,
};

void kafka_nudge_init(struct kafka_nudge *n, struct loop *loop, rd_kafka_t *client)
{
    *n = (struct kafka_nudge){.loop = loop, .client = client};
}

/* The answer is of no interest. Nor is a failure: then the second passes. */
static void ask(uv_work_t *work)
{
    struct kafka_nudge *n = CONTAINER_OF(work, struct kafka_nudge, work);
    (void)rd_kafka_offsets_for_times(n->client, n->asked, TIMEOUT_MS);
}

static void on_asked(uv_work_t *work, int status)
{
    (void)status;
    struct kafka_nudge *n = CONTAINER_OF(work, struct kafka_nudge, work);
    rd_kafka_topic_partition_list_destroy(n->asked);
    n->asked = NULL;
}

void kafka_nudge_done(struct kafka_nudge *n)
{
    while (n->asked != NULL)
        (void)uv_run(&n->loop->uv, UV_RUN_ONCE);
}

void kafka_nudge_read(struct kafka_nudge_count *c, size_t bytes)
{
    c->records++;
    c->bytes += bytes;
}

void kafka_nudge_dry(struct kafka_nudge *n, struct kafka_nudge_count *c, const char *topic,
                     int32_t partition)
{
    if (n->asked != NULL || (c->records < RECORDS_MIN && c->bytes < BYTES_MIN))
        return;
    *c = (struct kafka_nudge_count){0};
    n->asked = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(n->asked, topic, partition)->offset = RD_KAFKA_OFFSET_END;
    (void)uv_queue_work(&n->loop->uv, &n->work, ask, on_asked);
}
