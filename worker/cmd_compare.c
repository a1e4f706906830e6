#include "worker/cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "worker/comparison.h"
#include "worker/options.h"
#include "worker/place.h"
#include "worker/replace.h"

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
    "  rbr compare v7.jsonl v8.jsonl --html v8.html\n"
    "  rbr compare -c config/worker.yaml topic:rewards topic:rewards.v8\n"
    "  rbr compare 'topic:rewards[0,5000)' 'topic:rewards[5000,)' --json\n\n"
    "Exit code: 0 done, 1 failed, 2 wrong options or settings.";

enum {
    KEY_JSON = 0x800,
    KEY_MOVERS,
    KEY_HTML,
    MOVERS = 10,
    MEMORY = 64 << 20, /* of one reward */
    JSON_MAX = 16 << 20,
    PAGE_MAX = 64 << 20
};

struct arguments {
    struct options options;
    struct place places[COMPARE_SIDES];
    uint64_t movers;
    bool json;
    const char *html; /* the page's file; NULL: none */
};

static const struct argp_option option_list[] = {
    {"json", KEY_JSON, 0, 0, "print one JSON object", 0},
    {"html", KEY_HTML, "FILE", 0, "also write a page with plots", 0},
    {"movers", KEY_MOVERS, "N", 0, "show the N largest moves (default 10, at most 1000)", 0},
    {0},
};

/* ---- arguments --------------------------------------------------------------------------------
 */

static void take_place(struct arguments *a, const char *arg, struct argp_state *state)
{
    if (state->arg_num >= COMPARE_SIDES)
        argp_error(state, "two sides, please: A and B");
    else if (!place_parse(arg, &a->places[state->arg_num]))
        argp_error(state, "'%s' is not topic:NAME or topic:NAME[FROM,TO) with FROM below TO", arg);
    if (state->arg_num == COMPARE_B && strcmp(arg, "-") == 0 &&
        strcmp(a->places[COMPARE_A].name, "-") == 0)
        argp_error(state, "only one side can be standard input");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_JSON:
        a->json = true;
        return 0;
    case KEY_HTML:
        a->html = arg;
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
};

static enum err_code add(void *arg, struct str reward, bool packed, struct err *err)
{
    struct reading *r = arg;
    struct reward_facts facts;
    arena_reset(&r->arena);
    enum err_code code = packed ? reward_facts_unpack(reward, &r->arena, &facts, err)
                                : reward_facts_parse(reward, &r->arena, &facts, err);
    return code == ERR_OK ? compare_add(r->compare, r->side, &facts, err) : code;
}

static enum err_code read_side(struct compare *c, enum compare_side side, const struct place *place,
                               const struct settings *settings, struct err *err)
{
    struct reading r = {.compare = c, .side = side};
    arena_init(&r.arena, MEMORY);
    enum err_code code = place_read(place, settings, add, &r, err);
    arena_done(&r.arena);
    return code;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static enum err_code print(const struct arguments *a, const struct compare_report *r,
                           const char *const names[COMPARE_SIDES], struct err *err)
{
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

static enum err_code write_page(const struct arguments *a, const struct compare_report *r,
                                const char *const names[COMPARE_SIDES], struct err *err)
{
    struct buf page;
    buf_init(&page, PAGE_MAX);
    enum err_code code = comparison_page(r, names, &page, err);
    if (code == ERR_OK)
        code = replace_file(a->html, buf_str(&page), err);
    else
        (void)err_wrap(err, "%s", a->html);
    buf_done(&page);
    return code;
}

static enum err_code show(const struct arguments *a, const struct compare_report *r,
                          struct err *err)
{
    const char *const names[COMPARE_SIDES] = {a->places[COMPARE_A].name, a->places[COMPARE_B].name};
    enum err_code code = print(a, r, names, err);
    return code == ERR_OK && a->html != NULL ? write_page(a, r, names, err) : code;
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
            code = show(a, &report, &err);
    }
    if (code != ERR_OK)
        (void)fprintf(stderr, "rbr compare: %s\n", err.msg);
    compare_free(c);
    return code == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

int cmd_compare(int argc, char **argv)
{
    struct arguments a = {.movers = MOVERS};
    const struct argp argp = {option_list, parse, "A B", doc, options_settings, NULL, NULL};
    options_parse(&argp, argc, argv, &a, &a.options);
    bool needed = a.places[COMPARE_A].topic.n > 0 || a.places[COMPARE_B].topic.n > 0;
    struct settings *settings =
        needed ? options_load_settings(&a.options, SETTINGS_NEED_KAFKA) : NULL;
    if (needed && settings == NULL)
        return EXIT_USAGE;
    int exit_code = run(&a, settings);
    settings_free(settings);
    return exit_code;
}
