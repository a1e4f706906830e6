/* A dialect: how questions become a request and a reply becomes answers. One file each; the table
 * in dialect.c names them.
 *
 * One request asks 1 to `questions_max` questions about one completion. `build` lists the pieces of
 * its body, most of them shared between requests: nothing is copied. `read` turns a 200's body into
 * one answer for each question that was asked, in order: a probability or a reason, never anything
 * else, whatever the bytes. Pure. */
#ifndef RBR_GRADER_DIALECT_H
#define RBR_GRADER_DIALECT_H

#include "base/arena.h"
#include "grader/answer.h"
#include "grader/prompt.h"
#include "grader/usage.h"

enum { DIALECT_QUESTIONS_MAX = 200 };

/* What a probability is made of. */
enum dialect_mode {
    DIALECT_LOGPROBS, /* the distribution of the answer's first token */
    DIALECT_VERDICT, /* the answer's text: 0 or 1 */
    DIALECT_SAMPLE, /* the share of yes among several answers */
};

/* What is done about models that think before they answer. */
enum dialect_thinking {
    THINKING_UNSAID,
    THINKING_OFF_BY_TEMPLATE, /* chat_template_kwargs: vLLM, SGLang, llama.cpp */
    THINKING_OFF_BY_EFFORT, /* reasoning_effort: OpenAI */
    THINKING_ALLOWED, /* what comes after </think> is read */
};

/* How one grader is asked, from its settings. */
struct dialect_options {
    struct str model;
    unsigned top_logprobs;
    enum dialect_mode mode;
    unsigned samples; /* mode SAMPLE */
    enum dialect_thinking thinking;
    unsigned thinking_tokens; /* at most, when ALLOWED */
    const uint32_t *yes_ids, *no_ids; /* label tokens, for servers that want to be told */
    size_t n_yes_ids, n_no_ids;
    struct str prompt_before, prompt_after; /* the chat template around a prompt that is sent as
                                               text */
};

/* Fixed pieces of every request to one grader, made once. */
struct dialect_frame {
    struct dialect_options options; /* texts are the grader's */
    struct str before, after; /* of the body */
    struct str template_before, template_after; /* around one prompt, where there is no role */
    struct str *openings; /* before each question, where questions have names */
};

/* Questions of one request. */
struct dialect_asked {
    const struct prompt *prompt;
    const struct str *escaped; /* all questions of the policy, JSON-escaped */
    const uint16_t *propositions; /* those that are asked */
    size_t n;
};

/* A body in pieces; kept and used again. */
struct dialect_body {
    struct str *parts;
    size_t n, cap;
};

/* What a reply says besides the answers. Texts point into the reply or its arena. */
struct dialect_reply {
    struct str model, system_fingerprint;
    bool says_usage;
    struct usage usage; /* tokens alone; zero when it does not say */
};

struct dialect {
    const char *name;
    const char *path; /* appended to the endpoint's URL */
    size_t questions_max; /* in one request */
    bool takes_turns; /* the policy's layout `chat` */
    bool takes_modes; /* other than LOGPROBS, and thinking */
    bool needs_label_ids;
    bool (*frame)(struct arena *a, struct dialect_frame *f); /* fills it from its options; false:
                                                                the arena is full */
    void (*build)(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body);
    void (*read)(struct arena *a, const struct dialect_frame *f, const struct policy *policy,
                 struct str body, struct answer *answers, size_t n, struct dialect_reply *reply);
};

extern const struct dialect dialect_chat, dialect_chat_batch, dialect_completions;
extern const struct dialect dialect_score, dialect_generative_scoring;
extern const struct dialect dialect_systemone, dialect_decisions;

const struct dialect *dialect_find(struct str name); /* NULL when there is none */

/* Whether a dialect can be asked so; ERR_UNSUPPORTED or ERR_INVALID, with what to do about it. */
enum err_code dialect_check(const struct dialect *d, const struct dialect_options *o,
                            struct err *err) RBR_MUST_CHECK;
/* Whether it can send prompts of this policy. */
enum err_code dialect_check_policy(const struct dialect *d, const struct policy *policy,
                                   struct err *err) RBR_MUST_CHECK;

extern const struct dialect *const dialects[];
extern const size_t n_dialects;

/* For `build`: one piece; the prompt's pieces with the question in its places. */
void dialect_add(struct dialect_body *body, struct str piece);
void dialect_add_pieces(struct dialect_body *body, const struct prompt *p, struct str question);

/* The same in two: what all questions share, up to the first {question}, and the rest. */
void dialect_add_shared(struct dialect_body *body, const struct prompt *p);
void dialect_add_own(struct dialect_body *body, const struct prompt *p, struct str question);

size_t dialect_shared_bytes(const struct prompt *p); /* of what all questions share */

/* For decision APIs: the shared part as a JSON value, text or (layout `chat`) messages; and the
 * questions: each its opening, its own part, and "} */
void dialect_add_state(struct dialect_body *body, const struct prompt *p);
void dialect_add_questions(struct dialect_body *body, const struct dialect_frame *f,
                           const struct dialect_asked *asked);

size_t dialect_body_bytes(const struct dialect_body *body);

/* Tokens that the answers to so many questions may take. */
size_t dialect_output_tokens(const struct dialect_options *o, size_t n_questions);

void dialect_body_done(struct dialect_body *body); /* fine when zeroed */

#endif
