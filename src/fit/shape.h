/* What the lines of JSON that fit/ reads have in common. Private to fit/. Pure. */
#ifndef RBR_FIT_SHAPE_H
#define RBR_FIT_SHAPE_H

#include "base/err.h"
#include "base/json.h"

/* The text of a member; n == 0 when it is none. */
struct str shape_text(const struct json *object, struct str key);

/* The entry of an array of objects whose `key` is `name`; NULL when there is none. */
const struct json *shape_entry(const struct json *array, struct str key, struct str name);

/* ERR_INVALID: why a line is no JSON object, with what to do. */
enum err_code shape_fault(struct str text, const struct json_fault *fault, struct err *err);

#endif
