#include "stream/kafka_ranges.h"

#include "base/mem.h"
#include "stream/kafka_client.h"

enum { TIMEOUT_MS = 15000 };

struct survey {
    rd_kafka_t *client;
    rd_kafka_topic_partition_list_t *partitions;
    int64_t *low, *high; /* of each log */
};

static enum err_code failed(rd_kafka_resp_err_t code, const char *topic, struct err *err)
{
    return err_set(err, kafka_err_code(code), "looking up the ends of %s: %s", topic,
                   rd_kafka_err2str(code));
}

static enum err_code survey(struct survey *s, const char *topic, struct err *err)
{
    int32_t n;
    enum err_code code = kafka_partition_count(s->client, topic, TIMEOUT_MS, &n, err);
    if (code != ERR_OK)
        return code;
    s->partitions = rd_kafka_topic_partition_list_new(n);
    for (int32_t i = 0; i < n; i++)
        (void)rd_kafka_topic_partition_list_add(s->partitions, topic, i);
    s->low = mem_array((size_t)n, sizeof(int64_t));
    s->high = mem_array((size_t)n, sizeof(int64_t));
    rd_kafka_resp_err_t answer =
        kafka_log_ends(s->client, s->partitions, TIMEOUT_MS, s->low, s->high);
    return answer == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_OK : failed(answer, topic, err);
}

static void survey_done(struct survey *s)
{
    if (s->partitions != NULL)
        rd_kafka_topic_partition_list_destroy(s->partitions);
    mem_free(s->low);
    mem_free(s->high);
    rd_kafka_destroy(s->client);
}

/* Of each partition, the first offset of that time or later; its end when there is none. */
static enum err_code offsets_of_time(const struct survey *s, const char *topic, int64_t ms,
                                     int64_t *ret, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(s->partitions);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(s->client, list, TIMEOUT_MS);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        ret[i] = list->elems[i].offset >= 0 ? list->elems[i].offset : s->high[i];
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_OK : failed(code, topic, err);
}

static enum err_code offsets_of(const struct survey *s, const char *topic, struct kafka_point point,
                                int64_t *ret, struct err *err)
{
    size_t n = (size_t)s->partitions->cnt;
    enum err_code code =
        point.kind == KAFKA_POINT_TIME ? offsets_of_time(s, topic, point.value, ret, err) : ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < n; i++) {
        if (point.kind == KAFKA_POINT_BEGINNING)
            ret[i] = s->low[i];
        else if (point.kind == KAFKA_POINT_END)
            ret[i] = s->high[i];
        else if (point.kind == KAFKA_POINT_OFFSET)
            ret[i] = point.value;
        if (ret[i] < s->low[i])
            ret[i] = s->low[i];
        if (ret[i] > s->high[i])
            ret[i] = s->high[i];
    }
    return code;
}

static enum err_code find(const struct survey *s, const char *topic, struct kafka_point from,
                          struct kafka_point to, struct kafka_range **ret, size_t *ret_n,
                          struct err *err)
{
    size_t n = (size_t)s->partitions->cnt;
    int64_t *begin = mem_array(n, sizeof(*begin)), *end = mem_array(n, sizeof(*end));
    enum err_code code = offsets_of(s, topic, from, begin, err);
    if (code == ERR_OK)
        code = offsets_of(s, topic, to, end, err);
    if (code == ERR_OK) {
        *ret = mem_array(n, sizeof(**ret));
        *ret_n = n;
        for (size_t i = 0; i < n; i++)
            (*ret)[i] = (struct kafka_range){
                .partition = (int32_t)i,
                .from = begin[i],
                .to = end[i] > begin[i] ? end[i] : begin[i],
            };
    }
    mem_free(begin);
    mem_free(end);
    return code;
}

enum err_code kafka_ranges(const struct kafka_config *config, struct str topic,
                           struct kafka_point from, struct kafka_point to, struct kafka_range **ret,
                           size_t *ret_n, struct err *err)
{
    struct survey s = {.client = kafka_reader_client(config, err)};
    if (s.client == NULL)
        return ERR_INVALID;
    char *name = mem_copy(topic.p, topic.n);
    enum err_code code = survey(&s, name, err);
    if (code == ERR_OK)
        code = find(&s, name, from, to, ret, ret_n, err);
    mem_free(name);
    survey_done(&s);
    return code;
}
