#include "pipeline/pipeline.h"

#include <assert.h>
#include <stdio.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/sm.h"
#include "obs/log.h"
#include "pipeline/item.h"
#include "pipeline/orphans.h"
#include "pipeline/resume.h"

/*                 assigned                revoked                      published, or out of time
 *        IDLE ---------------> RUNNING ------------> DRAINING ----------------------------------.
 *         ^                      | lost                 | lost                                  |
 *         |                      v                      v                                       |
 *         '---- batch is back --- DROPPING <------------'                                       |
 *         '-------------------------------------------------------------------------------------'
 *   any state ---- the source's last event ----> CLOSED
 *
 * Nothing waits inside a state but for: RUNNING, records; DRAINING, judges and the sink; DROPPING,
 * the batch that is on its way. A failure of source or sink takes the way of a lost assignment,
 * then closes. */
enum state { IDLE, RUNNING, DRAINING, DROPPING, CLOSED };

static const struct sm_state states[] = {
    [IDLE] = {"idle", SM_TO(RUNNING) | SM_TO(CLOSED)},
    [RUNNING] = {"running", SM_TO(DRAINING) | SM_TO(DROPPING) | SM_TO(CLOSED)},
    [DRAINING] = {"draining", SM_TO(IDLE) | SM_TO(DROPPING) | SM_TO(CLOSED)},
    [DROPPING] = {"dropping", SM_TO(IDLE) | SM_TO(DROPPING) | SM_TO(CLOSED)},
    [CLOSED] = {"closed", SM_TO(CLOSED)},
};

enum {
    ADMIT_PER_TICK = 256, /* then the loop gets a turn */
    FREE_ITEMS_MAX = 1024, /* kept for reuse */
    SOURCE_POLL_US = 500000, /* the source is served at least this often */
    RETRY_MIN_US = 100000,
    RETRY_MAX_US = 5000000,
};

struct partition {
    char *topic;
    int32_t number;
    size_t index; /* in the assignment */
    struct window window;
    struct source_record held; /* read, but its window had no room */
    bool has_held;
    char map[ACKMAP_TEXT_MAX]; /* of the batch on its way */
};

struct pipeline {
    struct pipeline_config config;
    struct judge *judge;
    struct source *source;
    struct sink *sink;
    const struct clock *clock;

    enum state state;
    bool stopping; /* close was called */
    bool failed;
    struct err error;
    struct partition *partitions;
    size_t n_partitions;
    size_t turn; /* the partition to be read next */
    int64_t drain_until_us;

    struct item *free_items;
    size_t n_free, in_flight;
    struct orphans orphans;
    size_t bytes, ready_bytes, ready;
    bool full; /* a budget is used up; admission resumes at 7/8 of it */

    struct sink_batch batch;
    bool batch_out; /* with the sink */
    struct item **batch_items;
    struct sink_offset *offsets;
    struct sink_record *records;
    size_t map_bytes; /* of offset metadata that the brokers take, as far as we know */
    int64_t batch_since_us, next_publish_us, retry_us;

    struct pipeline_stats stats;
};

const struct pipeline_config pipeline_config_default = {
    .record = {.value_bytes = 4u << 20, .memory_bytes = 32u << 20, .fields = 100000},
    .records_in_flight = 4096,
    .memory_bytes = 512u << 20,
    .window = 8000,
    .record_deadline_us = 120000000,
    .drain_us = 10000000,
    .publish_interval_us = 100000,
    .batch_records = 5000,
    .batch_bytes = 16u << 20,
};

static void move(struct pipeline *p, enum state to)
{
    p->state = (enum state)sm_move(states, (int)p->state, (int)to);
}

/* ---- items ------------------------------------------------------------------------------------
 */

static struct item *take_item(struct pipeline *p)
{
    struct item *it = p->free_items;
    if (it != NULL) {
        p->free_items = it->next;
        p->n_free--;
    } else {
        it = mem_alloc(sizeof(*it));
        /* Record, escaped prompt and judgments: a byte may become six in JSON. */
        item_init(it, p->config.record.memory_bytes + 8 * p->config.record.value_bytes);
    }
    it->next = NULL;
    it->pipeline = p;
    p->in_flight++;
    return it;
}

