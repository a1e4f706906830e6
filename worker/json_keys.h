/* Writing JSON objects key by key, for what commands print with --json. Each puts the comma before
 * it when it is not the first of its object. */
#ifndef RBR_WORKER_JSON_KEYS_H
#define RBR_WORKER_JSON_KEYS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

void json_key(struct buf *b, const char *key);
void json_count(struct buf *b, const char *key, uint64_t v);
void json_real(struct buf *b, const char *key, double v); /* null when not finite */
/* Names and ids; null when there is none. Bytes that are no UTF-8 become U+FFFD. */
void json_text(struct buf *b, const char *key, struct str s);
/* The value alone. */
void json_name(struct buf *b, struct str s);

#endif
