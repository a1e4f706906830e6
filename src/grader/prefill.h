/* How many tokens of prompts one endpoint has to read at this moment: an estimate, from above.
 * Pure.
 *
 * What the questions about one completion share is read once: it is taken to be in the server's
 * prefix cache after a request with it went there, while it is among the latest such. So the first
 * question about a completion costs its whole prompt, and each further one its own text. (What
 * completions of one prompt share is counted for each of them.) A token is taken for 4 bytes. */
#ifndef RBR_GRADER_PREFILL_H
#define RBR_GRADER_PREFILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PREFILL_RECENT = 256, PREFILL_TOKEN_BYTES = 4 };

/* One request. */
struct prefill_request {
    uint64_t key; /* of what it begins with; never 0 */
    size_t shared, own; /* bytes: that beginning, and the rest */
};

struct prefill {
    uint64_t recent[PREFILL_RECENT]; /* keys, each at its place; 0: none */
    size_t tokens; /* in flight */
};

bool prefill_is_cached(const struct prefill *p, const struct prefill_request *r);
size_t prefill_tokens(const struct prefill *p, const struct prefill_request *r); /* to be read */

/* Whether there is room below `most` tokens in flight (0: no bound). There always is for one alone,
 * whatever it costs, and for what need not be read again: elsewhere it would have to be. */
bool prefill_has_room(const struct prefill *p, const struct prefill_request *r, size_t most);

size_t prefill_start(struct prefill *p,
                     const struct prefill_request *r); /* its tokens, for the end */
void prefill_end(struct prefill *p, size_t tokens);

#endif