static void charge(struct pipeline *p, struct item *it)
{
    size_t now = item_bytes(it);
    p->bytes += now - it->bytes;
    it->bytes = now;
}

static void give_item(struct pipeline *p, struct item *it)
{
    p->in_flight--;
    p->bytes -= it->bytes;
    item_reset(it);
    if (p->n_free < FREE_ITEMS_MAX) {
        it->next = p->free_items;
        p->free_items = it;
        p->n_free++;
    } else {
        item_done(it);
        mem_free(it);
    }
}

static void item_is_ready(struct pipeline *p, struct item *it)
{
    charge(p, it);
    p->ready++;
    p->ready_bytes += it->out.n;
    window_ready(&it->partition->window, it->offset);
}

/* ---- judging ----------------------------------------------------------------------------------
 */

static void judged(struct pipeline *p, struct item *it)
{
    struct partition *part = it->partition;
    item_make_reward(it, str_z(part->topic), part->number, p->judge->policy,
                     clock_wall_ms(p->clock));
    item_is_ready(p, it);
    FAILPOINT(ready);
}

static void on_judged(struct judge_req *req)
{
    struct item *it = CONTAINER_OF(req, struct item, judge);
    struct pipeline *p = it->pipeline;
    FAILPOINT(verdict);
    if (it->partition != NULL) {
        judged(p, it);
        return;
    }
    orphans_remove(&p->orphans, it);
    give_item(p, it);
}

static int64_t deadline(const struct pipeline *p, const struct item *it)
{
    int64_t latest = it->received_us + p->config.record_deadline_us;
    if (it->record->deadline_ms <= 0)
        return latest;
    int64_t left_ms = it->record->deadline_ms - it->received_ms;
    if (left_ms >= p->config.record_deadline_us / 1000)
        return latest;
    return left_ms > 0 ? it->received_us + left_ms * 1000 : it->received_us;
}

/* ---- admission --------------------------------------------------------------------------------
 */

static struct str find_header(const struct source_record *in, struct str name)
{
    for (size_t i = 0; i < in->n_headers; i++)
        if (str_eq_folded(in->headers[i].name, name))
            return in->headers[i].value;
    return (struct str){0};
}

static void refuse(struct pipeline *p, struct item *it, const struct source_record *in,
                   const struct refusal *refusal)
{
    struct partition *part = it->partition;
    char text[256];
    refusal_print(refusal, text);
    item_make_dead_letter(it, str_z(part->topic), part->number, in, "decode",
                          refusal_name(refusal->kind), text);
    item_is_ready(p, it);
    FAILPOINT(dead_letter);
}

/* Copies what the message needs of its input; false when the arena is full. */
static bool keep_input(struct item *it, const struct source_record *in)
{
    struct str traceparent = find_header(in, STR("traceparent"));
    it->key = (struct str){0};
    if (in->key.p != NULL && !arena_copy(&it->arena, in->key, &it->key))
        return false;
    return arena_copy(&it->arena, traceparent.n <= 256 ? traceparent : (struct str){0},
                      &it->traceparent);
}

static void start(struct pipeline *p, struct item *it, const struct source_record *in)
{
    struct partition *part = it->partition;
    struct record_origin origin = {str_z(part->topic), part->number, it->offset};
    struct refusal refusal = {.kind = REFUSAL_TOO_MUCH_MEMORY};
    enum record_format format = record_format_of(find_header(in, STR("content-type")));
    FAILPOINT(before_decode);
    if (keep_input(it, in))
        it->record =
            record_decode(&it->arena, in->value, format, &p->config.record, &origin, &refusal);
    FAILPOINT(decoded);
    if (it->record == NULL) {
        refuse(p, it, in, &refusal);
        return;
    }
    it->judge = (struct judge_req){
        .record = it->record,
        .arena = &it->arena,
        .deadline_us = deadline(p, it),
        .done = on_judged,
    };
    bool finished = judge_start(p->judge, &it->judge);
    charge(p, it);
    FAILPOINT(asked);
    if (finished)
        judged(p, it);
}

