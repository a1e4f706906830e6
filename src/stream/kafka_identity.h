/* A name for a worker that was given none, the same after a restart on the same host:
 * GROUP-HOST-NUMBER, with the smallest number that no other worker of the group on this host holds.
 *
 * The name becomes the transactional.id, so a worker that starts again fences what its predecessor
 * left open at once, where readers would wait for transaction.timeout.ms. A number is held by
 * binding a unix socket in the abstract namespace: no file, and the kernel releases it when the
 * process ends, however it ends. Only the group names the socket, not the brokers: while their list
 * is being changed, workers with the old one and the new one meet in one group.
 *
 * The namespace is that of the network: containers with host names of their own need nothing, those
 * that share a host name but no network need names that are set. Any thread. */
#ifndef RBR_STREAM_KAFKA_IDENTITY_H
#define RBR_STREAM_KAFKA_IDENTITY_H

#include "base/str.h"

enum { KAFKA_IDENTITY_MAX = 512 };

/* Writes the name. What holds it, for kafka_identity_release; -1 where no such socket can be bound:
 * then the name ends in the process id, and changes with it. */
int kafka_identity_claim(struct str group, char ret[KAFKA_IDENTITY_MAX]);
void kafka_identity_release(int claim);

#endif
