#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/sm.h"
#include "obs/log.h"
#include "stream/fencing.h"
#include "stream/kafka_bombs.h"
#include "stream/kafka_client.h"
#include "stream/kafka_discard.h"
#include "stream/kafka_log.h"
#include "stream/kafka_lookup.h"
#include "stream/kafka_nudge.h"
#include "stream/kafka_outage.h"
#include "stream/kafka_unreadable.h"

/*            assign event               offsets known                 revoke event
 *   IDLE --------------------> LOOKING_UP ------------> ASSIGNED -----------------> REVOKING
 *    ^                           |    ^ |                                             |
 *    |                           '----' | (closing, or revoked meanwhile)             |
 *    |                        try again |                                             |
 *    '----------------------------------+---------------------------------------------'
 *                     rd_kafka_assign(NULL)                        revoke_done
 *   any of them ---- rd_kafka_consumer_closed ----> CLOSED
 *
 * Offsets are looked up by calls that block, so on a thread of libuv's pool; librdkafka waits for
 * our assign meanwhile. We assign explicit offsets always: `auto.offset.reset` never decides.
 *
 * A client with a fatal error (fenced, for one) does nothing more, not even close: the assignment
 * is lost, and from IDLE a new client takes the old one's place and joins. */
enum state { IDLE, LOOKING_UP, ASSIGNED, REVOKING, CLOSED };

static const struct sm_state states[] = {
    [IDLE] = {"idle", SM_TO(LOOKING_UP) | SM_TO(CLOSED)},
    [LOOKING_UP] = {"looking up", SM_TO(IDLE) | SM_TO(ASSIGNED) | SM_TO(CLOSED)},
    [ASSIGNED] = {"assigned", SM_TO(REVOKING) | SM_TO(CLOSED)},
    [REVOKING] = {"revoking", SM_TO(IDLE) | SM_TO(CLOSED)},
    [CLOSED] = {"closed", 0},
};

enum {
    EVENTS_PER_POLL = 64, /* then the loop gets a turn */
    LOOKUP_RETRY_US = 1000000,
    CLOSE_WAIT_US = 5000000,
    RESPONSE_BYTES_MAX = 256 << 20, /* more is not taken, whatever the topic allows */
    JOIN_AGAIN_US = 1000000, /* longer after each fencing, so that one of two twins can settle */
};

struct kafka_partition {
    char *topic;
    int32_t number;
    rd_kafka_queue_t *queue;
    struct kafka_nudge_count count;
    struct kafka_unreadable unreadable;
    int64_t passed; /* below: given out, or no record */
};

struct kafka_source {
    struct source port;
    struct loop *loop;
    struct source_listener listener;
    rd_kafka_conf_t *conf; /* the client's, to make another of */
    rd_kafka_t *client;
    bool dead; /* it had a fatal error: it is called no more but to be thrown away */
    int64_t join_again_us; /* when dead: not before */
    struct fencing fencing;
    struct kafka_discard discard;
    rd_kafka_queue_t *events, *close_events; /* the latter once closing */
    enum state state;
    enum kafka_start start;
    char *topic;
    struct err not_subscribed; /* why, until the next poll tells */
    struct kafka_lookup lookup;
    struct kafka_nudge nudge;
    struct kafka_outage outage;
    bool looking; /* the pool's thread has `lookup` */
    bool looked_up; /* its result waits for the next poll */
    bool revoked; /* while looking up: give the partitions back */
    bool closing, failed;
    int64_t look_again_us;
    struct kafka_partition *partitions;
    size_t n_partitions;
};

static void move(struct kafka_source *s, enum state to)
{
    s->state = (enum state)sm_move(states, (int)s->state, (int)to);
}

static void fail(struct kafka_source *s, const struct err *e)
{
    if (s->failed || s->closing)
        return;
    s->failed = true;
    s->listener.failed(s->listener.arg, e);
}

/* ---- assignment -------------------------------------------------------------------------------
 */

/* librdkafka's own errors here are about its state; it asks again if it disagrees. */
static void assign(struct kafka_source *s, const rd_kafka_topic_partition_list_t *partitions)
{
    if (s->dead)
        return;
    rd_kafka_resp_err_t code = rd_kafka_assign(s->client, partitions);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_warning("source.assign", "%s", rd_kafka_err2str(code));
}

