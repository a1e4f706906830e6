/* What the files of this folder share while a policy is being built: the merged YAML, the policy so
 * far, and the findings. Private to policy/. One
 * thread per load. */
#ifndef RBR_POLICY_LOADER_H
#define RBR_POLICY_LOADER_H

#include "policy/policy.h"
#include "yaml/yaml.h"

struct loader {
    struct policy *policy;
    struct findings *findings;
    size_t errors_before; /* in findings, when this load began */
    struct arena arena; /* the YAML; ends with the load */
    struct yaml *root;
};

/* ---- findings.c */
void loader_error(struct loader *l, const struct yaml *at, const char *fmt, ...) RBR_PRINTF(3, 4);
void loader_warning(struct loader *l, const struct yaml *at, const char *fmt, ...) RBR_PRINTF(3, 4);
void loader_key_error(struct loader *l, const struct yaml *at, const char *fmt, ...)
    RBR_PRINTF(3, 4);
/* About no single place. */
void findings_add(struct findings *f, enum severity severity, struct str file, const char *fmt, ...)
    RBR_PRINTF(4, 5);

/* ---- read.c: one value each; an error finding and false when it is not what is wanted */
bool read_bool(struct loader *l, const struct yaml *y, bool *ret);
bool read_number(struct loader *l, const struct yaml *y, double min, double max, double *ret);
bool read_text(struct loader *l, const struct yaml *y,
               struct str *ret); /* copied into the policy */
bool read_map(struct loader *l, const struct yaml *y, const char *what);
bool read_list(struct loader *l, const struct yaml *y, const char *what);
/* Index of the word among `words`; an error that lists them otherwise. */
bool read_word(struct loader *l, const struct yaml *y, const char *const *words, size_t n,
               size_t *ret);
/* Every key of the map must be one of these. */
void read_known_keys(struct loader *l, const struct yaml *map, const char *const *keys, size_t n);
/* From the policy's arena, which 1 MiB of YAML a file cannot fill: they do not fail. */
void *policy_array(struct loader *l, size_t count, size_t size);
struct str policy_copy(struct loader *l, struct str s);
/* ": did you mean 'x'?" for a name that is none of `n` names; "" when nothing is near. */
const char *did_you_mean(struct str name, const struct str *names, size_t n, char out[96]);

/* ---- rules.c */
/* Names that rules may use: propositions, and the first n_derived derived ones. */
bool read_rule(struct loader *l, const struct yaml *y, size_t n_derived, bool top_of_class,
               struct rule *ret);

/* ---- sections.c */
void load_propositions(struct loader *l);
void load_derived(struct loader *l);
void load_classes(struct loader *l);
void load_template(struct loader *l);
void load_fences(struct policy *p); /* fences.c; of its template */
void load_routes(struct loader *l);
void load_features(struct loader *l);
void load_weights(struct loader *l);
void load_options(struct loader *l);
void load_identity(struct loader *l, struct str first_file);

/* ---- check.c */
const struct check *check_compile(struct loader *l, const struct yaml *y);
void check_free(const struct check *c);

/* ---- truth.c: every rule of a response type as a truth table over the propositions it uses */
struct truth {
    size_t *propositions; /* the variables, in file order */
    size_t n; /* at most POLICY_EXACT_MAX */
    size_t words; /* of 64 assignments each */
    uint64_t **classes; /* a table per class; OTHERWISE is what no other class has */
};
/* False when the type uses more than POLICY_EXACT_MAX propositions. */
bool truth_init(struct truth *t, const struct policy *p, const struct response_type *type);
void truth_done(struct truth *t, const struct policy *p);
bool truth_bit(const uint64_t *table, size_t assignment);

/* ---- diagram.c */
void diagram_build(struct loader *l, const struct truth *t, struct response_type *type);

/* ---- lint.c */
void lint(struct loader *l);

/* ---- digest.c */
void policy_digest(struct policy *p);

size_t policy_find_class(const struct policy *p, struct str name);
size_t policy_find_derived(const struct policy *p, struct str name);
size_t policy_find_type(const struct policy *p, struct str name); /* folded */

#endif
