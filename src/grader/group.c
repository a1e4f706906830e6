#include "grader/group.h"

#include "base/mem.h"
#include "grader/call.h"
#include "grader/join.h"
#include "grader/warm.h"

/* ---- the end ----------------------------------------------------------------------------------
 */

static void group_is_done(struct grader *g, struct grader_group *group)
{
    heap_remove(&g->deadlines, &group->timer);
    heap_remove(&g->expiries, &group->expiry);
    heap_remove(&g->warming, &group->warm);
    questions_drop(group->questions);
    group->questions = NULL;
    mem_free(group->calls);
    group->calls = NULL;
    group->next_finished = NULL;
    struct grader_group **at = &g->finished;
    while (*at != NULL)
        at = &(*at)->next_finished;
    *at = group;
}

void group_settle(struct grader *g, struct grader_call *c)
{
    join_release(g, c);
    c->state = CALL_SETTLED;
    if (--c->group->calls_left == 0)
        group_is_done(g, c->group);
}

void group_judge(struct grader *g, struct grader_call *c, uint16_t proposition,
                 const struct answer *answer)
{
    struct judgment *j = &c->group->judgments[proposition];
    bool graded = answer->reason == REASON_NONE;
    j->status = graded ? JUDGMENT_GRADED : JUDGMENT_UNGRADED;
    j->reason = answer->reason;
    j->probability = answer->probability;
    j->mass = answer->mass;
    g->stats.judgments++;
    g->stats.ungraded += !graded;
    if (graded && c->group->judged != NULL)
        c->group->judged(c->group, proposition);
    join_pass_on(g, c, proposition);
}

void group_give_up(struct grader *g, struct grader_call *c, enum reason reason)
{
    struct answer none = answer_ungraded(reason);
    for (size_t i = 0; i < c->n_asked; i++) {
        if (reason == REASON_LOW_PROBABILITY_MASS)
            none.mass = c->group->judgments[c->asked[i]].mass;
        group_judge(g, c, c->asked[i], &none);
    }
    group_settle(g, c);
}

void group_call_done(struct grader *g)
{
    while (g->finished != NULL) {
        struct grader_group *group = g->finished;
        g->finished = group->next_finished;
        group->done(group);
    }
}

/* ---- time -------------------------------------------------------------------------------------
 */

int64_t group_time_left(const struct grader *g, const struct grader_group *group, int64_t now)
{
    int64_t left = CLOCK_NEVER;
    if (group->deadline_us != CLOCK_NEVER)
        left = group->timer.due_us - pool_clock_us(&g->pool, now);
    if (group->expires_us != CLOCK_NEVER && group->expires_us - now < left)
        left = group->expires_us - now;
    return left;
}

static bool is_on_its_way(const struct grader_call *c)
{
    return c->state == CALL_SENT || (c->state == CALL_JOINED && c->leader->state == CALL_SENT);
}

/* Gives up what is not in the air; CANCELLED: cancels what is. */
static void abandon(struct grader *g, struct grader_group *group, enum grader_group_end end)
{
    if (group->end >= end || group->calls == NULL)
        return;
    group->end = end;
    size_t n = group->n_calls;
    for (size_t i = 0; i < n && group->calls != NULL; i++) {
        struct grader_call *c = &group->calls[i];
        if (c->state == CALL_SENT && end == GRADER_GROUP_CANCELLED) {
            g->transport->cancel(g->transport, &c->attempt->req);
        } else if (c->state != CALL_SETTLED &&
                   (end == GRADER_GROUP_CANCELLED || !is_on_its_way(c))) {
            call_take_out(g, c);
            group_give_up(g, c, REASON_DEADLINE);
        }
    }
}

void group_tick(struct grader *g, int64_t now)
{
    struct heap_node *first;
    int64_t stopped = pool_clock_us(&g->pool, now);
    while ((first = heap_first(&g->deadlines)) != NULL && first->due_us <= stopped) {
        heap_remove(&g->deadlines, first);
        abandon(g, CONTAINER_OF(first, struct grader_group, timer), GRADER_GROUP_CANCELLED);
    }
    while ((first = heap_first(&g->expiries)) != NULL && first->due_us <= now) {
        heap_remove(&g->expiries, first);
        abandon(g, CONTAINER_OF(first, struct grader_group, expiry), GRADER_GROUP_CANCELLED);
    }
}

