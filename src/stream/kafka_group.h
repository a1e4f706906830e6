/* A consumer group seen from outside: what it has committed. Nothing is joined, nothing committed.
 * Blocking; one thread an object. */
#ifndef RBR_STREAM_KAFKA_GROUP_H
#define RBR_STREAM_KAFKA_GROUP_H

#include "stream/kafka.h"

struct kafka_group;

/* The group and the input of `config`. */
enum err_code kafka_group_new(const struct kafka_config *config, struct kafka_group **ret,
                              struct err *err) RBR_MUST_CHECK;
void kafka_group_free(struct kafka_group *g); /* NULL is fine */

/* The committed offset of each range's partition; -1: none. */
enum err_code kafka_group_committed(struct kafka_group *g, const struct kafka_range *ranges,
                                    size_t n, int timeout_ms, int64_t *ret,
                                    struct err *err) RBR_MUST_CHECK;

#endif
