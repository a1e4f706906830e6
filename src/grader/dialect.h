/* A dialect: how a question becomes a request and a reply becomes a judgment. One file each; the
 * table in dialect.c names them.
 *
 * `parts` lists the pieces of the request's body, most of them shared between the questions on one
 * completion: nothing is copied. `read` turns a 200's body into one judgment, graded or with a
 * reason, never anything else. Pure. */
#ifndef RBR_GRADER_DIALECT_H
#define RBR_GRADER_DIALECT_H

#include "base/arena.h"
#include "grader/judgment.h"
#include "grader/prompt.h"

enum { DIALECT_PARTS_MAX = 2 * POLICY_PLACEHOLDERS_MAX + 8 };

/* Fixed pieces of every request to one grader, made once. */
struct dialect_frame {
    struct str before; /* the messages */
    struct str after;
};

/* What a reply says besides the judgment. Texts point into the reply or its arena. */
struct dialect_reply {
    struct str model, system_fingerprint;
    uint64_t input_tokens, cached_input_tokens, output_tokens;
    bool retry; /* the reply is broken rather than a refusal: another try may do */
};

struct dialect {
    const char *name;
    const char *path; /* appended to the endpoint's URL */
    bool (*frame)(struct arena *a, struct str model, unsigned top_logprobs,
                  struct dialect_frame *ret);
    size_t (*parts)(const struct dialect_frame *f, const struct prompt *p,
                    struct str escaped_question, struct str parts[DIALECT_PARTS_MAX]);
    void (*read)(struct arena *a, const struct policy *policy, struct str body,
                 struct judgment *judgment, struct dialect_reply *reply);
};

extern const struct dialect dialect_chat;

const struct dialect *dialect_find(struct str name); /* NULL when there is none */

#endif
