/* Rules between fields. */
#include <inttypes.h>

#include "base/num.h"
#include "settings/loading.h"

enum { RECORD_MEMORY_FACTOR = 64 }; /* bytes that one record may take, per completion byte */

/* Where a field was set; the file's beginning when it was not. */
static const struct yaml *place_of(const struct loading *l, const char *path)
{
    const struct field *f = field_find(str_z(path));
    const struct yaml *y = l->given[f - fields];
    return y != NULL ? y : l->root;
}

/* ---- Kafka ------------------------------------------------------------------------------------
 */

static void check_topics(struct loading *l)
{
    const struct settings_kafka *k = &l->settings->kafka;
    char text[SHOWN_MAX];
    if (str_eq(k->input, k->output))
        problem(l, place_of(l, "kafka.output"),
                "kafka.output: rewards would be written to the input, '%s'; choose another topic",
                shown(k->output, text));
    if (str_eq(k->input, k->dead_letters))
        problem(l, place_of(l, "kafka.dead_letters"),
                "kafka.dead_letters: dead letters would be read again from the input, '%s'; choose "
                "another topic",
                shown(k->dead_letters, text));
    else if (str_eq(k->output, k->dead_letters))
        problem(l, place_of(l, "kafka.dead_letters"),
                "kafka.dead_letters: dead letters would be among the rewards in '%s'; choose "
                "another topic",
                shown(k->dead_letters, text));
}

static void check_restore(struct loading *l)
{
    const struct settings_kafka *k = &l->settings->kafka;
    const struct setting_list *topics = &l->settings->cache.restore_from;
    char text[SHOWN_MAX];
    for (size_t i = 0; i < topics->n; i++)
        if (str_eq(topics->items[i], k->input) || str_eq(topics->items[i], k->dead_letters))
            problem(l, place_of(l, "cache.restore_from"),
                    "cache.restore_from: '%s' has no rewards in it: it is kafka.%s; name topics of "
                    "rewards",
                    shown(topics->items[i], text),
                    str_eq(topics->items[i], k->input) ? "input" : "dead_letters");
}

static void check_shadow_topic(struct loading *l)
{
    const struct settings_kafka *k = &l->settings->kafka;
    const struct {
        struct str topic;
        const char *what;
    } others[] = {
        {k->input, "the input"}, {k->output, "the rewards"}, {k->dead_letters, "the dead letters"}};
    char text[SHOWN_MAX];
    for (size_t i = 0; l->settings->shadow_files.n > 0 && i < ARRAY_LEN(others); i++)
        if (str_eq(k->shadow_output, others[i].topic))
            problem(l, place_of(l, "kafka.shadow_output"),
                    "kafka.shadow_output: rewards of the shadow policy would be among %s in '%s'; "
                    "choose another topic",
                    others[i].what, shown(k->shadow_output, text));
}

/* A property in milliseconds; `initial` when it is not set; false with a problem when it is no
 * number. */
static bool milliseconds(struct loading *l, const char *client, const char *name, int64_t initial,
                         int64_t *ret)
{
    char text[SHOWN_MAX];
    const struct yaml *y = properties_find(l, client, name);
    *ret = initial;
    if (y == NULL || y->kind != YAML_SCALAR || y->null)
        return true;
    if (num_parse_i64(y->text, ret) && *ret >= 0 && *ret <= INT32_MAX)
        return true;
    problem(l, y, "kafka.properties: %s: '%s' is not a number of milliseconds; write e.g. %" PRId64,
            name, shown(y->text, text), initial);
    return false;
}

