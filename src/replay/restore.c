#include "replay/restore.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "obs/log.h"
#include "reward/kept.h"
#include "stream/kafka_ranges.h"
#include "stream/kafka_reader.h"
#include "stream/relay.h"

enum {
    BATCH = 512, /* judgments that the loop takes at a time */
    REWARD_MEMORY = 64 << 20,
    READ_MS = 200, /* then the thread looks whether it is to stop */
    RETRY_US = 1000000,
    PROGRESS_US = 5000000,
};

struct batch {
    struct kept_judgment judgments[BATCH];
    size_t n;
    uint64_t rewards, unreadable;
};

/* How far each partition of one topic of rewards has been read. */
struct progress {
    int64_t *next;
    int32_t n;
};

struct restore {
    struct relay relay;
    struct loop *loop;
    struct cache *cache;
    struct restore_config config;
    /* loop */
    int32_t *wanted; /* partitions of the assignment */
    size_t n_wanted;
    bool ready; /* records are let through */
    bool begin; /* when the thread of the assignment before has ended */
    bool running;
    int64_t since_us, until_us, next_progress_us;
    struct restore_stats stats, before; /* before: when the thread was started */
    /* the thread's while it runs */
    pthread_t thread;
    int32_t *partitions; /* a copy of `wanted` */
    size_t n_partitions;
    struct progress *progress; /* by topic */
    struct batch batches[2], *filling;
    /* shared */
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t taken;
    struct batch *handed; /* waits for the loop */
    bool ended; /* the thread has nothing more to say */
    bool abandoned; /* nobody takes batches any more */
};

/* ---- the thread ---------------------------------------------------------------------------------
 */

static bool stopping(struct restore *r)
{
    return atomic_load(&r->stop);
}

/* Waits while the loop has the other one. */
static void hand_over(struct restore *r)
{
    struct batch *b = r->filling;
    if (b->rewards == 0 && b->unreadable == 0)
        return;
    (void)pthread_mutex_lock(&r->lock);
    while (r->handed != NULL && !r->abandoned)
        (void)pthread_cond_wait(&r->taken, &r->lock);
    r->handed = b;
    r->filling = b == &r->batches[0] ? &r->batches[1] : &r->batches[0];
    (void)pthread_mutex_unlock(&r->lock);
    r->filling->n = r->filling->rewards = r->filling->unreadable = 0;
    loop_wake(r->loop);
}

static void take_reward(struct restore *r, struct arena *a, struct str packed)
{
    struct kept_judgment *kept;
    size_t n;
    struct err err;
    arena_reset(a);
    if (kept_unpack(packed, a, &kept, &n, &err) != ERR_OK) {
        r->filling->unreadable++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (r->filling->n == BATCH)
            hand_over(r);
        r->filling->judgments[r->filling->n++] = kept[i];
    }
    r->filling->rewards++;
}

static enum err_code read_all(struct restore *r, struct kafka_reader *reader, struct progress *p,
                              struct err *err)
{
    struct source_record record;
    struct arena arena;
    int32_t partition;
    enum kafka_read what = KAFKA_READ_NOTHING;
    arena_init(&arena, REWARD_MEMORY);
    while (!stopping(r) && what != KAFKA_READ_END && what != KAFKA_READ_FAILED) {
        what = kafka_reader_next(reader, READ_MS, &record, &partition, err);
        if (what != KAFKA_READ_RECORD)
            continue;
        take_reward(r, &arena, record.value);
        p->next[partition] = record.offset + 1;
    }
    hand_over(r);
    arena_done(&arena);
    return what == KAFKA_READ_FAILED ? err->code : ERR_OK;
}

/* From where it was read to before: partitions like the input's, or all of them. */
static struct kafka_range *ranges_of(const struct restore *r, const struct progress *p, bool alike,
                                     size_t *ret_n)
{
    size_t n = alike ? r->n_partitions : (size_t)p->n;
    struct kafka_range *ranges = mem_array(n, sizeof(*ranges));
    for (size_t i = 0; i < n; i++) {
        int32_t partition = alike ? r->partitions[i] : (int32_t)i;
        int64_t from = partition < p->n ? p->next[partition] : INT64_MAX;
        ranges[i] = (struct kafka_range){partition, from, INT64_MAX};
    }
    *ret_n = n;
    return ranges;
}

