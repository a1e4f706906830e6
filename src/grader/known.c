#include "grader/known.h"

#include <stdlib.h>

#include "base/json.h"

enum { MEMORY = 1 << 16 };

static const char policy_text[] =
    "policy: {id: probe}\n"
    "prompt_template: |-\n"
    "  Here is a message:\n"
    "  {response}\n"
    "\n"
    "  Question: {question}\n"
    "  Answer \"yes\" or \"no\" and nothing else.\n"
    "completion_class_order: [both, other]\n"
    "completion_classes:\n"
    "  both: {probe: {known_yes: true, known_no: false}}\n"
    "  other: {probe: {not: {known_yes: true, known_no: false}}}\n"
    "simple_propositions:\n"
    "  known_yes: {prompt: \"Does the message say that Paris is in France?\"}\n"
    "  known_no: {prompt: \"Does the message mention a giraffe?\"}\n";

static void make_record(struct known *k)
{
    k->turns[0] = (struct message){.role = STR("user"), .content = STR("Where is Paris?")};
    k->turns[1] = (struct message){.role = STR("assistant"), .content = STR("Paris is in France.")};
    k->record = (struct record){
        .completion_id = STR("probe"),
        .prompt = &k->turns[0],
        .n_prompt = 1,
        .completion = &k->turns[1],
        .n_completion = 1,
        .response_type = STR("probe"),
    };
}

static bool escape_questions(struct known *k)
{
    struct buf b;
    bool ok = true;
    buf_init(&b, MEMORY);
    for (size_t i = 0; i < ARRAY_LEN(k->escaped); i++) {
        buf_reset(&b);
        ok = json_escape(&b, k->policy->propositions[i].question) && ok;
        ok = arena_copy(&k->arena, buf_str(&b), &k->escaped[i]) && ok;
    }
    buf_done(&b);
    return ok;
}

void known_init(struct known *k)
{
    struct findings findings;
    const struct policy_file file = {STR("probe"), str_z(policy_text)};
    findings_init(&findings);
    k->policy = policy_load(&file, 1, &findings);
    findings_done(&findings);
    make_record(k);
    arena_init(&k->arena, MEMORY);
    if (k->policy == NULL || prompt_build(&k->arena, k->policy, &k->record, &k->prompt) != ERR_OK ||
        !escape_questions(k))
        abort(); /* the texts are ours, and tested */
}

void known_done(struct known *k)
{
    policy_free(k->policy);
    arena_done(&k->arena);
    *k = (struct known){0};
}
