/* The SHA-256 of a file, for results that say where they come from. */
#ifndef RBR_WORKER_HASH_FILE_H
#define RBR_WORKER_HASH_FILE_H

#include "base/err.h"

/* In hex, with the NUL. ERR_IO when it cannot be read. */
enum err_code hash_file(const char *path, char ret[65], struct err *err) RBR_MUST_CHECK;

#endif
