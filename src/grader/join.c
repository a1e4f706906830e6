#include "grader/join.h"

#include <string.h>

#include "grader/call.h"
#include "grader/group.h"

static const uint8_t *digest_of(const struct grader_call *c, size_t i)
{
    return c->group->judgments[c->asked[i]].digest;
}

struct grader_call *join_leader(const struct grader *g, const struct grader_group *group,
                                size_t proposition)
{
    const struct judgment *j = &group->judgments[proposition];
    const struct flight *f = j->has_digest ? flights_find(&g->flights, j->digest) : NULL;
    return f != NULL && f->call->group != group ? f->call : NULL;
}

void join_lead(struct grader *g, struct grader_call *c, size_t proposition)
{
    const struct judgment *j = &c->group->judgments[proposition];
    if (!j->has_digest || flights_find(&g->flights, j->digest) != NULL)
        return;
    struct flight *f = &c->group->flights[c->group->n_flights++];
    *f = (struct flight){.digest = j->digest, .call = c};
    flights_add(&g->flights, f);
}

void join_call(struct grader_call *c, struct grader_call *leader)
{
    c->state = CALL_JOINED;
    c->leader = leader;
    call_list_append(&leader->joined, c);
}

/* The reward says which model answered, whoever asked it. */
static void keep_model(struct grader_use *use, const struct grader_use *asked)
{
    if (asked->response_model[0] == '\0')
        return;
    memcpy(use->response_model, asked->response_model, sizeof(use->response_model));
    memcpy(use->system_fingerprint, asked->system_fingerprint, sizeof(use->system_fingerprint));
}

/* Judges a joined call's question by the answer to the same one. */
static void take_answer(struct grader *g, struct grader_call *c, size_t i,
                        const struct grader_group *from, const struct judgment *answered)
{
    uint16_t proposition = c->asked[i];
    const struct answer answer = {.probability = answered->probability, .mass = answered->mass};
    c->n_asked--;
    memmove(c->asked + i, c->asked + i + 1, (c->n_asked - i) * sizeof(*c->asked));
    c->group->judgments[proposition].cached = true;
    keep_model(&c->group->use, &from->use);
    g->stats.joined++;
    group_judge(g, c, proposition, &answer);
}

static void take_answers(struct grader *g, struct grader_call *c, const struct grader_group *from,
                         const struct judgment *answered)
{
    if (answered->mass < c->group->prompt->policy->min_mass)
        return; /* enough for the other policy, not for this */
    for (size_t i = 0; i < c->n_asked;) {
        if (memcmp(digest_of(c, i), answered->digest, JUDGMENT_DIGEST_BYTES) == 0)
            take_answer(g, c, i, from, answered);
        else
            i++;
    }
}

void join_pass_on(struct grader *g, struct grader_call *c, size_t proposition)
{
    const struct judgment *j = &c->group->judgments[proposition];
    struct flight *f = j->has_digest ? flights_find(&g->flights, j->digest) : NULL;
    if (f == NULL || f->digest != j->digest)
        return;
    flights_remove(&g->flights, f);
    if (j->status != JUDGMENT_GRADED)
        return;
    for (struct grader_call *joined = c->joined.first, *next; joined != NULL; joined = next) {
        next = joined->next;
        take_answers(g, joined, c->group, j);
        if (joined->n_asked == 0) {
            call_take_out(g, joined);
            group_settle(g, joined);
        }
    }
}

void join_release(struct grader *g, struct grader_call *c)
{
    while (c->joined.first != NULL) {
        struct grader_call *joined = c->joined.first;
        call_take_out(g, joined);
        if (joined->group->end == GRADER_GROUP_ASKED)
            call_enqueue(g, joined);
        else
            group_give_up(g, joined, REASON_DEADLINE);
    }
}
