#include "stream/kafka_reader.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/kafka_client.h"

enum {
    METADATA_MS = 15000,
    WAIT_MS = 500,
    SILENCE_MS = 60000, /* of brokers: then there is no more waiting */
};

/* ---- reader ------------------------------------------------------------------------------------
 */

struct kafka_reader {
    rd_kafka_t *client;
    struct source_record record; /* the last one given out */
    int32_t n_partitions;
    struct reading *readings; /* per partition */
    int32_t n_at_end;
    bool told_end, end_once;
};

struct reading {
    int64_t from, to; /* offsets given out; from < 0: as librdkafka names it */
    bool at_end; /* it has been read to its end, or is not read at all */
};

static const struct kafka_default reader_defaults[] = {
    {"group.id", "rbr-reader"}, /* librdkafka wants one; it is never joined */
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"enable.partition.eof", "true"},
    {"check.crcs", "true"},
    {"isolation.level", "read_committed"},
    {"auto.offset.reset", "earliest"}, /* what is gone cannot be read, what is there can */
    {"queued.max.messages.kbytes", "16384"},
};

static enum err_code assign(struct kafka_reader *r, struct str topic, struct err *err)
{
    char *name = mem_copy(topic.p, topic.n);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(r->n_partitions);
    for (int32_t i = 0; i < r->n_partitions; i++)
        if (!r->readings[i].at_end)
            rd_kafka_topic_partition_list_add(list, name, i)->offset = r->readings[i].from;
    rd_kafka_resp_err_t code = rd_kafka_assign(r->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    mem_free(name);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return ERR_OK;
    return err_set(err, kafka_err_code(code), "reading %.*s: %s", STR_ARGS(topic),
                   rd_kafka_err2str(code));
}

rd_kafka_t *kafka_reader_client(const struct kafka_config *config, struct err *err)
{
    rd_kafka_conf_t *conf = kafka_conf_new(config, reader_defaults, ARRAY_LEN(reader_defaults),
                                           config->consumer, config->n_consumer, err);
    return conf != NULL ? kafka_client_new(RD_KAFKA_CONSUMER, conf, err) : NULL;
}

static enum err_code count(rd_kafka_t *client, struct str topic, int32_t *ret, struct err *err)
{
    char *name = mem_copy(topic.p, topic.n);
    enum err_code code = kafka_partition_count(client, name, METADATA_MS, ret, err);
    mem_free(name);
    return code;
}

enum err_code kafka_reader_partitions(const struct kafka_config *config, struct str topic,
                                      int32_t *ret, struct err *err)
{
    rd_kafka_t *client = kafka_reader_client(config, err);
    if (client == NULL)
        return ERR_INVALID;
    enum err_code code = count(client, topic, ret, err);
    rd_kafka_destroy(client);
    return code;
}

/* Ranges of partitions that the topic does not have are empty. */
static void set_ranges(struct kafka_reader *r, const struct kafka_range *ranges, size_t n)
{
    r->readings = mem_array((size_t)r->n_partitions, sizeof(*r->readings));
    r->n_at_end = r->n_partitions;
    r->end_once = true;
    for (int32_t i = 0; i < r->n_partitions; i++)
        r->readings[i].at_end = true;
    for (size_t k = 0; k < n; k++)
        for (int32_t i = 0; i < r->n_partitions; i++) {
            const struct kafka_range *range = &ranges[k];
            if ((range->partition != i && range->partition != KAFKA_EVERY_PARTITION) ||
                range->from >= range->to || !r->readings[i].at_end)
                continue;
            r->readings[i] = (struct reading){.from = range->from, .to = range->to};
            r->n_at_end--;
        }
}

enum err_code kafka_reader_new_ranges(const struct kafka_config *config, struct str topic,
                                      const struct kafka_range *ranges, size_t n,
                                      struct kafka_reader **ret, struct err *err)
{
    rd_kafka_t *client = kafka_reader_client(config, err);
    if (client == NULL)
        return ERR_INVALID;
    struct kafka_reader *r = mem_alloc(sizeof(*r));
    r->client = client;
    (void)rd_kafka_poll_set_consumer(client);
    enum err_code code = count(client, topic, &r->n_partitions, err);
    if (code == ERR_OK) {
        set_ranges(r, ranges, n);
        code = assign(r, topic, err);
    }
    if (code != ERR_OK) {
        kafka_reader_free(r);
        return code;
    }
    *ret = r;
    return ERR_OK;
}

enum err_code kafka_reader_new(const struct kafka_config *config, struct str topic,
                               bool from_beginning, struct kafka_reader **ret, struct err *err)
{
    const struct kafka_range all = {
        .partition = KAFKA_EVERY_PARTITION,
        .from = from_beginning ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END,
        .to = INT64_MAX,
    };
    enum err_code code = kafka_reader_new_ranges(config, topic, &all, 1, ret, err);
    if (code == ERR_OK)
        (*ret)->end_once = false;
    return code;
}

static void release(struct kafka_reader *r)
{
    if (r->record.impl != NULL)
        kafka_record_release(&r->record);
}

void kafka_reader_free(struct kafka_reader *r)
{
    if (r == NULL)
        return;
    release(r);
    (void)rd_kafka_consumer_close(r->client);
    rd_kafka_destroy(r->client);
    mem_free(r->readings);
    mem_free(r);
}

/* A partition has been read to its end, or goes on after it. */
static void note_end(struct kafka_reader *r, int32_t partition, bool at_end)
{
    if (partition < 0 || partition >= r->n_partitions || r->readings[partition].at_end == at_end)
        return;
    if (r->end_once && !at_end)
        return;
    r->readings[partition].at_end = at_end;
    r->n_at_end += at_end ? 1 : -1;
    if (!at_end)
        r->told_end = false;
}

void kafka_reader_end_once(struct kafka_reader *r)
{
    r->end_once = true;
}

static enum kafka_read tell_end(struct kafka_reader *r)
{
    if (r->n_at_end < r->n_partitions || r->told_end)
        return KAFKA_READ_NOTHING;
    r->told_end = true;
    return KAFKA_READ_END;
}

/* What a message that is no record says; NOTHING when the caller need not know. */
static enum kafka_read read_event(struct kafka_reader *r, const rd_kafka_message_t *message,
                                  struct err *err)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        note_end(r, message->partition, true);
        return tell_end(r);
    }
    enum err_code code = kafka_err_code(message->err);
    if (err_class(code) == ERR_CLASS_TRANSIENT)
        return KAFKA_READ_NOTHING;
    (void)err_set(err, code, "reading: %s", rd_kafka_message_errstr(message));
    return KAFKA_READ_FAILED;
}

