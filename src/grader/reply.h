/* What the replies of several dialects have in common, for their `read`. Pure; texts point into the
 * reply or its arena. */
#ifndef RBR_GRADER_REPLY_H
#define RBR_GRADER_REPLY_H

#include "base/json.h"
#include "grader/dialect.h"

/* The reply's object with model and usage taken from it; NULL when it is none, or an error. All
 * answers are broken until they are read. */
const struct json *reply_begin(struct arena *a, struct str body, struct answer *answers, size_t n,
                               struct dialect_reply *ret) RBR_MUST_CHECK;

/* Whether a reply, or a choice of it, says that it is an error, whatever else it says. */
bool reply_is_error(const struct json *v);

/* Of a body that answers nothing, such as an error's: what it says all the same. */
void reply_usage(struct arena *a, struct str body, struct dialect_reply *ret);

/* The elements of an array member, or NULL. */
const struct json *reply_array(const struct json *v, struct str key);
const struct json *reply_first(const struct json *list); /* of these; NULL: there is none */

/* Answers that say themselves which question they are to. Zero but for the array. */
struct reply_slots {
    struct answer *answers;
    bool taken[DIALECT_QUESTIONS_MAX];
};

/* Two answers to one question are none. `i` SIZE_MAX: it is to none of ours. */
void reply_put(struct reply_slots *s, size_t i, struct answer answer);

/* A text, or an empty one for anything else. */
struct str reply_text(const struct json *v);

/* Which question "q7", or the member `index`, means; SIZE_MAX when it is not one of n. */
size_t reply_question(struct str name, size_t n);
size_t reply_index(const struct json *v, size_t n);

/* A probability that the server computed itself, and the mass it reports, if it does. */
struct answer reply_probability(const struct json *p, const struct json *mass,
                                const struct policy *policy);

/* What a choice (of a chat or a completion) says, by the options' mode: its logprobs at the first
 * token that says something, or its text. Understands the chat API's logprobs (`content`) and the
 * completions API's (`tokens`, `top_logprobs` as maps) wherever they come. */
struct answer reply_choice(const struct json *choice, const struct dialect_options *options,
                           const struct policy *policy);

/* mode sample: the share of yes among the choices; `samples` when they are fewer than asked for. */
struct answer reply_samples(const struct json *choices, const struct dialect_options *options,
                            const struct policy *policy);
struct answer reply_judge_samples(const struct samples *s, const struct policy *policy);

/* A dialect's `read` where choices[].index says which question; each choice once. The only choice
 * for the only question needs no index. */
void reply_read_choices(struct arena *a, const struct dialect_frame *f, const struct policy *policy,
                        struct str body, struct answer *answers, size_t n,
                        struct dialect_reply *reply);

#endif
