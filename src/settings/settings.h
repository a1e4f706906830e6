/* The worker's settings: one YAML file, one table of fields.
 *
 * settings_load reads the file, replaces ${ENV}, applies `--set key=value` overrides, checks types,
 * units, ranges and the rules between fields, and reports every problem as one line
 * "file:line:column: what; what to do". The table of fields (settings/fields.c) also drives the
 * dump, docs/settings.md and the JSON Schema. Immutable after load. Any thread. */
#ifndef RBR_SETTINGS_SETTINGS_H
#define RBR_SETTINGS_SETTINGS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "obs/log.h"

#define SETTINGS_UNSET UINT64_MAX /* of a decimal without a value */

struct setting_property {
    struct str name, value;
};

struct setting_properties {
    struct setting_property *items;
    size_t n;
};

struct setting_list {
    struct str *items;
    size_t n;
};

struct settings_kafka {
    struct str brokers, input, output, shadow_output, dead_letters, group, instance_id,
        transactional_id;
    bool at_least_once; /* delivery: exactly_once | at_least_once */
    struct str start; /* earliest | latest | error */
    struct setting_properties common, consumer, producer;
};

enum settings_warm { WARM_AUTO, WARM_ON, WARM_OFF };
enum settings_resolve { RESOLVE_AUTO, RESOLVE_ALL, RESOLVE_ONE };

struct settings_grader {
    struct str name, dialect, model, revision;
    struct setting_list endpoints;
    unsigned resolve; /* enum settings_resolve */
    int64_t resolve_every_us;
    struct str api_key_file; /* path; read by settings_read_secret */
    struct str api_key_env; /* name; read by settings_env_secret */
    uint64_t max_in_flight;
    uint64_t max_tokens_in_flight; /* 0: no bound */
    bool polls; /* load_poll: none | sglang */
    bool fixed_in_flight; /* flow: adaptive | fixed */
    uint64_t share; /* millionths */
    int64_t connect_timeout_us, first_byte_timeout_us, total_timeout_us;
    uint64_t attempts, top_logprobs, questions_per_request;
    unsigned warm_first; /* enum settings_warm */
    unsigned mode, thinking; /* as enum dialect_mode and dialect_thinking have them */
    uint64_t samples, thinking_tokens;
    struct setting_list yes_token_ids, no_token_ids; /* digits */
    struct str prompt_before, prompt_after;
    uint64_t price_input, price_cached_input, price_output; /* USD/1e6 per million tokens */
    int64_t keep_alive_us;
    struct str tls_ca_file, tls_certificate_file, tls_key_file; /* paths */
    struct str proxy;
    bool insecure; /* plain http outside loopback is meant */
};

struct settings {
    struct arena arena;
    struct str file;
    struct settings_kafka kafka;
    struct setting_list policy_files; /* resolved against the settings file's folder */
    struct setting_list shadow_files; /* likewise; none: no shadow policy */
    int64_t shadow_wait_us;
    struct settings_grader *graders;
    size_t n_graders;
    struct {
        uint64_t records_in_flight, memory_bytes, completion_bytes, window;
        int64_t record_deadline_us, drain_us, publish_interval_us;
        uint64_t max_grader_cost_per_hour; /* USD/1e6; SETTINGS_UNSET: none */
    } limits;
    struct {
        struct str dir; /* n == 0: none */
    } state;
    struct {
        struct str path; /* n == 0: in memory */
        uint64_t bytes;
        struct setting_list restore_from; /* topics */
        int64_t restore_wait_us;
    } cache;
    struct {
        struct str file; /* n == 0: none */
        uint64_t every, tolerance; /* records; millionths */
        bool stop; /* on_failure: alarm | stop */
    } canary;
    struct {
        enum log_level level;
        enum log_format format;
    } log;
};

/* Problems found, one line each, ready to print. */
struct settings_problems {
    struct buf lines;
    size_t n;
};

/* `text` NULL: read `file`. overrides: "a.b=c". What the caller needs: fields of sections it does
 * not need (e.g. kafka for `score`) may be absent. Returns NULL when there is any problem. */
enum settings_need { SETTINGS_NEED_KAFKA = 1, SETTINGS_NEED_GRADER = 2, SETTINGS_NEED_POLICY = 4 };
struct settings *settings_load(struct str file, const struct str *text, const struct str *overrides,
                               size_t n_overrides, unsigned needs,
                               struct settings_problems *problems) RBR_MUST_CHECK;
void settings_free(struct settings *s);

bool settings_dump(const struct settings *s,
                   struct buf *out); /* YAML with every value, secrets redacted */
bool settings_document(struct buf *out); /* docs/settings.md */
bool settings_schema(struct buf *out); /* JSON Schema */

/* A file with a secret in it: a regular one, closed to other users. */
enum err_code settings_check_secret(struct str path, struct err *err) RBR_MUST_CHECK;

/* Reads a secret file: one line, no trailing newline; refuses one that others may read. */
enum err_code settings_read_secret(struct str path, char *out, size_t size,
                                   struct err *err) RBR_MUST_CHECK;

/* The same from an environment variable. */
enum err_code settings_env_secret(struct str name, char *out, size_t size,
                                  struct err *err) RBR_MUST_CHECK;

#endif
