/* A stand-in grader: an HTTP server that speaks the chat dialect and answers by lexical rules.
 *
 * It is no judge: it looks for words. It exists so that the whole job can be run without a model
 * (demo, dry runs, load tests). Its own thread (libmicrohttpd), loopback by default. For each
 * question it finds the completion in the prompt, decides yes or no by a table of phrases per known
 * topic (apology, refusal, judgement, ...), else by the words question and completion share, and
 * answers with logprobs. */
#ifndef RBR_STANDIN_STANDIN_H
#define RBR_STANDIN_STANDIN_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct standin;

struct standin_config {
    const char *address; /* "127.0.0.1" */
    uint16_t port; /* 0: any */
    uint32_t delay_ms; /* before each reply */
};

enum err_code standin_new(const struct standin_config *config, struct standin **ret,
                          struct err *err) RBR_MUST_CHECK;
void standin_free(struct standin *s);
uint16_t standin_port(const struct standin *s);
uint64_t standin_requests(const struct standin *s);

/* The lexical rule alone, in [0, 1]: exposed for its tests. */
double standin_answer(struct str prompt);

#endif
