#include "worker/replaying.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/kafka_group.h"
#include "worker/kafka_setup.h"

enum { LOOK_MS = 15000 };

struct manifest_grader replaying_grader(const struct settings *s)
{
    const struct settings_grader *g = &s->graders[0];
    return (struct manifest_grader){
        .name = g->name, .model = g->model, .revision = g->revision, .dialect = g->dialect};
}

enum err_code replaying_check_topics(const struct manifest *m, const struct settings *live,
                                     struct err *err)
{
    const struct settings_kafka *k = &live->kafka;
    const struct {
        struct str topic, live;
        const char *what, *key, *why;
    } cases[] = {
        {m->output, k->output, "output", "output", "live rewards go there"},
        {m->output, k->input, "output", "input", "it would be read as completions"},
        {m->output, k->dead_letters, "output", "dead_letters", "dead letters go there"},
        {m->output, k->shadow_output, "output", "shadow_output", "shadow rewards go there"},
        {m->dead_letters, k->output, "dead_letters", "output", "live rewards go there"},
        {m->dead_letters, k->input, "dead_letters", "input", "it would be read as completions"},
        {m->dead_letters, k->shadow_output, "dead_letters", "shadow_output",
         "shadow rewards go there"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (str_eq(cases[i].topic, cases[i].live))
            return err_set(err, ERR_INVALID,
                           "%s: '%.*s' is kafka.%s of the settings: %s; choose a topic of its own",
                           cases[i].what, STR_ARGS(cases[i].topic), cases[i].key, cases[i].why);
    return ERR_OK;
}

/* Another grader's judgments would be mixed with those that are there already. */
static enum err_code check_grader(const struct manifest *m, const struct settings *live,
                                  struct err *err)
{
    const struct manifest_grader now = replaying_grader(live);
    const struct {
        const char *key;
        struct str planned, now;
    } cases[] = {
        {"name", m->grader.name, now.name},
        {"model", m->grader.model, now.model},
        {"revision", m->grader.revision, now.revision},
        {"dialect", m->grader.dialect, now.dialect},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (!str_eq(cases[i].planned, cases[i].now))
            return err_set(err, ERR_INVALID,
                           "grader.%s: the manifest has '%.*s' and the settings '%.*s'; use the "
                           "grader it was planned with, or plan anew",
                           cases[i].key, STR_ARGS(cases[i].planned), STR_ARGS(cases[i].now));
    return ERR_OK;
}

/* Identities of the live worker are not the replay's: they would throw the live one out. */
static void set_up(struct replaying *r, double share)
{
    const struct manifest *m = r->manifest;
    struct settings *s = &r->settings;
    (void)snprintf(r->group, sizeof(r->group), MANIFEST_GROUP_PREFIX "%.*s", STR_ARGS(m->id));
    r->grader = r->live->graders[0];
    r->grader.share = (uint64_t)ceil((double)r->grader.share * share);
    *s = *r->live;
    s->graders = &r->grader;
    s->n_graders = 1;
    s->kafka.input = m->input;
    s->kafka.output = m->output;
    s->kafka.dead_letters = m->dead_letters;
    s->kafka.group = str_z(r->group);
    s->kafka.instance_id = s->kafka.transactional_id = (struct str){0};
    s->cache.restore_from = (struct setting_list){m->restore_from.items, m->restore_from.n};
    s->cache.restore_wait_us = CLOCK_NEVER;
}

bool replaying_open(struct replaying *r, const struct options *o, const char *manifest,
                    double share)
{
    struct err err;
    *r = (struct replaying){0};
    r->live = options_load_settings(o, SETTINGS_NEED_KAFKA | SETTINGS_NEED_GRADER);
    if (r->live == NULL)
        return false;
    enum err_code code = manifest_load(str_z(manifest), &r->manifest, &err);
    if (code == ERR_OK) {
        code = replaying_check_topics(r->manifest, r->live, &err);
        if (code == ERR_OK)
            code = check_grader(r->manifest, r->live, &err);
        if (code != ERR_OK)
            (void)err_wrap(&err, "%s", manifest);
    }
    if (code == ERR_OK) {
        set_up(r, share);
        return true;
    }
    (void)fprintf(stderr, "rbr replay: %s\n", err.msg);
    replaying_close(r);
    return false;
}

void replaying_close(struct replaying *r)
{
    manifest_free(r->manifest);
    settings_free(r->live);
}

static enum err_code look(struct kafka_group *g, const struct manifest *m,
                          struct replay_progress *ret, struct err *err)
{
    struct replay *replay = replay_new(m);
    size_t n;
    const struct kafka_range *ranges = replay_ranges(replay, &n);
    int64_t *committed = mem_array(n, sizeof(*committed));
    enum err_code code = kafka_group_committed(g, ranges, n, LOOK_MS, committed, err);
    if (code == ERR_OK)
        replay_progress_of(m, committed, ret);
    mem_free(committed);
    replay_free(replay);
    return code;
}

enum err_code replaying_look(const struct replaying *r, struct replay_progress *ret,
                             struct err *err)
{
    struct kafka_setup kafka;
    struct kafka_group *g = NULL;
    kafka_setup_init(&kafka, &r->settings.kafka, false);
    enum err_code code = kafka_group_new(&kafka.config, &g, err);
    if (code == ERR_OK)
        code = look(g, r->manifest, ret, err);
    kafka_group_free(g);
    kafka_setup_done(&kafka);
    return code;
}
