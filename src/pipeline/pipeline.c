#include "pipeline/pipeline.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/sm.h"
#include "obs/log.h"
#include "pipeline/budget.h"
#include "pipeline/item_pool.h"
#include "pipeline/orphans.h"
#include "pipeline/partition.h"
#include "pipeline/quarantine.h"

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
    QUESTIONS_AHEAD = 4, /* of what the grader takes at a time: waiting and on their way */
    BATCHES_AHEAD = 2, /* one on its way, one to follow */
    SOURCE_POLL_US = 500000, /* the source is served at least this often */
    MAP_RETRY_US = 60000000,
    RETRY_MIN_US = 100000,
    RETRY_MAX_US = 5000000,
};

struct pipeline {
    struct pipeline_config config;
    struct judging judging;
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

    struct item_pool pool;
    struct orphans orphans;
    size_t ready, ready_bytes; /* messages not committed, those on their way included */
    struct budgets budgets;
    size_t reserved; /* of the memory budget, for partitions */

    struct sink_batch batch;
    bool batch_out; /* with the sink */
    struct ruling **rulings; /* of the batch, as its records */
    struct sink_offset *offsets;
    struct sink_record *records;
    size_t map_bytes; /* of offset metadata that the brokers take, as far as we know */
    int64_t map_retry_us; /* when they are taken to have been told to take more */
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

static void item_is_ready(struct pipeline *p, struct item *it)
{
    item_pool_charge(&p->pool, it);
    p->ready++;
    p->ready_bytes += item_message_bytes(it);
    window_ready(&it->partition->window, it->origin.offset);
}

static void on_ruled(struct item *it)
{
    struct pipeline *p = CONTAINER_OF(it->judging, struct pipeline, judging);
    if (it->awaited > 0) {
        item_pool_charge(&p->pool, it);
        return;
    }
    if (it->partition != NULL) {
        item_is_ready(p, it);
        FAILPOINT(ready);
        return;
    }
    orphans_remove(&p->orphans, it);
    item_pool_give(&p->pool, it);
}

/* ---- admission --------------------------------------------------------------------------------
 */

static void refuse(struct pipeline *p, struct item *it, const struct source_record *in,
                   const struct refusal *refusal)
{
    char text[256];
    refusal_print(refusal, text);
    ruling_make_dead_letter(&it->live, in, "decode", refusal_name(refusal->kind), text);
    item_let_go(it);
    item_is_ready(p, it);
    FAILPOINT(dead_letter);
}

static void start(struct pipeline *p, struct item *it, const struct source_record *in)
{
    struct refusal refusal;
    FAILPOINT(before_decode);
    bool decoded = item_decode(it, in, &p->config.record, &refusal);
    FAILPOINT(decoded);
    if (!decoded)
        refuse(p, it, in, &refusal);
    else if (judging_start(&p->judging, it))
        on_ruled(it);
    else
        item_pool_charge(&p->pool, it);
}

/* True when the record was taken: admitted, or passed over. */
static bool admit(struct pipeline *p, struct partition *part, struct source_record *in)
{
    struct item *it = item_pool_take(&p->pool);
    enum window_admit answer = window_admit(&part->window, in->offset, it);
    if (answer != WINDOW_ADMITTED) {
        item_pool_give(&p->pool, it);
        p->stats.stale += answer == WINDOW_STALE;
        p->stats.already_done += answer == WINDOW_DONE;
        return answer != WINDOW_FULL;
    }
    it->partition = part;
    it->origin = (struct record_origin){str_z(part->topic), part->number, in->offset};
    it->received_us = clock_mono_us(p->clock);
    it->received_ms = clock_wall_ms(p->clock);
    p->stats.admitted++;
    if (quarantine(p->config.blackbox, it, in)) {
        item_is_ready(p, it);
        return true;
    }
    blackbox_mark(p->config.blackbox, part->number, in->offset);
    start(p, it, in);
    blackbox_clear(p->config.blackbox);
    return true;
}

static void set_budget(struct pipeline *p, enum budget_kind kind, size_t used, size_t limit)
{
    p->budgets.of[kind].used = used;
    p->budgets.of[kind].limit = limit;
}

/* Questions that wait here grow old here: in Kafka they do not, and another worker may take them.
 */
static void set_questions_budget(struct pipeline *p)
{
    struct grader_stats s = {.limit = 1};
    if (p->judging.live->grader != NULL)
        grader_stats(p->judging.live->grader, &s);
    size_t ahead =
        judge_can_take(p->judging.live) ? s.queued + s.in_flight : 0; /* an outage is none */
    set_budget(p, BUDGET_QUESTIONS, ahead, QUESTIONS_AHEAD * s.limit);
}

static bool has_room(struct pipeline *p)
{
    const struct pipeline_config *c = &p->config;
    set_budget(p, BUDGET_RECORDS, p->pool.in_use, c->records_in_flight);
    set_budget(p, BUDGET_MEMORY, p->pool.bytes, c->memory_bytes - p->reserved);
    set_budget(p, BUDGET_RESULTS, p->ready, BATCHES_AHEAD * c->batch_records);
    set_budget(p, BUDGET_RESULT_BYTES, p->ready_bytes, BATCHES_AHEAD * c->batch_bytes);
    set_questions_budget(p);
    return budgets_room(&p->budgets, clock_mono_us(p->clock));
}

static void report_budgets(struct pipeline *p, int64_t now)
{
    (void)has_room(p); /* also while nothing is read: what is over must be said */
    enum budget_news news = budgets_watch(&p->budgets, now);
    const struct budget *b = &p->budgets.of[p->budgets.told];
    if (news == BUDGET_HOLDS)
        log_warning("pipeline.held", "nothing is read for %.0f s: %s is at %zu of %zu",
                    (double)(now - p->budgets.told_since_us) / 1e6, budget_name(p->budgets.told),
                    b->used, b->limit);
    else if (news == BUDGET_EASED)
        log_info("pipeline.reads_again", "%s was used up for %.0f s", budget_name(p->budgets.told),
                 (double)(now - p->budgets.told_since_us) / 1e6);
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
    while (dry < p->n_partitions && judge_can_take(p->judging.live) && has_room(p)) {
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

/* Ends the judging of records that alone hold up a full window; in an outage it is not they. */
static void give_up(struct pipeline *p, struct partition *part)
{
    struct slot *slot;
    while ((slot = window_give_up(&part->window)) != NULL) {
        struct item *it = slot->item;
        p->stats.settled_early++;
        log_warning("pipeline.settled_early",
                    "%s[%" PRId32 "]: offset %" PRId64
                    " has no verdict after %.1f s and is all that a full window waits for",
                    part->topic, part->number, it->origin.offset,
                    (double)(clock_mono_us(p->clock) - it->received_us) / 1e6);
        judging_cancel(it);
    }
}

static void give_up_all(struct pipeline *p)
{
    bool may = p->state == RUNNING && judge_can_take(p->judging.live);
    for (size_t i = 0; may && i < p->n_partitions; i++)
        give_up(p, &p->partitions[i]);
}

/* ---- publishing -------------------------------------------------------------------------------
 */

/* Of those that a batch has of an item, one after the other. */
static const struct ruling *last_ruling(const struct item *it)
{
    return it->shadow != NULL ? it->shadow : &it->live;
}

static void count(struct pipeline *p, const struct ruling *r)
{
    if (r->message.to == SINK_DEAD_LETTERS)
        p->stats.dead_letters++;
    else if (r->message.to == SINK_SHADOW)
        p->stats.shadow_rewards[r->status]++;
    else
        p->stats.rewards[r->status]++;
}

static void retire(struct pipeline *p, struct item *it)
{
    p->stats.committed++;
    blackbox_forget(p->config.blackbox, it->origin.partition, it->origin.offset);
    p->ready--;
    p->ready_bytes -= item_message_bytes(it);
    item_pool_give(&p->pool, it);
}

static void on_committed(struct pipeline *p)
{
    for (size_t i = 0; i < p->batch.n_records; i++) {
        const struct ruling *r = p->rulings[i];
        count(p, r);
        if (r == last_ruling(r->item))
            retire(p, r->item);
    }
    for (size_t i = 0; i < p->n_partitions; i++)
        partition_commit(&p->partitions[i]);
    p->retry_us = 0;
}

static void untake_all(struct pipeline *p)
{
    for (size_t i = 0; i < p->n_partitions; i++)
        window_untake(&p->partitions[i].window);
}

/* A message that its topic refuses for its size becomes a small dead letter that says where to find
 * it. */
static void shrink(struct pipeline *p, struct ruling *r)
{
    p->ready_bytes -= r->out.n;
    ruling_make_dead_letter(r, NULL, r->rewards == SINK_SHADOW ? "shadow publish" : "publish",
                            "MESSAGE_TOO_LARGE",
                            "the output topic refused the message for its size; raise its "
                            "max.message.bytes and redrive this offset");
    p->ready_bytes += r->out.n;
    item_pool_charge(&p->pool, r->item);
}

/* The brokers take less than Kafka's default. To commit without the map would forget what is done,
 * and to hold all back until a stuck record is settled would be as bad: from now on, a partition
 * whose map would be larger publishes only what makes it smaller. Once a minute it is tried anew: a
 * limit that was lowered under us may hold up a partition whose map was written before. True when
 * there is something to gain by another try. */
static bool lower_map_bytes(struct pipeline *p)
{
    size_t largest = 0;
    for (size_t i = 0; i < p->batch.n_offsets; i++)
        if (p->offsets[i].metadata.n > largest)
            largest = p->offsets[i].metadata.n;
    if (largest == 0)
        return false;
    p->map_bytes = largest / 2;
    p->map_retry_us = clock_mono_us(p->clock) + MAP_RETRY_US;
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
        if (!p->records[i].too_large || p->rulings[i]->by_reference)
            continue; /* by reference: as small as it gets, so it waits like any other */
        shrink(p, p->rulings[i]);
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
    size_t items, n, bytes; /* n messages */
};

static bool is_full(const struct pipeline *p, const struct haul *h)
{
    return h->items >= p->config.batch_records || h->bytes >= p->config.batch_bytes;
}

static void add(struct pipeline *p, struct ruling *r, struct haul *h)
{
    p->rulings[h->n] = r;
    p->records[h->n++] = r->message;
}

static void take(struct pipeline *p, struct partition *part, bool prefix, struct haul *h)
{
    struct slot *slot;
    while (!is_full(p, h) && (slot = window_take(&part->window, prefix)) != NULL) {
        struct item *it = slot->item;
        add(p, &it->live, h);
        if (it->shadow != NULL)
            add(p, it->shadow, h);
        h->items++;
        h->bytes += item_message_bytes(it);
    }
}

static bool any_has_passed(struct pipeline *p)
{
    bool any = false;
    for (size_t i = 0; i < p->n_partitions; i++)
        any |= partition_has_passed(&p->partitions[i], p->source);
    return any;
}

/* Takes what the partition has ready: all of it; else what leaves a smaller map; else nothing. */
static void collect_from(struct pipeline *p, struct partition *part, struct haul *h)
{
    struct sink_offset *offset = &p->offsets[p->batch.n_offsets];
    const struct haul before = *h;
    part->sent = -1;
    if (partition_has_passed(part, p->source))
        p->batch.n_offsets += partition_offset(part, p->map_bytes, offset);
    for (int prefix = 0; prefix < 2; prefix++) {
        take(p, part, prefix != 0, h);
        if (h->n == before.n)
            return;
        if (partition_offset(part, p->map_bytes, offset)) {
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
    if (!judge_lets_out(p->judging.live))
        return;
    if (p->batch_out || p->failed || (p->state != RUNNING && p->state != DRAINING))
        return;
    if (early && (!may_be_full || p->retry_us > 0))
        return;
    if (p->ready == 0 && (p->state != RUNNING || !any_has_passed(p)))
        return;
    if (now >= p->map_retry_us)
        p->map_bytes = ACKMAP_TEXT_MAX;
    bool full = collect(p);
    if (early && !full) { /* the rest is ready, but its map would be too large */
        untake_all(p);
        return;
    }
    p->next_publish_us = now + p->config.publish_interval_us;
    if (p->batch.n_offsets == 0)
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

/* What windows and the source's queues may take is not for records. But half of the memory is. */
static void reserve(struct pipeline *p)
{
    const struct pipeline_config *c = &p->config;
    size_t half = c->memory_bytes / 2;
    size_t each = c->partition_bytes + sizeof(struct partition) + c->window * sizeof(struct slot);
    p->reserved = p->n_partitions * each;
    if (p->reserved <= half)
        return;
    log_warning(
        "pipeline.memory_is_tight",
        "%zu partitions may need %zu MiB; with limits.memory at %zu MiB records have half of "
        "that, and it may be exceeded: raise it, or start another worker",
        p->n_partitions, p->reserved >> 20, c->memory_bytes >> 20);
    p->reserved = half;
}

static void on_assigned(void *arg, const struct source_partition *partitions, size_t n)
{
    struct pipeline *p = arg;
    assert(p->n_partitions == 0);
    p->partitions = mem_array(n, sizeof(*p->partitions));
    p->offsets = mem_array(n, sizeof(*p->offsets));
    p->n_partitions = n;
    p->turn = 0;
    blackbox_look(p->config.blackbox);
    for (size_t i = 0; i < n; i++) {
        struct partition *part = &p->partitions[i];
        struct resume_report r;
        partition_init(part, &partitions[i], i, p->config.window, &r);
        blackbox_forget_below(p->config.blackbox, part->number, part->window.base);
        p->stats.maps_refused += r.refused;
        p->stats.lost += (uint64_t)r.lost;
    }
    reserve(p);
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
        p->ready_bytes -= item_message_bytes(it);
        item_pool_give(&p->pool, it);
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
        partition_done(part);
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
    p->judging = (struct judging){
        .live = judge,
        .shadow = config->shadow,
        .clock = clock,
        .blackbox = config->blackbox,
        .record_deadline_us = config->record_deadline_us,
        .shadow_wait_us = config->shadow_wait_us,
        .replay_id = config->replay_id,
        .ruled = on_ruled,
    };
    p->source = source;
    p->sink = sink;
    p->clock = clock;
    p->map_bytes = ACKMAP_TEXT_MAX;
    /* Record, escaped prompt and judgments: a byte may become six in JSON. */
    item_pool_init(&p->pool, config->record.memory_bytes + 8 * config->record.value_bytes);
    size_t messages = config->batch_records * (config->shadow != NULL ? 2 : 1);
    p->rulings = mem_array(messages, sizeof(struct ruling *));
    p->records = mem_array(messages, sizeof(*p->records));
    struct source_listener listener = {on_assigned, on_revoked, on_lost, on_failed, on_closed, p};
    source->listen(source, &listener);
    return p;
}

void pipeline_free(struct pipeline *p)
{
    if (p == NULL)
        return;
    assert(!p->batch_out && p->n_partitions == 0 && p->orphans.first == NULL);
    item_pool_done(&p->pool);
    mem_free(p->rulings);
    mem_free(p->records);
    mem_free(p);
}

int64_t pipeline_tick(struct pipeline *p)
{
    p->source->poll(p->source);
    p->sink->poll(p->sink);
    bool cut_short = read_all(p);
    give_up_all(p);
    int64_t now = clock_mono_us(p->clock);
    publish(p, now);
    end_assignment(p, now);
    report_budgets(p, now);

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
    ret->in_flight = p->pool.in_use;
    ret->unfinished = unfinished(p);
    ret->bytes = p->pool.bytes;
    ret->partitions = p->n_partitions;
    ret->held_by = budget_name(budgets_holding(&p->budgets));
    for (size_t i = 0; i < p->n_partitions; i++)
        ret->windows_full += !window_has_room(&p->partitions[i].window);
}
