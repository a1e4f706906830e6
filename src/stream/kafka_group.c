#include "stream/kafka_group.h"

#include "base/mem.h"
#include "stream/kafka_client.h"

struct kafka_group {
    rd_kafka_t *client;
    char *topic, *name;
};

enum err_code kafka_group_new(const struct kafka_config *config, struct kafka_group **ret,
                              struct err *err)
{
    /* What a transaction that is open may still commit is not waited for: it may be a dead
     * process's, and whoever would end it may be waiting here. */
    static const struct kafka_default ours[] = {{"enable.auto.commit", "false"},
                                                {"isolation.level", "read_uncommitted"}};
    rd_kafka_conf_t *conf =
        kafka_conf_new(config, ours, ARRAY_LEN(ours), config->consumer, config->n_consumer, err);
    if (conf == NULL)
        return ERR_INVALID;
    if (!kafka_conf_set_str(conf, "group.id", config->group, err)) {
        rd_kafka_conf_destroy(conf);
        return ERR_INVALID;
    }
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_CONSUMER, conf, err);
    if (client == NULL)
        return ERR_INVALID;
    struct kafka_group *g = mem_alloc(sizeof(*g));
    *g = (struct kafka_group){.client = client,
                              .topic = mem_copy(config->input.p, config->input.n),
                              .name = mem_copy(config->group.p, config->group.n)};
    *ret = g;
    return ERR_OK;
}

void kafka_group_free(struct kafka_group *g)
{
    if (g == NULL)
        return;
    rd_kafka_destroy(g->client);
    mem_free(g->topic);
    mem_free(g->name);
    mem_free(g);
}

enum err_code kafka_group_committed(struct kafka_group *g, const struct kafka_range *ranges,
                                    size_t n, int timeout_ms, int64_t *ret, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        (void)rd_kafka_topic_partition_list_add(list, g->topic, ranges[i].partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(g->client, list, timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        ret[i] = list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return ERR_OK;
    return err_set(err, kafka_err_code(code), "looking up what group %s has committed: %s", g->name,
                   rd_kafka_err2str(code));
}