/* Where the topic's partitions are to be read from, those that were not read before. */
static enum err_code begin_topic(const struct restore *r, struct str name, struct progress *p,
                                 struct err *err)
{
    const struct kafka_point now = {KAFKA_POINT_END, 0};
    const struct kafka_point since = {
        r->config.since_ms > 0 ? KAFKA_POINT_TIME : KAFKA_POINT_BEGINNING, r->config.since_ms};
    struct kafka_range *ranges;
    size_t n;
    enum err_code code = kafka_ranges(r->config.kafka, name, since, now, &ranges, &n, err);
    if (code != ERR_OK)
        return code;
    p->next = mem_resize(p->next, n * sizeof(*p->next));
    for (; p->n < (int32_t)n; p->n++)
        p->next[p->n] = ranges[p->n].from;
    mem_free(ranges);
    return ERR_OK;
}

static enum err_code read_topic(struct restore *r, size_t topic, struct err *err)
{
    const struct kafka_config *kafka = r->config.kafka;
    struct str name = r->config.topics[topic];
    struct progress *p = &r->progress[topic];
    struct kafka_reader *reader = NULL;
    int32_t input;
    size_t n_ranges;
    enum err_code code = kafka_reader_partitions(kafka, kafka->input, &input, err);
    if (code == ERR_OK)
        code = begin_topic(r, name, p, err);
    if (code != ERR_OK)
        return code;
    if (p->n != input)
        log_info("restore.partitions",
                 "%.*s has %" PRId32 " partitions and the input %" PRId32 ": all of it is read",
                 STR_ARGS(name), p->n, input);
    struct kafka_range *ranges = ranges_of(r, p, p->n == input, &n_ranges);
    code = kafka_reader_new_ranges(kafka, name, ranges, n_ranges, &reader, err);
    if (code == ERR_OK)
        code = read_all(r, reader, p, err);
    kafka_reader_free(reader);
    mem_free(ranges);
    return code;
}

static void *run(void *arg)
{
    struct restore *r = arg;
    for (size_t i = 0; i < r->config.n_topics && !stopping(r);) {
        struct err err;
        enum err_code code = read_topic(r, i, &err);
        if (code != ERR_OK)
            log_warning("restore.failed", "%s; %s", err.msg,
                        err_class(code) == ERR_CLASS_TRANSIENT
                            ? "trying again"
                            : "what it would have had is asked for again");
        if (code == ERR_OK || err_class(code) != ERR_CLASS_TRANSIENT)
            i++;
        else
            (void)usleep(RETRY_US);
    }
    (void)pthread_mutex_lock(&r->lock);
    r->ended = true;
    (void)pthread_mutex_unlock(&r->lock);
    loop_wake(r->loop);
    return NULL;
}

/* ---- the loop -----------------------------------------------------------------------------------
 */

static void start(struct restore *r)
{
    r->begin = false;
    r->partitions = mem_copy(r->wanted, r->n_wanted * sizeof(*r->wanted));
    r->n_partitions = r->n_wanted;
    r->filling = &r->batches[0];
    r->filling->n = r->filling->rewards = r->filling->unreadable = 0;
    r->handed = NULL;
    r->ended = false;
    r->before = r->stats;
    r->next_progress_us = clock_mono_us(&clock_real) + PROGRESS_US;
    atomic_store(&r->stop, false);
    r->running = pthread_create(&r->thread, NULL, run, r) == 0;
    if (r->running)
        return;
    log_warning("restore.failed", "no thread can be started; questions may be asked again");
    mem_free(r->partitions);
    r->ready = true;
}

static void join(struct restore *r)
{
    (void)pthread_join(r->thread, NULL);
    mem_free(r->partitions);
    r->partitions = NULL;
    r->running = false;
}

static void say(const struct restore *r, const char *event, int64_t now)
{
    log_info(event, "rewards=%" PRIu64 " judgments=%" PRIu64 " unreadable=%" PRIu64 " seconds=%.1f",
             r->stats.rewards - r->before.rewards, r->stats.judgments - r->before.judgments,
             r->stats.unreadable - r->before.unreadable, (double)(now - r->since_us) / 1e6);
}

