#include "worker/grading.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "grader/called.h"
#include "grader/dialect.h"
#include "worker/canary_file.h"

enum {
    API_KEY_MAX = 4096,
    REPLY_BYTES_MAX = 512 * 1024, /* 200 choices with 20 alternatives each */
    THOUGHT_BYTES_MAX = 16 * 1024 * 1024, /* a thousand tokens with as many */
    HEADER_BYTES_MAX = 64 * 1024,
    LABEL_IDS_MAX = 16,
    PATIENCE_US = 30000000,
};

/* The settings have the modes and ways of thinking in the order of dialect.h. `ids` is where the
 * label tokens go. */
static struct dialect_options options_of(const struct settings_grader *config,
                                         uint32_t ids[2 * LABEL_IDS_MAX])
{
    struct dialect_options o = {
        .model = config->model,
        .top_logprobs = (unsigned)config->top_logprobs,
        .mode = (enum dialect_mode)config->mode,
        .samples = (unsigned)config->samples,
        .thinking = (enum dialect_thinking)config->thinking,
        .thinking_tokens = (unsigned)config->thinking_tokens,
        .yes_ids = ids,
        .no_ids = ids + LABEL_IDS_MAX,
        .n_yes_ids = config->yes_token_ids.n,
        .n_no_ids = config->no_token_ids.n,
        .prompt_before = config->prompt_before,
        .prompt_after = config->prompt_after,
    };
    for (size_t i = 0; i < LABEL_IDS_MAX; i++) {
        uint64_t yes = 0, no = 0; /* they were checked */
        (void)(i < o.n_yes_ids && num_parse_u64(config->yes_token_ids.items[i], &yes));
        (void)(i < o.n_no_ids && num_parse_u64(config->no_token_ids.items[i], &no));
        ids[i] = (uint32_t)yes;
        ids[LABEL_IDS_MAX + i] = (uint32_t)no;
    }
    return o;
}

enum err_code grading_check(const struct settings_grader *config, const struct policy *policy,
                            struct err *err)
{
    const struct dialect *dialect = dialect_find(config->dialect);
    uint32_t ids[2 * LABEL_IDS_MAX];
    struct dialect_options options = options_of(config, ids);
    if (dialect == NULL)
        (void)err_set(err, ERR_UNSUPPORTED, "no dialect '%.*s'", STR_ARGS(config->dialect));
    else if (dialect_check(dialect, &options, err) == ERR_OK &&
             dialect_check_policy(dialect, policy, err) == ERR_OK)
        return ERR_OK;
    return err_wrap(err, "graders.%.*s", STR_ARGS(config->name));
}

/* The API key, from where the settings say; empty when they name none. */
static enum err_code read_key(const struct settings_grader *config, char out[API_KEY_MAX],
                              struct err *err)
{
    const char *where = config->api_key_file.n > 0 ? "api_key_file" : "api_key_env";
    enum err_code code = ERR_OK;
    out[0] = '\0';
    if (config->api_key_file.n > 0)
        code = settings_read_secret(config->api_key_file, out, API_KEY_MAX, err);
    else if (config->api_key_env.n > 0)
        code = settings_env_secret(config->api_key_env, out, API_KEY_MAX, err);
    return code == ERR_OK ? code : err_wrap(err, "graders.%.*s.%s", STR_ARGS(config->name), where);
}

enum err_code grading_endpoint(struct grading *g, const struct settings_grader *config,
                               struct str url, struct str path, struct transport_endpoint **ret,
                               struct err *err)
{
    char key[API_KEY_MAX];
    enum err_code code = read_key(config, key, err);
    if (code == ERR_OK) {
        struct http_endpoint_config endpoint = {.url = url, .path = path, .api_key = str_z(key)};
        code = http_endpoint_new(g->http, &endpoint, ret, err);
    }
    explicit_bzero(key, sizeof(key));
    return code;
}

static enum err_code add_endpoints(struct grading *g, const struct settings_grader *config,
                                   const struct dialect *dialect, struct err *err)
{
    enum err_code code = ERR_OK;
    g->endpoints = mem_array(config->endpoints.n, sizeof(struct transport_endpoint *));
    for (size_t i = 0; code == ERR_OK && i < config->endpoints.n; i++) {
        code = grading_endpoint(g, config, config->endpoints.items[i], str_z(dialect->path),
                                &g->endpoints[i], err);
        if (code == ERR_OK)
            g->n_endpoints++;
    }
    return code;
}

