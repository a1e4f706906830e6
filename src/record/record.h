/* A completion record: what came out of the input topic, validated, owned by one arena.
 *
 * record_decode turns the bytes of a Kafka value into a `struct record`, or into a refusal that
 * names what is wrong and at which byte. Three formats, told apart by the first byte ('{' JSON,
 * 0x00 Confluent framing, anything else protobuf), unless `format` says which. Every text in a
 * record is valid UTF-8; it may hold NUL. The record lives until its arena is reset: nothing in it
 * points into the input bytes. No I/O, no thread affinity. Limits: struct record_limits. */
#ifndef RBR_RECORD_RECORD_H
#define RBR_RECORD_RECORD_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct tool_call {
    struct str id, type, name, arguments;
};

struct content_part {
    struct str type, text, uri, mime_type;
};

struct message {
    struct str role, content, reasoning_content, name, tool_call_id;
    struct tool_call *tool_calls;
    size_t n_tool_calls;
    struct content_part *parts;
    size_t n_parts;
};

struct named_score {
    struct str name, source;
    double value;
    bool has_value;
};

struct criterion {
    struct str id, text, grader;
    double weight;
    bool has_weight, negative, required;
};

struct label {
    struct str key, value;
};

/* A known judgment that came with the record (JSON key `propositions`): used only on request. */
struct known_judgment {
    struct str name;
    double probability; /* [0, 1] */
};

struct sampling_params {
    double temperature, top_p;
    int64_t seed;
    bool has_temperature, has_top_p, has_seed;
    uint32_t top_k, max_tokens;
};

/* Field meanings: proto/completion.proto. Absent text has n == 0. */
struct record {
    struct str completion_id, run_id, group_id, prompt_id, data_source, split;
    uint32_t attempt, sample_index, group_size;
    bool has_sample_index;
    struct str *weight_versions;
    size_t n_weight_versions;
    int64_t global_step, min_global_step, max_global_step;
    struct message *prompt;
    size_t n_prompt;
    struct message *completion;
    size_t n_completion;
    struct str tools_json, finish_reason, model;
    uint32_t prompt_tokens, completion_tokens;
    struct sampling_params sampling;
    struct str policy_id, response_type, behavior_category;
    double reward_model_score;
    bool has_reward_model_score;
    struct str reward_model;
    struct named_score *scores;
    size_t n_scores;
    struct criterion *rubric;
    size_t n_rubric;
    struct str ground_truth, extra_info_json;
    int64_t created_at_ms, deadline_ms; /* wall time, 0 when absent */
    int32_t priority;
    struct str traceparent;
    struct label *labels;
    size_t n_labels;
    struct known_judgment *known;
    size_t n_known;
};

/* kind, text. The names appear in dead letters (`rbr-reason`) and in docs/operating.md. */
#define REFUSALS(X)                                                                                \
    X(NONE, "ok")                                                                                  \
    X(EMPTY_VALUE, "the record has no value")                                                      \
    X(TOO_LARGE, "the record is larger than limits.completion_bytes allows")                       \
    X(TOO_MANY_FIELDS, "more protobuf fields than the limit")                                      \
    X(TOO_MUCH_MEMORY, "decoding needs more memory than allowed")                                  \
    X(BAD_PROTOBUF, "not a rbr.v1.CompletionRecord")                                               \
    X(BAD_FRAMING, "Confluent framing that is not schema id + message index + protobuf")           \
    X(BAD_JSON, "not JSON")                                                                        \
    X(TRUNCATED_JSON, "the JSON text ends inside a value")                                         \
    X(TRAILING_JSON, "text after the JSON value")                                                  \
    X(DUPLICATE_KEY, "a JSON key appears twice")                                                   \
    X(NOT_FINITE, "a number is not finite")                                                        \
    X(NOT_UTF8, "invalid UTF-8")                                                                   \
    X(LONE_SURROGATE, "a lone surrogate in a JSON string")                                         \
    X(TOO_DEEP, "JSON nested too deep")                                                            \
    X(NOT_AN_OBJECT, "the JSON value is not an object")                                            \
    X(WRONG_TYPE, "a field has the wrong type")                                                    \
    X(OUT_OF_RANGE, "a field is out of range")                                                     \
    X(CONFLICTING_ALIASES, "two names of one field")                                               \
    X(MISSING_ID, "completion_id is missing")                                                      \
    X(MISSING_PROMPT, "prompt is missing or empty")                                                \
    X(MISSING_COMPLETION, "completion is missing")                                                 \
    X(BAD_ROLE, "a message has no role, or one that is not a plain word")

enum refusal_kind {
#define X(kind, text) REFUSAL_##kind,
    REFUSALS(X)
#undef X
};

struct refusal {
    enum refusal_kind kind;
    size_t offset; /* byte in the value where it was found */
    char field[64]; /* the field's name (path, e.g. prompt[1].content), printable ASCII; "" when
                       none */
    const char *found, *wanted; /* of WRONG_TYPE: "a string", "a number"; static; else NULL */
};

const char *refusal_name(enum refusal_kind kind); /* "NOT_UTF8" */
const char *refusal_text(enum refusal_kind kind);

enum record_format { RECORD_DETECT, RECORD_JSON, RECORD_PROTOBUF, RECORD_CONFLUENT };

struct record_limits {
    size_t value_bytes; /* of the Kafka value */
    size_t memory_bytes; /* of the decoded record */
    size_t fields; /* protobuf fields, at any depth */
};

extern const struct record_limits record_limits_default; /* 4 MiB, 32 MiB, 100,000 */

/* Where the record was read: becomes its id when it has none of its own (JSON only). */
struct record_origin {
    struct str topic;
    int32_t partition;
    int64_t offset;
};

/* Decodes `value` into `a`. Returns NULL and fills *ret_refusal on refusal. `origin` may be NULL:
 * then a record without an id is refused. `format` RECORD_DETECT unless a content-type says. */
struct record *record_decode(struct arena *a, struct str value, enum record_format format,
                             const struct record_limits *limits, const struct record_origin *origin,
                             struct refusal *ret_refusal) RBR_MUST_CHECK;

/* The format a `content-type` header names; RECORD_DETECT when it names none of ours. */
enum record_format record_format_of(struct str content_type);

/* The protobuf message of a value: what follows its Confluent framing, or all of it. */
struct str record_message(struct str value);

/* The last text of the completion that is the model's, not a tool's: what the grader reads as
 * {response}. Never NULL text. */
struct str record_response(const struct record *r);

/* One line for logs and dead letters: "NOT_UTF8 at byte 17, prompt[0].content: invalid UTF-8". */
void refusal_print(const struct refusal *r, char out[256]);

#endif
