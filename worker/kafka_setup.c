#include "worker/kafka_setup.h"

#include "base/mem.h"

static enum kafka_start start_of(struct str s)
{
    if (str_eq(s, STR("earliest")))
        return KAFKA_START_EARLIEST;
    return str_eq(s, STR("latest")) ? KAFKA_START_LATEST : KAFKA_START_ERROR;
}

/* Copies `from` to the next free places and returns where they begin. */
static const struct kafka_property *put(struct kafka_property **next,
                                        const struct setting_properties *from)
{
    const struct kafka_property *begin = *next;
    for (size_t i = 0; i < from->n; i++)
        *(*next)++ = (struct kafka_property){from->items[i].name, from->items[i].value};
    return begin;
}

void kafka_setup_init(struct kafka_setup *k, const struct settings_kafka *s, bool embedded)
{
    k->properties = mem_array(s->common.n + s->consumer.n + s->producer.n, sizeof(*k->properties));
    struct kafka_property *next = k->properties;
    k->config = (struct kafka_config){
        .brokers = s->brokers,
        .input = s->input,
        .output = s->output,
        .dead_letters = s->dead_letters,
        .group = s->group,
        .instance_id = s->instance_id,
        .transactional_id = s->transactional_id,
        .client_id = STR("rbr"),
        .delivery = s->at_least_once ? DELIVERY_AT_LEAST_ONCE : DELIVERY_EXACTLY_ONCE,
        .start = start_of(s->start),
        .embedded = embedded,
        .n_common = s->common.n,
        .n_consumer = s->consumer.n,
        .n_producer = s->producer.n,
    };
    k->config.common = put(&next, &s->common);
    k->config.consumer = put(&next, &s->consumer);
    k->config.producer = put(&next, &s->producer);
}

void kafka_setup_done(struct kafka_setup *k)
{
    mem_free(k->properties);
    *k = (struct kafka_setup){0};
}
