/* POST /v1/chat/completions: one question a request. By default one generated token, of which the
 * logprobs are read.
 *
 * temperature 1 and top_p 1: only the distribution is read, and every known server reports it
 * unscaled then; some scale it below 1. Facts about servers: docs/graders.md. */
#include "grader/frame.h"
#include "grader/reply.h"

enum { VERDICT_TOKENS = 8 }; /* enough for **"Yes".** */

static void write_thinking(struct buf *b, const struct dialect_options *o)
{
    if (o->thinking == THINKING_OFF_BY_TEMPLATE)
        (void)buf_append_z(b, ",\"chat_template_kwargs\":{\"enable_thinking\":false}");
    else if (o->thinking == THINKING_OFF_BY_EFFORT)
        (void)buf_append_z(b, ",\"reasoning_effort\":\"none\"");
}

static void write_after(struct buf *b, const struct dialect_options *o)
{
    unsigned tokens = o->mode == DIALECT_LOGPROBS ? 1 : VERDICT_TOKENS;
    if (o->thinking == THINKING_ALLOWED)
        tokens += o->thinking_tokens;
    /* servers that know reasoning_effort refuse max_tokens with some models */
    (void)buf_printf(b, ",\"%s\":%u,\"temperature\":%d,\"top_p\":1,\"n\":%u,\"stream\":false",
                     o->thinking == THINKING_OFF_BY_EFFORT ? "max_completion_tokens" : "max_tokens",
                     tokens, o->mode == DIALECT_VERDICT ? 0 : 1,
                     o->mode == DIALECT_SAMPLE ? o->samples : 1);
    if (o->mode == DIALECT_LOGPROBS)
        (void)buf_printf(b, ",\"logprobs\":true,\"top_logprobs\":%u", o->top_logprobs);
    if (o->mode == DIALECT_LOGPROBS && o->n_yes_ids > 0) {
        (void)buf_append_z(b, ",\"logprob_token_ids\":");
        frame_label_ids(b, o);
    }
    write_thinking(b, o);
    (void)buf_append_z(b, "}");
}

static bool frame(struct arena *a, struct dialect_frame *f)
{
    struct buf b;
    frame_begin(&b, f, ",\"messages\":");
    bool ok = frame_keep(a, &b, &f->before);
    write_after(&b, &f->options);
    ok = frame_keep(a, &b, &f->after) && ok;
    buf_done(&b);
    return ok;
}

static void build(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body)
{
    dialect_add(body, f->before);
    dialect_add(body, asked->prompt->messages_head);
    dialect_add_pieces(body, asked->prompt, asked->escaped[asked->propositions[0]]);
    dialect_add(body, asked->prompt->messages_tail);
    dialect_add(body, f->after);
}

static void read(struct arena *a, const struct dialect_frame *f, const struct policy *policy,
                 struct str body, struct answer *answers, size_t n, struct dialect_reply *reply)
{
    if (f->options.mode != DIALECT_SAMPLE) {
        reply_read_choices(a, f, policy, body, answers, n, reply);
        return;
    }
    const struct json *root = reply_begin(a, body, answers, n, reply);
    const struct json *choices = reply_array(root, STR("choices"));
    if (choices != NULL && choices->count > 0)
        answers[0] = reply_samples(choices, &f->options, policy);
}

const struct dialect dialect_chat = {
    .name = "chat",
    .path = "/v1/chat/completions",
    .questions_max = 1,
    .takes_turns = true,
    .takes_modes = true,
    .frame = frame,
    .build = build,
    .read = read,
};
