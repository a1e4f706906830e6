#include "stream/kafka_lookup.h"

#include <inttypes.h>

#include "base/mem.h"
#include "obs/log.h"

enum { LOOKUP_TIMEOUT_MS = 10000 };

void kafka_lookup_done(struct kafka_lookup *l)
{
    if (l->partitions != NULL)
        rd_kafka_topic_partition_list_destroy(l->partitions);
    mem_free(l->committed);
    mem_free(l->ends);
    l->partitions = NULL;
    l->committed = l->ends = NULL;
}

void kafka_lookup_prepare(struct kafka_lookup *l, rd_kafka_t *client,
                          const rd_kafka_topic_partition_list_t *partitions)
{
    kafka_lookup_done(l);
    l->client = client;
    l->partitions = rd_kafka_topic_partition_list_copy(partitions);
    l->committed = mem_array((size_t)partitions->cnt, sizeof(int64_t));
    l->ends = mem_array((size_t)partitions->cnt, sizeof(int64_t));
    atomic_store(&l->stop, false);
}

static enum err_code lookup_failed(struct kafka_lookup *l, rd_kafka_resp_err_t code,
                                   const char *what)
{
    enum err_code ours = kafka_err_code(code);
    l->again = err_class(ours) == ERR_CLASS_TRANSIENT;
    return err_set(&l->err, ours, "%s: %s", what, rd_kafka_err2str(code));
}

/* Records that were to be read must be there; a partition without a range, and one that is done,
 * may start anywhere. */
static enum err_code start_of_range(struct kafka_lookup *l, rd_kafka_topic_partition_t *p,
                                    int64_t low, int64_t high)
{
    const struct kafka_range *range = NULL;
    for (size_t i = 0; i < l->n_ranges; i++)
        if (l->ranges[i].partition == p->partition)
            range = &l->ranges[i];
    int64_t from = range == NULL || p->offset >= range->to ? high
                   : p->offset >= 0                        ? p->offset
                                                           : range->from;
    p->offset = from;
    if (from >= low && from <= high)
        return ERR_OK;
    return err_set(&l->err, ERR_RANGE,
                   "%s[%" PRId32 "]: offset %" PRId64
                   ", which is to be read, is outside the log [%" PRId64 ", %" PRId64
                   "]; plan anew what is still there",
                   p->topic, p->partition, from, low, high);
}

/* Where a partition starts: its committed offset while the log still has it, else what its range or
 * kafka.start says. */
static enum err_code start_offset(struct kafka_lookup *l, rd_kafka_topic_partition_t *p,
                                  int64_t low, int64_t high)
{
    if (p->offset >= low && p->offset <= high)
        return ERR_OK;
    if (l->n_ranges > 0)
        return start_of_range(l, p, low, high);
    int64_t committed = p->offset;
    if (l->start == KAFKA_START_ERROR)
        return committed < 0
                   ? err_set(&l->err, ERR_NOT_FOUND,
                             "%s[%" PRId32 "]: the group has no committed offset and kafka.start "
                             "is error; set it to earliest or latest for the first start",
                             p->topic, p->partition)
                   : err_set(&l->err, ERR_RANGE,
                             "%s[%" PRId32 "]: the committed offset %" PRId64
                             " is outside the log [%" PRId64 ", %" PRId64
                             "] and kafka.start is error; set it to earliest or latest to go on",
                             p->topic, p->partition, committed, low, high);
    p->offset = l->start == KAFKA_START_EARLIEST ? low : high;
    if (committed >= 0)
        log_warning("source.offset_out_of_range",
                    "%s[%" PRId32 "]: committed offset %" PRId64 " is outside the log [%" PRId64
                    ", %" PRId64 "]; starting at %" PRId64,
                    p->topic, p->partition, committed, low, high, p->offset);
    return ERR_OK;
}

void kafka_lookup_run(uv_work_t *work)
{
    struct kafka_lookup *l = CONTAINER_OF(work, struct kafka_lookup, work);
    l->err.code = ERR_OK;
    l->again = false;
    rd_kafka_topic_partition_list_t *list = l->partitions;
    if (list->cnt == 0) /* more members than partitions */
        return;
    rd_kafka_resp_err_t code = rd_kafka_committed(l->client, list, LOOKUP_TIMEOUT_MS);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        code = list->elems[i].err;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)lookup_failed(l, code, "looking up committed offsets");
        return;
    }
    if (atomic_load(&l->stop))
        return;
    int64_t *starts = mem_array((size_t)list->cnt, sizeof(*starts));
    code = kafka_log_ends(l->client, list, LOOKUP_TIMEOUT_MS, starts, l->ends);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)lookup_failed(l, code, "looking up the ends of the input");
    for (int i = 0; l->err.code == ERR_OK && i < list->cnt; i++) {
        l->committed[i] = list->elems[i].offset < 0 ? -1 : list->elems[i].offset;
        (void)start_offset(l, &list->elems[i], starts[i], l->ends[i]);
    }
    mem_free(starts);
}
