/* YAML as a plain tree with positions: what settings, policies, orderings and manifests are read
 * from. The one home of libfyaml.
 *
 * Every scalar is text; who reads it decides what it means, so `0.4*52` can be refused and `no`
 * stays a word. Refused: files above 1 MiB, invalid UTF-8, NUL, aliases, anchors, tags, keys that
 * are not scalars, duplicate keys, nesting deeper than 32, more than one document. The tree lives
 * in the caller's arena and owns its text. Pure. */
#ifndef RBR_YAML_YAML_H
#define RBR_YAML_YAML_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { YAML_FILE_MAX = 1024 * 1024, YAML_DEPTH_MAX = 32 };

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };

struct yaml_file {
    struct str name, text;
};

struct yaml {
    enum yaml_kind kind;
    bool null; /* a scalar that is empty, ~ or null, unquoted */
    bool quoted; /* a scalar in quotes or a block: text, whatever it looks like */
    struct str text; /* scalar */
    struct str key; /* when this is a member of a map */
    struct yaml *child, *next;
    size_t count; /* children */
    const struct yaml_file *file;
    size_t line,
        column; /* of the value, from 1; of the key when the value has no mark of its own */
    size_t key_line, key_column;
};

/* Where and why a text is no YAML that we take. */
struct yaml_fault {
    size_t line, column; /* 0 when it is about the whole file */
    char text[256];
};

/* NULL and *ret_fault on refusal. An empty document is an empty map. `file` outlives the tree. */
struct yaml *yaml_parse(struct arena *a, const struct yaml_file *file,
                        struct yaml_fault *ret_fault) RBR_MUST_CHECK;

/* Reads a whole file of at most YAML_FILE_MAX bytes into `a`. */
enum err_code yaml_read(struct arena *a, struct str name, struct str *ret_text,
                        struct err *err) RBR_MUST_CHECK;

struct yaml *yaml_get(const struct yaml *map, struct str key); /* NULL when absent */

/* The source line (from 1) without its end; empty when there is none. */
struct str yaml_line(const struct yaml_file *file, size_t line);

#endif
