/* The completions of a JSONL file judged, many at a time: what `rbr score` and `rbr eval` have in
 * common. Rows are handed on in the file's order, and what that prints is flushed at the end of the
 * turn; a pipe that says nothing for a while holds up none that are read. A grader that does not
 * answer for 30 s ends it: what was judged by then is handed on.
 *
 * The caller sets the first part of a zeroed struct judged_file (it is large: heap) and calls
 * judged_file_run, which blocks. Loop thread. */
#ifndef RBR_WORKER_JUDGED_FILE_H
#define RBR_WORKER_JUDGED_FILE_H

#include "loop/readable.h"
#include "worker/grading.h"
#include "worker/lines.h"
#include "worker/spending.h"

enum { JUDGED_FILE_ROWS = 256 }; /* at a time */

/* A line of the file with its judgments. */
struct judged_file_row {
    struct arena arena; /* of the record; may be used until the row is handed on and back */
    struct record *record; /* NULL: refused, and said so */
    struct judge_req judge;
    uint64_t line;
    int64_t received_ms; /* wall */
    bool done, dropped; /* private; dropped: the grader is down, it is not handed on */
};

struct judged_file {
    /* set by the caller */
    const char *input; /* file, or - */
    bool use_known; /* the records' `propositions` are judgments */
    bool progress; /* show it on stderr */
    void (*row)(struct judged_file *f, struct judged_file_row *row);
    /* for the caller to read; `row` may count on */
    uint64_t judged, refused;
    uint64_t questions; /* asked of the grader */
    double seconds; /* taken, when it is over */
    struct grading grading;
    struct err hopeless; /* why the grader was given up; code ERR_OK: it was not */
    char spent[SPENDING_TEXT_MAX]; /* what it used and cost, in words; "": there was none */
    /* private */
    struct lines in;
    struct readable readable;
    bool watched, at_end; /* watched: it may have to be waited for */
    struct judged_file_row rows[JUDGED_FILE_ROWS]; /* ring: [first, next) by number */
    uint64_t first, next;
    int64_t started_us, next_progress_us;
};

/* `grader` NULL: only checks and known judgments count. The settings' ceiling of costs holds, and
 * their cache keeps the judgments when it has a path; NULL: neither. */
enum err_code judged_file_run(struct judged_file *f, const struct policy *policy,
                              const struct settings_grader *grader, const struct settings *settings,
                              struct err *err) RBR_MUST_CHECK;

#endif
