/* The lines of a JSONL file or of standard input ("-"), numbered from 1, blank ones and a byte
 * order mark passed over. One thread. */
#ifndef RBR_WORKER_LINES_H
#define RBR_WORKER_LINES_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "record/record.h"

struct lines {
    const char *name; /* for messages */
    uint64_t number; /* of the last line given out */
    FILE *file;
    char *text;
    size_t cap;
    int64_t bytes; /* of a file, when it was opened; 0: not known */
    bool advised; /* what a line has to be was said */
};

/* ERR_IO when it cannot be opened or is a directory. */
enum err_code lines_open(struct lines *l, const char *path, struct err *err) RBR_MUST_CHECK;
void lines_close(struct lines *l); /* fine after a failed open, and on zeroed memory */

/* The next line without white space around it, valid until the next call; false at the end. */
bool lines_next(struct lines *l, struct str *ret);

/* Says on stderr why line `number` is no record, and for the first that is no JSON object, what
 * would be one. */
void lines_say_refused(struct lines *l, uint64_t number, const struct refusal *refusal);

/* The share of the file that is read, [0, 1]; NAN when its size is not known. */
double lines_share(const struct lines *l);

#endif
