#include "grader/dialect.h"

static const struct dialect *const dialects[] = {&dialect_chat};

const struct dialect *dialect_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (str_eq(name, str_z(dialects[i]->name)))
            return dialects[i];
    return NULL;
}