/* A price in millionths of a USD per million tokens is as many pico-USD a token. */
struct price grading_price(const struct settings_grader *config)
{
    struct price p = {.known = config->price_input != SETTINGS_UNSET};
    if (!p.known)
        return p;
    p.input = p.cached_input = config->price_input;
    if (config->price_cached_input != SETTINGS_UNSET)
        p.cached_input = config->price_cached_input;
    p.output = config->price_output;
    return p;
}

/* What a shadow policy has of the grader, on top. */
static uint64_t shadow_part(uint64_t share)
{
    return (share + 3) / 4;
}

/* A name may be many addresses: of a proxy's they are no business of ours, and behind the names of
 * https stand load balancers. */
static bool may_be_many(const struct settings_grader *config, struct str url)
{
    if (config->proxy.n > 0 || config->resolve == RESOLVE_ONE)
        return false;
    return config->resolve == RESOLVE_ALL || str_has_prefix(url, STR("http:"));
}

static void watch_names(struct grading *g, const struct settings_grader *config)
{
    const struct addresses_config addresses = {
        .resolver = &g->resolver.port,
        .clock = &clock_real,
        .every_us = config->resolve_every_us,
        .grader = config->name,
        .at = http_endpoint_at,
        .name = http_endpoint_url,
        .free = http_endpoint_free,
    };
    char host[HTTP_HOST_BYTES];
    loop_resolver_init(&g->resolver, &g->loop);
    g->addresses = addresses_new(&addresses);
    for (size_t i = 0; i < g->n_endpoints; i++)
        if (may_be_many(config, config->endpoints.items[i]) &&
            http_endpoint_host(g->endpoints[i], host))
            addresses_watch(g->addresses, g->endpoints[i], i, host);
}

static enum err_code add_http(struct grading *g, const struct settings_grader *config,
                              struct err *err)
{
    struct http_config http = {
        .reply_bytes_max =
            config->thinking == THINKING_ALLOWED ? THOUGHT_BYTES_MAX : REPLY_BYTES_MAX,
        .header_bytes_max = HEADER_BYTES_MAX,
        .connect_timeout_us = config->connect_timeout_us,
        .first_byte_timeout_us = config->first_byte_timeout_us,
        .keep_alive_us = config->keep_alive_us,
        .ca_file = config->tls_ca_file,
        .certificate_file = config->tls_certificate_file,
        .key_file = config->tls_key_file,
        .proxy = config->proxy,
    };
    if (config->tls_key_file.n > 0 && settings_check_secret(config->tls_key_file, err) != ERR_OK)
        return err->code;
    enum err_code code = http_new(&g->loop, &http, &g->http, err);
    if (code == ERR_OK)
        code = add_endpoints(g, config, dialect_find(config->dialect), err);
    if (code == ERR_OK)
        watch_names(g, config);
    return code;
}

/* From how many bytes on a server is better warm. vLLM and SGLang let requests of one batch share
 * what is new, so only what takes them long is worth a round trip; hosted caches begin at 1,024
 * tokens. */
static size_t warm_from(const struct settings_grader *config)
{
    bool hosted = str_has_prefix(config->endpoints.items[0], STR("https:"));
    if (config->warm_first == WARM_OFF)
        return 0;
    if (config->warm_first == WARM_ON)
        return 1;
    return hosted ? 4 * 1024 : 32 * 1024;
}

static enum err_code add_grader(struct grading *g, const struct settings_grader *config,
                                struct str title, struct grader **ret, struct err *err)
{
    uint32_t ids[2 * LABEL_IDS_MAX];
    struct grader_config grader = {
        .name = config->name,
        .title = title,
        .dialect = config->dialect,
        .revision = config->revision,
        .ask = options_of(config, ids),
        .questions_max = config->questions_per_request,
        .endpoints = g->endpoints,
        .endpoint_names = config->endpoints.items,
        .n_endpoints = g->n_endpoints,
        .max_in_flight = config->max_in_flight,
        .fixed_in_flight = config->fixed_in_flight,
        .max_tokens_in_flight = config->max_tokens_in_flight,
        .polls = config->polls,
        .share = (double)config->share / 1e6,
        .warm_from = warm_from(config),
        .request_timeout_us = config->total_timeout_us,
        .attempts_max = (unsigned)config->attempts,
        .backoff_min_us = 500000,
        .backoff_max_us = 8000000,
        .price = grading_price(config),
        .spend = &g->spend,
        .gone = addresses_gone,
        .gone_arg = g->addresses,
    };
    enum err_code code = grader_new(&grader, http_transport(g->http), &clock_real,
                                    (uint64_t)clock_mono_us(&clock_real), ret, err);
    if (code == ERR_OK)
        addresses_serve(g->addresses, *ret);
    return code;
}

