#include "stream/kafka_discard.h"

#include <time.h>

static void *destroy(void *client)
{
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

static void *leave(void *client)
{
    rd_kafka_destroy(client);
    return NULL;
}

void kafka_discard(struct kafka_discard *d, rd_kafka_t *client, bool leaves)
{
    kafka_discard_wait(d, 0);
    d->runs = pthread_create(&d->thread, NULL, leaves ? leave : destroy, client) == 0;
}

void kafka_discard_wait(struct kafka_discard *d, int64_t timeout_us)
{
    struct timespec until;
    if (!d->runs)
        return;
    d->runs = false;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_us / 1000000;
    if (pthread_timedjoin_np(d->thread, NULL, &until) != 0)
        (void)pthread_detach(d->thread);
}