static void check_drain(struct loading *l)
{
    enum { POLL_INTERVAL_MS = 300000, SHARE = 5 };
    int64_t interval_ms;
    char drain[32], most[32];
    if (!milliseconds(l, "consumer", "max.poll.interval.ms", POLL_INTERVAL_MS, &interval_ms))
        return;
    int64_t most_us = interval_ms * 1000 / SHARE;
    if (l->settings->limits.drain_us <= most_us)
        return;
    const struct yaml *y = l->given[field_find(STR("limits.drain")) - fields];
    if (y == NULL)
        y = properties_find(l, "consumer", "max.poll.interval.ms");
    field_print_number(FIELD_DURATION, (uint64_t)l->settings->limits.drain_us, drain);
    field_print_number(FIELD_DURATION, (uint64_t)most_us, most);
    problem(l, y,
            "limits.drain: %s is more than 20 %% of max.poll.interval.ms (%" PRId64
            "); choose at most %s, or raise that property",
            drain, interval_ms, most);
}

static void check_timeouts(struct loading *l)
{
    enum { TRANSACTION_MS = 60000, MESSAGE_MS = 45000 }; /* when not set; the sink's */
    int64_t transaction_ms, message_ms;
    const char *name = "message.timeout.ms";
    if (properties_find(l, "producer", name) == NULL &&
        properties_find(l, "producer", "delivery.timeout.ms") != NULL)
        name = "delivery.timeout.ms"; /* librdkafka's other name for it */
    bool ok =
        milliseconds(l, "producer", "transaction.timeout.ms", TRANSACTION_MS, &transaction_ms);
    if (!milliseconds(l, "producer", name, MESSAGE_MS, &message_ms) || !ok ||
        l->settings->kafka.at_least_once)
        return;
    /* 0 is librdkafka's word for never. */
    if (message_ms > 0 && message_ms < transaction_ms)
        return;
    const struct yaml *y = properties_find(l, "producer", name);
    if (y == NULL)
        y = properties_find(l, "producer", "transaction.timeout.ms");
    problem(l, y,
            "kafka.properties: %s (%" PRId64 ") must be less than transaction.timeout.ms (%" PRId64
            "), or transactions end with rewards on their way; change one of them",
            name, message_ms, transaction_ms);
}

/* ---- limits -----------------------------------------------------------------------------------
 */

static void check_memory(struct loading *l)
{
    uint64_t least = RECORD_MEMORY_FACTOR * l->settings->limits.completion_bytes;
    char memory[32], needed[32];
    if (l->settings->limits.memory_bytes >= least)
        return;
    const struct yaml *y = l->given[field_find(STR("limits.memory")) - fields];
    if (y == NULL)
        y = place_of(l, "limits.completion_bytes");
    field_print_number(FIELD_SIZE, l->settings->limits.memory_bytes, memory);
    field_print_number(FIELD_SIZE, least, needed);
    problem(l, y,
            "limits.memory: %s has no room for the largest record; choose at least %s (64 times "
            "limits.completion_bytes)",
            memory, needed);
}

/* What costs nothing that is known never reaches a ceiling. */
static void check_ceiling(struct loading *l)
{
    const struct settings *s = l->settings;
    for (size_t i = 0; i < s->n_graders; i++)
        if (s->limits.max_grader_cost_per_hour != SETTINGS_UNSET &&
            s->graders[i].price_input == SETTINGS_UNSET)
            problem(l, place_of(l, "limits.max_grader_cost_per_hour"),
                    "limits.max_grader_cost_per_hour: grader '%.*s' has no price; add "
                    "price: {input: USD per million tokens, output: ...} to it",
                    STR_ARGS(s->graders[i].name));
}

void consistency_check(struct loading *l)
{
    check_topics(l);
    check_shadow_topic(l);
    check_restore(l);
    check_drain(l);
    check_timeouts(l);
    check_memory(l);
    check_ceiling(l);
}

/* ---- graders ----------------------------------------------------------------------------------
 */

/* The host of http://HOST:PORT/PATH. */
static struct str host_of(struct str url)
{
    size_t from = str_find(url, STR("://"), 0);
    struct str rest = str_sub(url, from != SIZE_MAX ? from + 3 : 0, url.n);
    size_t end = str_find(rest, STR("/"), 0);
    rest = str_sub(rest, 0, end != SIZE_MAX ? end : rest.n);
    size_t bracket = str_find(rest, STR("]"), 0);
    size_t colon = str_find(rest, STR(":"), bracket != SIZE_MAX ? bracket : 0);
    return str_sub(rest, 0, colon != SIZE_MAX ? colon : rest.n);
}

