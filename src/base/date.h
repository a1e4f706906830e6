/* Moments as people write them: RFC 3339, in UTC or with an offset. Pure. */
#ifndef RBR_BASE_DATE_H
#define RBR_BASE_DATE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { DATE_MAX = 32 };

/* "2026-01-15T10:15:30Z", with a fraction or an offset (+02:00) too, or "2026-01-15", which is its
 * midnight in UTC. Milliseconds since 1970; years 1970 to 9999. */
bool date_parse(struct str s, int64_t *ret_ms) RBR_MUST_CHECK;

/* In UTC, to the second: "2026-01-15T10:15:30Z". Of a moment that date_parse gives. */
void date_print(int64_t ms, char out[DATE_MAX]);

#endif
