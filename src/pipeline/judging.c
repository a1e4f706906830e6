#include "pipeline/judging.h"

#include "base/failpoint.h"

static void rule(struct ruling *r)
{
    struct item *it = r->item;
    it->awaited--;
    if (it->partition == NULL)
        return;
    ruling_make_reward(r, it->judging->replay_id, clock_wall_ms(it->judging->clock));
    if (it->awaited == 0)
        item_let_go(it);
}

/* The shadow has what the live policy was told, and not for ever for the rest. */
static void rule_live(struct item *it)
{
    const struct judging *j = it->judging;
    rule(&it->live);
    if (it->shadow != NULL && it->awaited > 0 &&
        judge_follow(&it->shadow->judge, clock_mono_us(j->clock) + j->shadow_wait_us))
        rule(it->shadow);
}

static void on_judged(struct judge_req *req)
{
    struct ruling *r = CONTAINER_OF(req, struct ruling, judge);
    struct item *it = r->item;
    struct judging *j = it->judging;
    bool ours = it->partition != NULL;
    FAILPOINT(verdict);
    if (ours)
        blackbox_mark(j->blackbox, it->origin.partition, it->origin.offset);
    if (r == &it->live)
        rule_live(it);
    else
        rule(r);
    j->ruled(it);
    if (ours)
        blackbox_clear(j->blackbox);
}

static bool begin(struct ruling *r, struct judge *judge, const struct judge_req *first)
{
    struct item *it = r->item;
    it->awaited++;
    r->judge = (struct judge_req){
        .record = it->record,
        .arena = &r->arena,
        .deadline_us = it->received_us + it->judging->record_deadline_us,
        .expires_us = it->judging->replay_id.n > 0 ? CLOCK_NEVER : item_expires_us(it),
        .first = first,
        .done = on_judged,
    };
    return judge_start(judge, &r->judge);
}

bool judging_start(struct judging *j, struct item *it)
{
    it->judging = j;
    if (j->shadow != NULL)
        item_add_shadow(it);
    bool live = begin(&it->live, j->live, NULL);
    bool shadow = it->shadow != NULL && begin(it->shadow, j->shadow, &it->live.judge);
    FAILPOINT(asked);
    if (shadow)
        rule(it->shadow);
    if (live)
        rule_live(it);
    return it->awaited == 0;
}

void judging_wind_down(struct item *it)
{
    judge_wind_down(&it->live.judge);
    if (it->shadow != NULL)
        judge_wind_down(&it->shadow->judge);
}

void judging_cancel(struct item *it)
{
    judge_cancel(&it->live.judge);
    if (it->shadow != NULL)
        judge_cancel(&it->shadow->judge);
}
