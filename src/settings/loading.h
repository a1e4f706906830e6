/* What the files of this folder share while settings are being read: the YAML, the settings so far,
 * and the problems found. Private to settings/. One thread per load. */
#ifndef RBR_SETTINGS_LOADING_H
#define RBR_SETTINGS_LOADING_H

#include "settings/fields.h"
#include "yaml/yaml.h"

enum { SHOWN_MAX = 88 };

struct loading {
    struct settings *settings;
    struct settings_problems *problems;
    unsigned needs;
    struct arena arena; /* the YAML; ends with the load */
    struct yaml_file file;
    struct yaml *root;
    struct str folder; /* of the file, with its last '/' */
    size_t grader; /* the one being read */
    const struct yaml **given; /* by field: where it was set; of graders, of the one being read */
};

/* ---- problems.c */
/* One line "file:line:column: ..."; `at` is the value, or its key. */
void problem(struct loading *l, const struct yaml *at, const char *fmt, ...) RBR_PRINTF(3, 4);
void problem_at_key(struct loading *l, const struct yaml *at, const char *fmt, ...)
    RBR_PRINTF(3, 4);
/* The same, beginning with the field's path. */
void problem_of(struct loading *l, const struct field *f, const struct yaml *at, const char *fmt,
                ...) RBR_PRINTF(4, 5);
/* Outside text for a message: one line, no control characters, cut when long. */
const char *shown(struct str s, char out[SHOWN_MAX]);
/* These allocate; when the file's bound is reached that is a problem, and NULL or no text. */
void *loading_array(struct loading *l, struct arena *a, size_t count, size_t size) RBR_MUST_CHECK;
struct str loading_copy(struct loading *l, struct arena *a, struct str s);

/* ---- overrides.c: --set a.b=c, put into the tree */
void overrides_apply(struct loading *l, const struct str *overrides, size_t n);
bool overrides_is_from(const struct loading *l, const struct yaml *y);

/* ---- environment.c: ${NAME} in every value of the tree */
void environment_replace(struct loading *l, struct yaml *y);
/* Is the whole text one ${NAME}? */
bool environment_is_reference(struct str text);
/* Has its value been found wanting, with a problem reported? */
bool environment_failed(const struct yaml *y);

/* ---- values.c */
/* Reads `y` into `to`, which is left as it is when there is a problem. */
void value_read(struct loading *l, const struct field *f, const struct yaml *y, void *to);
/* The defaults of every field below `section`; "" for those outside graders. */
void value_defaults(struct loading *l, struct str section, void *base);

/* ---- properties.c: what goes to librdkafka */
void properties_read(struct loading *l, const struct field *f, const struct yaml *y, void *to);
bool property_is_secret(struct str name);
/* Secrets in --set are seen by every user of the machine. Before environment_replace. */
void properties_refuse_arguments(struct loading *l);
/* The value of a property of `client` ("consumer", "producer"), or of common; NULL when not set. */
const struct yaml *properties_find(const struct loading *l, const char *client, const char *name);

/* ---- consistency.c: rules between fields */
void consistency_check(struct loading *l);
void consistency_check_grader(struct loading *l, const struct settings_grader *g);

#endif