static void give_back(struct kafka_source *s)
{
    move(s, IDLE);
    assign(s, NULL);
}

/* Every partition gets a queue of its own before it is fetched, so that reading one is a choice. */
static void take_partitions(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = s->lookup.partitions;
    s->n_partitions = (size_t)list->cnt;
    s->partitions = mem_array(s->n_partitions, sizeof(*s->partitions));
    for (size_t i = 0; i < s->n_partitions; i++) {
        struct kafka_partition *p = &s->partitions[i];
        p->topic = mem_strdup(list->elems[i].topic);
        p->number = list->elems[i].partition;
        p->unreadable.position = p->passed = list->elems[i].offset;
        p->queue = rd_kafka_queue_get_partition(s->client, p->topic, p->number);
        rd_kafka_queue_forward(p->queue, NULL);
        rd_kafka_queue_cb_event_enable(p->queue, kafka_wake_loop, s->loop);
    }
}

static void drop_partitions(struct kafka_source *s)
{
    for (size_t i = 0; i < s->n_partitions; i++) {
        rd_kafka_queue_cb_event_enable(s->partitions[i].queue, NULL, NULL);
        rd_kafka_queue_destroy(s->partitions[i].queue);
        mem_free(s->partitions[i].topic);
    }
    mem_free(s->partitions);
    s->partitions = NULL;
    s->n_partitions = 0;
}

static void tell_assigned(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *list = s->lookup.partitions;
    struct source_partition *told = mem_array(s->n_partitions, sizeof(*told));
    for (size_t i = 0; i < s->n_partitions; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        told[i] = (struct source_partition){
            .topic = str_z(s->partitions[i].topic),
            .partition = p->partition,
            .offset = p->offset,
            .committed = s->lookup.committed[i],
            .end = s->lookup.ends[i],
            .metadata = {p->metadata, p->metadata_size},
        };
        log_info("source.assigned", "%s[%" PRId32 "] from offset %" PRId64, p->topic, p->partition,
                 p->offset);
    }
    s->listener.assigned(s->listener.arg, told, s->n_partitions);
    mem_free(told);
}

static void use_lookup(struct kafka_source *s)
{
    struct kafka_lookup *l = &s->lookup;
    s->looked_up = false;
    FAILPOINT(looked_up);
    if (s->closing || s->revoked) {
        give_back(s);
    } else if (l->err.code == ERR_OK) {
        move(s, ASSIGNED);
        take_partitions(s);
        assign(s, l->partitions);
        tell_assigned(s);
    } else if (l->again) {
        log_event(kafka_log_is_away() ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "source.lookup_failed",
                  "%s; trying again", l->err.msg);
        s->look_again_us = clock_mono_us(&clock_real) + LOOKUP_RETRY_US;
    } else {
        fail(s, &l->err);
    }
}

/* Between two polls: what was found is told from inside the next one, as every event. */
static void on_looked_up(uv_work_t *work, int status)
{
    (void)status;
    struct kafka_source *s =
        CONTAINER_OF(CONTAINER_OF(work, struct kafka_lookup, work), struct kafka_source, lookup);
    s->looking = false;
    s->looked_up = true;
}

static void start_lookup(struct kafka_source *s)
{
    s->looking = true;
    s->look_again_us = CLOCK_NEVER;
    (void)uv_queue_work(&s->loop->uv, &s->lookup.work, kafka_lookup_run, on_looked_up);
}

static void on_assign_event(struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    if (s->state != IDLE) {
        log_warning("source.unexpected_assignment", "ignored while %s", states[s->state].name);
        return;
    }
    if (s->closing) {
        assign(s, NULL);
        return;
    }
    move(s, LOOKING_UP);
    kafka_lookup_prepare(&s->lookup, s->client, list);
    s->revoked = false;
    start_lookup(s);
}

