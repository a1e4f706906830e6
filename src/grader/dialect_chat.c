/* POST /v1/chat/completions with logprobs: one question a request, one generated token.
 *
 * temperature 1 and top_p 1: only the distribution is read, and every known server reports it
 * unscaled then; some scale it below 1. Facts about servers: docs/internals/grader.md. */
#include <stdio.h>

#include "base/json.h"
#include "grader/dialect.h"
#include "grader/labels.h"

enum { POSITIONS_MAX = 4 }; /* tokens looked at for the first one that says something */

static bool frame(struct arena *a, struct dialect_frame *f)
{
    struct buf b;
    buf_init(&b, 1u << 16);
    (void)buf_append_z(&b, "{\"model\":");
    (void)json_quote(&b, f->options.model);
    (void)buf_append_z(&b, ",\"messages\":");
    bool ok = !b.failed && arena_copy(a, buf_str(&b), &f->before);
    buf_reset(&b);
    (void)buf_printf(&b,
                     ",\"max_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
                     "\"logprobs\":true,"
                     "\"top_logprobs\":%u}",
                     f->options.top_logprobs);
    ok = ok && arena_copy(a, buf_str(&b), &f->after);
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

static struct str text(const struct json *v)
{
    return v != NULL && v->type == JSON_STRING ? v->string : (struct str){0};
}

static uint64_t count(const struct json *object, const char *key)
{
    int64_t n = 0;
    return json_integer(json_get(object, str_z(key)), 0, INT64_MAX, &n) ? (uint64_t)n : 0;
}

static void read_usage(const struct json *root, struct dialect_reply *reply)
{
    const struct json *usage = json_get(root, STR("usage"));
    reply->model = text(json_get(root, STR("model")));
    reply->system_fingerprint = text(json_get(root, STR("system_fingerprint")));
    reply->input_tokens = count(usage, "prompt_tokens");
    reply->output_tokens = count(usage, "completion_tokens");
    reply->cached_input_tokens =
        count(json_get(usage, STR("prompt_tokens_details")), "cached_tokens");
}

/* One alternative; a null logprob means below the list. False: not an alternative at all. */
static bool add(struct labels_sum *sum, const struct json *v)
{
    const struct json *token = json_get(v, STR("token")), *logprob = json_get(v, STR("logprob"));
    if (token == NULL || token->type != JSON_STRING || logprob == NULL)
        return false;
    if (logprob->type == JSON_NULL)
        return true;
    return logprob->type == JSON_NUMBER && labels_add(sum, token->string, logprob->number);
}

static bool in_list(const struct json *list, struct str token)
{
    for (const struct json *v = list->child; v != NULL; v = v->next)
        if (str_eq(text(json_get(v, STR("token"))), token))
            return true;
    return false;
}

/* The first position whose token says something. */
static const struct json *position(const struct json *content)
{
    size_t looked = 0;
    for (const struct json *v = content->child; v != NULL && looked < POSITIONS_MAX;
         v = v->next, looked++)
        if (label_strip(text(json_get(v, STR("token")))).n > 0)
            return v;
    return content->child;
}

static struct answer read_position(const struct policy *policy, const struct json *at)
{
    struct labels_sum sum = {.policy = policy};
    const struct json *top = json_get(at, STR("top_logprobs"));
    if (top == NULL || top->type != JSON_ARRAY)
        return answer_broken();
    if (top->count == 0) /* the sampled token alone is a verdict, not a probability */
        return answer_ungraded(REASON_UNPARSEABLE_VERDICT);
    bool ok = true;
    for (const struct json *v = top->child; v != NULL; v = v->next)
        ok = add(&sum, v) && ok;
    if (!in_list(top, text(json_get(at, STR("token")))))
        ok = add(&sum, at) && ok;
    return ok ? labels_judge(&sum) : answer_broken();
}

static struct answer read_choice(const struct policy *policy, const struct json *choice)
{
    const struct json *message = json_get(choice, STR("message"));
    struct str finish = text(json_get(choice, STR("finish_reason")));
    if (text(json_get(message, STR("refusal"))).n > 0 || str_eq(finish, STR("content_filter")))
        return answer_ungraded(REASON_GRADER_REJECTED);
    if (str_eq(finish, STR("abort")))
        return answer_broken();
    const struct json *content = json_get(json_get(choice, STR("logprobs")), STR("content"));
    if (content == NULL || content->type != JSON_ARRAY || content->count == 0)
        return answer_ungraded(REASON_UNPARSEABLE_VERDICT); /* the server gives no logprobs: asking
                                                               again changes nothing */
    return read_position(policy, position(content));
}

static void read(struct arena *a, const struct dialect_frame *f RBR_UNUSED,
                 const struct policy *policy, struct str body, struct answer *answers,
                 size_t n RBR_UNUSED, struct dialect_reply *reply)
{
    struct json_fault fault;
    const struct json *root = json_parse(a, body, &fault);
    *reply = (struct dialect_reply){0};
    answers[0] = answer_broken();
    if (root == NULL || root->type != JSON_OBJECT)
        return;
    read_usage(root, reply);
    const struct json *choices = json_get(root, STR("choices"));
    if (choices != NULL && choices->type == JSON_ARRAY && choices->count > 0)
        answers[0] = read_choice(policy, choices->child);
}

const struct dialect dialect_chat = {
    .name = "chat",
    .path = "/v1/chat/completions",
    .questions_max = 1,
    .frame = frame,
    .build = build,
    .read = read,
};