static bool is_loopback(struct str host)
{
    if (str_eq(host, STR("localhost")) || str_eq(host, STR("[::1]")))
        return true;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
            return false; /* 127.0.0.1.example.org is another machine's name */
    return str_has_prefix(host, STR("127."));
}

static void check_plaintext(struct loading *l, const struct settings_grader *g)
{
    const struct field *f = field_find(STR(GRADERS ".endpoints"));
    const struct yaml *list = l->given[f - fields];
    char text[SHOWN_MAX];
    if (g->insecure || list == NULL || list->kind != YAML_LIST)
        return;
    for (const struct yaml *y = list->child; y != NULL; y = y->next)
        if (y->kind == YAML_SCALAR && str_has_prefix(y->text, STR("http://")) &&
            str_find(y->text, STR("@"), 0) == SIZE_MAX && !is_loopback(host_of(y->text)))
            problem_of(l, f, y,
                       "'%s' is plain http to another machine; use https, or say insecure: true",
                       shown(y->text, text));
}

static void check_grader_timeouts(struct loading *l, const struct settings_grader *g)
{
    static const char *const paths[] = {GRADERS ".timeouts.connect",
                                        GRADERS ".timeouts.first_byte"};
    const int64_t values[] = {g->connect_timeout_us, g->first_byte_timeout_us};
    const struct yaml *total = l->given[field_find(STR(GRADERS ".timeouts.total")) - fields];
    char a[32], b[32];
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (values[i] <= g->total_timeout_us)
            continue;
        const struct field *f = field_find(str_z(paths[i]));
        const struct yaml *y = l->given[f - fields];
        field_print_number(FIELD_DURATION, (uint64_t)values[i], a);
        field_print_number(FIELD_DURATION, (uint64_t)g->total_timeout_us, b);
        problem_of(l, f,
                   y != NULL       ? y
                   : total != NULL ? total
                                   : l->root,
                   "%s is longer than timeouts.total (%s); lower it, or raise that", a, b);
    }
}

static void check_api_key(struct loading *l, const struct settings_grader *g)
{
    const struct field *f = field_find(STR(GRADERS ".api_key_env"));
    if (g->api_key_env.n > 0 && g->api_key_file.n > 0)
        problem_of(l, f, l->given[f - fields], "and api_key_file are given; remove one");
}

static void check_certificate(struct loading *l, const struct settings_grader *g)
{
    const struct field *f = field_find(STR(GRADERS ".tls.key_file"));
    if (g->tls_key_file.n > 0 && g->tls_certificate_file.n == 0)
        problem_of(l, f, l->given[f - fields],
                   "a key without its certificate; name that in tls.certificate_file");
}

static void check_price(struct loading *l, const struct settings_grader *g)
{
    bool has_input = g->price_input != SETTINGS_UNSET,
         has_output = g->price_output != SETTINGS_UNSET;
    const char *missing = has_input ? GRADERS ".price.output" : GRADERS ".price.input";
    const char *other = has_output ? GRADERS ".price.output" : GRADERS ".price.input";
    if (!has_input && !has_output && g->price_cached_input != SETTINGS_UNSET)
        other = GRADERS ".price.cached_input";
    else if (has_input == has_output)
        return;
    problem_of(l, field_find(str_z(missing)), l->given[field_find(str_z(other)) - fields],
               "is missing; add it, 0 when it is free");
}

void consistency_check_grader(struct loading *l, const struct settings_grader *g)
{
    check_api_key(l, g);
    check_price(l, g);
    check_certificate(l, g);
    check_plaintext(l, g);
    check_grader_timeouts(l, g);
}
