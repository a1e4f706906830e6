/* A policy: propositions, rules that turn them into classes, and weights that turn both into a
 * reward.
 *
 * policy_load reads YAML files (a later file overlays an earlier one), checks them and compiles
 * them into this immutable object; policy_free ends it. All names, rules and numbers here are
 * validated: an index is in range, every derived proposition refers only to earlier ones, weights
 * are finite. Problems come back as a list of findings, each with file:line:column; loading
 * succeeds when none of them is an error. Method: OpenAI's Rule-Based Rewards (Mu et al. 2024),
 * sections named beside the fields. Immutable after load, any thread. */
#ifndef RBR_POLICY_POLICY_H
#define RBR_POLICY_POLICY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    POLICY_HASH_BYTES = 32,
    POLICY_PROPOSITIONS_MAX = 256,
    POLICY_CLASSES_MAX = 64,
    POLICY_TYPES_MAX = 64,
    POLICY_PLACEHOLDERS_MAX = 8, /* in the template */
    POLICY_FENCES_MAX = 16,
    POLICY_EXACT_MAX =
        20, /* propositions of one response type that `exact` and the partition check enumerate */
};

/* What a proposition name in a rule refers to. */
enum ref_kind { REF_PROPOSITION, REF_DERIVED };

enum rule_op {
    RULE_LITERAL, /* ref is wanted true or false */
    RULE_ALL, /* every kid */
    RULE_ANY, /* at least one kid */
    RULE_NOT, /* the one kid does not hold */
    RULE_OTHERWISE, /* holds when no other class does; a class's whole rule only */
};

struct rule {
    enum rule_op op;
    enum ref_kind ref_kind; /* RULE_LITERAL */
    size_t ref; /* index into propositions or derived */
    bool want;
    struct rule *kids; /* in file order */
    size_t n_kids;
};

/* A proposition answered here, without a grader. Counts are Unicode code points. */
enum check_kind { CHECK_REGEX, CHECK_CONTAINS, CHECK_MAX_CHARS, CHECK_MIN_CHARS, CHECK_JSON };

struct check; /* policy/check.h */

struct proposition {
    struct str name;
    struct str question; /* asked of a grader; n == 0 when `check` is set */
    const struct check *check; /* NULL when asked of a grader */
    bool has_calibration; /* P' = sigmoid(a logit(P) + b) */
    double calibration_a, calibration_b;
    bool has_prior;
    double prior; /* used by on_ungraded: prior */
};

struct derived {
    struct str name;
    struct rule rule;
    bool *uses; /* per proposition: the rule needs it, itself or through other derived ones */
};

enum feature_kind { FEATURE_PROPOSITION, FEATURE_DERIVED, FEATURE_CLASS };

struct feature {
    enum feature_kind kind;
    size_t index;
    struct str name;
    double weight;
    bool weighted; /* the file gives a weight: only then it is a component */
};

/* `exact` class probabilities: a decision diagram over propositions. Node 0 is the root; a branch
 * >= 0 is a later node, a branch < 0 is the class -1 - branch. */
struct decision {
    size_t proposition;
    int32_t when_false, when_true;
};

struct response_type {
    struct str name;
    struct rule *rules; /* one per class, in class order */
    bool *has_rule; /* per class: false = the class cannot occur for this type */
    struct feature *features; /* listed propositions, then classes */
    size_t n_features;
    bool has_weights;
    bool *asked; /* per proposition: a feature, a class rule or `ask: all` needs it */
    size_t n_asked;
    struct decision
        *decisions; /* class_probability: exact only; may be empty: then always class `only` */
    size_t n_decisions;
    size_t only;
};

struct name_map {
    struct str from;
    size_t response_type;
};

/* The prompt template cut at its placeholders. */
enum segment_kind { SEGMENT_TEXT, SEGMENT_QUESTION, SEGMENT_RESPONSE, SEGMENT_CONVERSATION };

