#include "stream/kafka_client.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/kafka_log.h"

enum { REFUSED_MS = 2500 };

/* ---- configuration ----------------------------------------------------------------------------
 */

bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
        return true;
    (void)err_set(err, ERR_INVALID, "Kafka property %s: %s", name, reason);
    return false;
}

bool kafka_conf_set_str(rd_kafka_conf_t *conf, const char *name, struct str value, struct err *err)
{
    char *text = mem_copy(value.p, value.n);
    bool ok = kafka_conf_set(conf, name, text, err);
    mem_free(text);
    return ok;
}

static bool set_theirs(rd_kafka_conf_t *conf, const struct kafka_property *properties, size_t n,
                       struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        char *name = mem_copy(properties[i].name.p, properties[i].name.n);
        bool ok = kafka_conf_set_str(conf, name, properties[i].value, err);
        mem_free(name);
        if (!ok) {
            (void)err_wrap(err, "kafka.properties");
            return false;
        }
    }
    return true;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_config *config, const struct kafka_default *ours,
                                size_t n_ours, const struct kafka_property *theirs, size_t n_theirs,
                                struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, kafka_log);
    bool ok = kafka_conf_set_str(conf, "bootstrap.servers", config->brokers, err) &&
              kafka_conf_set_str(conf, "client.id", config->client_id, err) &&
              kafka_conf_set(conf, "socket.keepalive.enable", "true", err);
    for (size_t i = 0; ok && i < n_ours; i++)
        ok = kafka_conf_set(conf, ours[i].name, ours[i].value, err);
    ok = ok && set_theirs(conf, config->common, config->n_common, err) &&
         set_theirs(conf, theirs, n_theirs, err);
    if (ok)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static bool takes(const struct kafka_config *config, const struct kafka_property *theirs, size_t n,
                  struct err *err)
{
    rd_kafka_conf_t *conf = kafka_conf_new(config, NULL, 0, theirs, n, err);
    if (conf == NULL)
        return false;
    rd_kafka_conf_destroy(conf);
    return true;
}

enum err_code kafka_check(const struct kafka_config *config, struct err *err)
{
    bool ok = takes(config, config->consumer, config->n_consumer, err) &&
              takes(config, config->producer, config->n_producer, err);
    return ok ? ERR_OK : err->code;
}

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct err *err)
{
    char reason[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof(reason));
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        (void)err_set(err, ERR_INVALID, "Kafka client: %s", reason);
    }
    return client;
}

/* ---- errors -----------------------------------------------------------------------------------
 */

enum err_code kafka_err_code(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return ERR_OK;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        return ERR_DENIED;
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return ERR_FENCED;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return ERR_TIMEOUT;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return ERR_NOT_FOUND;
    default:
        return ERR_KAFKA;
    }
}

int kafka_left_ms(int64_t until_us)
{
    int64_t left = (until_us - clock_mono_us(&clock_real)) / 1000;
    if (left < 1)
        return 1;
    return left < KAFKA_CALL_MS ? (int)left : KAFKA_CALL_MS;
}

/* Brokers that cannot be connected to have REFUSED_MS; those that are slow have the whole time. */
static rd_kafka_resp_err_t ask_of_topic(rd_kafka_t *client, rd_kafka_topic_t *topic, int timeout_ms,
                                        const struct rd_kafka_metadata **ret)
{
    char reason[KAFKA_REASON_MAX];
    int first_ms = timeout_ms < REFUSED_MS ? timeout_ms : REFUSED_MS;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, topic, ret, first_ms);
    if (!kafka_log_is_connection(code) || first_ms == timeout_ms || kafka_log_is_unreached(reason))
        return code;
    return rd_kafka_metadata(client, 0, topic, ret, timeout_ms - first_ms);
}

static enum err_code no_answer(const char *topic, rd_kafka_resp_err_t code, struct err *err)
{
    char reason[KAFKA_REASON_MAX];
    return err_set(err, kafka_err_code(code),
                   "topic %s: the brokers do not answer (%s); is kafka.brokers right, and "
                   "security.protocol in kafka.properties?",
                   topic, kafka_log_is_unreached(reason) ? reason : rd_kafka_err2str(code));
}

enum err_code kafka_partition_count(rd_kafka_t *client, const char *topic, int timeout_ms,
                                    int32_t *ret, struct err *err)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    if (handle == NULL)
        return err_set(err, ERR_INVALID, "'%s' is no topic name", topic);
    rd_kafka_resp_err_t code = ask_of_topic(client, handle, timeout_ms, &metadata);
    rd_kafka_topic_destroy(handle);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return no_answer(topic, code, err);
    kafka_log_reached();
    code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    int32_t n = code == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        (code == RD_KAFKA_RESP_ERR_NO_ERROR && n == 0))
        return err_set(err, ERR_NOT_FOUND, "topic %s does not exist; create it first", topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, kafka_err_code(code), "topic %s: %s", topic, rd_kafka_err2str(code));
    *ret = n;
    return ERR_OK;
}

