/* Prompts: one completion and many questions, rendered as pieces of a JSON string.
 *
 * A prompt is built once per (record, policy): conversation and response are neutralised, rendered
 * by the policy's layout and JSON-escaped once. A question is then a list of pieces: the shared
 * ones by reference, the question's own escaped text (escaped once per policy) between them.
 * Nothing is copied per question, and the bytes before {question} are the same for all of them, so
 * that servers reuse their prefix cache. Substitution is one pass: text that contains "{question}"
 * is inert.
 *
 * Neutralising (policy grading.neutralise): chat-template control tokens inside untrusted text
 * (<|im_start|>, <|eot_id|>, [INST], </s>, <think>, ...), lines that begin like a turn of the
 * inline layout (|USER|:) and the template's own fences (</message>) are broken by a zero-width
 * space (U+200B) after the first character, and reported as tripwires. Pure; memory is the caller's
 * arena. */
#ifndef RBR_GRADER_PROMPT_H
#define RBR_GRADER_PROMPT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "policy/policy.h"
#include "record/record.h"

struct prompt {
    const struct policy *policy;
    struct str *pieces; /* JSON-escaped; p == NULL marks where the question goes */
    size_t n_pieces;
    struct str messages_head; /* JSON before the last message's content, e.g.
                                 [{"role":"user","content":" */
    struct str messages_tail; /* JSON after it, e.g. "}] */
    size_t shared_bytes; /* of the prompt without the question, for token estimates */
    bool control_tokens, forged; /* tripwires: untrusted text held one */
    uint64_t prompt_hash; /* of the conversation alone: what completions of one prompt share */
    uint8_t
        content_hash[32]; /* SHA-256 of roles and texts of conversation and completion, as judged */
};

/* ERR_LIMIT when the arena is full. */
enum err_code prompt_build(struct arena *a, const struct policy *policy,
                           const struct record *record, struct prompt *ret) RBR_MUST_CHECK;

/* Found and broken up. */
struct neutralised {
    size_t tokens; /* of chat templates */
    size_t
        forged; /* structure of our own prompt: turns of the inline layout, the template's fences */
};

/* Appends s with all of them broken up. The policy's template says what its fences are. */
struct neutralised prompt_neutralise(struct buf *out, struct str s, const struct policy *policy);

#endif