/* True when the record was taken: admitted, or passed over. */
static bool admit(struct pipeline *p, struct partition *part, struct source_record *in)
{
    struct item *it = take_item(p);
    enum window_admit answer = window_admit(&part->window, in->offset, it);
    if (answer != WINDOW_ADMITTED) {
        give_item(p, it);
        p->stats.stale += answer == WINDOW_STALE;
        p->stats.already_done += answer == WINDOW_DONE;
        return answer != WINDOW_FULL;
    }
    it->partition = part;
    it->offset = in->offset;
    it->received_us = clock_mono_us(p->clock);
    it->received_ms = clock_wall_ms(p->clock);
    p->stats.admitted++;
    start(p, it, in);
    return true;
}

static bool has_room(struct pipeline *p)
{
    size_t records = p->config.records_in_flight, bytes = p->config.memory_bytes;
    if (p->full)
        p->full = p->in_flight > records - records / 8 || p->bytes > bytes - bytes / 8;
    if (!p->full)
        p->full = p->in_flight >= records || p->bytes >= bytes;
    return !p->full;
}

/* Reads one record of the partition when there is one and it has room. */
static bool read_one(struct pipeline *p, struct partition *part)
{
    if (!window_has_room(&part->window))
        return false;
    if (!part->has_held && !p->source->next(p->source, part->index, &part->held))
        return false;
    FAILPOINT(read);
    part->has_held = !admit(p, part, &part->held);
    if (part->has_held)
        return false;
    p->source->release(p->source, &part->held);
    return true;
}

/* Round robin, so that one busy partition does not starve the others; it goes on where it stopped,
 * because there may be room for fewer records than there are partitions. True when cut short. */
static bool read_all(struct pipeline *p)
{
    size_t taken = 0, dry = 0; /* partitions in a row that gave nothing */
    if (p->state != RUNNING || p->stopping)
        return false;
    while (dry < p->n_partitions && has_room(p)) {
        struct partition *part = &p->partitions[p->turn];
        p->turn = (p->turn + 1) % p->n_partitions;
        if (!read_one(p, part)) {
            dry++;
            continue;
        }
        dry = 0;
        if (++taken == ADMIT_PER_TICK)
            return true;
    }
    return false;
}

/* ---- publishing -------------------------------------------------------------------------------
 */

static void retire(struct pipeline *p, struct item *it)
{
    if (it->message.to == SINK_DEAD_LETTERS)
        p->stats.dead_letters++;
    else
        p->stats.rewards[it->status]++;
    p->stats.committed++;
    p->ready--;
    p->ready_bytes -= it->out.n;
    give_item(p, it);
}

static void on_committed(struct pipeline *p)
{
    for (size_t i = 0; i < p->batch.n_records; i++)
        retire(p, p->batch_items[i]);
    for (size_t i = 0; i < p->n_partitions; i++)
        window_commit(&p->partitions[i].window);
    p->retry_us = 0;
}

static void untake_all(struct pipeline *p)
{
    for (size_t i = 0; i < p->n_partitions; i++)
        window_untake(&p->partitions[i].window);
}

/* A message that its topic refuses for its size becomes a small dead letter that says where to find
 * it. */
static void shrink(struct pipeline *p, struct item *it)
{
    struct partition *part = it->partition;
    p->ready_bytes -= it->out.n;
    item_make_dead_letter(it, str_z(part->topic), part->number, NULL, "publish",
                          "MESSAGE_TOO_LARGE",
                          "the output topic refused the message for its size; raise its "
                          "max.message.bytes and redrive this offset");
    p->ready_bytes += it->out.n;
    charge(p, it);
}

/* The brokers take less than Kafka's default. To commit without the map would forget what is done,
 * and to hold all back until a stuck record is settled would be as bad: from now on, a partition
 * whose map would be larger publishes only what makes it smaller. True when there is something to
 * gain by another try. */
