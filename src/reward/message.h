/* Any of our protobuf messages as text or JSON, by walking its descriptor: `rbr tail`, `rbr score
 * --json`. Bytes fields that are text (everything but digests) print as JSON strings; digests as
 * hex. Pure. */
#ifndef RBR_REWARD_MESSAGE_H
#define RBR_REWARD_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"

enum message_type { MESSAGE_REWARD, MESSAGE_COMPLETION };
enum message_style { MESSAGE_JSON_LINE, MESSAGE_JSON_PRETTY };

/* Appends the message as JSON with the field names of the .proto file; absent fields are left out,
 * except that arrays of a Reward are always there. ERR_INVALID when the bytes are no such message.
 */
enum err_code message_print(enum message_type type, struct str packed, enum message_style style,
                            struct buf *out, struct err *err) RBR_MUST_CHECK;

#endif