/* Nothing more of a partition is wanted: without this its fetching would go on. */
static void read_no_more(struct kafka_reader *r, const rd_kafka_message_t *message)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(message->rkt),
                                            message->partition);
    (void)rd_kafka_pause_partitions(r->client, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* A record; NOTHING when it is in none of the ranges. */
static enum kafka_read read_record(struct kafka_reader *r, const rd_kafka_message_t *message)
{
    const struct reading *reading = &r->readings[message->partition];
    if (message->offset >= reading->to) {
        if (!reading->at_end)
            read_no_more(r, message);
        note_end(r, message->partition, true);
        return tell_end(r);
    }
    if (message->offset < reading->from)
        return KAFKA_READ_NOTHING;
    note_end(r, message->partition, message->offset == reading->to - 1);
    return KAFKA_READ_RECORD;
}

enum kafka_read kafka_reader_next(struct kafka_reader *r, int timeout_ms, struct source_record *ret,
                                  int32_t *ret_partition, struct err *err)
{
    int64_t until_us = clock_mono_us(&clock_real) + (int64_t)timeout_ms * 1000;
    int64_t left_us = (int64_t)timeout_ms * 1000;
    enum kafka_read what = tell_end(r); /* of ranges that are all empty */
    release(r);
    /* Once at least: with a timeout of 0 too, what is here is given. */
    while (what == KAFKA_READ_NOTHING) {
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(r->client, left_us > 0 ? (int)((left_us + 999) / 1000) : 0);
        if (message == NULL)
            break;
        what = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? read_record(r, message)
                                                          : read_event(r, message, err);
        if (what == KAFKA_READ_RECORD) {
            *ret_partition = message->partition;
            kafka_record_of(message, &r->record);
            *ret = r->record;
            return what;
        }
        rd_kafka_message_destroy(message);
        left_us = until_us - clock_mono_us(&clock_real);
        if (left_us <= 0)
            break;
    }
    return what;
}

static enum err_code read_to_the_end(struct kafka_reader *r, struct str topic, kafka_take *take,
                                     void *arg, struct err *err)
{
    struct source_record record;
    int32_t partition;
    err->code = ERR_OK;
    for (int silence_ms = 0; silence_ms < SILENCE_MS;) {
        switch (kafka_reader_next(r, WAIT_MS, &record, &partition, err)) {
        case KAFKA_READ_RECORD:
            silence_ms = 0;
            if (!take(arg, &record, partition, err))
                return err->code;
            break;
        case KAFKA_READ_NOTHING:
            silence_ms += WAIT_MS;
            break;
        case KAFKA_READ_END:
            return ERR_OK;
        case KAFKA_READ_FAILED:
            return err->code;
        }
    }
    return err_set(err, ERR_TIMEOUT, "topic %.*s: nothing came for %d s; are the brokers there?",
                   STR_ARGS(topic), SILENCE_MS / 1000);
}

enum err_code kafka_read_ranges(const struct kafka_config *config, struct str topic,
                                const struct kafka_range *ranges, size_t n, kafka_take *take,
                                void *arg, struct err *err)
{
    struct kafka_reader *r;
    enum err_code code = kafka_reader_new_ranges(config, topic, ranges, n, &r, err);
    if (code != ERR_OK)
        return code;
    code = read_to_the_end(r, topic, take, arg, err);
    kafka_reader_free(r);
    return code;
}

/* ---- writer ------------------------------------------------------------------------------------
 */

struct kafka_writer {
    rd_kafka_t *client;
    char *topic;
    uint64_t failed; /* delivery reports with an error */
    rd_kafka_resp_err_t why;
};

static const struct kafka_default writer_defaults[] = {
    {"enable.idempotence", "true"},    {"acks", "all"},
    {"compression.codec", "zstd"},     {"linger.ms", "5"},
    {"partitioner", "murmur2_random"}, {"message.max.bytes", "10000000"}, /* the brokers decide */
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct kafka_writer *w = opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    w->failed++;
    w->why = message->err;
}

enum err_code kafka_writer_new(const struct kafka_config *config, struct str topic,
                               struct kafka_writer **ret, struct err *err)
{
    struct kafka_writer *w = mem_alloc(sizeof(*w));
    w->topic = mem_copy(topic.p, topic.n);
    rd_kafka_conf_t *conf = kafka_conf_new(config, writer_defaults, ARRAY_LEN(writer_defaults),
                                           config->producer, config->n_producer, err);
    enum err_code code = ERR_INVALID;
    if (conf != NULL) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_opaque(conf, w);
        w->client = kafka_client_new(RD_KAFKA_PRODUCER, conf, err);
    }
    int32_t n;
    if (w->client != NULL)
        code = kafka_partition_count(w->client, w->topic, METADATA_MS, &n, err);
    if (code != ERR_OK) {
        kafka_writer_free(w);
        return code;
    }
    *ret = w;
    return ERR_OK;
}

