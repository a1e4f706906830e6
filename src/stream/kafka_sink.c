#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "obs/log.h"
#include "stream/fencing.h"
#include "stream/kafka_identity.h"
#include "stream/kafka_log.h"
#include "stream/kafka_targets.h"

/* One batch at a time goes from the loop thread to the publisher thread and back:
 *
 *   publish -> [to_do] -> publisher: begin, produce, delivery reports, offsets, commit -> inbox ->
 * poll -> done
 *
 * The publisher thread alone calls the producer once it runs. A producer whose transaction ended in
 * an unknown way, or that was fenced, is not used again: without KIP-890 a late request of the old
 * transaction could tear a new one. A new producer with the same transactional.id ends what is
 * pending; then the group's committed offsets tell whether the batch is in. Where a connection
 * broke within a transaction, librdkafka has sent again what was on its way, and the first may yet
 * arrive: the outcome is known, but the next transaction needs a new producer all the same. */

enum {
    FLUSH_MS = 1000,
    PATIENCE_US = 60000000, /* for one batch, retries included */
    ASK_AGAIN_US = 100000,
    MESSAGE_BYTES_MIN = 2000, /* of a limit that the producer is given */
    SILENCE_US = 15000000, /* without an outcome, and then again, the log says so */
};

struct kafka_sink {
    struct sink port;
    struct kafka_source *source; /* its client: group metadata, commits of at_least_once */
    rd_kafka_t *producer;
    rd_kafka_conf_t *conf; /* the producer's, to make another of */
    bool transactional;
    int identity; /* holds the default transactional.id; -1: another */
    struct kafka_targets targets;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct sink_batch *to_do; /* under lock */
    bool stop; /* under lock */
    struct inbox back; /* finished batches */
    struct inbox_item item; /* of the one batch */
    struct sink_batch *done;
    int64_t published_us, silence_us; /* loop: of the batch out; when to complain. NEVER: none */
    /* publisher */
    int64_t give_up_us; /* for the batch in hand */
    size_t reports_left;
    size_t refused; /* reports of the batch in hand that say "too large" */
    bool cut_off; /* the batch in hand: its transaction failed, and a report has to say why */
    bool broken; /* a connection, since the transaction began */
    bool in_doubt; /* a request of the last transaction may be on its way still */
    bool one_by_one; /* until a batch is committed: one message a request, to know which is */
    struct fencing fencing;
};

/* ---- publisher thread: outcomes ---------------------------------------------------------------
 */

/* What a failed call means for the batch. */
enum verdict { GO_ON, CALL_AGAIN, ABORT, GIVE_UP };

static enum verdict judge_error(struct kafka_sink *s, struct sink_batch *b, const char *what,
                                rd_kafka_error_t *error)
{
    if (error == NULL)
        return GO_ON;
    enum verdict verdict = GIVE_UP;
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE)
        b->metadata_too_large = true;
    if (rd_kafka_error_txn_requires_abort(error))
        verdict = ABORT;
    else if (!rd_kafka_error_is_fatal(error) && rd_kafka_error_is_retriable(error) &&
             clock_mono_us(&clock_real) < s->give_up_us)
        verdict = CALL_AGAIN;
    (void)err_set(&b->err, kafka_err_code(rd_kafka_error_code(error)), "%s: %s", what,
                  rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return verdict;
}

static enum sink_outcome abort_transaction(struct kafka_sink *s, struct sink_batch *b)
{
    struct err why = b->err;
    enum verdict verdict;
    FAILPOINT(before_abort);
    do
        verdict = judge_error(s, b, "aborting a transaction",
                              rd_kafka_abort_transaction(s->producer, KAFKA_CALL_MS));
    while (verdict == CALL_AGAIN);
    if (verdict != GO_ON)
        return SINK_FAILED;
    b->err = why;
    return SINK_ABORTED;
}

/* ---- publisher thread: records ----------------------------------------------------------------
 */

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    struct kafka_sink *s = opaque;
    struct sink_batch *b = s->done;
    struct sink_record *record = message->_private;
    s->reports_left--;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        record->too_large = true;
        s->refused++;
    }
    if (message->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        kafka_target_by_key(&s->targets.of[record->to]);
    if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        s->cut_off = true;
    else if (b->err.code == ERR_OK) /* the first says why */
        (void)err_set(&b->err, kafka_err_code(message->err), "publishing to %s: %s",
                      rd_kafka_topic_name(message->rkt), rd_kafka_err2str(message->err));
}

