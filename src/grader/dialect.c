#include "grader/dialect.h"

#include "base/mem.h"

const struct dialect *const dialects[] = {
    &dialect_chat,      &dialect_chat_batch,         &dialect_completions,
    &dialect_score,     &dialect_generative_scoring, &dialect_systemone,
    &dialect_decisions,
};

const size_t n_dialects = ARRAY_LEN(dialects);

const struct dialect *dialect_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (str_eq(name, str_z(dialects[i]->name)))
            return dialects[i];
    return NULL;
}

enum err_code dialect_check(const struct dialect *d, const struct dialect_options *o,
                            struct err *err)
{
    if (!d->takes_modes && o->mode != DIALECT_LOGPROBS)
        return err_set(err, ERR_UNSUPPORTED, "dialect %s has probabilities: only chat has a mode",
                       d->name);
    if (!d->takes_modes && o->thinking == THINKING_ALLOWED)
        return err_set(err, ERR_UNSUPPORTED,
                       "dialect %s reads one token: only chat can let a model think", d->name);
    if (o->mode == DIALECT_SAMPLE && o->samples == 0)
        return err_set(err, ERR_INVALID, "mode sample needs at least one sample");
    if ((o->n_yes_ids > 0) != (o->n_no_ids > 0))
        return err_set(err, ERR_INVALID, "yes_token_ids and no_token_ids go together");
    if (d->needs_label_ids && o->n_yes_ids == 0)
        return err_set(err, ERR_INVALID,
                       "dialect %s needs yes_token_ids and no_token_ids; rbr check --probe finds "
                       "them",
                       d->name);
    if (d == &dialect_generative_scoring && o->n_yes_ids + o->n_no_ids != 2)
        return err_set(err, ERR_INVALID, "dialect %s takes one yes and one no token", d->name);
    return ERR_OK;
}

enum err_code dialect_check_policy(const struct dialect *d, const struct policy *policy,
                                   struct err *err)
{
    if (policy->layout == LAYOUT_CHAT && !d->takes_turns)
        return err_set(err, ERR_UNSUPPORTED,
                       "dialect %s sends text, and the policy's layout is chat; take layout inline",
                       d->name);
    return ERR_OK;
}

void dialect_add(struct dialect_body *body, struct str piece)
{
    if (body->n == body->cap)
        mem_grow((void **)&body->parts, &body->cap, body->n, sizeof(*body->parts));
    body->parts[body->n++] = piece;
}

static size_t shared_pieces(const struct prompt *p)
{
    size_t n = 0;
    while (n < p->n_pieces && p->pieces[n].p != NULL)
        n++;
    return n;
}

static void add_pieces(struct dialect_body *body, const struct prompt *p, size_t from, size_t to,
                       struct str question)
{
    for (size_t i = from; i < to; i++)
        dialect_add(body, p->pieces[i].p != NULL ? p->pieces[i] : question);
}

void dialect_add_pieces(struct dialect_body *body, const struct prompt *p, struct str question)
{
    add_pieces(body, p, 0, p->n_pieces, question);
}

void dialect_add_shared(struct dialect_body *body, const struct prompt *p)
{
    add_pieces(body, p, 0, shared_pieces(p), (struct str){0});
}

size_t dialect_shared_bytes(const struct prompt *p)
{
    size_t bytes = p->messages_head.n;
    for (size_t i = 0; i < shared_pieces(p); i++)
        bytes += p->pieces[i].n;
    return bytes;
}

void dialect_add_own(struct dialect_body *body, const struct prompt *p, struct str question)
{
    add_pieces(body, p, shared_pieces(p), p->n_pieces, question);
}

void dialect_add_state(struct dialect_body *body, const struct prompt *p)
{
    bool messages = p->policy->layout == LAYOUT_CHAT;
    dialect_add(body, messages ? p->messages_head : STR("\""));
    dialect_add_shared(body, p);
    dialect_add(body, messages ? p->messages_tail : STR("\""));
}

void dialect_add_questions(struct dialect_body *body, const struct dialect_frame *f,
                           const struct dialect_asked *asked)
{
    for (size_t i = 0; i < asked->n; i++) {
        dialect_add(body, f->openings[i]);
        dialect_add_own(body, asked->prompt, asked->escaped[asked->propositions[i]]);
        dialect_add(body, STR("\"}"));
    }
}

size_t dialect_body_bytes(const struct dialect_body *body)
{
    size_t n = 0;
    for (size_t i = 0; i < body->n; i++)
        n += body->parts[i].n;
    return n;
}

size_t dialect_output_tokens(const struct dialect_options *o, size_t n_questions)
{
    size_t each = o->mode == DIALECT_SAMPLE ? o->samples : 1;
    if (o->thinking == THINKING_ALLOWED)
        each *= o->thinking_tokens;
    return each * n_questions;
}

void dialect_body_done(struct dialect_body *body)
{
    mem_free(body->parts);
    *body = (struct dialect_body){0};
}
