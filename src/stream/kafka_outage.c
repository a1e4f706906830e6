#include "stream/kafka_outage.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "obs/log.h"
#include "stream/kafka_log.h"

enum { ARENA_BYTES = 64 << 20, NAMES_BYTES = 256 };

void kafka_outage_init(struct kafka_outage *o)
{
    *o = (struct kafka_outage){0};
    outage_init(&o->outage);
    arena_init(&o->arena, ARENA_BYTES);
}

void kafka_outage_done(struct kafka_outage *o)
{
    arena_done(&o->arena);
}

static int64_t integer(const struct json *broker, struct str key)
{
    int64_t value;
    return json_integer(json_get(broker, key), INT32_MIN, INT64_MAX, &value) ? value : -1;
}

static bool is(const struct json *broker, struct str key, struct str value)
{
    const struct json *member = json_get(broker, key);
    return member != NULL && str_eq(member->string, value);
}

/* By its address; the coordinator is one of these, by a connection of its own. */
static bool has_address(const struct json *broker)
{
    return is(broker, STR("source"), STR("learned")) ||
           is(broker, STR("source"), STR("configured"));
}

/* host:port, without "/id". */
static struct str name_of(const struct json *broker)
{
    const struct json *name = json_get(broker, STR("nodename"));
    return name != NULL ? name->string : broker->key;
}

static void names(const struct kafka_outage *o, int32_t id, char ret[NAMES_BYTES])
{
    int n = 0;
    ret[0] = 0;
    for (const struct json *b = o->brokers; b != NULL; b = b->next) {
        if (!has_address(b) || (id >= 0 && integer(b, STR("nodeid")) != id))
            continue;
        int more = snprintf(ret + n, (size_t)(NAMES_BYTES - n), "%s%.*s", n > 0 ? ", " : "",
                            STR_ARGS(name_of(b)));
        if (more < 0 || (n += more) >= NAMES_BYTES)
            return;
    }
}

static void tell(void *arg, const struct outage_change *change)
{
    const struct kafka_outage *o = arg;
    char who[NAMES_BYTES], reason[KAFKA_REASON_MAX];
    names(o, change->id, who);
    kafka_log_reason(reason);
    double seconds = (double)change->lasted_us / 1e6;
    switch (change->kind) {
    case OUTAGE_DOWN:
        kafka_log_away(true);
        log_error(
            "kafka.down",
            "no broker (%s) can be reached: %s; nothing is lost and the work goes on when one "
            "is back; are they up, and the network between?",
            who, reason);
        break;
    case OUTAGE_UP:
        kafka_log_away(false);
        log_info("kafka.up", "reached again after %.1f s (%s)", seconds, who);
        break;
    case OUTAGE_BROKER_DOWN:
        log_warning("kafka.broker_down", "%s cannot be reached: %s; the other brokers can", who,
                    reason);
        break;
    case OUTAGE_BROKER_UP:
        log_info("kafka.broker_up", "%s is reached again after %.1f s", who, seconds);
        break;
    }
}

/* Several connections may go to one broker. */
static size_t gather(const struct json *from, struct outage_broker to[OUTAGE_BROKERS_MAX])
{
    size_t n = 0, k;
    for (const struct json *b = from; b != NULL; b = b->next) {
        int32_t id = (int32_t)integer(b, STR("nodeid"));
        bool up = is(b, STR("state"), STR("UP")) || is(b, STR("state"), STR("UPDATE"));
        for (k = 0; k < n && to[k].id != id; k++)
            ;
        if (k == OUTAGE_BROKERS_MAX)
            continue;
        if (k == n)
            to[n++] = (struct outage_broker){.id = id};
        to[k].up |= up;
        to[k].attempts += integer(b, STR("connects"));
    }
    return n;
}

void kafka_outage_see(struct kafka_outage *o, struct str statistics, int64_t now_us)
{
    struct json_fault fault;
    struct outage_broker brokers[OUTAGE_BROKERS_MAX];
    const struct json *all = json_get(json_parse(&o->arena, statistics, &fault), STR("brokers"));
    if (all != NULL) {
        o->brokers = all->child;
        size_t n = gather(all->child, brokers);
        outage_see(&o->outage, now_us, brokers, n, tell, o);
        for (size_t i = 0; i < n; i++)
            if (brokers[i].up && !outage_is_down(&o->outage))
                kafka_log_away(false);
    }
    arena_reset(&o->arena);
    o->brokers = NULL;
}
