/* POST /v1/systemone: one state, up to 64 questions of type `noul`, a probability each.
 *
 * The state is what all questions share: the prompt up to the first {question}, as text, or as a
 * list of messages in the policy's layout `chat`. A question's instructions are the rest. The
 * server puts words of its own around both. */
#include "grader/frame.h"
#include "grader/reply.h"

enum { QUESTIONS_MAX = 64 };

static bool frame(struct arena *a, struct dialect_frame *f)
{
    struct buf b;
    frame_begin(&b, f, ",\"state\":");
    bool ok = frame_keep(a, &b, &f->before);
    ok = frame_openings(a, &b, f, QUESTIONS_MAX, "\"",
                        "\":{\"type\":\"noul\",\"instructions\":\"") &&
         ok;
    buf_done(&b);
    f->after = STR("}}");
    return ok;
}

static void build(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body)
{
    dialect_add(body, f->before);
    dialect_add_state(body, asked->prompt);
    dialect_add(body, STR(",\"questions\":{"));
    dialect_add_questions(body, f, asked);
    dialect_add(body, f->after);
}

static struct answer read_answer(const struct json *v, const struct json *mass,
                                 const struct policy *policy)
{
    struct str type = reply_text(json_get(v, STR("type")));
    if (str_eq(type, STR("refusal")))
        return answer_ungraded(REASON_GRADER_REJECTED);
    if (!str_eq(type, STR("noul")))
        return answer_broken();
    return reply_probability(json_get(v, STR("noul")), mass, policy);
}

static void read(struct arena *a, const struct dialect_frame *f RBR_UNUSED,
                 const struct policy *policy, struct str body, struct answer *answers, size_t n,
                 struct dialect_reply *reply)
{
    const struct json *root = reply_begin(a, body, answers, n, reply);
    const struct json *list = json_get(root, STR("answers"));
    const struct json *diagnostics = json_get(root, STR("diagnostics"));
    if (list == NULL || list->type != JSON_OBJECT)
        return;
    for (const struct json *v = list->child; v != NULL; v = v->next) {
        size_t i = reply_question(v->key, n);
        if (i != SIZE_MAX)
            answers[i] =
                read_answer(v, json_get(json_get(diagnostics, v->key), STR("label_mass")), policy);
    }
}

const struct dialect dialect_systemone = {
    .name = "systemone",
    .path = "/v1/systemone",
    .questions_max = QUESTIONS_MAX,
    .takes_turns = true,
    .frame = frame,
    .build = build,
    .read = read,
};
