/* Where requests of grader/http go: URL or socket, and the headers that they share, made once.
 *
 * Private to grader/http. Loop thread. */
#ifndef RBR_GRADER_HTTP_ENDPOINT_H
#define RBR_GRADER_HTTP_ENDPOINT_H

#include <curl/curl.h>

#include "grader/http.h"

struct transport_endpoint {
    struct http *http;
    struct transport_endpoint *named; /* whose url, base and headers it has; NULL: its own */
    char *url, *base, *shown; /* whole; without its path; as configured */
    CURLU *parsed; /* the URL: curl would parse it and put it together again for each request */
    struct curl_slist *connect_to; /* instead of the URL's host; NULL: nothing */
    char *socket; /* of this machine instead of a host; NULL: none */
    struct curl_slist *headers;
    struct line *lines; /* http_line.h; made and freed by http.c */
};

/* Errors name the endpoint, unless it might hold credentials. */
enum err_code endpoint_make(const struct http_endpoint_config *config,
                            struct transport_endpoint **ret, struct err *err) RBR_MUST_CHECK;
void endpoint_unmake(struct transport_endpoint *e); /* wipes the key */

#endif
