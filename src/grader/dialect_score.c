/* Servers that compute the probabilities of given tokens after `query` + item: one query, which all
 * questions share, and an item each. Two of them, with replies of their own:
 *
 *   score               SGLang, POST /v1/score: scores[i] = P of each label token. Asked without
 *                       softmax, so that the labels' mass is known.
 *   generative_scoring  vLLM, POST /generative_scoring: data[i].score = share of the first of two
 *                       label tokens. What mass they have together it does not say.
 *
 * The server joins the texts as they are: options.prompt_before and prompt_after are the chat
 * template around them. */
#include <math.h>

#include "grader/frame.h"
#include "grader/labels.h"
#include "grader/reply.h"

static bool frame_with(struct arena *a, struct dialect_frame *f, bool softmax)
{
    struct buf b;
    frame_begin(&b, f, ",\"query\":\"");
    bool ok = frame_keep(a, &b, &f->before);
    (void)buf_append_z(&b, "],\"label_token_ids\":");
    frame_label_ids(&b, &f->options);
    (void)buf_printf(&b, ",\"item_first\":false,\"apply_softmax\":%s}", softmax ? "true" : "false");
    ok = frame_keep(a, &b, &f->after) && ok;
    ok = frame_template(a, &b, f) && ok;
    buf_done(&b);
    return ok;
}

static bool frame_score(struct arena *a, struct dialect_frame *f)
{
    return frame_with(a, f, false);
}

static bool frame_generative(struct arena *a, struct dialect_frame *f)
{
    return frame_with(a, f, true);
}

static void build(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body)
{
    dialect_add(body, f->before);
    dialect_add(body, f->template_before);
    dialect_add_shared(body, asked->prompt);
    for (size_t i = 0; i < asked->n; i++) {
        dialect_add(body, i == 0 ? STR("\",\"items\":[\"") : STR(",\""));
        dialect_add_own(body, asked->prompt, asked->escaped[asked->propositions[i]]);
        dialect_add(body, f->template_after);
        dialect_add(body, STR("\""));
    }
    dialect_add(body, f->after);
}

static bool add(double *sum, const struct json *v)
{
    if (v == NULL || v->type != JSON_NUMBER || !(v->number >= 0 && v->number <= 1.01))
        return false;
    *sum += v->number;
    return true;
}

static struct answer read_scores(const struct json *list, const struct dialect_options *o,
                                 const struct policy *policy)
{
    struct labels_sum sum = {.policy = policy};
    if (list->type != JSON_ARRAY || list->count != o->n_yes_ids + o->n_no_ids)
        return answer_broken();
    const struct json *v = list->child;
    for (size_t i = 0; i < list->count; i++, v = v->next)
        if (!add(i < o->n_yes_ids ? &sum.yes : &sum.no, v))
            return answer_broken();
    return labels_judge(&sum);
}

static void read_score(struct arena *a, const struct dialect_frame *f, const struct policy *policy,
                       struct str body, struct answer *answers, size_t n,
                       struct dialect_reply *reply)
{
    const struct json *root = reply_begin(a, body, answers, n, reply);
    const struct json *scores = reply_array(root, STR("scores"));
    if (scores == NULL || scores->count != n) /* by place alone: a wrong length says nothing */
        return;
    const struct json *v = scores->child;
    for (size_t i = 0; i < n; i++, v = v->next)
        answers[i] = read_scores(v, &f->options, policy);
}

static void read_generative(struct arena *a, const struct dialect_frame *f RBR_UNUSED,
                            const struct policy *policy, struct str body, struct answer *answers,
                            size_t n, struct dialect_reply *reply)
{
    const struct json *root = reply_begin(a, body, answers, n, reply);
    struct reply_slots slots = {.answers = answers};
    const struct json *v = reply_first(reply_array(root, STR("data")));
    for (; v != NULL; v = v->next)
        reply_put(&slots, reply_index(v, n),
                  reply_probability(json_get(v, STR("score")), NULL, policy));
}

const struct dialect dialect_score = {
    .name = "score",
    .path = "/v1/score",
    .questions_max = DIALECT_QUESTIONS_MAX,
    .needs_label_ids = true,
    .frame = frame_score,
    .build = build,
    .read = read_score,
};

const struct dialect dialect_generative_scoring = {
    .name = "generative_scoring",
    .path = "/generative_scoring",
    .questions_max = DIALECT_QUESTIONS_MAX,
    .needs_label_ids = true,
    .frame = frame_generative,
    .build = build,
    .read = read_generative,
};
