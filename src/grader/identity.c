#include "grader/identity.h"

#include <string.h>

static void hash_ids(struct sha256 *h, const uint32_t *ids, size_t n)
{
    sha256_u64(h, n);
    for (size_t i = 0; i < n; i++)
        sha256_u64(h, ids[i]);
}

/* Whatever can change the answer. */
static void hash_options(struct sha256 *h, const struct dialect_options *o)
{
    sha256_u64(h, o->mode);
    sha256_u64(h, o->mode == DIALECT_SAMPLE ? o->samples : 1);
    sha256_u64(h, o->thinking);
    sha256_u64(h, o->thinking == THINKING_ALLOWED ? o->thinking_tokens : 0);
    sha256_u64(h, o->top_logprobs);
    hash_ids(h, o->yes_ids, o->n_yes_ids);
    hash_ids(h, o->no_ids, o->n_no_ids);
    sha256_field(h, o->prompt_before);
    sha256_field(h, o->prompt_after);
}

void identity_begin(struct sha256 *h, const struct grader_config *c, const struct policy *policy,
                    size_t proposition)
{
    sha256_init(h);
    sha256_field(h, STR("rbr-judgment-2"));
    sha256_field(h, c->name);
    sha256_field(h, c->ask.model);
    sha256_field(h, c->revision);
    sha256_field(h, c->dialect);
    hash_options(h, &c->ask);
    sha256_u64(h, policy->layout);
    sha256_u64(h, policy->neutralise);
    sha256_fields(h, policy->yes_labels, policy->n_yes_labels);
    sha256_fields(h, policy->no_labels, policy->n_no_labels);
    sha256_field(h, policy->prompt_template);
    sha256_field(h, policy->propositions[proposition].question);
}

void identity_digest(const struct sha256 *begun, const struct prompt *p,
                     uint8_t out[JUDGMENT_DIGEST_BYTES])
{
    uint8_t whole[SHA256_BYTES];
    struct sha256 h = *begun;
    sha256_field(&h, (struct str){(const char *)p->content_hash, sizeof(p->content_hash)});
    sha256_finish(&h, whole);
    memcpy(out, whole, JUDGMENT_DIGEST_BYTES - JUDGMENT_CONTENT_BYTES);
    memcpy(out + JUDGMENT_DIGEST_BYTES - JUDGMENT_CONTENT_BYTES, p->content_hash,
           JUDGMENT_CONTENT_BYTES);
}