/* Ends the assignment, or what is to become one. */
static void take_back(struct kafka_source *s, bool lost)
{
    switch (s->state) {
    case ASSIGNED:
        move(s, REVOKING);
        log_info(lost ? "source.lost" : "source.revoked", "%zu partitions", s->n_partitions);
        if (lost)
            s->listener.lost(s->listener.arg);
        else
            s->listener.revoked(s->listener.arg);
        break;
    case LOOKING_UP:
        s->revoked = true;
        atomic_store(&s->lookup.stop, true);
        break;
    case IDLE:
        assign(s, NULL);
        break;
    case REVOKING:
    case CLOSED:
        break;
    }
}

/* ---- another client ---------------------------------------------------------------------------
 */

static void subscribe(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(topics, s->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(s->client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)err_set(&s->not_subscribed, kafka_err_code(code), "subscribing to %s: %s", s->topic,
                      rd_kafka_err2str(code));
}

static void use_client(struct kafka_source *s, rd_kafka_t *client)
{
    s->client = client;
    kafka_nudge_init(&s->nudge, s->loop, client);
    (void)rd_kafka_poll_set_consumer(client);
    s->events = rd_kafka_queue_get_consumer(client);
    rd_kafka_queue_cb_event_enable(s->events, kafka_wake_loop, s->loop);
}

static void drop_queue(rd_kafka_queue_t *queue)
{
    if (queue == NULL)
        return;
    rd_kafka_queue_cb_event_enable(queue, NULL, NULL);
    rd_kafka_queue_destroy(queue);
}

static void on_fatal(struct kafka_source *s, rd_kafka_resp_err_t code, const char *reason)
{
    struct err err;
    int64_t now = clock_mono_us(&clock_real);
    s->dead = true;
    (void)err_set(&err, kafka_err_code(code), "consumer: %s", reason);
    s->join_again_us = now + (int64_t)s->fencing.count * JOIN_AGAIN_US;
    bool ends = err.code == ERR_DENIED;
    if (fencing_ends_us(&s->fencing, now)) {
        ends = true;
        (void)err_set(&err, ERR_FENCED,
                      "fenced as a member of the group %d times running: another live worker has "
                      "this kafka.instance_id; give each its own",
                      FENCING_LIMIT);
    }
    if (!ends && !s->closing)
        log_warning("source.new_consumer", "%s; joining again as a new member", err.msg);
    take_back(s, true);
    if (ends)
        fail(s, &err);
}

/* A response larger than is taken: librdkafka drops the connection and asks again, for ever, and no
 * error says for which record. So a client that takes it replaces this one. */
static bool takes_larger(struct kafka_source *s, const char *text)
{
    static const char words[] = "Invalid response size ";
    const char *at = strstr(text, words);
    struct err err;
    char limit[32];
    if (at == NULL)
        return false;
    unsigned long long bytes = strtoull(at + sizeof(words) - 1, NULL, 10);
    if (bytes > RESPONSE_BYTES_MAX) /* or no response of Kafka's at all */
        return false;
    (void)snprintf(limit, sizeof(limit), "%llu", bytes + bytes / 4);
    if (!kafka_conf_set(s->conf, "receive.message.max.bytes", limit, &err)) {
        fail(s, &err);
        return true;
    }
    log_warning("source.new_consumer",
                "%s; joining again with %s. Set that in kafka.properties.consumer, and a lower "
                "max.message.bytes for %s",
                text, limit, s->topic);
    s->dead = true;
    s->join_again_us = clock_mono_us(&clock_real);
    take_back(s, true);
    return true;
}

/* From IDLE: nobody has a batch on its way, so nobody else uses the client. */
static void replace_client(struct kafka_source *s)
{
    struct err err;
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_CONSUMER, rd_kafka_conf_dup(s->conf), &err);
    if (client == NULL) {
        fail(s, &err);
        return;
    }
    drop_queue(s->events);
    bool leaves = rd_kafka_fatal_error(s->client, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (leaves) /* its assignment was given up; it does not know yet */
        (void)rd_kafka_assign(s->client, NULL);
    kafka_discard(&s->discard, s->client, leaves);
    use_client(s, client);
    s->dead = false;
    subscribe(s);
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void on_error_event(struct kafka_source *s, rd_kafka_resp_err_t code, const char *text)
{
    struct err err;
    char reason[256];
    if (s->dead)
        return;
    /* The event of a fatal error carries its cause's code, so the client is asked. */
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(s->client, reason, sizeof(reason));
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        on_fatal(s, fatal, reason);
        return;
    }
    enum err_code ours = kafka_err_code(code);
    if (err_class(ours) == ERR_CLASS_FATAL) {
        (void)err_set(&err, ours, "consumer: %s", text);
        fail(s, &err);
        return;
    }
    if (takes_larger(s, text))
        return;
    log_event(kafka_log_is_connection(code) || kafka_log_is_away() ? LOG_LEVEL_DEBUG
                                                                   : LOG_LEVEL_WARNING,
              "source.error", "%s", text);
}

static void on_event(struct kafka_source *s, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_REBALANCE:
        if (s->dead)
            break;
        if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
            on_assign_event(s, rd_kafka_event_topic_partition_list(event));
        else
            take_back(s, rd_kafka_assignment_lost(s->client) != 0);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error_event(s, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        break;
    case RD_KAFKA_EVENT_STATS:
        kafka_outage_see(&s->outage, str_z(rd_kafka_event_stats(event)),
                         clock_mono_us(&clock_real));
        break;
    case RD_KAFKA_EVENT_FETCH: {
        /* Never seen. Dropping it in silence would commit what nobody judged. */
        struct err err;
        (void)err_set(&err, ERR_INTERNAL, "consumer: a record came outside its partition's queue");
        fail(s, &err);
        break;
    }
    default:
        break;
    }
}

static void serve(struct kafka_source *s, rd_kafka_queue_t *queue)
{
    for (int i = 0; i < EVENTS_PER_POLL; i++) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 0);
        if (event == NULL)
            return;
        on_event(s, event);
        rd_kafka_event_destroy(event);
    }
    loop_wake(s->loop);
}

