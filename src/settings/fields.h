/* The table of fields: every setting there is, once. Reading, range checks, the dump,
 * docs/settings.md and the JSON Schema all walk it. Private to settings/. Pure. */
#ifndef RBR_SETTINGS_FIELDS_H
#define RBR_SETTINGS_FIELDS_H

#include "settings/settings.h"

enum field_type {
    FIELD_TEXT,
    FIELD_LINES, /* text that may have line ends and tabs in it */
    FIELD_NAME, /* letters, digits, _ and -: can stand in a key path */
    FIELD_TOPIC,
    FIELD_TOPICS,
    FIELD_BROKERS,
    FIELD_PATH, /* resolved against the settings file's folder */
    FIELD_PATHS,
    FIELD_URL, /* http://HOST:PORT */
    FIELD_URLS,
    FIELD_IDS, /* whole numbers, kept as text */
    FIELD_WORD, /* one of `words`, kept as text */
    FIELD_SWITCH, /* one of two words, kept as bool: the second is true */
    FIELD_ENUM, /* one of `words`, kept as its index */
    FIELD_FLAG,
    FIELD_COUNT,
    FIELD_SIZE,
    FIELD_DURATION,
    FIELD_DECIMAL, /* kept as millionths; SETTINGS_UNSET when it has no value */
    FIELD_PROPERTIES,
    FIELD_TYPES
};

enum { FIELD_WORDS_MAX = 8, FIELD_LABEL_MAX = 160, FIELD_REQUIRED = 8 };

struct field {
    const char *path; /* "a.b"; of one grader: "graders[].b" */
    enum field_type type;
    size_t offset; /* in struct settings; of graders[]: in struct settings_grader */
    unsigned required; /* for these needs (enum settings_need); FIELD_REQUIRED: always */
    const char *initial; /* the default, as one would write it; NULL: none */
    const char *min, *max; /* likewise; of a list: how many items */
    const char *words[FIELD_WORDS_MAX];
    const char *doc; /* one line */
};

struct field_section {
    const char *name; /* top level key */
    const char *doc;
};

#define GRADERS "graders[]"

extern const struct field fields[];
extern const size_t n_fields;
extern const struct field_section field_sections[];
extern const size_t n_field_sections;

const char *field_type_name(enum field_type type); /* as the documentation has it */
bool field_is_number(enum field_type type); /* COUNT, SIZE, DURATION, DECIMAL: in 8 bytes */
bool field_is_list(enum field_type type); /* kept as struct setting_list */

const struct field *field_find(struct str path); /* NULL when there is none */

/* Is there a field below this path? "" is above all. */
bool field_below(const struct field *f, struct str path);
bool field_is_section(struct str path);

/* The key of `f` just below the section `path`, which it must be below: "timeouts" of
 * graders[].timeouts.total below graders[]. */
struct str field_key_below(const struct field *f, struct str path);
struct str field_key(const struct field *f); /* the last one */

/* The path as --set and messages have it: graders.0.model. */
const char *field_label(const struct field *f, size_t grader, char out[FIELD_LABEL_MAX]);

/* Text of a number to its value, and back to the shortest text. */
bool field_parse_number(enum field_type type, struct str text, uint64_t *ret) RBR_MUST_CHECK;
void field_print_number(enum field_type type, uint64_t v, char out[32]);

/* Where the value of `f` is, in struct settings or in struct settings_grader. */
static inline void *field_at(const struct field *f, void *base)
{
    return (char *)base + f->offset;
}

#endif
