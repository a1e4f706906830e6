#include "replay/plan.h"

#include <inttypes.h>

#include "base/mem.h"
#include "replay/failures.h"
#include "stream/kafka_reader.h"

enum {
    CHUNKS = 8, /* the sample's places in each partition */
    REWARD_MEMORY = 64 << 20,
    CLOCKS_MS = 3600000, /* clocks of producers and ours may be apart by so much */
};

static void tell(const struct plan *p, const char *what, uint64_t n)
{
    if (p->progress != NULL)
        p->progress(what, n);
}

/* ---- partitions ---------------------------------------------------------------------------------
 */

struct failing {
    const struct plan *plan;
    struct failures *failures;
    struct arena arena; /* of one reward */
    uint64_t n;
};

static bool take_failure(void *arg, const struct source_record *record, int32_t partition,
                         struct err *err)
{
    struct failing *f = arg;
    struct reward_trace reward;
    struct err why;
    (void)partition;
    (void)err;
    arena_reset(&f->arena);
    if (reward_trace_unpack(record->value, &f->arena, &reward, &why) == ERR_OK)
        failures_add(f->failures, &reward);
    tell(f->plan, "rewards", ++f->n);
    return true;
}

static enum err_code find_failures(const struct plan *p, struct failures *failures, struct err *err)
{
    const struct kafka_range all = {KAFKA_EVERY_PARTITION, 0, INT64_MAX};
    struct failing f = {.plan = p, .failures = failures};
    arena_init(&f.arena, REWARD_MEMORY);
    enum err_code code =
        kafka_read_ranges(p->kafka, p->m->failed_in, &all, 1, take_failure, &f, err);
    arena_done(&f.arena);
    return code;
}

/* `failures` NULL: all of each range. */
static void keep_ranges(struct manifest *m, const struct kafka_range *ranges, size_t n,
                        const struct failures *failures)
{
    m->partitions = arena_array(&m->arena, n, sizeof(*m->partitions));
    for (size_t i = 0; m->partitions != NULL && i < n; i++) {
        struct manifest_partition *p = &m->partitions[m->n_partitions];
        *p = (struct manifest_partition){
            .partition = ranges[i].partition, .start = ranges[i].from, .stop = ranges[i].to};
        if (failures != NULL) {
            failures_list(failures, i, &p->only);
            if (p->only.n == 0)
                continue;
            p->start = p->only.runs[0].from;
            p->stop = p->only.runs[p->only.n - 1].to;
        }
        m->n_partitions += p->start < p->stop;
    }
}

static enum err_code choose(struct plan *p, const struct kafka_range *ranges, size_t n,
                            struct err *err)
{
    struct failures *failures = NULL;
    enum err_code code = ERR_OK;
    if (p->m->failed_in.n > 0) {
        failures = failures_new(p->m->input, ranges, n);
        code = find_failures(p, failures, err);
    }
    if (code == ERR_OK)
        keep_ranges(p->m, ranges, n, failures);
    failures_free(failures);
    return code;
}

enum err_code plan_partitions(struct plan *p, struct err *err)
{
    struct kafka_range *ranges;
    size_t n;
    enum err_code code = kafka_ranges(p->kafka, p->m->input, p->from, p->to, &ranges, &n, err);
    if (code != ERR_OK)
        return code;
    code = choose(p, ranges, n, err);
    mem_free(ranges);
    if (code == ERR_OK && p->m->n_partitions == 0)
        code = err_set(err, ERR_NOT_FOUND, "nothing to replay: %.*s has no %s in this range",
                       STR_ARGS(p->m->input),
                       p->m->failed_in.n > 0 ? "record that failed and may be tried again"
                                             : "records");
    return code;
}

/* ---- the estimate -------------------------------------------------------------------------------
 */

struct sampling {
    struct plan *plan;
    struct estimate *estimate;
    uint64_t n, offsets; /* records taken, offsets looked at */
    int64_t earliest_ms; /* of their timestamps; INT64_MAX: none is known */
};

static const struct manifest_partition *partition_of(const struct manifest *m, int32_t number)
{
    for (size_t i = 0; i < m->n_partitions; i++)
        if (m->partitions[i].partition == number)
            return &m->partitions[i];
    return NULL;
}

static bool take_sample(void *arg, const struct source_record *record, int32_t partition,
                        struct err *err)
{
    struct sampling *s = arg;
    (void)err;
    const struct manifest_partition *p = partition_of(s->plan->m, partition);
    if (p == NULL || (p->only.n > 0 && !offset_set_has(&p->only, record->offset)))
        return true;
    if (record->timestamp_ms > 0 && record->timestamp_ms < s->earliest_ms)
        s->earliest_ms = record->timestamp_ms;
    estimate_record(s->estimate, record, s->plan->m->input, partition);
    tell(s->plan, "records of the sample", ++s->n);
    return true;
}

