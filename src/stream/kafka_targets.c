#include "stream/kafka_targets.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "obs/log.h"
#include "stream/kafka_bombs.h"
#include "stream/kafka_log.h"

enum {
    ASK_AGAIN_US = 100000,
    ENVELOPE_BYTES = 128, /* record header and batch header, generously */
};

/* ---- lifecycle ----------------------------------------------------------------------------------
 */

void kafka_targets_init(struct kafka_targets *t, const struct kafka_config *config)
{
    const bool shadow = config->shadow_output.n > 0;
    *t = (struct kafka_targets){.n = shadow ? SINK_TOPICS : SINK_SHADOW};
    t->of[SINK_REWARDS].topic = mem_copy(config->output.p, config->output.n);
    t->of[SINK_DEAD_LETTERS].topic = mem_copy(config->dead_letters.p, config->dead_letters.n);
    if (shadow)
        t->of[SINK_SHADOW].topic = mem_copy(config->shadow_output.p, config->shadow_output.n);
}

void kafka_targets_done(struct kafka_targets *t)
{
    for (size_t i = 0; i < t->n; i++)
        mem_free(t->of[i].topic);
}

void kafka_targets_open(struct kafka_targets *t, rd_kafka_t *producer)
{
    for (size_t i = 0; i < t->n; i++)
        t->of[i].handle = rd_kafka_topic_new(producer, t->of[i].topic, NULL);
}

void kafka_targets_close(struct kafka_targets *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->of[i].handle != NULL)
            rd_kafka_topic_destroy(t->of[i].handle);
        t->of[i].handle = NULL;
    }
}

/* ---- what the brokers tell ----------------------------------------------------------------------
 */

/* So that nobody has to wait for the end to see that the address is wrong. */
static void tell_once(const struct err *err, int64_t until_us, bool *told)
{
    char reason[KAFKA_REASON_MAX];
    if (*told || !kafka_log_is_unreached(reason))
        return;
    *told = true;
    log_warning("kafka.unreached", "%s It is tried for another %" PRId64 " s", err->msg,
                (until_us - clock_mono_us(&clock_real)) / 1000000);
}

/* Asks until then: a broker that just starts does not know its topics yet. */
static enum err_code count_partitions(rd_kafka_t *client, const char *topic, int64_t until_us,
                                      int32_t *ret, struct err *err)
{
    for (bool told = false;;) {
        enum err_code code =
            kafka_partition_count(client, topic, kafka_left_ms(until_us), ret, err);
        if (err_class(code) != ERR_CLASS_TRANSIENT || clock_mono_us(&clock_real) >= until_us)
            return code;
        tell_once(err, until_us, &told);
        (void)usleep(ASK_AGAIN_US);
    }
}

enum err_code kafka_targets_look(struct kafka_targets *t, const struct kafka_config *config,
                                 rd_kafka_t *client, int64_t until_us, struct err *err)
{
    int32_t input, n;
    char *topic = mem_copy(config->input.p, config->input.n);
    enum err_code code = count_partitions(client, topic, until_us, &input, err);
    if (code == ERR_OK && !config->embedded)
        kafka_warn_of_bombs(client, topic, config->record_bytes, kafka_left_ms(until_us));
    mem_free(topic);
    for (size_t i = 0; code == ERR_OK && i < t->n; i++) {
        struct kafka_target *to = &t->of[i];
        code = count_partitions(client, to->topic, until_us, &n, err);
        if (code != ERR_OK)
            break;
        to->same_partitions = n == input;
        struct kafka_topic_limits limits = {.message_bytes = KAFKA_MESSAGE_BYTES_MAX};
        if (!config->embedded)
            kafka_topic_limits(client, to->topic, kafka_left_ms(until_us), &limits);
        to->message_bytes = limits.message_bytes;
        if (!to->same_partitions)
            log_info("sink.partitions",
                     "%s has %" PRId32 " partitions and the input %" PRId32
                     ": records are placed by key",
                     to->topic, n, input);
    }
    return code;
}

size_t kafka_targets_least(const struct kafka_targets *t)
{
    size_t least = t->of[0].message_bytes;
    for (size_t i = 1; i < t->n; i++)
        if (t->of[i].message_bytes < least)
            least = t->of[i].message_bytes;
    return least;
}

size_t kafka_targets_most(const struct kafka_targets *t)
{
    size_t most = t->of[0].message_bytes;
    for (size_t i = 1; i < t->n; i++)
        if (t->of[i].message_bytes > most)
            most = t->of[i].message_bytes;
    return most;
}

/* ---- a record -----------------------------------------------------------------------------------
 */

bool kafka_target_takes(const struct kafka_target *t, const struct sink_record *r)
{
    size_t n = r->key.n + r->value.n + ENVELOPE_BYTES;
    for (size_t i = 0; i < r->n_headers; i++)
        n += r->headers[i].name.n + r->headers[i].value.n + 8;
    return n <= t->message_bytes;
}

int32_t kafka_target_partition(const struct kafka_target *t, const struct sink_record *r)
{
    return t->same_partitions ? r->partition : RD_KAFKA_PARTITION_UA;
}

void kafka_target_by_key(struct kafka_target *t)
{
    if (t->same_partitions)
        log_warning("sink.partitions",
                    "%s has fewer partitions than the input by now: records are placed by key",
                    t->topic);
    t->same_partitions = false;
}