/* A connection that breaks, for one. */
static void on_error(rd_kafka_t *producer, int code, const char *reason, void *opaque)
{
    (void)producer;
    (void)code;
    (void)reason;
    struct kafka_sink *s = opaque;
    s->broken = true;
}

/* Hands the record over, waiting while the producer's queue is full. */
static rd_kafka_resp_err_t hand_over(struct kafka_sink *s, const struct kafka_target *to,
                                     struct sink_record *r)
{
    int32_t partition = kafka_target_partition(to, r);
    rd_kafka_resp_err_t code;
    while ((code = kafka_produce(s->producer, to->topic, partition, r, r)) ==
           RD_KAFKA_RESP_ERR__QUEUE_FULL)
        (void)rd_kafka_poll(s->producer, 100);
    return code;
}

static bool produce_one(struct kafka_sink *s, struct sink_batch *b, struct sink_record *r)
{
    struct kafka_target *to = &s->targets.of[r->to];
    rd_kafka_resp_err_t code = hand_over(s, to, r);
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && to->same_partitions) {
        kafka_target_by_key(to);
        code = hand_over(s, to, r);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->reports_left++;
        if (r->to == SINK_DEAD_LETTERS)
            FAILPOINT(dead_letter_produced);
        return true;
    }
    r->too_large = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    if (code == RD_KAFKA_RESP_ERR__STATE)
        s->cut_off = true;
    else if (b->err.code == ERR_OK)
        (void)err_set(&b->err, kafka_err_code(code), "publishing to %s: %s", to->topic,
                      rd_kafka_err2str(code));
    return false;
}

/* True when no record is above its topic's limit; marks those that are. */
static bool sizes_fit(struct kafka_sink *s, struct sink_batch *b)
{
    bool fit = true;
    for (size_t i = 0; i < b->n_records; i++) {
        struct sink_record *r = &b->records[i];
        const struct kafka_target *to = &s->targets.of[r->to];
        r->too_large = !kafka_target_takes(to, r);
        if (r->too_large && fit)
            (void)err_set(&b->err, ERR_LIMIT, "a message is larger than %s takes (%zu bytes)",
                          to->topic, to->message_bytes);
        fit = fit && !r->too_large;
    }
    return fit;
}

/* The broker refused a request for its size although each size was checked: the topic's limit was
 * lowered, or could not be asked for. A request with many messages does not tell which of them is
 * too large, so the next try sends them one by one. */
static void doubt_refusals(struct kafka_sink *s, struct sink_batch *b)
{
    if (s->refused < 2 || s->one_by_one)
        return;
    s->one_by_one = true;
    for (size_t i = 0; i < b->n_records; i++)
        b->records[i].too_large = false;
    log_warning("sink.one_by_one", "a request was refused for its size: sending one message at a "
                                   "time; restart to learn the topic's limit");
}

/* What comes too late is called back, and may arrive all the same. A transaction that failed is
 * another matter: librdkafka may hold back what it still has until that is too old. Aborting calls
 * that back, and waits for what is on its way. */
