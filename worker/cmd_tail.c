#include "worker/cmd.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/num.h"
#include "base/utf8.h"
#include "record/record.h"
#include "reward/message.h"
#include "reward/summary.h"
#include "stream/kafka_reader.h"
#include "worker/kafka_setup.h"
#include "worker/options.h"

static const char doc[] =
    "Prints the records of a topic, one line each: rewards (the default), completions, "
    "dead-letters (the "
    "settings' topics), or any topic by name. What a line says follows from the record: a "
    "reward, a completion, or a dead letter with its reason. Nothing is committed.\v"
    "Examples:\n"
    "  rbr tail -c config/worker.yaml\n"
    "  rbr tail -c config/worker.yaml --json --follow rewards\n"
    "  rbr tail -c config/worker.yaml --count 10 dead-letters\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options or settings.";

enum {
    KEY_FROM = 0x500,
    KEY_COUNT,
    KEY_JSON,
    WAIT_MS = 500,
    MEMORY = 64 << 20,
    TEXT_MAX = 64 << 20
};

enum { NAME_WIDTH = 28, TYPE_WIDTH = 14, CLASS_WIDTH = 26 };

struct arguments {
    struct options options;
    const char *topic;
    uint64_t count; /* 0: all */
    bool from_end, follow, json;
};

static const struct argp_option option_list[] = {
    {"from", KEY_FROM, "beginning|end", 0,
     "where to start (default: beginning); from the end on it follows", 0},
    {"follow", 'f', 0, 0, "do not stop at the end; wait for more", 0},
    {"count", KEY_COUNT, "N", 0, "stop after N records", 0},
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {0},
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_FROM:
        a->from_end = strcmp(arg, "end") == 0;
        a->follow = a->follow || a->from_end;
        if (!a->from_end && strcmp(arg, "beginning") != 0)
            argp_error(state, "--from takes beginning or end, not '%s'", arg);
        return 0;
    case KEY_COUNT:
        if (!num_parse_u64(str_z(arg), &a->count) || a->count == 0)
            argp_error(state, "--count takes a number from 1, not '%s'", arg);
        return 0;
    case KEY_JSON:
        a->json = true;
        return 0;
    case 'f':
        a->follow = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->topic != NULL)
            argp_error(state, "one topic, please");
        a->topic = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- one record ---------------------------------------------------------------------------------
 */

struct printer {
    struct arena arena;
    struct buf text;
    bool json;
};

/* Pads with spaces; control characters must not reach the terminal. */
static void put_cell(struct buf *b, struct str s, size_t width)
{
    size_t cells = utf8_count(s);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        (void)buf_append(b, c < 0x20 || c == 0x7f ? "?" : &s.p[i], 1);
    }
    do
        (void)buf_append_z(b, " ");
    while (++cells < width);
}

static enum err_code print_reward(struct printer *p, const struct source_record *in,
                                  struct err *err)
{
    struct reward_summary r;
    if (p->json)
        return message_print(MESSAGE_REWARD, in->value, MESSAGE_JSON_LINE, &p->text, err);
    enum err_code code = reward_summarise(in->value, &p->arena, &r, err);
    if (code != ERR_OK)
        return code;
    put_cell(&p->text, r.completion_id, NAME_WIDTH);
    put_cell(&p->text, r.response_type, TYPE_WIDTH);
    put_cell(&p->text, r.predicted_class, CLASS_WIDTH);
    if (r.has_reward)
        (void)buf_printf(&p->text, "%+9.4f  ", r.reward);
    else
        (void)buf_printf(&p->text, "%9s  ", "-");
    (void)buf_append_z(&p->text, status_name(r.status));
    if (r.reason != REASON_NONE)
        (void)buf_printf(&p->text, " %s", reason_name(r.reason));
    return ERR_OK;
}

static void put_member(struct buf *b, const char *name, struct str value)
{
    (void)buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
    if (value.p == NULL)
        (void)buf_append_z(b, "null");
    else
        (void)json_quote(b, value);
}

static enum err_code print_dead_letter(struct printer *p, const struct source_record *in)
{
    static const struct {
        const char *header, *name;
    } shown[] = {
        {"rbr-reason", "reason"},
        {"__connect.errors.exception.message", "message"},
        {"__connect.errors.stage", "stage"},
        {"__connect.errors.topic", "topic"},
        {"__connect.errors.partition", "partition"},
        {"__connect.errors.offset", "offset"},
    };
    if (p->json) {
        (void)buf_append_z(&p->text, "{");
        for (size_t i = 0; i < ARRAY_LEN(shown); i++)
            put_member(&p->text, shown[i].name, source_header(in, str_z(shown[i].header)));
        (void)buf_printf(&p->text, ",\"bytes\":%zu}", in->value.n);
        return ERR_OK;
    }
    put_cell(&p->text, source_header(in, STR("rbr-reason")), NAME_WIDTH);
    put_cell(&p->text, source_header(in, STR("__connect.errors.topic")), 1);
    put_cell(&p->text, source_header(in, STR("__connect.errors.partition")), 1);
    put_cell(&p->text, source_header(in, STR("__connect.errors.offset")), 1);
    put_cell(&p->text, source_header(in, STR("__connect.errors.exception.message")), 1);
    (void)buf_printf(&p->text, "(%zu bytes)", in->value.n);
    return ERR_OK;
}

