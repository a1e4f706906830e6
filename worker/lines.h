/* The lines of a JSONL file or of standard input ("-"), numbered from 1, blank ones and a byte
 * order mark passed over. Memory is that of the longest line. One thread. */
#ifndef RBR_WORKER_LINES_H
#define RBR_WORKER_LINES_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "record/record.h"

struct lines {
    const char *name; /* for messages */
    uint64_t number; /* of the last line given out */
    int fd;
    /* private */
    bool is_open, ended; /* ended: nothing more is read */
    bool advised; /* what a line has to be was said */
    char *text; /* read and not given out: [from, to), of it [from, seen) without a line's end */
    size_t cap, from, seen, to;
    int64_t bytes, read; /* of a file when it was opened, 0: not known; of them in all */
};

/* ERR_IO when it cannot be opened or is a directory. */
enum err_code lines_open(struct lines *l, const char *path, struct err *err) RBR_MUST_CHECK;
void lines_close(struct lines *l); /* fine after a failed open, and on zeroed memory */

/* The next line without white space around it, valid until the next call; false at the end. */
bool lines_next(struct lines *l, struct str *ret);

/* The same; without `wait` it is LATER while whoever writes the line has not done so. */
enum lines_got { LINES_END, LINES_LINE, LINES_LATER };
enum lines_got lines_get(struct lines *l, bool wait, struct str *ret);

/* Says on stderr why line `number` is no record, and for the first that is no JSON object, what
 * would be one. */
void lines_say_refused(struct lines *l, uint64_t number, const struct refusal *refusal);

/* The share of the file that is given out, [0, 1]; NAN when its size is not known. */
double lines_share(const struct lines *l);

#endif
