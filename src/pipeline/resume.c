#include "pipeline/resume.h"

#include <inttypes.h>

#include "obs/log.h"

/* Why the map of an offset that was committed cannot be used; NULL: it can. */
static const char *read_map(const struct source_partition *from, struct ackmap *map)
{
    enum ackmap_fault fault = ackmap_decode(from->metadata, from->committed, map);
    if (fault != ACKMAP_GOOD)
        return ackmap_fault_text(fault);
    /* The topic was made anew, or its log was cut: these offsets are, or will be, other records. */
    if (from->offset < from->committed || from->committed + (int64_t)map->n > from->end)
        return "it reaches past the end of the log";
    return NULL;
}

/* The map as seen from `by` offsets further up. */
static void shift(struct ackmap *map, size_t by)
{
    struct ackmap from = *map;
    ackmap_clear(map);
    for (size_t i = by; i < from.n; i++)
        if (ackmap_get(&from, i))
            ackmap_set(map, i - by);
}

/* The log begins above the committed offset: some of what is missing may have been done. */
static void skip_gap(const struct source_partition *from, struct ackmap *map,
                     struct resume_report *ret)
{
    size_t done = ackmap_count(map);
    int64_t gap = from->offset - from->committed;
    shift(map, gap < ACKMAP_SPAN_MAX ? (size_t)gap : ACKMAP_SPAN_MAX);
    ret->lost = gap - (int64_t)(done - ackmap_count(map));
    log_warning("pipeline.gap",
                "%.*s[%" PRId32 "]: the log has lost offsets %" PRId64 " to %" PRId64 "; %" PRId64
                " of them were not done",
                STR_ARGS(from->topic), from->partition, from->committed, from->offset - 1,
                ret->lost);
}

void resume(struct window *w, const struct source_partition *from, size_t span,
            struct resume_report *ret)
{
    struct ackmap map;
    *ret = (struct resume_report){0};
    ackmap_clear(&map);
    if (from->committed >= 0) {
        const char *why = read_map(from, &map);
        ret->refused = why != NULL;
        if (ret->refused) {
            ackmap_clear(&map);
            log_warning("pipeline.map_refused",
                        "%.*s[%" PRId32 "]: the ack map of offset %" PRId64
                        " cannot be used: %s; starting with nothing done above it",
                        STR_ARGS(from->topic), from->partition, from->committed, why);
        }
        if (from->offset > from->committed)
            skip_gap(from, &map, ret);
    }
    ret->done = ackmap_count(&map);
    window_init(w, from->offset, span, &map);
}