static enum err_code print_completion(struct printer *p, const struct source_record *in,
                                      struct err *err)
{
    struct record_origin origin = {.topic = STR("?"), .offset = in->offset};
    struct refusal refusal;
    struct record *r = record_decode(&p->arena, in->value,
                                     record_format_of(source_header(in, STR("content-type"))),
                                     &record_limits_default, &origin, &refusal);
    if (r == NULL) {
        char text[256];
        refusal_print(&refusal, text);
        return err_set(err, ERR_INVALID, "no completion record: %s", text);
    }
    if (p->json && in->value.p[0] == '{')
        return buf_append_str(&p->text, in->value) ? ERR_OK : ERR_LIMIT;
    if (p->json)
        return message_print(MESSAGE_COMPLETION, record_message(in->value), MESSAGE_JSON_LINE,
                             &p->text, err);
    put_cell(&p->text, r->completion_id, NAME_WIDTH);
    put_cell(&p->text, r->response_type.n > 0 ? r->response_type : r->behavior_category,
             TYPE_WIDTH);
    put_cell(&p->text, r->group_id, NAME_WIDTH);
    (void)buf_printf(&p->text, "%zu characters", record_response(r).n);
    return ERR_OK;
}

static void print(struct printer *p, const struct source_record *in, int32_t partition)
{
    struct err err = {0};
    enum err_code code;
    struct str type = source_header(in, STR("content-type"));
    arena_reset(&p->arena);
    buf_reset(&p->text);
    if (source_header(in, STR("rbr-reason")).n > 0)
        code = print_dead_letter(p, in);
    else if (str_find(type, STR("rbr.v1.Reward"), 0) != SIZE_MAX)
        code = print_reward(p, in, &err);
    else
        code = print_completion(p, in, &err);
    if (code != ERR_OK) {
        (void)fprintf(stderr, "partition %" PRId32 " offset %" PRId64 ": %s\n", partition,
                      in->offset, err.msg);
        return;
    }
    (void)buf_append_z(&p->text, "\n");
    (void)fwrite(p->text.p, 1, p->text.n, stdout);
}

/* ---- the topic ----------------------------------------------------------------------------------
 */

static struct str topic_of(const struct arguments *a, const struct settings_kafka *k)
{
    const char *name = a->topic != NULL ? a->topic : "rewards";
    if (strcmp(name, "rewards") == 0)
        return k->output;
    if (strcmp(name, "completions") == 0)
        return k->input;
    if (strcmp(name, "dead-letters") == 0)
        return k->dead_letters;
    return str_z(name);
}

static enum err_code read_topic(const struct arguments *a, struct kafka_reader *reader,
                                struct err *err)
{
    struct printer printer = {.json = a->json};
    struct source_record record;
    int32_t partition;
    uint64_t n = 0;
    enum err_code code = ERR_OK;
    arena_init(&printer.arena, MEMORY);
    buf_init(&printer.text, TEXT_MAX);
    for (bool more = true; more && stopped == 0;) {
        switch (kafka_reader_next(reader, WAIT_MS, &record, &partition, err)) {
        case KAFKA_READ_RECORD:
            print(&printer, &record, partition);
            more = ++n != a->count;
            break;
        case KAFKA_READ_NOTHING:
            (void)fflush(stdout);
            break;
        case KAFKA_READ_END:
            (void)fflush(stdout);
            more = a->follow;
            break;
        case KAFKA_READ_FAILED:
            code = err->code;
            more = false;
            break;
        }
    }
    if (code == ERR_OK && n == 0 && stopped == 0)
        (void)fprintf(stderr, "rbr tail: no record in the topic yet; --follow waits for some\n");
    buf_done(&printer.text);
    arena_done(&printer.arena);
    return code;
}

static int tail(const struct arguments *a, const struct settings *settings)
{
    struct kafka_setup kafka;
    struct kafka_reader *reader = NULL;
    struct err err;
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    kafka_setup_init(&kafka, &settings->kafka, false);
    enum err_code code =
        kafka_reader_new(&kafka.config, topic_of(a, &settings->kafka), !a->from_end, &reader, &err);
    if (code == ERR_OK)
        code = read_topic(a, reader, &err);
    if (code != ERR_OK)
        (void)fprintf(stderr, "rbr tail: %s\n", err.msg);
    kafka_reader_free(reader);
    kafka_setup_done(&kafka);
    return code == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

int cmd_tail(int argc, char **argv)
{
    struct arguments a = {0};
    const struct argp argp = {option_list, parse, "[TOPIC]", doc, options_settings, NULL, NULL};
    options_parse(&argp, argc, argv, &a, &a.options);
    struct settings *settings = options_load_settings(&a.options, SETTINGS_NEED_KAFKA);
    if (settings == NULL)
        return EXIT_USAGE;
    int exit_code = tail(&a, settings);
    settings_free(settings);
    return exit_code;
}