static bool lower_map_bytes(struct pipeline *p)
{
    size_t largest = 0;
    for (size_t i = 0; i < p->batch.n_offsets; i++)
        if (p->offsets[i].metadata.n > largest)
            largest = p->offsets[i].metadata.n;
    if (largest == 0)
        return false;
    p->map_bytes = largest / 2;
    log_warning("pipeline.map_too_large",
                "the brokers refused %zu bytes of offset metadata: raise their "
                "offset.metadata.max.bytes to 4096; until then records that finish early may wait",
                largest);
    return true;
}

static void on_aborted(struct pipeline *p)
{
    bool shrunk = p->batch.metadata_too_large && lower_map_bytes(p);
    p->stats.batches_aborted++;
    for (size_t i = 0; i < p->batch.n_records; i++) {
        if (!p->records[i].too_large || p->batch_items[i]->by_reference)
            continue; /* by reference: as small as it gets, so it waits like any other */
        shrink(p, p->batch_items[i]);
        shrunk = true;
    }
    untake_all(p);
    p->retry_us = shrunk ? 0 : p->retry_us * 2;
    if (!shrunk && p->retry_us < RETRY_MIN_US)
        p->retry_us = RETRY_MIN_US;
    if (p->retry_us > RETRY_MAX_US)
        p->retry_us = RETRY_MAX_US;
    p->next_publish_us = clock_mono_us(p->clock) + p->retry_us;
}

static void fail(struct pipeline *p, const struct err *e);

static void on_batch_done(struct sink_batch *b)
{
    struct pipeline *p = CONTAINER_OF(b, struct pipeline, batch);
    p->batch_out = false;
    p->stats.publish_us += (uint64_t)(clock_mono_us(p->clock) - p->batch_since_us);
    switch (b->outcome) {
    case SINK_COMMITTED:
        FAILPOINT(before_done);
        on_committed(p);
        FAILPOINT(done);
        break;
    case SINK_ABORTED:
        on_aborted(p);
        break;
    case SINK_FAILED:
        on_aborted(p);
        fail(p, &b->err);
        break;
    }
}

/* ---- batches ----------------------------------------------------------------------------------
 */

/* What a batch has taken so far. */
struct haul {
    size_t n, bytes;
};

static bool is_full(const struct pipeline *p, const struct haul *h)
{
    return h->n >= p->config.batch_records || h->bytes >= p->config.batch_bytes;
}

static void take(struct pipeline *p, struct partition *part, bool prefix, struct haul *h)
{
    struct slot *slot;
    while (!is_full(p, h) && (slot = window_take(&part->window, prefix)) != NULL) {
        struct item *it = slot->item;
        p->batch_items[h->n] = it;
        p->records[h->n++] = it->message;
        h->bytes += it->out.n;
    }
}

/* Watermark and map as they are when the batch is committed; false when the map is larger than the
 * brokers take. An empty one may be left away. */
static bool make_offset(struct pipeline *p, struct partition *part, struct sink_offset *ret)
{
    struct ackmap map;
    int64_t watermark = window_watermark(&part->window);
    window_map(&part->window, watermark, &map);
    size_t n = ackmap_encode(&map, watermark, part->map);
    if (n > p->map_bytes && map.n > 0)
        return false;
    *ret = (struct sink_offset){.topic = str_z(part->topic),
                                .partition = part->number,
                                .offset = watermark,
                                .metadata = {part->map, n <= p->map_bytes ? n : 0}};
    return true;
}

/* Takes what the partition has ready: all of it; else what leaves a smaller map; else nothing. */
static void collect_from(struct pipeline *p, struct partition *part, struct haul *h)
{
    struct sink_offset *offset = &p->offsets[p->batch.n_offsets];
    const struct haul before = *h;
    for (int prefix = 0; prefix < 2; prefix++) {
        take(p, part, prefix != 0, h);
        if (h->n == before.n)
            return;
        if (make_offset(p, part, offset)) {
            p->batch.n_offsets++;
            return;
        }
        window_untake(&part->window);
        *h = before;
    }
}

/* Takes what can be published; true when it fills a batch. */
static bool collect(struct pipeline *p)
{
    struct haul h = {0};
    p->batch.n_offsets = 0;
    for (size_t i = 0; i < p->n_partitions; i++)
        collect_from(p, &p->partitions[i], &h);
    p->batch.n_records = h.n;
    return is_full(p, &h);
}