static void wait_for_reports(struct kafka_sink *s, struct sink_batch *b)
{
    bool failed = false;
    while (s->reports_left > 0 && !failed && clock_mono_us(&clock_real) < s->give_up_us) {
        (void)rd_kafka_flush(s->producer, FLUSH_MS);
        failed = s->transactional && (s->cut_off || b->err.code != ERR_OK);
    }
    if (s->reports_left == 0 || failed)
        return;
    (void)err_set(&b->err, ERR_TIMEOUT, "publishing: no delivery report for %zu records",
                  s->reports_left);
    (void)rd_kafka_purge(s->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (s->reports_left > 0)
        (void)rd_kafka_flush(s->producer, FLUSH_MS);
}

/* All records handed over and every report in, without an error. */
static bool produce_all(struct kafka_sink *s, struct sink_batch *b)
{
    bool ok = true;
    s->reports_left = s->refused = 0;
    s->cut_off = false;
    for (size_t i = 0; ok && i < b->n_records; i++) {
        ok = produce_one(s, b, &b->records[i]);
        if (s->one_by_one)
            wait_for_reports(s, b);
    }
    FAILPOINT(after_produce);
    wait_for_reports(s, b);
    if (b->err.code == ERR_OK && s->cut_off)
        (void)err_set(&b->err, ERR_KAFKA, "publishing: the transaction failed");
    return b->err.code == ERR_OK;
}

static rd_kafka_topic_partition_list_t *offsets_of(const struct sink_batch *b)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)b->n_offsets);
    for (size_t i = 0; i < b->n_offsets; i++) {
        const struct sink_offset *o = &b->offsets[i];
        rd_kafka_topic_partition_t *p =
            rd_kafka_topic_partition_list_add(list, o->topic.p, o->partition);
        p->offset = o->offset;
        if (o->metadata.n == 0)
            continue;
        /* librdkafka frees it with free(). */
        p->metadata = mem_copy(o->metadata.p, o->metadata.n);
        p->metadata_size = o->metadata.n;
    }
    return list;
}

/* ---- publisher thread: exactly once ------------------------------------------------------------
 */

/* One call; as the member that we are now. */
static enum verdict send_to_group(struct kafka_sink *s, struct sink_batch *b,
                                  const rd_kafka_topic_partition_list_t *offsets)
{
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata(kafka_source_client(s->source));
    if (group == NULL) { /* a new owner reads again what the batch holds */
        (void)err_set(&b->err, ERR_KAFKA, "sending offsets: the group has been left");
        return ABORT;
    }
    enum verdict verdict = judge_error(
        s, b, "sending offsets",
        rd_kafka_send_offsets_to_transaction(s->producer, offsets, group, KAFKA_CALL_MS));
    rd_kafka_consumer_group_metadata_destroy(group);
    return verdict;
}

static enum verdict send_offsets(struct kafka_sink *s, struct sink_batch *b)
{
    rd_kafka_topic_partition_list_t *offsets = offsets_of(b);
    enum verdict verdict;
    do
        verdict = send_to_group(s, b, offsets);
    while (verdict == CALL_AGAIN);
    rd_kafka_topic_partition_list_destroy(offsets);
    return verdict;
}

static enum verdict commit(struct kafka_sink *s, struct sink_batch *b)
{
    enum verdict verdict;
    FAILPOINT(before_commit);
    do
        verdict = judge_error(s, b, "committing a transaction",
                              rd_kafka_commit_transaction(s->producer, KAFKA_CALL_MS));
    while (verdict == CALL_AGAIN);
    return verdict;
}

static enum sink_outcome publish_transaction(struct kafka_sink *s, struct sink_batch *b)
{
    if (!sizes_fit(s, b))
        return SINK_ABORTED;
    FAILPOINT(before_begin);
    enum verdict verdict =
        judge_error(s, b, "beginning a transaction", rd_kafka_begin_transaction(s->producer));
    if (verdict != GO_ON)
        return SINK_FAILED;
    FAILPOINT(after_begin);
    if (!produce_all(s, b))
        return abort_transaction(s, b);
    FAILPOINT(delivered);
    verdict = send_offsets(s, b);
    if (verdict == GO_ON)
        verdict = commit(s, b);
    switch (verdict) {
    case GO_ON:
        FAILPOINT(after_commit);
        return SINK_COMMITTED;
    case ABORT:
        return abort_transaction(s, b);
    case CALL_AGAIN:
    case GIVE_UP:
        break;
    }
    return SINK_FAILED;
}

/* ---- publisher thread: at least once ------------------------------------------------------------
 */

static enum sink_outcome publish_and_commit(struct kafka_sink *s, struct sink_batch *b)
{
    if (!sizes_fit(s, b) || !produce_all(s, b)) {
        char reason[256];
        return rd_kafka_fatal_error(s->producer, reason, sizeof(reason)) !=
                       RD_KAFKA_RESP_ERR_NO_ERROR
                   ? SINK_FAILED
                   : SINK_ABORTED;
    }
    rd_kafka_topic_partition_list_t *offsets = offsets_of(b);
    rd_kafka_resp_err_t code = rd_kafka_commit(kafka_source_client(s->source), offsets, 0);
    rd_kafka_topic_partition_list_destroy(offsets);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return SINK_COMMITTED;
    b->metadata_too_large = code == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE;
    (void)err_set(&b->err, kafka_err_code(code), "committing offsets: %s", rd_kafka_err2str(code));
    return SINK_ABORTED;
}

