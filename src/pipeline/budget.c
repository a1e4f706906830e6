#include "pipeline/budget.h"

bool budgets_room(struct budgets *b, int64_t now_us)
{
    bool room = true;
    for (size_t i = 0; i < BUDGETS; i++) {
        struct budget *one = &b->of[i];
        bool held = one->holds;
        one->holds = one->used >= one->limit || (held && one->used > one->limit - one->limit / 8);
        if (one->holds && !held)
            one->since_us = now_us;
        room = room && !one->holds;
    }
    return room;
}

enum budget_kind budgets_holding(const struct budgets *b)
{
    enum budget_kind longest = BUDGETS;
    for (enum budget_kind i = 0; i < BUDGETS; i++)
        if (b->of[i].holds && (longest == BUDGETS || b->of[i].since_us < b->of[longest].since_us))
            longest = i;
    return longest;
}

enum budget_news budgets_watch(struct budgets *b, int64_t now_us)
{
    enum budget_kind kind = b->telling ? b->told : budgets_holding(b);
    if (b->telling && (!b->of[kind].holds || b->of[kind].since_us != b->told_since_us)) {
        b->telling = false;
        return BUDGET_EASED;
    }
    if (b->telling || kind == BUDGETS || now_us - b->of[kind].since_us < BUDGET_PATIENCE_US)
        return BUDGET_NOTHING;
    b->telling = true;
    b->told = kind;
    b->told_since_us = b->of[kind].since_us;
    return BUDGET_HOLDS;
}

const char *budget_name(enum budget_kind kind)
{
    static const char *const names[] = {
        [BUDGET_RECORDS] = "records_in_flight", [BUDGET_MEMORY] = "memory",
        [BUDGET_QUESTIONS] = "questions",       [BUDGET_RESULTS] = "results",
        [BUDGET_RESULT_BYTES] = "result_bytes", [BUDGETS] = "none",
    };
    return names[kind];
}