static void publish(struct pipeline *p, int64_t now)
{
    bool may_be_full =
        p->ready >= p->config.batch_records || p->ready_bytes >= p->config.batch_bytes;
    bool early = now < p->next_publish_us;
    if (p->batch_out || p->failed || p->ready == 0 || (p->state != RUNNING && p->state != DRAINING))
        return;
    if (early && (!may_be_full || p->retry_us > 0))
        return;
    bool full = collect(p);
    if (early && !full) { /* the rest is ready, but its map would be too large */
        untake_all(p);
        return;
    }
    p->next_publish_us = now + p->config.publish_interval_us;
    if (p->batch.n_records == 0)
        return;
    p->batch.records = p->records;
    p->batch.offsets = p->offsets;
    p->batch.done = on_batch_done;
    p->batch_out = true;
    p->batch_since_us = now;
    p->stats.batches++;
    FAILPOINT(batch);
    p->sink->publish(p->sink, &p->batch);
}

/* ---- assignment -------------------------------------------------------------------------------
 */

static void on_assigned(void *arg, const struct source_partition *partitions, size_t n)
{
    struct pipeline *p = arg;
    assert(p->n_partitions == 0);
    p->partitions = mem_array(n, sizeof(*p->partitions));
    p->offsets = mem_array(n, sizeof(*p->offsets));
    p->n_partitions = n;
    p->turn = 0;
    for (size_t i = 0; i < n; i++) {
        struct partition *part = &p->partitions[i];
        part->topic = mem_copy(partitions[i].topic.p, partitions[i].topic.n);
        part->number = partitions[i].partition;
        part->index = i;
        struct resume_report r;
        resume(&part->window, &partitions[i], p->config.window, &r);
        p->stats.maps_refused += r.refused;
        p->stats.lost += (uint64_t)r.lost;
    }
    p->next_publish_us = clock_mono_us(p->clock) + p->config.publish_interval_us;
    p->retry_us = 0;
    move(p, RUNNING);
    FAILPOINT(assigned);
}

static void drop_item(struct pipeline *p, struct slot *slot)
{
    struct item *it = slot->item;
    p->stats.dropped++;
    if (slot->state == SLOT_RUNNING) {
        it->partition = NULL;
        orphans_add(&p->orphans, it, clock_mono_us(p->clock) + p->config.drain_us);
    } else {
        p->ready--;
        p->ready_bytes -= it->out.n;
        give_item(p, it);
    }
}

/* Forgets the assignment. What is not done was never committed: its next owner reads it again. */
static void drop_all(struct pipeline *p)
{
    assert(!p->batch_out);
    for (size_t i = 0; i < p->n_partitions; i++) {
        struct partition *part = &p->partitions[i];
        for (int64_t o = part->window.base; o < part->window.end; o++) {
            struct slot *slot = window_slot(&part->window, o);
            if (slot->item != NULL)
                drop_item(p, slot);
        }
        if (part->has_held)
            p->source->release(p->source, &part->held);
        window_done(&part->window);
        mem_free(part->topic);
    }
    assert(p->ready == 0 && p->ready_bytes == 0);
    mem_free(p->partitions);
    mem_free(p->offsets);
    p->partitions = NULL;
    p->offsets = NULL;
    p->n_partitions = 0;
}

static size_t unfinished(const struct pipeline *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_partitions; i++)
        n += window_unfinished(&p->partitions[i].window);
    return n;
}

static void end_assignment(struct pipeline *p, int64_t now)
{
    bool out_of_time = now >= p->drain_until_us;
    switch (p->state) {
    case DRAINING:
        if (p->batch_out)
            return;
        if (!out_of_time && (unfinished(p) > 0 || p->ready > 0))
            return;
        FAILPOINT(drained);
        break;
    case DROPPING:
        if (p->batch_out)
            return;
        break;
    case CLOSED: /* without taking the assignment back first */
        if (!p->batch_out)
            drop_all(p);
        return;
    default:
        return;
    }
    drop_all(p);
    move(p, IDLE);
    p->source->revoke_done(p->source);
    FAILPOINT(given_back);
}

