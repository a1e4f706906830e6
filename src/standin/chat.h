/* The chat dialect from the server's side: a request's body in, a reply's body out.
 *
 * One generated token, "yes" or "no", with its alternatives when logprobs are asked for. What the
 * stand-in cannot do (streams, several choices, tools) is refused as the real API refuses a wrong
 * request: 400 and an error object. Pure; memory is the caller's arena. */
#ifndef RBR_STANDIN_CHAT_H
#define RBR_STANDIN_CHAT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

#define CHAT_MODEL "rbr-standin"

/* Appends the reply to `body` and returns its HTTP status. `serial` and `created_s` go into it. */
unsigned chat_reply(struct arena *a, struct str request, uint64_t serial, int64_t created_s,
                    struct buf *out);

/* Appends {"error": {...}}. `code` may be NULL. */
void chat_error(struct buf *out, const char *message, const char *code);

#endif
