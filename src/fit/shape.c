#include "fit/shape.h"

#include "base/attr.h"

struct str shape_text(const struct json *object, struct str key)
{
    const struct json *v = json_get(object, key);
    return v != NULL && v->type == JSON_STRING ? v->string : STR("");
}

const struct json *shape_entry(const struct json *array, struct str key, struct str name)
{
    const struct json *c = array != NULL && array->type == JSON_ARRAY ? array->child : NULL;
    while (c != NULL && !str_eq(shape_text(c, key), name))
        c = c->next;
    return c;
}

/* Python writes NaN and Infinity where JSON has no such numbers: say so. */
enum err_code shape_fault(struct str text, const struct json_fault *fault, struct err *err)
{
    static const struct str names[] = {STR_INIT("NaN"), STR_INIT("Infinity"),
                                       STR_INIT("-Infinity")};
    struct str rest = str_sub(text, fault->offset < text.n ? fault->offset : text.n, text.n);
    bool named = fault->kind == JSON_FAULT_NOT_FINITE;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        named = named || str_has_prefix(rest, names[i]);
    if (named)
        return err_set(err, ERR_INVALID,
                       "a number that is not finite, at byte %zu; correct it, or leave the row out",
                       fault->offset);
    return err_set(err, ERR_INVALID, "%s, at byte %zu; a row is one JSON object",
                   json_fault_text(fault->kind), fault->offset);
}