/* Failures lie together: the chunks begin at some of them, evenly by their number. */
static struct kafka_range chunk_of_failures(const struct manifest_partition *p, int64_t chunk,
                                            int64_t each)
{
    uint64_t count = p->only.count;
    int64_t from = offset_set_at(&p->only, count * (uint64_t)chunk / CHUNKS);
    int64_t next = chunk + 1 < CHUNKS
                       ? offset_set_at(&p->only, count * (uint64_t)(chunk + 1) / CHUNKS)
                       : p->stop;
    return (struct kafka_range){p->partition, from, next - from > each ? from + each : next};
}

/* The chunk of one partition, of `each` offsets: as many chunks as there are, evenly spread. */
static struct kafka_range chunk_of(const struct manifest_partition *p, int64_t chunk, int64_t each)
{
    if (p->only.n > 0)
        return chunk_of_failures(p, chunk, each);
    int64_t length = p->stop - p->start, step = length / CHUNKS;
    if (step <= each) /* they would touch: all of it, at once */
        return (struct kafka_range){p->partition, chunk == 0 ? p->start : p->stop, p->stop};
    int64_t from = p->start + chunk * step;
    return (struct kafka_range){p->partition, from, from + each};
}

static enum err_code read_chunk(struct sampling *s, int64_t chunk, int64_t each, struct err *err)
{
    const struct manifest *m = s->plan->m;
    struct kafka_range *ranges = mem_array(m->n_partitions, sizeof(*ranges));
    uint64_t before = s->offsets;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < m->n_partitions; i++) {
        ranges[i] = chunk_of(&m->partitions[i], chunk, each);
        s->offsets += (uint64_t)(ranges[i].to - ranges[i].from);
    }
    if (s->offsets > before)
        code = kafka_read_ranges(s->plan->kafka, m->input, ranges, m->n_partitions, take_sample, s,
                                 err);
    mem_free(ranges);
    return code;
}

static bool take_reward(void *arg, const struct source_record *record, int32_t partition,
                        struct err *err)
{
    struct sampling *s = arg;
    (void)err;
    (void)partition;
    estimate_reward(s->estimate, record->value);
    tell(s->plan, "rewards looked through", ++s->n);
    return !estimate_is_complete(s->estimate);
}

/* Rewards are written after their records. */
static enum err_code look_through(struct sampling *s, struct str topic, struct err *err)
{
    const struct kafka_point now = {KAFKA_POINT_END, 0};
    struct kafka_point since = {KAFKA_POINT_BEGINNING, 0};
    struct kafka_range *ranges;
    size_t n;
    if (s->plan->m->restore_since_ms > 0)
        since = (struct kafka_point){KAFKA_POINT_TIME, s->plan->m->restore_since_ms};
    enum err_code code = kafka_ranges(s->plan->kafka, topic, since, now, &ranges, &n, err);
    if (code != ERR_OK)
        return code;
    code = kafka_read_ranges(s->plan->kafka, topic, ranges, n, take_reward, s, err);
    mem_free(ranges);
    return code;
}

/* Records in all, as far as a sample can tell. */
static uint64_t count_records(const struct sampling *s)
{
    const struct manifest *m = s->plan->m;
    uint64_t offsets = manifest_offsets(m);
    if (m->failed_in.n > 0 || s->offsets == 0)
        return offsets;
    return (uint64_t)((double)offsets * (double)s->n / (double)s->offsets + 0.5);
}

enum err_code plan_estimate(struct plan *p, struct estimate *e, uint64_t sample, struct err *err)
{
    struct sampling s = {.plan = p, .estimate = e, .earliest_ms = INT64_MAX};
    int64_t each = (int64_t)(sample / (CHUNKS * p->m->n_partitions)) + 1;
    enum err_code code = ERR_OK;
    for (int64_t chunk = 0; code == ERR_OK && chunk < CHUNKS; chunk++)
        code = read_chunk(&s, chunk, each, err);
    if (code != ERR_OK)
        return code;
    uint64_t records = count_records(&s);
    if (p->m->restore_from.n > 0 && s.earliest_ms != INT64_MAX && s.earliest_ms > CLOCKS_MS)
        p->m->restore_since_ms = s.earliest_ms - CLOCKS_MS;
    s.n = 0;
    for (size_t i = 0; code == ERR_OK && i < p->m->restore_from.n && !estimate_is_complete(e); i++)
        code = look_through(&s, p->m->restore_from.items[i], err);
    if (code == ERR_OK)
        estimate_result(e, records, &p->m->estimate);
    return code;
}
