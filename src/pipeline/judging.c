#include "pipeline/judging.h"

#include "base/failpoint.h"

static void rule(const struct judging *j, struct item *it)
{
    ruling_make_reward(&it->live, clock_wall_ms(j->clock));
    item_let_go(it);
}

static void on_judged(struct judge_req *req)
{
    struct item *it = CONTAINER_OF(req, struct ruling, judge)->item;
    struct judging *j = it->judging;
    bool ours = it->partition != NULL;
    FAILPOINT(verdict);
    if (ours) {
        blackbox_mark(j->blackbox, it->origin.partition, it->origin.offset);
        rule(j, it);
    }
    j->done(it);
    if (ours)
        blackbox_clear(j->blackbox);
}

bool judging_start(struct judging *j, struct item *it)
{
    it->judging = j;
    it->live.judge = (struct judge_req){
        .record = it->record,
        .arena = &it->live.arena,
        .deadline_us = it->received_us + j->record_deadline_us,
        .expires_us = item_expires_us(it),
        .done = on_judged,
    };
    bool finished = judge_start(j->judge, &it->live.judge);
    FAILPOINT(asked);
    if (finished)
        rule(j, it);
    return finished;
}

void judging_wind_down(struct item *it)
{
    judge_wind_down(&it->live.judge);
}

void judging_cancel(struct item *it)
{
    judge_cancel(&it->live.judge);
}