/* ---- the port ---------------------------------------------------------------------------------
 */

static struct kafka_source *of(struct source *port)
{
    return CONTAINER_OF(port, struct kafka_source, port);
}

/* Subscribes only now, so that a worker that does not get this far (no output topic, no right to
 * write) takes no partition from the others of its group. */
static void source_listen(struct source *port, const struct source_listener *l)
{
    struct kafka_source *s = of(port);
    s->listener = *l;
    subscribe(s);
}

/* Once. Not before a rebalance event has been answered: librdkafka would leave the group from under
 * the batch that is on its way. */
static void begin_close(struct kafka_source *s)
{
    if (s->close_events != NULL)
        return;
    s->close_events = rd_kafka_queue_new(s->client);
    rd_kafka_queue_cb_event_enable(s->close_events, kafka_wake_loop, s->loop);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(s->client, s->close_events);
    if (error != NULL) {
        log_warning("source.close", "%s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    loop_wake(s->loop);
}

/* Nothing is left to be told or waited for. */
static bool is_closed(const struct kafka_source *s)
{
    return s->dead ? s->state == IDLE : rd_kafka_consumer_closed(s->client) != 0;
}

static void source_poll(struct source *port)
{
    struct kafka_source *s = of(port);
    if (s->not_subscribed.code != ERR_OK)
        fail(s, &s->not_subscribed);
    serve(s, s->events);
    if (s->close_events != NULL)
        serve(s, s->close_events);
    if (s->looked_up)
        use_lookup(s);
    if (s->state == LOOKING_UP && !s->looking) {
        if (s->closing || s->revoked)
            give_back(s);
        else if (clock_mono_us(&clock_real) >= s->look_again_us)
            start_lookup(s);
    }
    if (s->dead && s->state == IDLE && !s->closing && !s->failed && !kafka_nudge_asks(&s->nudge) &&
        clock_mono_us(&clock_real) >= s->join_again_us)
        replace_client(s);
    if (s->closing && !s->dead && (s->state == IDLE || s->state == ASSIGNED))
        begin_close(s);
    if (s->closing && s->state != CLOSED && !s->looking && is_closed(s)) {
        move(s, CLOSED);
        s->listener.closed(s->listener.arg);
    }
}

static bool next(struct kafka_source *s, struct kafka_partition *p, struct source_record *ret)
{
    rd_kafka_message_t *message;
    if (kafka_unreadable_next(&p->unreadable, ret))
        return true;
    while ((message = rd_kafka_consume_queue(p->queue, 0)) != NULL) {
        if (kafka_unreadable_took(&p->unreadable, s->client, p->topic, p->number, message)) {
            if (kafka_unreadable_is_end(&p->unreadable, message))
                p->passed = message->offset;
            rd_kafka_message_destroy(message);
            if (kafka_unreadable_next(&p->unreadable, ret))
                return true;
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            kafka_record_of(message, ret);
            kafka_nudge_read(&p->count, message->len);
            return true;
        }
        char text[384];
        (void)snprintf(text, sizeof(text), "%s[%" PRId32 "]: %s", p->topic, p->number,
                       rd_kafka_message_errstr(message));
        rd_kafka_resp_err_t code = message->err;
        rd_kafka_message_destroy(message);
        if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
            /* The log lost what we were to read next. A new look-up decides where to go on. */
            struct err err;
            (void)err_set(&err, ERR_RANGE,
                          "%s; the log no longer has what was to be read next: start again%s", text,
                          s->lookup.n_ranges > 0 ? " with a new plan"
                          : s->start == KAFKA_START_ERROR
                              ? " with kafka.start set to earliest or latest"
                              : ", and kafka.start decides where to go on");
            fail(s, &err);
        } else {
            on_error_event(s, code, text);
        }
    }
    kafka_nudge_dry(&s->nudge, &p->count, p->topic, p->number);
    return false;
}

static bool source_next(struct source *port, size_t index, struct source_record *ret)
{
    struct kafka_source *s = of(port);
    struct kafka_partition *p = &s->partitions[index];
    if (!next(s, p, ret))
        return false;
    p->passed = ret->offset + 1;
    return true;
}

static int64_t source_position(struct source *port, size_t index)
{
    return of(port)->partitions[index].passed;
}

static void source_release(struct source *port, struct source_record *r)
{
    (void)port;
    if (r->impl != NULL) /* else it could not be read */
        kafka_record_release(r);
}

static void source_revoke_done(struct source *port)
{
    struct kafka_source *s = of(port);
    drop_partitions(s);
    give_back(s);
}

static void source_close(struct source *port)
{
    struct kafka_source *s = of(port);
    if (s->closing)
        return;
    s->closing = true;
    atomic_store(&s->lookup.stop, true);
    loop_wake(s->loop);
}

/* ---- lifecycle --------------------------------------------------------------------------------
 */

static const struct kafka_default consumer_defaults[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},
    {"statistics.interval.ms", KAFKA_OUTAGE_INTERVAL_MS},
    {"check.crcs", "true"},
    {"enable.partition.eof", "true"}, /* for stream/kafka_unreadable.h */
    {"isolation.level", "read_committed"},
    /* cooperative-sticky aborts the process in 2.0.2 */
    {"partition.assignment.strategy", "range,roundrobin"},
    /* Per partition, and part of the pipeline's memory budget: kafka_source_partition_bytes. */
    {"queued.max.messages.kbytes", "2048"},
    {"queued.min.messages", "1000"},
    {"fetch.message.max.bytes", "1048576"},
};

