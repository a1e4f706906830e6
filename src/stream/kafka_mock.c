#include "stream/kafka_mock.h"

#include "base/mem.h"
#include "stream/kafka_client.h"

struct kafka_mock {
    rd_kafka_t *client; /* the cluster lives in one */
    rd_kafka_mock_cluster_t *cluster;
};

enum err_code kafka_mock_new(const char *const *topics, size_t n_topics, int partitions,
                             struct kafka_mock **ret, struct err *err)
{
    struct kafka_config config = {.brokers = STR("127.0.0.1:1"), .client_id = STR("rbr-mock")};
    const struct kafka_default quiet[] = {{"log_level", "0"}};
    rd_kafka_conf_t *conf = kafka_conf_new(&config, quiet, ARRAY_LEN(quiet), NULL, 0, err);
    rd_kafka_t *client = conf != NULL ? kafka_client_new(RD_KAFKA_PRODUCER, conf, err) : NULL;
    if (client == NULL)
        return ERR_INVALID;
    struct kafka_mock *m = mem_alloc(sizeof(*m));
    m->client = client;
    m->cluster = rd_kafka_mock_cluster_new(client, 1);
    enum err_code code = ERR_OK;
    if (m->cluster == NULL)
        code = err_set(err, ERR_INTERNAL, "the embedded broker does not start");
    for (size_t i = 0; code == ERR_OK && i < n_topics; i++)
        if (rd_kafka_mock_topic_create(m->cluster, topics[i], partitions, 1) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            code =
                err_set(err, ERR_INTERNAL, "the embedded broker does not make topic %s", topics[i]);
    if (code != ERR_OK) {
        kafka_mock_free(m);
        return code;
    }
    *ret = m;
    return ERR_OK;
}

void kafka_mock_free(struct kafka_mock *m)
{
    if (m == NULL)
        return;
    if (m->cluster != NULL)
        rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->client);
    mem_free(m);
}

const char *kafka_mock_brokers(const struct kafka_mock *m)
{
    return rd_kafka_mock_cluster_bootstraps(m->cluster);
}

rd_kafka_mock_cluster_t *kafka_mock_cluster(const struct kafka_mock *m)
{
    return m->cluster;
}