/* ---- publisher thread: another producer ---------------------------------------------------------
 */

static bool stopping(struct kafka_sink *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool stop = s->stop;
    (void)pthread_mutex_unlock(&s->lock);
    return stop;
}

static void end_producer(struct kafka_sink *s)
{
    kafka_targets_close(&s->targets);
    if (s->producer != NULL)
        rd_kafka_destroy(s->producer);
    s->producer = NULL;
}

static enum err_code init_transactions(struct kafka_sink *s, int64_t until_us, struct err *err)
{
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_init_transactions(s->producer, kafka_left_ms(until_us));
        if (error == NULL)
            return ERR_OK;
        bool again = rd_kafka_error_is_retriable(error) && clock_mono_us(&clock_real) < until_us;
        enum err_code code =
            err_set(err, kafka_err_code(rd_kafka_error_code(error)),
                    "starting the transactional producer: %s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        if (!again)
            return code;
    }
}

static enum err_code make_producer(struct kafka_sink *s, int64_t until_us, struct err *err)
{
    s->producer = kafka_client_new(RD_KAFKA_PRODUCER, rd_kafka_conf_dup(s->conf), err);
    if (s->producer == NULL)
        return ERR_INVALID;
    kafka_targets_open(&s->targets, s->producer);
    s->in_doubt = false;
    return s->transactional ? init_transactions(s, until_us, err) : ERR_OK;
}

static bool same_metadata(const rd_kafka_topic_partition_t *p, const struct sink_offset *o)
{
    return str_eq((struct str){p->metadata, p->metadata_size}, o->metadata);
}

/* Whether the batch's offsets are what the group has committed. They are committed together, and no
 * two batches commit the same, so one partition would do; all are compared all the same. */
static enum err_code has_landed(struct kafka_sink *s, const struct sink_batch *b, bool *ret,
                                struct err *err)
{
    FAILPOINT(new_producer);
    rd_kafka_topic_partition_list_t *list = offsets_of(b);
    rd_kafka_resp_err_t code =
        rd_kafka_committed(kafka_source_client(s->source), list, KAFKA_CALL_MS);
    bool landed = b->n_offsets > 0;
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        code = p->err;
        landed = landed && p->offset == b->offsets[i].offset && same_metadata(p, &b->offsets[i]);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, kafka_err_code(code), "looking up committed offsets: %s",
                       rd_kafka_err2str(code));
    *ret = landed;
    return ERR_OK;
}

/* Replaces the producer and finds out what became of the batch; tries until the brokers answer. */
static enum sink_outcome recover(struct kafka_sink *s, struct sink_batch *b)
{
    bool landed = false;
    enum err_code code = ERR_OK;
    log_warning("sink.new_producer", "%s; starting another producer", b->err.msg);
    FAILPOINT(before_recovery);
    while (!stopping(s)) {
        struct err err = {0};
        end_producer(s);
        code = make_producer(s, clock_mono_us(&clock_real) + KAFKA_CALL_MS * 1000LL, &err);
        if (code == ERR_OK && s->transactional)
            code = has_landed(s, b, &landed, &err);
        if (code == ERR_OK) {
            FAILPOINT(recovered);
            log_info("sink.recovered", "the batch %s",
                     landed ? "was committed" : "was not committed");
            return landed ? SINK_COMMITTED : SINK_ABORTED;
        }
        b->err = err;
        if (err_class(code) != ERR_CLASS_TRANSIENT)
            break;
        (void)usleep(ASK_AGAIN_US);
    }
    return SINK_FAILED;
}

/* Not authorised, or fenced again and again: another producer would end the same. */
static bool is_final(struct kafka_sink *s, enum err_code code)
{
    return code == ERR_DENIED ||
           (code == ERR_FENCED && fencing_ends_us(&s->fencing, clock_mono_us(&clock_real)));
}