void kafka_writer_free(struct kafka_writer *w)
{
    if (w == NULL)
        return;
    if (w->client != NULL)
        rd_kafka_destroy(w->client);
    mem_free(w->topic);
    mem_free(w);
}

enum err_code kafka_writer_put(struct kafka_writer *w, struct str key, struct str value,
                               struct err *err)
{
    struct sink_record record = {.key = key, .value = value};
    rd_kafka_resp_err_t code;
    while ((code = kafka_produce(w->client, w->topic, RD_KAFKA_PARTITION_UA, &record, NULL)) ==
           RD_KAFKA_RESP_ERR__QUEUE_FULL)
        (void)rd_kafka_poll(w->client, 100);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, kafka_err_code(code), "writing to %s: %s", w->topic,
                       rd_kafka_err2str(code));
    (void)rd_kafka_poll(w->client, 0);
    return ERR_OK;
}

enum err_code kafka_writer_flush(struct kafka_writer *w, int timeout_ms, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_flush(w->client, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, kafka_err_code(code), "writing to %s: %d records are not there yet: %s",
                       w->topic, rd_kafka_outq_len(w->client), rd_kafka_err2str(code));
    if (w->failed > 0)
        return err_set(err, kafka_err_code(w->why),
                       "writing to %s: %" PRIu64 " records were not taken: %s", w->topic, w->failed,
                       rd_kafka_err2str(w->why));
    return ERR_OK;
}
