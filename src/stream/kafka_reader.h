/* Reading topics without a group, and writing records without transactions: what commands need, and
 * whoever looks at what was published before. Nothing is committed, no offset is moved. Blocking;
 * one thread an object. */
#ifndef RBR_STREAM_KAFKA_READER_H
#define RBR_STREAM_KAFKA_READER_H

#include "stream/kafka.h"

struct kafka_reader;

enum kafka_read {
    KAFKA_READ_RECORD,
    KAFKA_READ_NOTHING, /* within the time given */
    KAFKA_READ_END, /* every partition has been read to its end; more may still come */
    KAFKA_READ_FAILED,
};

/* All partitions of `topic`, from the beginning or from now on; what open transactions hide stays
 * hidden. Uses brokers, client_id and properties of `config`. */
enum err_code kafka_reader_new(const struct kafka_config *config, struct str topic,
                               bool from_beginning, struct kafka_reader **ret,
                               struct err *err) RBR_MUST_CHECK;
void kafka_reader_free(struct kafka_reader *r);

/* How many partitions a topic has. Up to 15 s. */
enum err_code kafka_reader_partitions(const struct kafka_config *config, struct str topic,
                                      int32_t *ret, struct err *err) RBR_MUST_CHECK;

/* The records in these ranges alone; KAFKA_READ_END when each has been read to its end or to where
 * the log ends. What of a range the log does not have is passed over. */
enum err_code kafka_reader_new_ranges(const struct kafka_config *config, struct str topic,
                                      const struct kafka_range *ranges, size_t n,
                                      struct kafka_reader **ret, struct err *err) RBR_MUST_CHECK;

/* A partition that was at its end once counts as read: KAFKA_READ_END comes though more keeps
 * coming, so a topic that is being written can be read up to about now. Before the first record. */
void kafka_reader_end_once(struct kafka_reader *r);

/* The record is valid until the next call. */
enum kafka_read kafka_reader_next(struct kafka_reader *r, int timeout_ms, struct source_record *ret,
                                  int32_t *ret_partition, struct err *err) RBR_MUST_CHECK;

/* Takes a record; false ends the reading, with an error when it has set one. */
typedef bool kafka_take(void *arg, const struct source_record *record, int32_t partition,
                        struct err *err);

/* All of these ranges, one record after another. ERR_TIMEOUT when nothing comes for a minute. */
enum err_code kafka_read_ranges(const struct kafka_config *config, struct str topic,
                                const struct kafka_range *ranges, size_t n, kafka_take *take,
                                void *arg, struct err *err) RBR_MUST_CHECK;

struct kafka_writer;

enum err_code kafka_writer_new(const struct kafka_config *config, struct str topic,
                               struct kafka_writer **ret, struct err *err) RBR_MUST_CHECK;
void kafka_writer_free(struct kafka_writer *w);

/* Copies the record; placed by key. Waits while the producer's queue is full. */
enum err_code kafka_writer_put(struct kafka_writer *w, struct str key, struct str value,
                               struct err *err) RBR_MUST_CHECK;

/* Waits until the brokers have all of them; an error says how many they do not have, and why. */
enum err_code kafka_writer_flush(struct kafka_writer *w, int timeout_ms,
                                 struct err *err) RBR_MUST_CHECK;

#endif
