#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "stream/kafka_reader.h"
#include "worker/comparison.h"
#include "worker/kafka_setup.h"
#include "worker/lines.h"
#include "worker/options.h"

static const char doc[] =
    "Compares two sets of rewards: what is missing, which classes changed, how rewards shifted, "
    "whether groups are still in the same order, and what moved most. A and B are each a file of "
    "rewards, one JSON object a line as `rbr score --jsonl` and `rbr tail --json` print them, - "
    "for "
    "standard input, or topic:NAME, or topic:NAME[FROM,TO) for offsets of each partition. "
    "Completions are matched by run_id, completion_id and attempt. Failures are counted, never "
    "taken as numbers. It all stays in memory: some 450 MB for a million completions.\v"
    "Examples:\n"
    "  rbr compare v7.jsonl v8.jsonl\n"
    "  rbr compare -c config/worker.yaml topic:rewards topic:rewards.v8\n"
    "  rbr compare -c config/worker.yaml 'topic:rewards[0,5000)' 'topic:rewards[5000,)' --json\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options or settings.";

enum {
    KEY_JSON = 0x800,
    KEY_MOVERS,
    MOVERS = 10,
    WAIT_MS = 500,
    SILENCE_MS = 60000, /* of brokers: then there is no more waiting */
    MEMORY = 64 << 20, /* of one reward */
    JSON_MAX = 16 << 20
};

/* Where the rewards of one side are. */
struct place {
    const char *name; /* as given */
    struct str topic; /* n == 0: a file */
    int64_t from, to; /* offsets */
};

struct arguments {
    struct options options;
    struct place places[COMPARE_SIDES];
    uint64_t movers;
    bool json;
};

static const struct argp_option option_list[] = {
    {"json", KEY_JSON, 0, 0, "print one JSON object", 0},
    {"movers", KEY_MOVERS, "N", 0, "show the N largest moves (default 10, at most 1000)", 0},
    {0},
};

static const struct argp_child children[] = {{&options_argp, 0, NULL, 0}, {0}};

/* ---- arguments --------------------------------------------------------------------------------
 */

/* "[FROM,TO)"; either may be left out. */
static bool parse_range(struct str s, struct place *ret)
{
    size_t comma = str_find(s, STR(","), 0);
    if (comma == SIZE_MAX || s.p[0] != '[' || s.p[s.n - 1] != ')')
        return false;
    struct str from = str_sub(s, 1, comma), to = str_sub(s, comma + 1, s.n - 1);
    return (from.n == 0 || num_parse_i64(from, &ret->from)) &&
           (to.n == 0 || num_parse_i64(to, &ret->to)) && ret->from >= 0 && ret->from < ret->to;
}

static bool parse_place(const char *arg, struct place *ret)
{
    static const struct str prefix = STR_INIT("topic:");
    struct str s = str_z(arg);
    *ret = (struct place){.name = arg, .to = INT64_MAX};
    if (!str_has_prefix(s, prefix))
        return true;
    s = str_sub(s, prefix.n, s.n);
    size_t bracket = str_find(s, STR("["), 0);
    ret->topic = str_sub(s, 0, bracket < s.n ? bracket : s.n);
    return ret->topic.n > 0 && (bracket == SIZE_MAX || parse_range(str_sub(s, bracket, s.n), ret));
}

