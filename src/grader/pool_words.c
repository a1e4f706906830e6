#include "grader/pool_words.h"

#include <stdio.h>
#include <string.h>

#include "grader/called.h"
#include "obs/log.h"

static struct str name_of(const struct pool *p, size_t i)
{
    struct str name = p->endpoints[i].name;
    return name.n > 0 ? name : STR("an endpoint");
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

/* ---- failures ---------------------------------------------------------------------------------
 */

static const char hangs[] = "it takes requests and does not answer: look at its load and its log";

/* By the words of OpenSSL and libcurl; others mean a server that is not there. */
static const char *advice_on_connecting(const char *detail)
{
    if (strstr(detail, "wrong version number") != NULL)
        return "it answers without TLS: begin its URL with http://";
    if (strstr(detail, "certificate problem") != NULL)
        return "name who signed its certificate in tls.ca_file";
    if (strstr(detail, "certificate required") != NULL)
        return "show it one, tls.certificate_file";
    return "does it run, and is the address right?";
}

static const char *advice(const struct transport_req *req)
{
    switch (req->outcome) {
    case TRANSPORT_CONNECT:
        return advice_on_connecting(req->detail);
    case TRANSPORT_TIMEOUT:
    case TRANSPORT_CANCELLED:
        return hangs;
    case TRANSPORT_REPLY:
        break;
    default:
        return "look at its log";
    }
    switch (req->status) {
    case 401:
    case 403:
        return "check its key: api_key_file or api_key_env";
    case 404:
        return "check its URL and the model's name, see rbr check --probe";
    case 429:
        return "its rate limit is used up";
    default:
        return req->status < 500 ? "check its URL, see rbr check --probe" : "look at its log";
    }
}

/* Of a 200. */
static void note_flaw(const struct pool *p, size_t i)
{
    struct pool_endpoint *e = &p->endpoints[i];
    const char *words = "a 200 that is no reply of this dialect";
    e->advice = "is it the right server? see rbr check --probe";
    switch (e->flaw) {
    case QUALITY_WELL:
    case QUALITY_UNKNOWN_MODEL:
        break;
    case QUALITY_BLIND:
        words = "its replies have no logprobs";
        e->advice = "switch them on there, or take mode: verdict or sample; see docs/graders.md";
        break;
    case QUALITY_OTHER_MODEL:
        (void)snprintf(e->error, sizeof(e->error), "its model is '%.60s', the others' is '%.60s'",
                       p->quality.endpoints[i].model, p->quality.agreed);
        e->advice = "should it be one of this grader's endpoints?";
        return;
    case QUALITY_LITTLE_MASS:
        words = "its answers have less than half the mass of the others'";
        e->advice = "does it have the same model and chat template as they have?";
        break;
    }
    (void)snprintf(e->error, sizeof(e->error), "%s", words);
}

void pool_note(struct pool *p, size_t i, const struct transport_req *req)
{
    struct pool_endpoint *e = &p->endpoints[i];
    e->advice = advice(req);
    if (req->outcome != TRANSPORT_REPLY)
        (void)snprintf(e->error, sizeof(e->error), "%s",
                       req->detail[0] != '\0' ? req->detail : "no reply");
    else if (req->status == 200)
        note_flaw(p, i);
    else
        (void)snprintf(e->error, sizeof(e->error), "HTTP %d", req->status);
}

void pool_note_silence(struct pool *p, size_t i, int64_t for_us)
{
    struct pool_endpoint *e = &p->endpoints[i];
    e->advice = hangs;
    (void)snprintf(e->error, sizeof(e->error), "no reply for %.1f s", seconds(for_us));
}

void pool_explain(const struct pool *p, char out[POOL_WORDS_MAX])
{
    const struct pool_endpoint *e = &p->endpoints[p->opened_last];
    (void)snprintf(out, POOL_WORDS_MAX, "%s (%.*s): %s", e->error,
                   STR_ARGS(name_of(p, p->opened_last)), e->advice);
}

/* ---- log lines --------------------------------------------------------------------------------
 */

void pool_tell_down(const struct pool *p, int64_t for_us)
{
    char why[POOL_WORDS_MAX];
    pool_explain(p, why);
    log_warning("grader.down",
                GRADER_CALLED " gives no answers, for %.1f s now: %s; records wait, %zu questions "
                              "of them here; it is tried every 4 s",
                GRADER_CALLED_ARGS(p->config.grader), seconds(for_us), why,
                p->config.waiting(p->config.arg));
}

void pool_tell_up(const struct pool *p, int64_t after_us)
{
    log_warning("grader.up", GRADER_CALLED " answers again, after %.1f s; %zu questions waited",
                GRADER_CALLED_ARGS(p->config.grader), seconds(after_us),
                p->config.waiting(p->config.arg));
}

void pool_tell_ejected(const struct pool *p, size_t i)
{
    const struct pool_endpoint *e = &p->endpoints[i];
    log_warning("grader.endpoint_ejected",
                GRADER_CALLED ": %.*s is asked no more: %s: %s; the others are",
                GRADER_CALLED_ARGS(p->config.grader), STR_ARGS(name_of(p, i)), e->error, e->advice);
}

void pool_tell_back(const struct pool *p, size_t i, int64_t after_us)
{
    log_warning("grader.endpoint_back", GRADER_CALLED ": %.*s answers again, after %.1f s",
                GRADER_CALLED_ARGS(p->config.grader), STR_ARGS(name_of(p, i)), seconds(after_us));
}

void pool_tell_no_load(const struct pool *p, size_t i)
{
    log_warning("grader.no_load",
                GRADER_CALLED ": %.*s does not say its load at /v1/loads: is it SGLang? Else set "
                              "load_poll: none",
                GRADER_CALLED_ARGS(p->config.grader), STR_ARGS(name_of(p, i)));
}
