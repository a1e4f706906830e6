/* HTTP by libcurl's multi interface on the loop: the real transport.
 *
 * Multi handles of few requests each (http_line.h), an endpoint's own, and so are its connections;
 * easy handles pooled with their options kept; one uv_poll kept per socket ("sticky polls": 18-20
 * us a request against 28-32 in the sample style). HTTP/1.1 keep-alive only; a request whose kept
 * connection closes without a byte of reply is sent once more, on a new one; no redirects, no proxy
 * from the environment, no netrc; http and https only; TLS always verified, 1.2 at least; reply
 * bytes counted against a cap. Lifecycle: http_new, http_endpoint_new..., requests, http_free
 * (nothing may be in flight; its memory goes when the loop has closed its handles, in later turns
 * or in loop_done). Loop thread. */
#ifndef RBR_GRADER_HTTP_H
#define RBR_GRADER_HTTP_H

#include "base/err.h"
#include "grader/transport.h"
#include "loop/loop.h"

struct http_config {
    size_t reply_bytes_max; /* body cap; 256 KiB by default */
    size_t header_bytes_max; /* 64 KiB */
    int64_t connect_timeout_us; /* 2 s */
    int64_t
        first_byte_timeout_us; /* 30 s: without a byte of reply for this long the attempt ends */
    int64_t keep_alive_us; /* idle age up to which a connection is used again; 4 s */
    /* PEM files; n == 0: the system's, none, in certificate_file */
    struct str ca_file, certificate_file, key_file;
    struct str proxy; /* http://host:port; n == 0: none */
};

struct http_endpoint_config {
    struct str url; /* base: http://127.0.0.1:8000, or unix:/run/grader.sock */
    struct str path; /* the dialect's, appended: /v1/chat/completions */
    struct str
        api_key; /* "Authorization: Bearer"; n == 0 for none; copied, wiped on free, never logged */
};

struct http;

enum err_code http_new(struct loop *loop, const struct http_config *config, struct http **ret,
                       struct err *err) RBR_MUST_CHECK;
void http_free(struct http *h);
struct transport *http_transport(struct http *h);

enum err_code http_endpoint_new(struct http *h, const struct http_endpoint_config *config,
                                struct transport_endpoint **ret, struct err *err) RBR_MUST_CHECK;
void http_endpoint_free(
    struct transport_endpoint *e); /* no request to it in flight; before http_free */

/* Whether its host is a name, which may have several addresses. */
enum { HTTP_HOST_BYTES = 256 };
bool http_endpoint_host(const struct transport_endpoint *e, char ret[HTTP_HOST_BYTES]);

/* An endpoint like `named`, which outlives it, at this address (numeric). The name stays what TLS
 * verifies and the server is told. */
struct transport_endpoint *http_endpoint_at(struct transport_endpoint *named, const char *address);

const char *http_endpoint_url(const struct transport_endpoint *e); /* without credentials */

#endif
