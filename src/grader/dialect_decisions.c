/* POST /v1/decisions as OpenAI has it: one input, up to 200 questions of type `predicate`, each
 * answered with a probability or refused by itself. What is input and what is a question: as in the
 * systemone dialect. */
#include "grader/frame.h"
#include "grader/reply.h"

static bool frame(struct arena *a, struct dialect_frame *f)
{
    struct buf b;
    frame_begin(&b, f, ",\"input\":");
    bool ok = frame_keep(a, &b, &f->before);
    ok = frame_openings(a, &b, f, DIALECT_QUESTIONS_MAX, "{\"type\":\"predicate\",\"name\":\"",
                        "\",\"instructions\":\"") &&
         ok;
    buf_done(&b);
    f->after = STR("]}");
    return ok;
}

static void build(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body)
{
    dialect_add(body, f->before);
    dialect_add_state(body, asked->prompt);
    dialect_add(body, STR(",\"questions\":["));
    dialect_add_questions(body, f, asked);
    dialect_add(body, f->after);
}

static struct answer read_answer(const struct json *v, const struct policy *policy)
{
    struct str type = reply_text(json_get(v, STR("type")));
    if (str_eq(type, STR("refusal")))
        return answer_ungraded(REASON_GRADER_REJECTED);
    if (!str_eq(type, STR("predicate")))
        return answer_broken();
    return reply_probability(json_get(v, STR("probability")), NULL, policy);
}

static void read(struct arena *a, const struct dialect_frame *f RBR_UNUSED,
                 const struct policy *policy, struct str body, struct answer *answers, size_t n,
                 struct dialect_reply *reply)
{
    const struct json *root = reply_begin(a, body, answers, n, reply);
    struct reply_slots slots = {.answers = answers};
    const struct json *v = reply_first(reply_array(root, STR("answers")));
    for (; v != NULL; v = v->next)
        reply_put(&slots, reply_question(reply_text(json_get(v, STR("name"))), n),
                  read_answer(v, policy));
}

const struct dialect dialect_decisions = {
    .name = "decisions",
    .path = "/v1/decisions",
    .questions_max = DIALECT_QUESTIONS_MAX,
    .takes_turns = true,
    .frame = frame,
    .build = build,
    .read = read,
};
