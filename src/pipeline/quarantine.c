#include "pipeline/quarantine.h"

#include <inttypes.h>
#include <stdio.h>

#include "obs/log.h"

static void set_aside(struct item *it, const char *reason, const char *text)
{
    const struct record_origin *origin = &it->origin;
    log_error("pipeline.quarantined",
              "%.*s[%" PRId32 "] offset %" PRId64 ": %s; it is a dead letter by reference (%s). "
              "The record stays in the input: write it again when the cause is gone",
              STR_ARGS(origin->topic), origin->partition, origin->offset, text, reason);
    ruling_make_dead_letter(&it->live, NULL, "quarantine", reason, text);
}

bool quarantine(const struct blackbox *b, struct item *it, const struct source_record *in)
{
    if (in->unreadable != NULL) {
        set_aside(it, "UNREADABLE", in->unreadable);
        return true;
    }
    unsigned deaths = blackbox_deaths(b, it->origin.partition, in->offset);
    if (deaths < BLACKBOX_DEATHS_MAX)
        return false;
    char text[64];
    (void)snprintf(text, sizeof(text), "%u workers died at work on it", deaths);
    set_aside(it, "KILLED_THE_WORKER", text);
    return true;
}
