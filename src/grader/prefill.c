#include "grader/prefill.h"

bool prefill_is_cached(const struct prefill *p, const struct prefill_request *r)
{
    return p->recent[r->key % PREFILL_RECENT] == r->key;
}

size_t prefill_tokens(const struct prefill *p, const struct prefill_request *r)
{
    size_t bytes = prefill_is_cached(p, r) ? r->own : r->shared + r->own;
    return bytes / PREFILL_TOKEN_BYTES + 1;
}

bool prefill_has_room(const struct prefill *p, const struct prefill_request *r, size_t most)
{
    return most == 0 || p->tokens == 0 || prefill_is_cached(p, r) ||
           p->tokens + prefill_tokens(p, r) <= most;
}

size_t prefill_start(struct prefill *p, const struct prefill_request *r)
{
    size_t tokens = prefill_tokens(p, r);
    p->recent[r->key % PREFILL_RECENT] = r->key;
    p->tokens += tokens;
    return tokens;
}

void prefill_end(struct prefill *p, size_t tokens)
{
    p->tokens -= tokens;
}
