/* Writing a file so that a reader sees the old one or the new one, whole. */
#ifndef RBR_WORKER_REPLACE_H
#define RBR_WORKER_REPLACE_H

#include "base/err.h"
#include "base/str.h"

/* Through PATH.new in the same folder, synced before it takes the place. On an error the old file
 * is as it was, and nothing is left over. */
enum err_code replace_file(const char *path, struct str text, struct err *err) RBR_MUST_CHECK;

#endif
