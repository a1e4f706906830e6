/* kafka.properties: passed to librdkafka as they are, less those that rbr answers for itself. */
#include "settings/loading.h"

struct owned {
    const char *name;
    const char *why; /* and what to do */
};

static const struct owned owned[] = {
    {"bootstrap.servers", "use kafka.brokers"},
    {"metadata.broker.list", "use kafka.brokers"},
    {"group.id", "use kafka.group"},
    {"group.instance.id", "use kafka.instance_id"},
    {"transactional.id", "use kafka.transactional_id"},
    {"auto.offset.reset", "use kafka.start"},
    {"enable.auto.commit", "offsets are committed with the rewards they belong to; remove it"},
    {"auto.commit.enable", "offsets are committed with the rewards they belong to; remove it"},
    {"enable.auto.offset.store",
     "offsets are committed with the rewards they belong to; remove it"},
    {"enable.idempotence", "without it a retry writes a reward twice; use kafka.delivery"},
    {"isolation.level", "completions of aborted transactions are never judged; remove it"},
    {"delivery.report.only.error", "every reward's delivery report is checked; remove it"},
};

/* Parts of names whose values are not for other eyes. */
static const char *const secret_parts[] = {
    "password",    "passphrase",       "secret",           "token",
    "ssl.key.pem", "ssl.keystore.pem", "sasl.jaas.config", "sasl.oauthbearer.config"};

bool property_is_secret(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(secret_parts); i++)
        if (str_find(name, str_z(secret_parts[i]), 0) != SIZE_MAX)
            return true;
    return false;
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static bool check_owned(struct loading *l, const struct field *f, const struct yaml *y)
{
    char label[FIELD_LABEL_MAX];
    (void)field_label(f, 0, label);
    for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
        if (!str_eq(y->key, str_z(owned[i].name)))
            continue;
        problem_at_key(l, y, "%s: rbr sets %s itself; %s", label, owned[i].name, owned[i].why);
        return false;
    }
    if (str_eq(y->key, STR("partition.assignment.strategy")) &&
        str_find(y->text, STR("cooperative-sticky"), 0) != SIZE_MAX) {
        problem(l, y,
                "%s: cooperative-sticky ends the process in librdkafka before 2.10; use range or "
                "roundrobin",
                label);
        return false;
    }
    return true;
}

static bool check(struct loading *l, const struct field *f, const struct yaml *y)
{
    char label[FIELD_LABEL_MAX], key[SHOWN_MAX];
    (void)field_label(f, 0, label);
    (void)shown(y->key, key);
    if (!is_name(y->key))
        problem_at_key(l, y,
                       "%s: '%s' is no librdkafka property; they are like max.poll.interval.ms",
                       label, key);
    else if (y->kind != YAML_SCALAR)
        problem_at_key(l, y, "%s: '%s' must be one value; write %s.x: VALUE", label, key, key);
    else if (y->null)
        problem_at_key(l, y, "%s: '%s' has no value; write one, or remove the line", label, key);
    else if (y->text.n > 0 && memchr(y->text.p, '\0', y->text.n) != NULL)
        problem(l, y, "%s: '%s' has a NUL byte in it; remove it", label, key);
    else
        return check_owned(l, f, y);
    return false;
}

void properties_read(struct loading *l, const struct field *f, const struct yaml *y, void *to)
{
    struct setting_properties *properties = to;
    struct arena *a = &l->settings->arena;
    if (y->kind != YAML_MAP) {
        problem_of(l, f, y, "is not a map; write lines 'property: value' below it");
        return;
    }
    struct setting_property *items = loading_array(l, a, y->count, sizeof(*items));
    if (items == NULL)
        return;
    *properties = (struct setting_properties){.items = items};
    for (const struct yaml *m = y->child; m != NULL; m = m->next)
        if (!environment_failed(m) && check(l, f, m))
            items[properties->n++] = (struct setting_property){
                .name = loading_copy(l, a, m->key), .value = loading_copy(l, a, m->text)};
}

static const struct yaml *section(const struct loading *l)
{
    return yaml_get(yaml_get(l->root, STR("kafka")), STR("properties"));
}

void properties_refuse_arguments(struct loading *l)
{
    const struct yaml *all = section(l);
    if (all == NULL)
        return;
    for (const struct yaml *client = all->child; client != NULL; client = client->next)
        for (const struct yaml *y = client->child; y != NULL; y = y->next)
            if (overrides_is_from(l, y) && property_is_secret(y->key) &&
                !environment_is_reference(y->text))
                problem(l, y,
                        "a secret among the arguments is seen by every user of this machine; put "
                        "it in the environment and write ${NAME} in the file");
}

const struct yaml *properties_find(const struct loading *l, const char *client, const char *name)
{
    const struct yaml *y = yaml_get(yaml_get(section(l), str_z(client)), str_z(name));
    return y != NULL ? y : yaml_get(yaml_get(section(l), STR("common")), str_z(name));
}
