#include "grader/http_endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define LOCAL "unix:" /* what the URL of a socket begins with */

static bool is_local(struct str url)
{
    return str_has_prefix(url, STR(LOCAL "/"));
}

/* The URL is shown in messages only when it can hold no credentials. */
static enum err_code check_url(struct str url, struct err *err)
{
    bool http = str_has_prefix(url, STR("http://")), https = str_has_prefix(url, STR("https://"));
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '@')
            return err_set(err, ERR_INVALID,
                           "endpoint: no spaces, control characters or credentials in the URL; use "
                           "api_key_file");
    if (is_local(url))
        return ERR_OK;
    size_t host = https ? 8 : 7;
    if ((!http && !https) || url.n <= host || url.p[host] == '/' || url.p[host] == ':')
        return err_set(err, ERR_INVALID,
                       "endpoint '%.*s': must start with http:// or https:// and a host, or "
                       "with unix:/",
                       STR_ARGS(url));
    if (memchr(url.p, '?', url.n) != NULL || memchr(url.p, '#', url.n) != NULL)
        return err_set(err, ERR_INVALID,
                       "endpoint '%.*s': a base URL, without '?' or '#'; the dialect adds its path",
                       STR_ARGS(url));
    return ERR_OK;
}

/* What curl itself thinks of it: host, port. */
static enum err_code parse_url(const char *url, CURLU **ret, struct err *err)
{
    CURLU *u = curl_url();
    CURLUcode code = u != NULL ? curl_url_set(u, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK) {
        *ret = u;
        return ERR_OK;
    }
    curl_url_cleanup(u);
    return err_set(err, ERR_INVALID, "endpoint '%s': %s", url, curl_url_strerror(code));
}

/* A line break in it would be another header. */
static enum err_code check_api_key(struct str key, struct err *err)
{
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] <= ' ' || key.p[i] >= 0x7f)
            return err_set(err, ERR_INVALID,
                           "api_key_file: the key holds a space, a line break or a byte outside "
                           "ASCII at byte %zu",
                           i);
    return ERR_OK;
}

/* curl prints them for each request, a character at a time: as few as will do. No Accept is any. */
static struct curl_slist *shared_headers(struct str api_key)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Accept:");
    headers = curl_slist_append(headers, "Expect:");
    headers = curl_slist_append(headers, "User-Agent: rbr/" RBR_VERSION);
    headers = curl_slist_append(headers, "endpoint-load-metrics-format: TEXT");
    if (api_key.n > 0) {
        struct buf b;
        buf_init(&b, api_key.n + 64);
        (void)buf_printf(&b, "Authorization: Bearer %.*s", STR_ARGS(api_key));
        headers = curl_slist_append(headers, b.p);
        explicit_bzero(b.p, b.cap);
        buf_done(&b);
    }
    return headers;
}

enum err_code endpoint_make(const struct http_endpoint_config *config,
                            struct transport_endpoint **ret, struct err *err)
{
    enum err_code code = check_url(config->url, err);
    if (code == ERR_OK)
        code = check_api_key(config->api_key, err);
    if (code != ERR_OK)
        return code;
    bool local = is_local(config->url);
    struct str base = local ? STR("http://localhost") : config->url;
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    struct transport_endpoint *e = mem_alloc(sizeof(*e));
    struct buf b;
    buf_init(&b, base.n + config->path.n + 1);
    (void)buf_printf(&b, "%.*s%.*s", STR_ARGS(base), STR_ARGS(config->path));
    e->shown = mem_copy(config->url.p, config->url.n);
    e->base = mem_copy(base.p, base.n);
    if (local)
        e->socket = mem_copy(config->url.p + strlen(LOCAL), config->url.n - strlen(LOCAL));
    e->url = mem_copy(b.p, b.n);
    buf_done(&b);
    code = parse_url(e->url, &e->parsed, err);
    if (code != ERR_OK) {
        endpoint_unmake(e);
        return code;
    }
    e->headers = shared_headers(config->api_key);
    *ret = e;
    return ERR_OK;
}

struct transport_endpoint *http_endpoint_at(struct transport_endpoint *named, const char *address)
{
    struct transport_endpoint *e = mem_alloc(sizeof(*e));
    char text[512];
    bool six = strchr(address, ':') != NULL;
    e->http = named->http;
    e->named = named;
    e->url = named->url;
    e->parsed = named->parsed;
    e->base = named->base;
    e->headers = named->headers;
    (void)snprintf(text, sizeof(text), six ? "::[%s]:" : "::%s:", address);
    e->connect_to = curl_slist_append(NULL, text);
    int n = snprintf(text, sizeof(text), "%s (%s)", named->shown, address);
    e->shown = mem_copy(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    return e;
}

bool http_endpoint_host(const struct transport_endpoint *e, char ret[HTTP_HOST_BYTES])
{
    char *host = NULL;
    struct in_addr number;
    bool is_name =
        e->socket == NULL && curl_url_get(e->parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        host[0] != '[' && strlen(host) < HTTP_HOST_BYTES && inet_pton(AF_INET, host, &number) != 1;
    if (is_name)
        memcpy(ret, host, strlen(host) + 1);
    curl_free(host);
    return is_name;
}

static void free_shared(struct transport_endpoint *e)
{
    for (struct curl_slist *s = e->headers; s != NULL; s = s->next)
        explicit_bzero(s->data, strlen(s->data));
    curl_slist_free_all(e->headers);
    curl_url_cleanup(e->parsed);
    mem_free(e->url);
    mem_free(e->base);
}

void endpoint_unmake(struct transport_endpoint *e)
{
    if (e->named == NULL)
        free_shared(e);
    curl_slist_free_all(e->connect_to);
    mem_free(e->shown);
    mem_free(e->socket);
    mem_free(e);
}

const char *http_endpoint_url(const struct transport_endpoint *e)
{
    return e->shown;
}
