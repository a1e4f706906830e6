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

const struct dialect dialect_chat_batch = {
    .name = "chat_batch",
    .path = "/v1/chat/completions/batch",
    .questions_max = DIALECT_QUESTIONS_MAX,
    .takes_turns = true,
    .frame = frame,
    .build = build,
    .read = reply_read_choices,
};