/* What librdkafka itself takes for the bound of a batch that it decompresses. */
static size_t largest_batch(const rd_kafka_conf_t *conf)
{
    char text[32] = "";
    size_t size = sizeof(text);
    uint64_t bytes;
    (void)rd_kafka_conf_get(conf, "receive.message.max.bytes", text, &size);
    return num_parse_u64(str_z(text), &bytes) ? (size_t)bytes : SIZE_MAX;
}

static rd_kafka_conf_t *configure(const struct kafka_config *config, struct err *err)
{
    if (config->group.n == 0) { /* librdkafka's consumer would have no queue */
        (void)err_set(err, ERR_INVALID, "kafka.group is empty");
        return NULL;
    }
    rd_kafka_conf_t *conf = kafka_conf_new(config, consumer_defaults, ARRAY_LEN(consumer_defaults),
                                           config->consumer, config->n_consumer, err);
    if (conf == NULL)
        return NULL;
    bool ok = kafka_conf_set_str(conf, "group.id", config->group, err);
    if (ok && config->instance_id.n > 0)
        ok = kafka_conf_set_str(conf, "group.instance.id", config->instance_id, err);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_STATS);
    kafka_bound_decompression(largest_batch(conf));
    if (ok)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

enum err_code kafka_source_new(struct loop *loop, const struct kafka_config *config,
                               struct kafka_source **ret, struct err *err)
{
    rd_kafka_conf_t *conf = configure(config, err);
    if (conf == NULL)
        return ERR_INVALID;
    rd_kafka_conf_t *copy = rd_kafka_conf_dup(conf);
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_CONSUMER, conf, err);
    if (client == NULL) {
        rd_kafka_conf_destroy(copy);
        return ERR_INVALID;
    }
    struct kafka_source *s = mem_alloc(sizeof(*s));
    s->port = (struct source){source_listen,   source_poll,        source_next, source_release,
                              source_position, source_revoke_done, source_close};
    s->loop = loop;
    s->conf = copy;
    s->start = config->start;
    s->topic = mem_copy(config->input.p, config->input.n);
    s->look_again_us = CLOCK_NEVER;
    s->lookup.start = config->start;
    s->lookup.ranges = config->ranges;
    s->lookup.n_ranges = config->n_ranges;
    kafka_outage_init(&s->outage);
    use_client(s, client);
    *ret = s;
    return ERR_OK;
}