enum err_code grading_init(struct grading *g, const struct policy *policy,
                           const struct settings_grader *config, int64_t (*maintain)(void *arg),
                           void *arg, struct err *err)
{
    *g = (struct grading){.policy = policy};
    loop_init(&g->loop, maintain, arg);
    spend_init(&g->spend, SPEND_NO_CEILING);
    enum err_code code = config != NULL ? grading_check(config, policy, err) : ERR_OK;
    if (config != NULL && code == ERR_OK)
        code = add_http(g, config, err);
    if (config != NULL && code == ERR_OK)
        code = add_grader(g, config, config->name, &g->grader, err);
    g->judge = (struct judge){.policy = policy, .grader = g->grader, .clock = &clock_real};
    if (code != ERR_OK)
        grading_done(g);
    return code;
}

enum err_code grading_add_shadow(struct grading *g, const struct policy *policy,
                                 const struct settings_grader *config, struct err *err)
{
    char title[128];
    struct settings_grader part = *config;
    part.share = shadow_part(config->share);
    (void)snprintf(title, sizeof(title), "%.*s-shadow", STR_ARGS(config->name));
    enum err_code code = grading_check(config, policy, err);
    if (code == ERR_OK)
        code = add_grader(g, &part, str_z(title), &g->shadow_grader, err);
    if (code != ERR_OK)
        return err_wrap(err, "policy.shadow");
    g->shadow = (struct judge){.policy = policy, .grader = g->shadow_grader, .clock = &clock_real};
    return ERR_OK;
}

void grading_limit_cost(struct grading *g, const struct settings *s)
{
    const uint64_t pico = 1000000; /* in a millionth */
    if (s->limits.max_grader_cost_per_hour != SETTINGS_UNSET)
        spend_init(&g->spend, s->limits.max_grader_cost_per_hour * pico);
}

void grading_keep(struct grading *g, const struct settings *s)
{
    g->cache = g->judge.cache = g->shadow.cache = cache_new(s->cache.path, s->cache.bytes);
}

enum err_code grading_watch(struct grading *g, const struct settings *s, struct err *err)
{
    if (canary_file_load(s, g->policy, &g->canaries, err) != ERR_OK)
        return err->code;
    if (g->canaries != NULL)
        canaries_start(g->canaries, g->grader, &clock_real);
    g->judge.canaries = g->canaries;
    return ERR_OK;
}

void grading_stop(struct grading *g)
{
    if (g->canaries != NULL)
        canaries_cancel(g->canaries);
}

bool grading_is_idle(const struct grading *g)
{
    return g->canaries == NULL || canaries_idle(g->canaries);
}

void grading_done(struct grading *g)
{
    canaries_free(g->canaries);
    g->canaries = NULL;
    cache_free(g->cache);
    g->cache = NULL;
    g->grader = grader_free(g->grader);
    g->shadow_grader = grader_free(g->shadow_grader);
    addresses_free(g->addresses);
    g->addresses = NULL;
    for (size_t i = 0; i < g->n_endpoints; i++)
        http_endpoint_free(g->endpoints[i]);
    mem_free(g->endpoints);
    g->endpoints = NULL;
    g->n_endpoints = 0;
    http_free(g->http);
    g->http = NULL;
    loop_done(&g->loop);
}

int64_t grading_tick(struct grading *g)
{
    int64_t canaries = g->canaries != NULL ? canaries_tick(g->canaries) : CLOCK_NEVER;
    int64_t due = g->grader != NULL ? grader_tick(g->grader) : CLOCK_NEVER;
    int64_t shadow = g->shadow_grader != NULL ? grader_tick(g->shadow_grader) : CLOCK_NEVER;
    int64_t addresses = g->addresses != NULL ? addresses_tick(g->addresses) : CLOCK_NEVER;
    if (canaries < due)
        due = canaries;
    if (addresses < due)
        due = addresses;
    return shadow < due ? shadow : due;
}

bool grading_is_hopeless(const struct grading *g, struct err *ret)
{
    char why[GRADER_WORDS_MAX];
    if (g->grader == NULL || grader_down_for_us(g->grader) < PATIENCE_US)
        return false;
    grader_explain(g->grader, why);
    (void)err_set(ret, ERR_UNAVAILABLE, GRADER_CALLED " has not answered for %d s: %s",
                  GRADER_CALLED_ARGS(grader_name(g->grader)), PATIENCE_US / 1000000, why);
    return true;
}
