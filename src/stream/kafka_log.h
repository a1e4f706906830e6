/* librdkafka's log lines. Each client tells of each broker and each attempt that it is away: dozens
 * of lines an outage. What is worth one is kafka_outage.h's to say, and who first asks the brokers
 * for something (kafka_partition_count), so those of connections go to the debug level and the
 * latest is kept as the reason. One cluster a process; any thread. */
#ifndef RBR_STREAM_KAFKA_LOG_H
#define RBR_STREAM_KAFKA_LOG_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

enum { KAFKA_REASON_MAX = 384 };

/* rd_kafka_conf_set_log_cb's callback. Its lines name brokers and topics, never a record's content.
 */
void kafka_log(const rd_kafka_t *client, int level, const char *facility, const char *text);

/* Whether an error is that of a connection: told as an outage, if it lasts. */
bool kafka_log_is_connection(rd_kafka_resp_err_t code);

/* A broker has answered. */
void kafka_log_reached(void);

/* Whether none has since the start of this process, and connections have failed: a wrong address or
 * certificate, more likely than a slow broker. Then also why, the latest failure. */
bool kafka_log_is_unreached(char ret[KAFKA_REASON_MAX]);

/* Away, back, or reached for the first time. While away, no line of librdkafka's is above debug. */
void kafka_log_away(bool away);
bool kafka_log_is_away(void);

/* The latest failed connection in words; "" when there was none. */
void kafka_log_reason(char ret[KAFKA_REASON_MAX]);

#endif