static int64_t sooner(int64_t due, const struct heap_node *node, int64_t ahead)
{
    return node != NULL && node->due_us + ahead < due ? node->due_us + ahead : due;
}

int64_t group_next_us(const struct grader *g, int64_t now)
{
    int64_t due = sooner(CLOCK_NEVER, heap_first(&g->expiries), 0);
    if (g->pool.stopclock.reasons == 0)
        due = sooner(due, heap_first(&g->deadlines), now - pool_clock_us(&g->pool, now));
    return due;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

/* Cuts the pending propositions that others ask, or those that they do not, into calls. */
static uint16_t *cut(struct grader *g, struct grader_group *group, bool joining, uint16_t *asked)
{
    struct grader_call *c = NULL;
    for (size_t i = 0; i < group->prompt->policy->n_propositions; i++) {
        struct grader_call *leader = join_leader(g, group, i);
        if (group->judgments[i].status != JUDGMENT_PENDING || (leader != NULL) != joining)
            continue;
        if (c == NULL || c->n_asked == g->questions_max || c->leader != leader) {
            c = &group->calls[group->n_calls++];
            *c = (struct grader_call){.group = group, .asked = asked, .avoid = POOL_NOBODY};
            if (joining)
                join_call(c, leader);
            else
                warm_start(g, c);
        }
        c->asked[c->n_asked++] = (uint16_t)i;
        asked++;
        if (!joining)
            join_lead(g, c, i);
    }
    return asked;
}

/* One allocation: the calls, what others may join, and the calls' lists. */
static void make_calls(struct grader *g, struct grader_group *group, size_t n)
{
    size_t joined = 0;
    for (size_t i = 0; i < group->prompt->policy->n_propositions; i++)
        joined +=
            group->judgments[i].status == JUDGMENT_PENDING && join_leader(g, group, i) != NULL;
    size_t most = (n - joined + g->questions_max - 1) / g->questions_max + joined;
    group->bytes =
        most * sizeof(struct grader_call) + n * (sizeof(struct flight) + sizeof(uint16_t));
    group->calls = mem_alloc(group->bytes);
    group->flights = (struct flight *)(group->calls + most);
    group->n_calls = group->n_flights = 0;
    uint16_t *asked = cut(g, group, false, (uint16_t *)(group->flights + n));
    (void)cut(g, group, true, asked);
    group->calls_left = group->n_calls;
}

void grader_ask(struct grader *g, struct grader_group *group)
{
    const struct policy *policy = group->prompt->policy;
    size_t n = 0;
    for (size_t i = 0; i < policy->n_propositions; i++)
        n += group->judgments[i].status == JUDGMENT_PENDING;
    group->grader = g;
    group->questions = questions_share(questions_of(&g->questions, policy));
    group->end = GRADER_GROUP_ASKED;
    group->use = (struct grader_use){0};
    group->timer = group->expiry = group->warm = (struct heap_node){0};
    group->ahead = NULL;
    int64_t now = clock_mono_us(g->clock);
    if (group->deadline_us != CLOCK_NEVER)
        heap_push(&g->deadlines, &group->timer,
                  pool_clock_us(&g->pool, now) + (group->deadline_us - now));
    if (group->expires_us != CLOCK_NEVER)
        heap_push(&g->expiries, &group->expiry, group->expires_us);
    make_calls(g, group, n);
    if (n == 0)
        group_is_done(g, group);
}

void grader_wind_down(struct grader_group *group)
{
    abandon(group->grader, group, GRADER_GROUP_WINDING_DOWN);
}

void grader_cancel(struct grader_group *group)
{
    abandon(group->grader, group, GRADER_GROUP_CANCELLED);
}

size_t grader_group_bytes(const struct grader_group *group)
{
    return group->calls != NULL ? group->bytes : 0;
}

void grader_expire_by(struct grader_group *group, int64_t at_us)
{
    struct grader *g = group->grader;
    if (at_us >= group->expires_us || group->calls == NULL)
        return;
    group->expires_us = at_us;
    heap_remove(&g->expiries, &group->expiry);
    heap_push(&g->expiries, &group->expiry, at_us);
}
