#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/date.h"
#include "base/mem.h"
#include "reward/trace.h"
#include "stream/kafka_ranges.h"
#include "stream/kafka_reader.h"
#include "worker/cmd.h"
#include "worker/kafka_setup.h"
#include "worker/replaying.h"

static const char doc[] =
    "How far a replay is, from Kafka alone: what its group has committed, and the rewards that it "
    "has written. A line for each figure.\v"
    "Example:\n"
    "  rbr replay status -c worker.yaml m.yaml\n\n"
    "Exit code: 0 told, 1 failed, 2 wrong options, settings or manifest.";

enum {
    MEMORY = 64 << 20, /* of one reward */
    CLOCKS_MS = 3600000, /* clocks of hosts may be apart by so much */
    RATE_MS = 60000, /* the rate is that of the last minute */
};

struct arguments {
    struct options options;
    const char *manifest;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    return options_file(key, arg, state, &a->manifest);
}

/* ---- the rewards --------------------------------------------------------------------------------
 */

struct tally {
    uint64_t rewards, failed, asked, saved, input_tokens, output_tokens;
    double cost_usd;
    uint64_t recent; /* scored within RATE_MS */
    int64_t first_ms, last_ms; /* scored */
};

static void count(struct tally *t, const struct reward_trace *r, int64_t now_ms)
{
    t->rewards++;
    t->failed += r->status == STATUS_FAILED || r->status == STATUS_EXPIRED;
    t->asked += r->asked;
    t->saved += r->saved;
    t->input_tokens += r->input_tokens;
    t->output_tokens += r->output_tokens;
    t->cost_usd += r->cost_usd;
    t->recent += r->scored_at_ms >= now_ms - RATE_MS;
    if (t->rewards == 1 || r->scored_at_ms < t->first_ms)
        t->first_ms = r->scored_at_ms;
    if (r->scored_at_ms > t->last_ms)
        t->last_ms = r->scored_at_ms;
}

struct counting {
    const struct replaying *replaying;
    struct tally *tally;
    struct arena arena; /* of one reward */
    int64_t now_ms;
};

static bool take(void *arg, const struct source_record *record, int32_t partition, struct err *err)
{
    struct counting *c = arg;
    struct reward_trace reward;
    struct err why;
    (void)partition;
    (void)err;
    arena_reset(&c->arena);
    if (reward_trace_unpack(record->value, &c->arena, &reward, &why) == ERR_OK &&
        str_eq(reward.replay_id, c->replaying->manifest->id))
        count(c->tally, &reward, c->now_ms);
    return true;
}

/* What was written since the manifest was. */
static enum err_code read_ranges(struct counting *c, const struct kafka_config *kafka,
                                 struct err *err)
{
    const struct manifest *m = c->replaying->manifest;
    const struct kafka_point now = {KAFKA_POINT_END, 0};
    struct kafka_point since = {KAFKA_POINT_BEGINNING, 0};
    struct kafka_range *ranges;
    int64_t created_ms;
    size_t n;
    if (date_parse(m->created, &created_ms) && created_ms > CLOCKS_MS)
        since = (struct kafka_point){KAFKA_POINT_TIME, created_ms - CLOCKS_MS};
    enum err_code code = kafka_ranges(kafka, m->output, since, now, &ranges, &n, err);
    if (code != ERR_OK)
        return code;
    code = kafka_read_ranges(kafka, m->output, ranges, n, take, c, err);
    mem_free(ranges);
    return code;
}

static enum err_code read_output(const struct replaying *r, struct tally *t, struct err *err)
{
    struct counting c = {.replaying = r, .tally = t, .now_ms = clock_wall_ms(&clock_real)};
    struct kafka_setup kafka;
    arena_init(&c.arena, MEMORY);
    kafka_setup_init(&kafka, &r->settings.kafka, false);
    enum err_code code = read_ranges(&c, &kafka.config, err);
    kafka_setup_done(&kafka);
    arena_done(&c.arena);
    return code;
}

/* ---- telling ------------------------------------------------------------------------------------
 */

static void print(const struct replaying *r, const struct replay_progress *p, const struct tally *t)
{
    const struct manifest *m = r->manifest;
    bool done = p->partitions_done == p->partitions;
    double rate = (double)t->recent / (RATE_MS / 1000.0);
    (void)printf("replay     %.*s\n", STR_ARGS(m->id));
    (void)printf("state      %s\n", done                              ? "done"
                                    : p->done == 0 && t->rewards == 0 ? "not begun"
                                                                      : "running, or stopped");
    (void)printf("offsets    %" PRIu64 " of %" PRIu64 " (%.1f %%)\n", p->done, p->total,
                 100.0 * (double)p->done / (double)p->total);
    (void)printf("partitions %zu of %zu done\n", p->partitions_done, p->partitions);
    (void)printf("rewards    %" PRIu64 " in %.*s\n", t->rewards, STR_ARGS(m->output));
    (void)printf("failed     %" PRIu64 "\n", t->failed);
    (void)printf("asked      %" PRIu64 "\n", t->asked);
    (void)printf("saved      %" PRIu64 "\n", t->saved);
    (void)printf("tokens     %" PRIu64 " in, %" PRIu64 " out\n", t->input_tokens, t->output_tokens);
    if (t->cost_usd > 0)
        (void)printf("cost       %.6f USD\n", t->cost_usd);
    if (t->rewards > 0)
        (void)printf("seconds    %.1f\n", (double)(t->last_ms - t->first_ms) / 1000);
    if (!done)
        (void)printf("rate       %.1f/s over the last minute\n", rate);
    if (!done && rate > 0)
        (void)printf("left       %.0f s\n", (double)(p->total - p->done) / rate);
}

int replay_status(int argc, char **argv)
{
    struct arguments args = {0};
    const struct argp argp = {NULL, parse, "MANIFEST", doc, options_settings, NULL, NULL};
    struct replaying r;
    struct replay_progress progress;
    struct tally tally = {0};
    struct err err;
    options_parse(&argp, argc, argv, &args, &args.options);
    if (!replaying_open(&r, &args.options, args.manifest, 1))
        return EXIT_USAGE;
    enum err_code code = replaying_look(&r, &progress, &err);
    if (code == ERR_OK)
        code = read_output(&r, &tally, &err);
    if (code == ERR_OK)
        print(&r, &progress, &tally);
    else
        (void)fprintf(stderr, "rbr replay status: %s\n", err.msg);
    replaying_close(&r);
    return code == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}