static void take_place(struct arguments *a, const char *arg, struct argp_state *state)
{
    if (state->arg_num >= COMPARE_SIDES)
        argp_error(state, "two sides, please: A and B");
    else if (!parse_place(arg, &a->places[state->arg_num]))
        argp_error(state, "'%s' is not topic:NAME or topic:NAME[FROM,TO) with FROM below TO", arg);
    if (state->arg_num == COMPARE_B && strcmp(arg, "-") == 0 &&
        strcmp(a->places[COMPARE_A].name, "-") == 0)
        argp_error(state, "only one side can be standard input");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->options;
        a->movers = MOVERS;
        return 0;
    case KEY_JSON:
        a->json = true;
        return 0;
    case KEY_MOVERS:
        if (!num_parse_u64(str_z(arg), &a->movers) || a->movers > COMPARE_MOVERS_MAX)
            argp_error(state, "--movers takes a number from 0 to %d, not '%s'", COMPARE_MOVERS_MAX,
                       arg);
        return 0;
    case ARGP_KEY_ARG:
        take_place(a, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < COMPARE_SIDES)
            argp_error(state, "say what to compare: A and B");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* One side on its way into the comparison. */
struct reading {
    struct compare *compare;
    enum compare_side side;
    struct arena arena; /* of one reward */
    uint64_t n;
};

static enum err_code read_file(struct reading *r, const struct place *place, struct err *err)
{
    struct lines in;
    struct str line;
    enum err_code code = lines_open(&in, place->name, err);
    while (code == ERR_OK && lines_next(&in, &line)) {
        struct reward_facts facts;
        arena_reset(&r->arena);
        code = reward_facts_parse(line, &r->arena, &facts, err);
        if (code == ERR_OK)
            code = compare_add(r->compare, r->side, &facts, err);
        if (code != ERR_OK)
            (void)err_wrap(err, "%s:%" PRIu64, place->name, in.number);
        r->n++;
    }
    lines_close(&in);
    return code;
}

static enum err_code add_record(struct reading *r, const struct place *place,
                                const struct source_record *record, int32_t partition,
                                struct err *err)
{
    struct reward_facts facts;
    if (record->offset < place->from || record->offset >= place->to)
        return ERR_OK;
    arena_reset(&r->arena);
    enum err_code code = reward_facts_unpack(record->value, &r->arena, &facts, err);
    if (code == ERR_OK)
        code = compare_add(r->compare, r->side, &facts, err);
    if (code != ERR_OK)
        (void)err_wrap(err, "%.*s partition %" PRId32 " offset %" PRId64, STR_ARGS(place->topic),
                       partition, record->offset);
    r->n++;
    return code;
}

static enum err_code read_records(struct reading *r, const struct place *place,
                                  struct kafka_reader *reader, struct err *err)
{
    struct source_record record;
    int32_t partition;
    enum err_code code = ERR_OK;
    for (int silence_ms = 0; code == ERR_OK;) {
        switch (kafka_reader_next(reader, WAIT_MS, &record, &partition, err)) {
        case KAFKA_READ_RECORD:
            silence_ms = 0;
            code = add_record(r, place, &record, partition, err);
            break;
        case KAFKA_READ_NOTHING:
            silence_ms += WAIT_MS;
            if (silence_ms >= SILENCE_MS)
                code = err_set(err, ERR_TIMEOUT,
                               "topic %.*s: nothing came for %d s; are the brokers there?",
                               STR_ARGS(place->topic), SILENCE_MS / 1000);
            break;
        case KAFKA_READ_END:
            return ERR_OK;
        case KAFKA_READ_FAILED:
            code = err->code;
            break;
        }
    }
    return code;
}

static enum err_code read_topic(struct reading *r, const struct place *place,
                                const struct settings *settings, struct err *err)
{
    struct kafka_setup kafka;
    struct kafka_reader *reader = NULL;
    kafka_setup_init(&kafka, &settings->kafka, false);
    enum err_code code = kafka_reader_new(&kafka.config, place->topic, true, &reader, err);
    if (code == ERR_OK) {
        kafka_reader_end_once(reader);
        code = read_records(r, place, reader, err);
    }
    kafka_reader_free(reader);
    kafka_setup_done(&kafka);
    return code;
}

static enum err_code read_side(struct compare *c, enum compare_side side, const struct place *place,
                               const struct settings *settings, struct err *err)
{
    struct reading r = {.compare = c, .side = side};
    arena_init(&r.arena, MEMORY);
    enum err_code code =
        place->topic.n > 0 ? read_topic(&r, place, settings, err) : read_file(&r, place, err);
    arena_done(&r.arena);
    if (code == ERR_OK && r.n == 0)
        code = err_set(err, ERR_NOT_FOUND, "%s has no rewards", place->name);
    return code;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static enum err_code print(const struct arguments *a, const struct compare_report *r,
                           struct err *err)
{
    const char *const names[COMPARE_SIDES] = {a->places[COMPARE_A].name, a->places[COMPARE_B].name};
    struct buf text;
    if (!a->json) {
        comparison_print(r, names);
        return ERR_OK;
    }
    buf_init(&text, JSON_MAX);
    comparison_json(r, names, &text);
    bool fits = !text.failed;
    (void)fwrite(text.p, 1, text.n, stdout);
    buf_done(&text);
    return fits ? ERR_OK
                : err_set(err, ERR_LIMIT,
                          "the JSON is longer than %d bytes; ask for fewer --movers", JSON_MAX);
}

static int run(const struct arguments *a, const struct settings *settings)
{
    struct compare *c = compare_new(a->movers);
    struct compare_report report;
    struct err err = {0};
    enum err_code code = ERR_OK;
    for (int side = COMPARE_A; side < COMPARE_SIDES && code == ERR_OK; side++)
        code = read_side(c, (enum compare_side)side, &a->places[side], settings, &err);
    if (code == ERR_OK) {
        compare_finish(c, &report);
        if (report.both == 0)
            code = err_set(&err, ERR_INVALID,
                           "%s and %s have no completion in common (run_id, completion_id and "
                           "attempt): are they of the same run?",
                           a->places[COMPARE_A].name, a->places[COMPARE_B].name);
        else
            code = print(a, &report, &err);
    }
    if (code != ERR_OK)
        (void)fprintf(stderr, "rbr compare: %s\n", err.msg);
    compare_free(c);
    return code == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

int cmd_compare(int argc, char **argv)
{
    struct arguments a = {0};
    const struct argp argp = {option_list, parse, "A B", doc, children, NULL, NULL};
    options_parse(&argp, argc, argv, &a);
    bool needed = a.places[COMPARE_A].topic.n > 0 || a.places[COMPARE_B].topic.n > 0;
    struct settings *settings =
        needed ? options_load_settings(&a.options, SETTINGS_NEED_KAFKA) : NULL;
    if (needed && settings == NULL)
        return EXIT_USAGE;
    int exit_code = run(&a, settings);
    settings_free(settings);
    return exit_code;
}