/* The transaction, with a producer that nothing on its way can harm. */
static enum sink_outcome publish_safely(struct kafka_sink *s, struct sink_batch *b)
{
    if (s->in_doubt) {
        log_info("sink.new_producer", "a connection broke in the last transaction");
        end_producer(s);
        if (make_producer(s, clock_mono_us(&clock_real) + KAFKA_CALL_MS * 1000LL, &b->err) !=
            ERR_OK) {
            s->in_doubt = true;
            return SINK_ABORTED;
        }
    }
    (void)rd_kafka_poll(s->producer, 0);
    s->broken = false;
    enum sink_outcome outcome = publish_transaction(s, b);
    (void)rd_kafka_poll(s->producer, 0);
    s->in_doubt = s->broken;
    return outcome;
}

static enum sink_outcome publish_batch(struct kafka_sink *s, struct sink_batch *b)
{
    enum sink_outcome outcome = s->transactional ? publish_safely(s, b) : publish_and_commit(s, b);
    doubt_refusals(s, b);
    bool fatal = err_class(b->err.code) == ERR_CLASS_FATAL;
    if (outcome == SINK_COMMITTED || (outcome == SINK_ABORTED && !fatal))
        return outcome;
    return is_final(s, b->err.code) ? SINK_FAILED : recover(s, b);
}

