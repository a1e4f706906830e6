/* What the headers of a reply say for the next request. Pure but for dates, which are compared with
 * the wall clock. Private to grader/http. */
#ifndef RBR_GRADER_HTTP_HINTS_H
#define RBR_GRADER_HTTP_HINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct http_hints {
    int64_t retry_after_us; /* from retry-after-ms or retry-after; -1: not said */
    int64_t waiting; /* requests in the server's queue (endpoint-load-metrics); -1: not said */
    bool should_not_retry; /* x-should-retry: false */
};

void http_hints_init(struct http_hints *h);
void http_hints_line(struct http_hints *h, struct str line); /* one header, or anything else */

#endif
