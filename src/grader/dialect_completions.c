/* POST /v1/completions with a list of prompts, one choice each. No chat template is applied by the
 * server: options.prompt_before and prompt_after are its text around the prompt. Each prompt is
 * sent whole: what is saved is requests, not bytes. */
#include "grader/frame.h"
#include "grader/reply.h"

static bool frame(struct arena *a, struct dialect_frame *f)
{
    struct buf b;
    frame_begin(&b, f, ",\"prompt\":[");
    bool ok = frame_keep(a, &b, &f->before);
    (void)buf_printf(&b,
                     "],\"max_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
                     "\"logprobs\":%u}",
                     f->options.top_logprobs);
    ok = frame_keep(a, &b, &f->after) && ok;
    ok = frame_template(a, &b, f) && ok;
    buf_done(&b);
    return ok;
}

static void build(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body)
{
    dialect_add(body, f->before);
    for (size_t i = 0; i < asked->n; i++) {
        dialect_add(body, i == 0 ? STR("\"") : STR(",\""));
        dialect_add(body, f->template_before);
        dialect_add_pieces(body, asked->prompt, asked->escaped[asked->propositions[i]]);
        dialect_add(body, f->template_after);
        dialect_add(body, STR("\""));
    }
    dialect_add(body, f->after);
}

const struct dialect dialect_completions = {
    .name = "completions",
    .path = "/v1/completions",
    .questions_max = DIALECT_QUESTIONS_MAX,
    .frame = frame,
    .build = build,
    .read = reply_read_choices,
};
