/* The settings' canaries, read from their file. */
#ifndef RBR_WORKER_CANARY_FILE_H
#define RBR_WORKER_CANARY_FILE_H

#include "judge/canary.h"
#include "settings/settings.h"

/* NULL in ret when the settings name none. The error says which line is wrong. */
enum err_code canary_file_load(const struct settings *s, const struct policy *policy,
                               struct canaries **ret, struct err *err) RBR_MUST_CHECK;

#endif
