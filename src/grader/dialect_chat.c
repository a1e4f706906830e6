/* POST /v1/chat/completions with logprobs: one question a request, one generated token.
 *
 * temperature 1 and top_p 1: only the distribution is read, and every known server reports it
 * unscaled then; some scale it below 1. Facts about servers: docs/internals/grader.md. */
#include <stdio.h>

#include "base/json.h"
#include "grader/dialect.h"
#include "grader/labels.h"

enum { POSITIONS_MAX = 4 }; /* tokens looked at for the first one that says something */

static bool frame(struct arena *a, struct str model, unsigned top_logprobs,
                  struct dialect_frame *ret)
{
    struct buf b;
    buf_init(&b, 1u << 16);
    (void)buf_append_z(&b, "{\"model\":");
    (void)json_quote(&b, model);
    (void)buf_append_z(&b, ",\"messages\":");
    bool ok = !b.failed && arena_copy(a, buf_str(&b), &ret->before);
    buf_reset(&b);
    (void)buf_printf(&b,
                     ",\"max_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
                     "\"logprobs\":true,"
                     "\"top_logprobs\":%u}",
                     top_logprobs);
    ok = ok && arena_copy(a, buf_str(&b), &ret->after);
    buf_done(&b);
    return ok;
}

static size_t parts(const struct dialect_frame *f, const struct prompt *p,
                    struct str escaped_question, struct str out[DIALECT_PARTS_MAX])
{
    size_t n = 0;
    out[n++] = f->before;
    out[n++] = p->messages_head;
    for (size_t i = 0; i < p->n_pieces; i++)
        out[n++] = p->pieces[i].p != NULL ? p->pieces[i] : escaped_question;
    out[n++] = p->messages_tail;
    out[n++] = f->after;
    return n;
}

static struct str text(const struct json *v)
{
    return v != NULL && v->type == JSON_STRING ? v->string : (struct str){0};
}

static void ungraded(struct judgment *j, enum reason reason)
{
    j->status = JUDGMENT_UNGRADED;
    j->reason = reason;
}

/* A reply that is not what the API promises: another try may do. */
static void broken(struct judgment *j, struct dialect_reply *reply)
{
    ungraded(j, REASON_UNPARSEABLE_VERDICT);
    reply->retry = true;
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

static void read_position(const struct policy *policy, const struct json *at, struct judgment *j,
                          struct dialect_reply *reply)
{
    struct labels_sum sum = {.policy = policy};
    const struct json *top = json_get(at, STR("top_logprobs"));
    struct str sampled = text(json_get(at, STR("token")));
    if (top == NULL || top->type != JSON_ARRAY) {
        broken(j, reply);
        return;
    }
    if (top->count == 0) {
        ungraded(j, REASON_UNPARSEABLE_VERDICT); /* the sampled token alone is a verdict, not a
                                                    probability */
        return;
    }
    bool ok = true;
    for (const struct json *v = top->child; v != NULL; v = v->next)
        ok = add(&sum, v) && ok;
    if (!in_list(top, sampled))
        ok = add(&sum, at) && ok;
    if (ok)
        labels_judge(&sum, j);
    else
        broken(j, reply);
}

static void read_choice(const struct policy *policy, const struct json *choice, struct judgment *j,
                        struct dialect_reply *reply)
{
    const struct json *message = json_get(choice, STR("message"));
    struct str finish = text(json_get(choice, STR("finish_reason")));
    if (text(json_get(message, STR("refusal"))).n > 0 || str_eq(finish, STR("content_filter"))) {
        ungraded(j, REASON_GRADER_REJECTED);
        return;
    }
    if (str_eq(finish, STR("abort"))) {
        broken(j, reply);
        return;
    }
    const struct json *content = json_get(json_get(choice, STR("logprobs")), STR("content"));
    if (content == NULL || content->type != JSON_ARRAY || content->count == 0) {
        ungraded(j, REASON_UNPARSEABLE_VERDICT); /* the server gives no logprobs: asking again
                                                    changes nothing */
        return;
    }
    read_position(policy, position(content), j, reply);
}

static void read(struct arena *a, const struct policy *policy, struct str body, struct judgment *j,
                 struct dialect_reply *reply)
{
    struct json_fault fault;
    const struct json *root = json_parse(a, body, &fault);
    *reply = (struct dialect_reply){0};
    if (root == NULL || root->type != JSON_OBJECT) {
        broken(j, reply);
        return;
    }
    read_usage(root, reply);
    const struct json *choices = json_get(root, STR("choices"));
    if (choices == NULL || choices->type != JSON_ARRAY || choices->count == 0) {
        broken(j, reply);
        return;
    }
    read_choice(policy, choices->child, j, reply);
}

const struct dialect dialect_chat = {
    .name = "chat",
    .path = "/v1/chat/completions",
    .frame = frame,
    .parts = parts,
    .read = read,
};
