/* Ends a client that cannot be closed in good order, without waiting for it: a thread of its own
 * destroys it, without the consumer's close (of a client with a fatal error, that never returned in
 * 2.0.2), and even then librdkafka waits for its broker threads, and those for a name look-up or a
 * handshake. Loop thread. */
#ifndef RBR_STREAM_KAFKA_DISCARD_H
#define RBR_STREAM_KAFKA_DISCARD_H

#include <pthread.h>

#include "stream/kafka_client.h"

struct kafka_discard {
    pthread_t thread;
    bool runs; /* or has ended, and is to be joined; all zero is ready for use */
};

/* Takes the client; its queues are given back before. One that is still at it is left to itself.
 * `leaves`: it has no fatal error and no assignment, so that it can leave its group. */
void kafka_discard(struct kafka_discard *d, rd_kafka_t *client, bool leaves);

/* Waits for the last one; what takes longer is left to the end of the process. */
void kafka_discard_wait(struct kafka_discard *d, int64_t timeout_us);

#endif
