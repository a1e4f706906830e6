#include "worker/cmd.h"

#include <inttypes.h>
#include <stdio.h>

#include "record/record.h"
#include "stream/kafka_reader.h"
#include "worker/kafka_setup.h"
#include "worker/lines.h"
#include "worker/options.h"

static const char doc[] =
    "Writes the lines of a JSONL file (or - for standard input) into the input topic, one "
    "completion record each, with "
    "group_id, else the completion's id, as key. A line that the worker would refuse is not "
    "written; it is named on stderr.\v"
    "Examples:\n"
    "  rbr produce -c config/worker.yaml completions.jsonl\n"
    "  generate | rbr produce --set kafka.input=completions -\n\n"
    "Exit code: 0 all written, 1 failed, 2 wrong options or settings, 3 some lines refused.";

enum { RECORD_MEMORY = 64 << 20, FLUSH_MS = 60000 };

struct arguments {
    struct options options;
    const char *input;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    default:
        return options_file(key, arg, state, &a->input);
    }
}

/* A line without ids is keyed by its number, which spreads such lines over the partitions. */
static struct str key_of(const struct record *r)
{
    return r->group_id.n > 0 ? r->group_id : r->completion_id;
}

struct production {
    struct lines lines;
    struct kafka_writer *writer;
    struct arena arena;
    uint64_t written, refused;
};

static enum err_code write_lines(struct production *p, struct err *err)
{
    struct str line;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && lines_next(&p->lines, &line)) {
        struct record_origin origin = {.topic = STR("line"), .offset = (int64_t)p->lines.number};
        struct refusal refusal;
        arena_reset(&p->arena);
        struct record *r =
            record_decode(&p->arena, line, RECORD_JSON, &record_limits_default, &origin, &refusal);
        if (r == NULL) {
            lines_say_refused(&p->lines, p->lines.number, &refusal);
            p->refused++;
            continue;
        }
        code = kafka_writer_put(p->writer, key_of(r), line, err);
        p->written++;
    }
    return code == ERR_OK ? kafka_writer_flush(p->writer, FLUSH_MS, err) : code;
}

static int produce(const struct arguments *a, const struct settings *settings)
{
    struct production p = {0};
    struct kafka_setup kafka;
    struct err err;
    arena_init(&p.arena, RECORD_MEMORY);
    kafka_setup_init(&kafka, &settings->kafka, false);
    enum err_code code = lines_open(&p.lines, a->input, &err);
    if (code == ERR_OK)
        code = kafka_writer_new(&kafka.config, settings->kafka.input, &p.writer, &err);
    if (code == ERR_OK)
        code = write_lines(&p, &err);
    if (code == ERR_OK)
        (void)fprintf(stderr, "%" PRIu64 " records written to %.*s, %" PRIu64 " lines refused\n",
                      p.written, STR_ARGS(settings->kafka.input), p.refused);
    else
        (void)fprintf(stderr, "rbr produce: %s\n", err.msg);
    kafka_writer_free(p.writer);
    lines_close(&p.lines);
    kafka_setup_done(&kafka);
    arena_done(&p.arena);
    if (code != ERR_OK)
        return EXIT_FAILED;
    return p.refused > 0 ? EXIT_DATA : EXIT_DONE;
}

int cmd_produce(int argc, char **argv)
{
    struct arguments a = {0};
    const struct argp argp = {NULL, parse, "FILE", doc, options_settings, NULL, NULL};
    options_parse(&argp, argc, argv, &a, &a.options);
    struct settings *settings = options_load_settings(&a.options, SETTINGS_NEED_KAFKA);
    if (settings == NULL)
        return EXIT_USAGE;
    int exit_code = produce(&a, settings);
    settings_free(settings);
    return exit_code;
}
