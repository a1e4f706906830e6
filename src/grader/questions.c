#include "grader/questions.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

struct questions *questions_of(const struct policy *policy, struct questions *last)
{
    struct buf b;
    if (last != NULL && memcmp(last->policy_hash, policy->hash, sizeof(last->policy_hash)) == 0)
        return last;
    questions_drop(last);
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
    mem_free(q);
}
