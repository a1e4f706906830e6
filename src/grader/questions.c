#include "grader/questions.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static struct questions *escape(const struct policy *policy)
{
    struct buf b;
    struct questions *q = mem_alloc(sizeof(*q));
    arena_init(&q->arena, SIZE_MAX / 2); /* bounded by the policy's own text */
    buf_init(&b, SIZE_MAX / 2);
    q->users = 1;
    memcpy(q->policy_hash, policy->hash, sizeof(q->policy_hash));
    q->escaped = arena_array(&q->arena, policy->n_propositions, sizeof(*q->escaped));
    for (size_t i = 0; q->escaped != NULL && i < policy->n_propositions; i++) {
        buf_reset(&b);
        (void)json_escape(&b, policy->propositions[i].question);
        if (!arena_copy(&q->arena, buf_str(&b), &q->escaped[i]))
            q->escaped[i] = (struct str){0};
    }
    buf_done(&b);
    return q;
}

static bool are_of(const struct questions *q, const struct policy *policy)
{
    return q != NULL && memcmp(q->policy_hash, policy->hash, sizeof(q->policy_hash)) == 0;
}

struct questions *questions_of(struct questions_shelf *s, const struct policy *policy)
{
    size_t i = 0;
    while (i < QUESTIONS_SHELF - 1 && !are_of(s->of[i], policy))
        i++;
    struct questions *q = s->of[i];
    if (!are_of(q, policy)) {
        questions_drop(q); /* of the policy not asked for longest */
        q = escape(policy);
    }
    memmove(&s->of[1], &s->of[0], i * sizeof(s->of[0]));
    s->of[0] = q;
    return q;
}

void questions_shelf_done(struct questions_shelf *s)
{
    for (size_t i = 0; i < QUESTIONS_SHELF; i++)
        questions_drop(s->of[i]);
    *s = (struct questions_shelf){0};
}

struct questions *questions_share(struct questions *q)
{
    q->users++;
    return q;
}

void questions_drop(struct questions *q)
{
    if (q == NULL || --q->users > 0)
        return;
    arena_done(&q->arena);
    mem_free(q->begun);
    mem_free(q);
}
