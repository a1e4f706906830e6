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

enum { DIALECT_QUESTIONS_MAX = 200 };

/* How one grader is asked, from its settings. */
struct dialect_options {
    struct str model;
    unsigned top_logprobs;
};

/* Fixed pieces of every request to one grader, made once. */
struct dialect_frame {
    struct dialect_options options; /* texts are the grader's */
    struct str before, after; /* of the body */
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
    uint64_t input_tokens, cached_input_tokens, output_tokens;
};

struct dialect {
    const char *name;
    const char *path; /* appended to the endpoint's URL */
    size_t questions_max; /* in one request */
    bool (*frame)(struct arena *a, struct dialect_frame *f); /* fills it from its options; false:
                                                                the arena is full */
    void (*build)(const struct dialect_frame *f, const struct dialect_asked *asked,
                  struct dialect_body *body);
    void (*read)(struct arena *a, const struct dialect_frame *f, const struct policy *policy,
                 struct str body, struct answer *answers, size_t n, struct dialect_reply *reply);
};

extern const struct dialect dialect_chat;

const struct dialect *dialect_find(struct str name); /* NULL when there is none */

/* For `build`: a piece; the prompt's pieces with the question in its places. */
void dialect_add(struct dialect_body *body, struct str piece);
void dialect_add_pieces(struct dialect_body *body, const struct prompt *p, struct str question);

void dialect_body_done(struct dialect_body *body); /* fine when zeroed */

#endif