/* Leaves the group when the close was not seen through; the wait is bounded, and a client that
 * still holds partitions is left to the end of the process: destroying it could wait for ever. */
static bool closed_at_last(struct kafka_source *s)
{
    s->closing = true;
    if (s->dead) /* there is nobody to take leave of */
        return false;
    if (s->state == LOOKING_UP || s->state == REVOKING)
        assign(s, NULL); /* its event was taken, and not answered */
    begin_close(s);
    int64_t until = clock_mono_us(&clock_real) + CLOSE_WAIT_US;
    while (!rd_kafka_consumer_closed(s->client) && clock_mono_us(&clock_real) < until) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(s->close_events, 50);
        if (event == NULL)
            continue;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            assign(s, NULL);
        rd_kafka_event_destroy(event);
    }
    return rd_kafka_consumer_closed(s->client) != 0;
}

void kafka_source_free(struct kafka_source *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->lookup.stop, true);
    while (s->looking) /* for the call it is in: at most 10 s */
        (void)uv_run(&s->loop->uv, UV_RUN_ONCE);
    kafka_nudge_done(&s->nudge);
    drop_partitions(s);
    bool closed = s->state == CLOSED || closed_at_last(s);
    drop_queue(s->events);
    drop_queue(s->close_events);
    kafka_lookup_done(&s->lookup);
    kafka_outage_done(&s->outage);
    if (s->dead)
        kafka_discard(&s->discard, s->client, false);
    else if (closed)
        rd_kafka_destroy(s->client);
    else
        log_warning("source.not_closed", "the group was not left in time");
    kafka_discard_wait(&s->discard, CLOSE_WAIT_US);
    rd_kafka_conf_destroy(s->conf);
    mem_free(s->topic);
    mem_free(s);
}

struct source *kafka_source_port(struct kafka_source *s)
{
    return &s->port;
}

static size_t size_property(const struct kafka_source *s, const char *name)
{
    char text[32];
    size_t size = sizeof(text);
    if (rd_kafka_conf_get(rd_kafka_conf(s->client), name, text, &size) != RD_KAFKA_CONF_OK)
        return 0;
    return strtoull(text, NULL, 10);
}

size_t kafka_source_partition_bytes(const struct kafka_source *s)
{
    enum { COMPRESSION = 4 };
    return size_property(s, "queued.max.messages.kbytes") * 1024 +
           size_property(s, "fetch.message.max.bytes") * COMPRESSION;
}

rd_kafka_t *kafka_source_client(const struct kafka_source *s)
{
    return s->client;
}

const char *kafka_source_state(const struct kafka_source *s)
{
    return states[s->state].name;
}
