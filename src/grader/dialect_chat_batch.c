/* POST /v1/chat/completions/batch (vLLM): many conversations, one choice each. The prompt is sent
 * as often as there are questions: what is saved is requests, not bytes. */
#include "grader/reply.h"

static bool frame(struct arena *a, struct dialect_frame *f)
{
    return dialect_chat.frame(a, f); /* the same options; `messages` is a list of lists */
}

static void build(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body)
{
    dialect_add(body, f->before);
    for (size_t i = 0; i < asked->n; i++) {
        dialect_add(body, i == 0 ? STR("[") : STR(","));
        dialect_add(body, asked->prompt->messages_head);
        dialect_add_pieces(body, asked->prompt, asked->escaped[asked->propositions[i]]);
        dialect_add(body, asked->prompt->messages_tail);
    }
    dialect_add(body, STR("]"));
    dialect_add(body, f->after);
}

static void read(struct arena *a, const struct dialect_frame *f, const struct policy *policy,
                 struct str body, struct answer *answers, size_t n, struct dialect_reply *reply)
{
    const struct json *root = reply_begin(a, body, answers, n, reply);
    reply_choices_by_index(root, &f->options, policy, answers, n);
}

const struct dialect dialect_chat_batch = {
    .name = "chat_batch",
    .path = "/v1/chat/completions/batch",
    .questions_max = DIALECT_QUESTIONS_MAX,
    .takes_turns = true,
    .frame = frame,
    .build = build,
    .read = read,
};
