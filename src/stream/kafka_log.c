#include "stream/kafka_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "obs/log.h"

enum { SYSLOG_ERR = 3, SYSLOG_WARNING = 4 };

enum state { UNREACHED, REACHED, AWAY };
static _Atomic int state = UNREACHED;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char reason[KAFKA_REASON_MAX]; /* under lock */

/* FAIL: of one connection. ERROR: the same, of a client without an error callback. */
static bool is_connection(const char *facility)
{
    return strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0;
}

/* Without "[thrd:NAME]: " before it and " (after TIME in state STATE)" behind. */
static void keep_reason(const char *text)
{
    const char *thread = text[0] == '[' ? strstr(text, "]: ") : NULL;
    const char *start = thread != NULL ? thread + 3 : text;
    const char *after = strstr(start, " (after ");
    int n = (int)(after != NULL ? (size_t)(after - start) : strlen(start));
    (void)pthread_mutex_lock(&lock);
    (void)snprintf(reason, sizeof(reason), "%.*s", n, start);
    (void)pthread_mutex_unlock(&lock);
}

void kafka_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    if (strcmp(facility, "FAIL") == 0) /* an ERROR also counts brokers, which is no reason */
        keep_reason(text);
    if (level > SYSLOG_WARNING || kafka_log_is_away() || is_connection(facility))
        log_debug("kafka.client", "%s: %s", facility, text);
    else if (level <= SYSLOG_ERR)
        log_error("kafka.client", "%s: %s", facility, text);
    else
        log_warning("kafka.client", "%s: %s", facility, text);
}

bool kafka_log_is_connection(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__SSL:
        return true;
    default:
        return false;
    }
}

void kafka_log_reached(void)
{
    int unreached = UNREACHED;
    (void)atomic_compare_exchange_strong(&state, &unreached, REACHED);
}

bool kafka_log_is_unreached(char ret[KAFKA_REASON_MAX])
{
    kafka_log_reason(ret);
    return atomic_load(&state) == UNREACHED && ret[0] != '\0';
}

void kafka_log_away(bool away)
{
    atomic_store(&state, away ? AWAY : REACHED);
}

bool kafka_log_is_away(void)
{
    return atomic_load(&state) == AWAY;
}

void kafka_log_reason(char ret[KAFKA_REASON_MAX])
{
    (void)pthread_mutex_lock(&lock);
    memcpy(ret, reason, sizeof(reason));
    (void)pthread_mutex_unlock(&lock);
}