static void on_revoked(void *arg)
{
    struct pipeline *p = arg;
    FAILPOINT(revoked);
    p->drain_until_us = clock_mono_us(p->clock) + p->config.drain_us;
    p->next_publish_us = 0;
    if (p->state == RUNNING)
        move(p, p->failed ? DROPPING : DRAINING);
    else if (p->state == IDLE)
        p->source->revoke_done(p->source);
}

static void on_lost(void *arg)
{
    struct pipeline *p = arg;
    FAILPOINT(lost);
    if (p->state == RUNNING || p->state == DRAINING)
        move(p, DROPPING);
    else if (p->state == IDLE)
        p->source->revoke_done(p->source);
}

static void close_source(struct pipeline *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    FAILPOINT(closing);
    p->source->close(p->source);
}

static void fail(struct pipeline *p, const struct err *e)
{
    if (!p->failed)
        p->error = *e;
    p->failed = true;
    if (p->state == DRAINING)
        move(p, DROPPING);
    close_source(p);
}

static void on_failed(void *arg, const struct err *e)
{
    fail(arg, e);
}

static void on_closed(void *arg)
{
    struct pipeline *p = arg;
    move(p, CLOSED);
    FAILPOINT(closed);
}

/* ---- the outside ------------------------------------------------------------------------------
 */

struct pipeline *pipeline_new(const struct pipeline_config *config, struct judge *judge,
                              struct source *source, struct sink *sink, const struct clock *clock)
{
    struct pipeline *p = mem_alloc(sizeof(*p));
    p->config = *config;
    p->judge = judge;
    p->source = source;
    p->sink = sink;
    p->clock = clock;
    p->map_bytes = ACKMAP_TEXT_MAX;
    p->batch_items = mem_array(config->batch_records, sizeof(struct item *));
    p->records = mem_array(config->batch_records, sizeof(*p->records));
    struct source_listener listener = {on_assigned, on_revoked, on_lost, on_failed, on_closed, p};
    source->listen(source, &listener);
    return p;
}

void pipeline_free(struct pipeline *p)
{
    if (p == NULL)
        return;
    assert(!p->batch_out && p->n_partitions == 0 && p->orphans.first == NULL);
    while (p->free_items != NULL) {
        struct item *it = p->free_items;
        p->free_items = it->next;
        item_done(it);
        mem_free(it);
    }
    mem_free(p->batch_items);
    mem_free(p->records);
    mem_free(p);
}

int64_t pipeline_tick(struct pipeline *p)
{
    p->source->poll(p->source);
    p->sink->poll(p->sink);
    bool cut_short = read_all(p);
    int64_t now = clock_mono_us(p->clock);
    publish(p, now);
    end_assignment(p, now);

    int64_t due = now + SOURCE_POLL_US;
    int64_t orphans_due = orphans_expire(&p->orphans, p->stopping ? CLOCK_NEVER : now);
    if (orphans_due < due)
        due = orphans_due;
    if (cut_short)
        due = now;
    if (p->ready > 0 && !p->batch_out && p->next_publish_us > now && p->next_publish_us < due)
        due = p->next_publish_us;
    if (p->state == DRAINING && !p->batch_out && p->drain_until_us < due)
        due = p->drain_until_us; /* a batch is waited for, and its answer wakes us */
    return due;
}

void pipeline_stop(struct pipeline *p)
{
    close_source(p);
}

bool pipeline_finished(const struct pipeline *p)
{
    return p->state == CLOSED && p->n_partitions == 0 && !p->batch_out && p->orphans.first == NULL;
}

const struct err *pipeline_error(const struct pipeline *p)
{
    return p->failed ? &p->error : NULL;
}

void pipeline_stats(const struct pipeline *p, struct pipeline_stats *ret)
{
    *ret = p->stats;
    ret->in_flight = p->in_flight;
    ret->unfinished = unfinished(p);
    ret->bytes = p->bytes;
    ret->partitions = p->n_partitions;
}
