/* Log lines: one event a line on stderr, `key=value` text or JSON. Never prompt text, never a
 * secret.
 *
 * Only worker/ and few named places log; everything else returns errors. Lines of one event are
 * limited to 10 a second, then counted and summed up. Any thread. */
#ifndef RBR_OBS_LOG_H
#define RBR_OBS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_configure(enum log_level level, enum log_format format);

/* `event` is a fixed dotted name (source.assigned); fmt gives the rest of the line as text. */
void log_event(enum log_level level, const char *event, const char *fmt, ...) RBR_PRINTF(3, 4);

#define log_debug(...)   log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_event(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_event(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
