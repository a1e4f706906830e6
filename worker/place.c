#include "worker/place.h"

#include <inttypes.h>

#include "base/num.h"
#include "stream/kafka_reader.h"
#include "worker/kafka_setup.h"
#include "worker/lines.h"

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

bool place_parse(const char *arg, struct place *ret)
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

/* What is being read, and who takes it. */
struct reading {
    const struct place *place;
    place_take *take;
    void *arg;
    uint64_t n;
};

static enum err_code read_file(struct reading *r, struct err *err)
{
    struct lines in;
    struct str line;
    enum err_code code = lines_open(&in, r->place->name, err);
    while (code == ERR_OK && lines_next(&in, &line)) {
        code = r->take(r->arg, line, false, err);
        if (code != ERR_OK)
            (void)err_wrap(err, "%s:%" PRIu64, r->place->name, in.number);
        r->n++;
    }
    lines_close(&in);
    return code;
}

static bool take_record(void *arg, const struct source_record *record, int32_t partition,
                        struct err *err)
{
    struct reading *r = arg;
    enum err_code code = r->take(r->arg, record->value, true, err);
    if (code != ERR_OK)
        (void)err_wrap(err, "%.*s partition %" PRId32 " offset %" PRId64, STR_ARGS(r->place->topic),
                       partition, record->offset);
    r->n++;
    return code == ERR_OK;
}

static enum err_code read_topic(struct reading *r, const struct settings *settings, struct err *err)
{
    const struct kafka_range range = {KAFKA_EVERY_PARTITION, r->place->from, r->place->to};
    struct kafka_setup kafka;
    kafka_setup_init(&kafka, &settings->kafka, false);
    enum err_code code =
        kafka_read_ranges(&kafka.config, r->place->topic, &range, 1, take_record, r, err);
    kafka_setup_done(&kafka);
    return code;
}

enum err_code place_read(const struct place *place, const struct settings *settings,
                         place_take *take, void *arg, struct err *err)
{
    struct reading r = {.place = place, .take = take, .arg = arg};
    enum err_code code = place->topic.n > 0 ? read_topic(&r, settings, err) : read_file(&r, err);
    if (code == ERR_OK && r.n == 0)
        code = err_set(err, ERR_NOT_FOUND, "%s has no rewards", place->name);
    return code;
}