static void take_batch(struct restore *r)
{
    (void)pthread_mutex_lock(&r->lock);
    const struct batch *b = r->handed;
    (void)pthread_mutex_unlock(&r->lock);
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->n; i++)
        r->cache->put(r->cache, b->judgments[i].digest, &b->judgments[i].entry);
    r->stats.rewards += b->rewards;
    r->stats.judgments += b->n;
    r->stats.unreadable += b->unreadable;
    (void)pthread_mutex_lock(&r->lock);
    r->handed = NULL;
    (void)pthread_cond_signal(&r->taken);
    (void)pthread_mutex_unlock(&r->lock);
}

static bool has_ended(struct restore *r)
{
    (void)pthread_mutex_lock(&r->lock);
    bool ended = r->ended && r->handed == NULL;
    (void)pthread_mutex_unlock(&r->lock);
    return ended;
}

static struct restore *of(struct source *port)
{
    return CONTAINER_OF(CONTAINER_OF(port, struct relay, port), struct restore, relay);
}

static void mind_thread(struct restore *r, int64_t now)
{
    take_batch(r);
    if (has_ended(r)) {
        join(r);
        if (stopping(r))
            return;
        say(r, "restore.done", now);
        r->ready = true;
    } else if (now >= r->next_progress_us && !stopping(r)) {
        say(r, "restore.progress", now);
        r->next_progress_us = now + PROGRESS_US;
    }
}

static void restore_poll(struct source *port)
{
    struct restore *r = of(port);
    r->relay.inner->poll(r->relay.inner);
    int64_t now = clock_mono_us(&clock_real);
    if (r->running)
        mind_thread(r, now);
    if (!r->running && r->begin)
        start(r);
    if (!r->ready && now >= r->until_us) {
        log_warning("restore.late", "records are read before all judgments are there; some "
                                    "questions may be asked again");
        r->ready = true;
    }
}

static bool restore_next(struct source *port, size_t index, struct source_record *ret)
{
    struct restore *r = of(port);
    return r->ready && r->relay.inner->next(r->relay.inner, index, ret);
}

static void on_assigned(struct relay *relay, const struct source_partition *partitions, size_t n)
{
    struct restore *r = CONTAINER_OF(relay, struct restore, relay);
    int64_t now = clock_mono_us(&clock_real);
    mem_free(r->wanted);
    r->wanted = mem_array(n, sizeof(*r->wanted));
    r->n_wanted = n;
    for (size_t i = 0; i < n; i++)
        r->wanted[i] = partitions[i].partition;
    r->ready = n == 0 || r->config.wait_us == 0;
    r->begin = n > 0;
    r->since_us = now;
    r->until_us = r->config.wait_us < CLOCK_NEVER - now ? now + r->config.wait_us : CLOCK_NEVER;
}

static void on_ended(struct relay *relay)
{
    struct restore *r = CONTAINER_OF(relay, struct restore, relay);
    r->begin = false;
    r->ready = true; /* nothing is read, and nothing is to be waited for */
    atomic_store(&r->stop, true);
}

/* ---- lifecycle ----------------------------------------------------------------------------------
 */

struct restore *restore_new(struct loop *loop, struct source *source, struct cache *cache,
                            const struct restore_config *config)
{
    struct restore *r = mem_alloc(sizeof(*r));
    relay_init(&r->relay, source);
    r->relay.assigned = on_assigned;
    r->relay.ended = on_ended;
    r->relay.port.poll = restore_poll;
    r->relay.port.next = restore_next;
    r->loop = loop;
    r->cache = cache;
    r->config = *config;
    r->progress = mem_array(config->n_topics, sizeof(*r->progress));
    r->ready = true;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->taken, NULL);
    return r;
}

void restore_free(struct restore *r)
{
    if (r == NULL)
        return;
    if (r->running) {
        atomic_store(&r->stop, true);
        (void)pthread_mutex_lock(&r->lock);
        r->abandoned = true;
        (void)pthread_cond_signal(&r->taken);
        (void)pthread_mutex_unlock(&r->lock);
        join(r);
    }
    for (size_t i = 0; i < r->config.n_topics; i++)
        mem_free(r->progress[i].next);
    mem_free(r->progress);
    mem_free(r->wanted);
    (void)pthread_cond_destroy(&r->taken);
    (void)pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

struct source *restore_port(struct restore *r)
{
    return &r->relay.port;
}

void restore_stats(const struct restore *r, struct restore_stats *ret)
{
    *ret = r->stats;
    ret->running = r->running;
}
