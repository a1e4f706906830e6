/* Loading settings from a text, for the tests of src/settings. Header only. */
#ifndef RBR_TESTS_SETTINGS_FIXTURE_H
#define RBR_TESTS_SETTINGS_FIXTURE_H

#include "unit.h"

#include "settings/settings.h"

enum { ALL = SETTINGS_NEED_KAFKA | SETTINGS_NEED_GRADER | SETTINGS_NEED_POLICY, SETS_MAX = 8 };

#define K "kafka: {brokers: a:9092}\n"
#define P "policy: {files: [p.yaml]}\n"
#define G "graders: [{model: m, endpoints: [http://127.0.0.1:1]}]\n"
/* Good ones, with these lines more in a section. */
#define KAFKA(lines)  "kafka:\n  brokers: a:9092\n" lines P G
#define GRADER(lines) K P "graders:\n- model: m\n  endpoints: [http://127.0.0.1:1]\n" lines
#define LIMITS(lines) K P G "limits:\n" lines

struct loaded {
    struct settings *settings;
    struct settings_problems problems;
};

static inline struct loaded load_as(const char *file, struct str text, unsigned needs,
                                    const char *const *sets)
{
    struct loaded l = {0};
    struct str overrides[SETS_MAX];
    size_t n = 0;
    for (; sets != NULL && sets[n] != NULL; n++)
        overrides[n] = str_z(sets[n]);
    buf_init(&l.problems.lines, 1u << 20);
    l.settings = settings_load(str_z(file), &text, overrides, n, needs, &l.problems);
    return l;
}

static inline struct loaded load(const char *text, const char *const *sets)
{
    return load_as("w.yaml", str_z(text), ALL, sets);
}

static inline void done(struct loaded *l)
{
    settings_free(l->settings);
    buf_done(&l->problems.lines);
}

static inline size_t count_lines(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

static inline void assert_problems(const char *name, struct loaded *l, const char *want)
{
    struct str got = buf_str(&l->problems.lines);
    if (l->settings != NULL || !str_eq(got, str_z(want)) || l->problems.n != count_lines(got))
        fail_msg("%s: got %zu problems:\n%.*swant:\n%s", name, l->problems.n, STR_ARGS(got), want);
    done(l);
}

static inline struct settings *good(const char *text, const char *const *sets)
{
    struct loaded l = load(text, sets);
    if (l.settings == NULL)
        fail_msg("refused: %.*s", STR_ARGS(buf_str(&l.problems.lines)));
    buf_done(&l.problems.lines);
    return l.settings;
}

/* A value for every key, none of them the default. */
static const char every_key[] RBR_UNUSED =
    "kafka:\n"
    "  brokers: \"SSL://a.example:9093, b-2, [::1]:9092\"\n"
    "  input: in.1\n"
    "  output: out_1\n"
    "  shadow_output: shadow-1\n"
    "  dead_letters: dead\n"
    "  group: my group\n"
    "  delivery: at_least_once\n"
    "  instance_id: 7\n"
    "  transactional_id: t\n"
    "  start: latest\n"
    "  properties:\n"
    "    common: {sasl.username: u, sasl.password: hunter2, ssl.key.password: hunter3,\n"
    "             ssl.key.pem: \"hunter4\\nhunter5\"}\n"
    "    consumer: {max.poll.interval.ms: 50000, partition.assignment.strategy: range}\n"
    "    producer: {compression.type: zstd, sasl.oauthbearer.client.secret: hunter6}\n"
    "policy: {files: [/p.yaml, more/q.yaml], shadow: [/s.yaml], shadow_wait: 100ms}\n"
    "graders:\n"
    "  - name: local_1\n"
    "    model: org/model:7b\n"
    "    revision: r2\n"
    "    endpoints: ['http://127.0.0.2:1/base/', 'http://localhost', 'http://[::1]:8', https://h]\n"
    "    api_key_file: key\n"
    "    max_in_flight: 10\n"
    "    flow: fixed\n"
    "    timeouts: {connect: 1.5s, first_byte: 2m, total: 1h}\n"
    "    attempts: 1\n"
    "    top_logprobs: 5\n"
    "    price: {input: 0.04, cached_input: 0.004, output: 1.50}\n"
    "    keep_alive: 90s\n"
    "    insecure: true\n"
    "limits: {records_in_flight: 1, memory: 2GiB, completion_bytes: 1500KB, window: 24000,\n"
    "         record_deadline: 1d, drain: 0, publish_interval: 5ms,\n"
    "         max_grader_cost_per_hour: 12.5}\n"
    "canary: {file: c.jsonl, every: 7, on_failure: stop, tolerance: 0.05}\n"
    "log: {level: error, format: json}\n";

#endif