static void *publisher(void *arg)
{
    struct kafka_sink *s = arg;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct sink_batch *b = s->to_do;
        if (b == NULL) {
            (void)pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        s->to_do = NULL;
        (void)pthread_mutex_unlock(&s->lock);
        s->done = b;
        s->give_up_us = clock_mono_us(&clock_real) + PATIENCE_US;
        b->err.code = ERR_OK;
        b->metadata_too_large = false;
        b->outcome = publish_batch(s, b);
        if (b->outcome == SINK_COMMITTED)
            s->one_by_one = false;
        inbox_post(&s->back, &s->item);
        (void)pthread_mutex_lock(&s->lock);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the port -----------------------------------------------------------------------------------
 */

static struct kafka_sink *of(struct sink *port)
{
    return CONTAINER_OF(port, struct kafka_sink, port);
}

static void sink_publish(struct sink *port, struct sink_batch *b)
{
    struct kafka_sink *s = of(port);
    s->published_us = clock_mono_us(&clock_real);
    s->silence_us = s->published_us + SILENCE_US;
    (void)pthread_mutex_lock(&s->lock);
    s->to_do = b;
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

/* The publisher thread may be inside a call that outlasts its timeout. */
static void mind_silence(struct kafka_sink *s)
{
    int64_t now = clock_mono_us(&clock_real);
    if (now < s->silence_us)
        return;
    s->silence_us = now + SILENCE_US;
    log_event(kafka_log_is_away() ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "sink.waiting",
              "Kafka has not taken a batch for %" PRId64 " s", (now - s->published_us) / 1000000);
}

static void sink_poll(struct sink *port)
{
    struct kafka_sink *s = of(port);
    if (inbox_take(&s->back) == NULL) {
        mind_silence(s);
        return;
    }
    s->silence_us = CLOCK_NEVER;
    struct sink_batch *b = s->done;
    if (b->outcome != SINK_COMMITTED)
        log_warning("sink.not_published", "%s; the batch %s", b->err.msg,
                    b->outcome == SINK_ABORTED ? "is tried again" : "ends this worker");
    else
        log_debug("sink.committed", "records=%zu ms=%.1f", b->n_records,
                  (double)(clock_mono_us(&clock_real) - s->published_us) / 1000);
    b->done(b);
}

static void sink_close(struct sink *port)
{
    struct kafka_sink *s = of(port);
    if (!s->thread_runs)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->stop = true;
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    s->thread_runs = false;
}

/* ---- lifecycle ----------------------------------------------------------------------------------
 */

static const struct kafka_default producer_defaults[] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"compression.codec", "zstd"},
    {"linger.ms", "5"},
    {"partitioner", "murmur2_random"}, /* as the Java clients place a key */
    {"message.timeout.ms", "45000"},
    {"retry.backoff.ms",
     "5"}, /* of CONCURRENT_TRANSACTIONS: measured 48 ms a transaction, not 113 */
};

static bool identify(struct kafka_sink *s, rd_kafka_conf_t *conf, const struct kafka_config *config,
                     struct err *err)
{
    char id[KAFKA_IDENTITY_MAX];
    if (config->transactional_id.n > 0)
        return kafka_conf_set_str(conf, "transactional.id", config->transactional_id, err);
    if (config->instance_id.n > 0)
        (void)snprintf(id, sizeof(id), "%.*s-%.*s", STR_ARGS(config->group),
                       STR_ARGS(config->instance_id));
    else
        s->identity = kafka_identity_claim(config->group, id);
    return kafka_conf_set(conf, "transactional.id", id, err);
}

/* One request is no larger than what all topics take: a batch that is refused for its size would
 * not tell which message was to blame. A smaller one, from the user's properties, stands. */
static bool cap_request(struct kafka_sink *s, rd_kafka_conf_t *conf, struct err *err)
{
    const size_t limit = kafka_targets_least(&s->targets);
    char text[32];
    size_t size = sizeof(text);
    if (rd_kafka_conf_get(conf, "batch.size", text, &size) == RD_KAFKA_CONF_OK &&
        strtoull(text, NULL, 10) <= limit)
        return true;
    (void)snprintf(text, sizeof(text), "%zu", limit);
    return kafka_conf_set(conf, "batch.size", text, err);
}

static rd_kafka_conf_t *configure(struct kafka_sink *s, const struct kafka_config *config,
                                  struct err *err)
{
    /* One message may be as large as the most generous topic takes. */
    size_t most = kafka_targets_most(&s->targets);
    char message_bytes[32];
    (void)snprintf(message_bytes, sizeof(message_bytes), "%zu",
                   most > MESSAGE_BYTES_MIN ? most : MESSAGE_BYTES_MIN);
    struct kafka_default ours[ARRAY_LEN(producer_defaults) + 1];
    memcpy(ours, producer_defaults, sizeof(producer_defaults));
    ours[ARRAY_LEN(producer_defaults)] = (struct kafka_default){"message.max.bytes", message_bytes};
    rd_kafka_conf_t *conf =
        kafka_conf_new(config, ours, ARRAY_LEN(ours), config->producer, config->n_producer, err);
    if (conf == NULL)
        return NULL;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, s);
    if (cap_request(s, conf, err) && (!s->transactional || identify(s, conf, config, err)))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static enum err_code start(struct kafka_sink *s, const struct kafka_config *config,
                           int64_t until_us, struct err *err)
{
    enum err_code code =
        kafka_targets_look(&s->targets, config, kafka_source_client(s->source), until_us, err);
    if (code != ERR_OK)
        return code;
    s->conf = configure(s, config, err);
    if (s->conf == NULL)
        return ERR_INVALID;
    code = make_producer(s, until_us, err);
    if (code == ERR_OK) {
        s->thread_runs = pthread_create(&s->thread, NULL, publisher, s) == 0;
        if (!s->thread_runs)
            code = err_set(err, ERR_INTERNAL, "the publisher thread cannot be started");
    }
    return code;
}

enum err_code kafka_sink_new(struct loop *loop, struct kafka_source *source,
                             const struct kafka_config *config, int64_t timeout_us,
                             struct kafka_sink **ret, struct err *err)
{
    struct kafka_sink *s = mem_alloc(sizeof(*s));
    s->port = (struct sink){sink_publish, sink_poll, sink_close};
    s->source = source;
    s->transactional = config->delivery == DELIVERY_EXACTLY_ONCE;
    s->identity = -1;
    s->silence_us = CLOCK_NEVER;
    kafka_targets_init(&s->targets, config);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->wake, NULL);
    inbox_init(&s->back, loop);
    enum err_code code = start(s, config, clock_mono_us(&clock_real) + timeout_us, err);
    if (code != ERR_OK) {
        kafka_sink_free(s);
        return code;
    }
    *ret = s;
    return ERR_OK;
}

void kafka_sink_free(struct kafka_sink *s)
{
    if (s == NULL)
        return;
    sink_close(&s->port);
    end_producer(s);
    kafka_identity_release(s->identity); /* after the producer: its successor fences it */
    if (s->conf != NULL)
        rd_kafka_conf_destroy(s->conf);
    kafka_targets_done(&s->targets);
    inbox_done(&s->back);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct sink *kafka_sink_port(struct kafka_sink *s)
{
    return &s->port;
}
