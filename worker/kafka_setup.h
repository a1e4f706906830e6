/* From settings to stream/kafka.h's configuration: one place for run, tail, produce and demo. */
#ifndef RBR_WORKER_KAFKA_SETUP_H
#define RBR_WORKER_KAFKA_SETUP_H

#include "settings/settings.h"
#include "stream/kafka.h"

struct kafka_setup {
    struct kafka_config config; /* texts are the settings' */
    struct kafka_property *properties;
};

/* The settings outlive it. `embedded`: the brokers are the demo's. */
void kafka_setup_init(struct kafka_setup *k, const struct settings_kafka *settings, bool embedded);
void kafka_setup_done(struct kafka_setup *k);

#endif