/* max.message.bytes of the result's topic; the default when it does not say. */
static void read_limits(rd_kafka_event_t *event, struct kafka_topic_limits *ret)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    size_t n = 0, n_entries = 0;
    const rd_kafka_ConfigResource_t **resources =
        result != NULL ? rd_kafka_DescribeConfigs_result_resources(result, &n) : NULL;
    const rd_kafka_ConfigEntry_t **entries =
        n == 1 ? rd_kafka_ConfigResource_configs(resources[0], &n_entries) : NULL;
    for (size_t i = 0; i < n_entries; i++) {
        long value;
        const char *name = rd_kafka_ConfigEntry_name(entries[i]);
        const char *text = rd_kafka_ConfigEntry_value(entries[i]);
        if (text == NULL)
            continue;
        if (strcmp(name, "max.message.bytes") == 0 && (value = strtol(text, NULL, 10)) > 0)
            ret->message_bytes = (size_t)value;
        if (strcmp(name, "compression.type") == 0)
            ret->compressed = strcmp(text, "uncompressed") != 0;
    }
}

void kafka_topic_limits(rd_kafka_t *client, const char *topic, int timeout_ms,
                        struct kafka_topic_limits *ret)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_DescribeConfigs(client, &resource, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
    *ret = (struct kafka_topic_limits){.message_bytes = KAFKA_MESSAGE_BYTES_MAX};
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        read_limits(event, ret);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

/* Asked as a time: BEGINNING and END are the protocol's own for "first" and "next". */
static rd_kafka_resp_err_t log_end(rd_kafka_t *client,
                                   const rd_kafka_topic_partition_list_t *partitions, int64_t which,
                                   int timeout_ms, int64_t *ret)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(partitions);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = which;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, list, timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        ret[i] = list->elems[i].offset;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && ret[i] < 0) /* not in the answer */
            code = RD_KAFKA_RESP_ERR__NO_OFFSET;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

rd_kafka_resp_err_t kafka_log_ends(rd_kafka_t *client,
                                   const rd_kafka_topic_partition_list_t *partitions,
                                   int timeout_ms, int64_t *low, int64_t *high)
{
    rd_kafka_resp_err_t code =
        log_end(client, partitions, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, low);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? log_end(client, partitions, RD_KAFKA_OFFSET_END, timeout_ms, high)
               : code;
}

/* ---- messages ---------------------------------------------------------------------------------
 */

struct kafka_record {
    rd_kafka_message_t *message;
    struct header headers[];
};

static struct str bytes(const void *p, size_t n)
{
    return (struct str){p, n};
}

void kafka_record_of(rd_kafka_message_t *message, struct source_record *ret)
{
    rd_kafka_headers_t *headers = NULL;
    size_t n = 0;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        n = rd_kafka_header_cnt(headers);
    struct kafka_record *r = mem_alloc(sizeof(*r) + n * sizeof(r->headers[0]));
    r->message = message;
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t size;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
            n = i;
        else
            r->headers[i] = (struct header){.name = str_z(name), .value = bytes(value, size)};
    }
    *ret = (struct source_record){
        .offset = message->offset,
        .timestamp_ms = rd_kafka_message_timestamp(message, NULL),
        .key = bytes(message->key, message->key_len),
        .value = bytes(message->payload, message->len),
        .headers = r->headers,
        .n_headers = n,
        .impl = r,
    };
}

void kafka_record_release(struct source_record *r)
{
    struct kafka_record *record = r->impl;
    rd_kafka_message_destroy(record->message);
    mem_free(record);
    r->impl = NULL;
}

static rd_kafka_headers_t *headers_of(const struct sink_record *record)
{
    if (record->n_headers == 0)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->n_headers);
    for (size_t i = 0; i < record->n_headers; i++) {
        const struct header *h = &record->headers[i];
        /* Fails only for a read-only list, which this is not. */
        (void)rd_kafka_header_add(headers, h->name.p, (ssize_t)h->name.n, h->value.p,
                                  (ssize_t)h->value.n);
    }
    return headers;
}

rd_kafka_resp_err_t kafka_produce(rd_kafka_t *producer, const char *topic, int32_t partition,
                                  const struct sink_record *record, void *opaque)
{
    rd_kafka_headers_t *headers = headers_of(record);
    rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)record->key.p, record->key.n}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)record->value.p, record->value.n}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    size_t n = sizeof(arguments) / sizeof(arguments[0]) - (headers == NULL ? 1 : 0);
    rd_kafka_error_t *error = rd_kafka_produceva(producer, arguments, n);
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers != NULL)
        rd_kafka_headers_destroy(headers); /* produceva keeps them on success only */
    return code;
}

void kafka_wake_loop(rd_kafka_t *client, void *loop)
{
    (void)client;
    loop_wake(loop);
}
