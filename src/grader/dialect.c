#include "grader/dialect.h"

#include "base/mem.h"

static const struct dialect *const dialects[] = {&dialect_chat};

const struct dialect *dialect_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (str_eq(name, str_z(dialects[i]->name)))
            return dialects[i];
    return NULL;
}

void dialect_add(struct dialect_body *body, struct str piece)
{
    if (body->n == body->cap)
        mem_grow((void **)&body->parts, &body->cap, body->n, sizeof(*body->parts));
    body->parts[body->n++] = piece;
}

void dialect_add_pieces(struct dialect_body *body, const struct prompt *p, struct str question)
{
    for (size_t i = 0; i < p->n_pieces; i++)
        dialect_add(body, p->pieces[i].p != NULL ? p->pieces[i] : question);
}

void dialect_body_done(struct dialect_body *body)
{
    mem_free(body->parts);
    *body = (struct dialect_body){0};
}