struct segment {
    enum segment_kind kind;
    struct str text; /* SEGMENT_TEXT */
};

enum class_probability { CLASS_PRODUCT, CLASS_EXACT };
enum unrouted { UNROUTED_SKIP, UNROUTED_REWARD_MODEL_ONLY, UNROUTED_FAIL };
enum on_ungraded { UNGRADED_FAIL, UNGRADED_BOUNDS, UNGRADED_PRIOR };
enum layout { LAYOUT_INLINE, LAYOUT_CHAT };
enum empty_completion { EMPTY_GRADE, EMPTY_SKIP, EMPTY_FAIL };
enum reward_model { REWARD_MODEL_ADD, REWARD_MODEL_REQUIRE, REWARD_MODEL_IGNORE };

struct policy {
    struct arena arena;
    struct str id, version;
    uint8_t hash[POLICY_HASH_BYTES]; /* of the meaning, not of the file's bytes */
    char hash_hex[2 * POLICY_HASH_BYTES + 1];

    struct str prompt_template;
    struct segment *segments;
    size_t n_segments;
    bool has_conversation; /* the template places the conversation itself */
    struct str fences[POLICY_FENCES_MAX]; /* of the template: names of tags, runs such as ``` */
    size_t n_fences;

    struct proposition *propositions; /* in file order */
    size_t n_propositions;
    struct derived *derived; /* in file order: each may use the ones above it */
    size_t n_derived;
    struct str *classes; /* best first */
    size_t n_classes;
    struct response_type *response_types; /* in order of first appearance in completion_classes */
    size_t n_response_types;
    struct name_map *aliases;
    size_t n_aliases;
    struct name_map *categories;
    size_t n_categories;
    bool route_by_category; /* response_types.route_by: behavior_category */
    enum unrouted unrouted;

    enum class_probability class_probability;
    double min_mass;
    enum on_ungraded on_ungraded;
    bool train_on_partial;
    enum layout layout;
    enum empty_completion empty_completion;
    bool neutralise;
    bool ask_all;
    struct str *yes_labels, *no_labels; /* lower case; default yes / no */
    size_t n_yes_labels, n_no_labels;
    enum reward_model reward_model;
    double rm_weight;
    bool has_clip;
    double clip_low, clip_high;
    bool classify_only;
};

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct finding {
    enum severity severity;
    struct str file; /* as given */
    size_t line, column; /* from 1; 0 when the finding is about no single place */
    struct str text; /* one sentence: what, and what to do */
    struct str source; /* the source line, "" when there is none */
};

struct findings {
    struct arena arena;
    struct finding *items;
    size_t n, cap;
    size_t errors; /* how many of them are errors */
};

void findings_init(struct findings *f);
void findings_done(struct findings *f);

/* "file:line:column: error: text", then the source line with a caret under the column. */
bool finding_print(const struct finding *f, struct buf *out);

/* A policy source: a path, or text already in memory with a name for messages. */
struct policy_file {
    struct str name;
    struct str text; /* p == NULL: read the file called name */
};

/* Loads and compiles; NULL when any finding is an error. Warnings may be there on success. */
struct policy *policy_load(const struct policy_file *files, size_t n,
                           struct findings *findings) RBR_MUST_CHECK;
void policy_free(struct policy *p);

/* `run` needs weights for every response type unless reward.classify_only; adds errors where they
 * lack. */
void policy_require_weights(const struct policy *p, struct findings *findings);

/* Index of the response type that a record with these fields belongs to: by name (folded), alias,
 * then category. SIZE_MAX when none: then p->unrouted decides. */
size_t policy_route(const struct policy *p, struct str response_type,
                    struct str category) RBR_MUST_CHECK;

/* Sets `used` for every proposition that the rule needs. */
void policy_mark(const struct policy *p, const struct rule *r, bool *used);

/* Index by name; SIZE_MAX when absent. */
size_t policy_find_proposition(const struct policy *p, struct str name) RBR_MUST_CHECK;

#endif
