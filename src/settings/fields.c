#include "settings/fields.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/num.h"

#define KAFKA(member)  offsetof(struct settings, kafka.member)
#define LIMITS(member) offsetof(struct settings, limits.member)
#define GRADER(member) offsetof(struct settings_grader, member)

/* Sections are contiguous, and so are sections inside sections. */
const struct field fields[] = {
    {.path = "kafka.brokers",
     .type = FIELD_BROKERS,
     .offset = KAFKA(brokers),
     .required = SETTINGS_NEED_KAFKA,
     .doc = "Where the cluster is: host:port, several separated by commas."},
    {.path = "kafka.input",
     .type = FIELD_TOPIC,
     .offset = KAFKA(input),
     .initial = "completions",
     .doc = "Topic that completion records are read from."},
    {.path = "kafka.output",
     .type = FIELD_TOPIC,
     .offset = KAFKA(output),
     .initial = "rewards",
     .doc = "Topic that rewards are written to."},
    {.path = "kafka.shadow_output",
     .type = FIELD_TOPIC,
     .offset = KAFKA(shadow_output),
     .initial = "rewards.shadow",
     .doc = "Topic that the shadow policy's rewards are written to, if there is one."},
    {.path = "kafka.dead_letters",
     .type = FIELD_TOPIC,
     .offset = KAFKA(dead_letters),
     .initial = "dead-letters",
     .doc = "Topic for records that cannot be decoded: as they came, with the reason in headers."},
    {.path = "kafka.group",
     .type = FIELD_TEXT,
     .offset = KAFKA(group),
     .initial = "rbr",
     .doc = "Consumer group. Workers of one group share the input's partitions."},
    {.path = "kafka.delivery",
     .type = FIELD_SWITCH,
     .offset = KAFKA(at_least_once),
     .initial = "exactly_once",
     .words = {"exactly_once", "at_least_once"},
     .doc =
         "exactly_once: rewards and offsets in one transaction. at_least_once: a crash may repeat "
         "rewards."},
    {.path = "kafka.instance_id",
     .type = FIELD_TEXT,
     .offset = KAFKA(instance_id),
     .initial = "",
     .doc =
         "Static membership: a name of this worker that outlives a restart; unique in the group."},
    {.path = "kafka.transactional_id",
     .type = FIELD_TEXT,
     .offset = KAFKA(transactional_id),
     .initial = "",
     .doc =
         "Identity of the producer, unique to each worker. Empty: the group, and the instance_id "
         "or host name and the smallest number that no other worker of the group holds there."},
    {.path = "kafka.start",
     .type = FIELD_WORD,
     .offset = KAFKA(start),
     .initial = "error",
     .words = {"earliest", "latest", "error"},
     .doc =
         "Where a group starts that has committed nothing yet; error: it does not, and says so."},
    {.path = "kafka.properties.common",
     .type = FIELD_PROPERTIES,
     .offset = KAFKA(common),
     .doc = "librdkafka properties of consumer and producer, as they are: TLS, SASL, ..."},
    {.path = "kafka.properties.consumer",
     .type = FIELD_PROPERTIES,
     .offset = KAFKA(consumer),
     .doc = "librdkafka properties of the consumer alone, e.g. max.poll.interval.ms."},
    {.path = "kafka.properties.producer",
     .type = FIELD_PROPERTIES,
     .offset = KAFKA(producer),
     .doc = "librdkafka properties of the producer alone, e.g. compression.type."},

    {.path = "policy.files",
     .type = FIELD_PATHS,
     .offset = offsetof(struct settings, policy_files),
     .required = SETTINGS_NEED_POLICY,
     .min = "1",
     .max = "16",
     .doc = "The policy; a later file adds to an earlier one or replaces parts of it."},
    {.path = "policy.shadow",
     .type = FIELD_PATHS,
     .offset = offsetof(struct settings, shadow_files),
     .min = "1",
     .max = "16",
     .doc =
         "Files of a second policy, as in policy.files: rbr run gives each record a reward of that "
         "one too, in kafka.shadow_output (docs/policies.md). What both policies ask is asked "
         "once; "
         "its own questions have a quarter of the grader's limits on top."},
    {.path = "policy.shadow_wait",
     .type = FIELD_DURATION,
     .offset = offsetof(struct settings, shadow_wait_us),
     .initial = "2s",
     .min = "0s",
     .max = "10m",
     .doc = "A reward that is settled waits so long for its record's shadow reward, at most; what "
            "that "
            "has not been told by then leaves it EXPIRED."},

    {.path = GRADERS ".name",
     .type = FIELD_NAME,
     .offset = GRADER(name),
     .initial = "grader",
     .doc = "Goes into every reward it had a part in."},
    {.path = GRADERS ".dialect",
     .type = FIELD_WORD,
     .offset = GRADER(dialect),
     .initial = "chat",
     .words = {"chat", "chat_batch", "completions", "score", "generative_scoring", "systemone",
               "decisions"},
     .doc = "The interface its server has (docs/graders.md). chat asks one question a request, the "
            "others many. rbr check --probe tells which work."},
    {.path = GRADERS ".model",
     .type = FIELD_TEXT,
     .offset = GRADER(model),
     .required = FIELD_REQUIRED,
     .doc = "`model` in requests, as the server knows it."},
    {.path = GRADERS ".revision",
     .type = FIELD_TEXT,
     .offset = GRADER(revision),
     .initial = "",
     .doc = "Change it when the server gives the same model name other weights: judgments of two "
            "revisions are never taken for one another."},
    {.path = GRADERS ".endpoints",
     .type = FIELD_URLS,
     .offset = GRADER(endpoints),
     .required = FIELD_REQUIRED,
     .min = "1",
     .max = "64",
     .doc = "Base URLs of servers that are alike, e.g. http://127.0.0.1:8000. What is "
            "asked about one prompt goes to one of them. unix:/run/grader.sock: a socket of this "
            "machine."},
    {.path = GRADERS ".resolve",
     .type = FIELD_ENUM,
     .offset = GRADER(resolve),
     .initial = "auto",
     .words = {"auto", "all", "one"},
     .doc = "What a host's name in endpoints stands for when it has several addresses. all: for as "
            "many endpoints, as of a headless service. one: for one, whose addresses are a matter "
            "of the network. auto: all behind http, one behind https and through a proxy."},
    {.path = GRADERS ".resolve_every",
     .type = FIELD_DURATION,
     .offset = GRADER(resolve_every_us),
     .initial = "30s",
     .min = "1s",
     .max = "1h",
     .doc = "How often such names are looked up again: new addresses are asked from then on, those "
            "that are gone no more."},
    {.path = GRADERS ".api_key_file",
     .type = FIELD_PATH,
     .offset = GRADER(api_key_file),
     .initial = "",
     .doc = "File with the API key, one line, closed to other users."},
    {.path = GRADERS ".api_key_env",
     .type = FIELD_TEXT,
     .offset = GRADER(api_key_env),
     .initial = "",
     .doc = "Environment variable with the API key, instead of a file. Keys have no other way in."},
    {.path = GRADERS ".max_in_flight",
     .type = FIELD_COUNT,
     .offset = GRADER(max_in_flight),
     .initial = "256",
     .min = "1",
     .max = "10000",
     .doc = "Requests at a time, per endpoint, at most."},
    {.path = GRADERS ".max_tokens_in_flight",
     .type = FIELD_COUNT,
     .offset = GRADER(max_tokens_in_flight),
     .initial = "0",
     .min = "0",
     .max = "1000000000",
     .doc = "Tokens of prompts that one endpoint has to read at a time, at most: a prompt has a "
            "quarter of its bytes, and what questions about a completion share is read once. Long "
            "prompts wait for one another then. 0: no bound."},
    {.path = GRADERS ".flow",
     .type = FIELD_SWITCH,
     .offset = GRADER(fixed_in_flight),
     .initial = "adaptive",
     .words = {"adaptive", "fixed"},
     .doc =
         "adaptive: as many requests at a time as the server keeps up with. fixed: max_in_flight."},
    {.path = GRADERS ".share",
     .type = FIELD_DECIMAL,
     .offset = GRADER(share),
     .initial = "1",
     .min = "0.01",
     .max = "1",
     .doc = "This worker's part, where others with 1 use the same endpoints: with 0.25 it comes to "
            "have about a quarter as many requests there as each of them, and never more than that "
            "part of max_in_flight."},
    {.path = GRADERS ".load_poll",
     .type = FIELD_SWITCH,
     .offset = GRADER(polls),
     .initial = "none",
     .words = {"none", "sglang"},
     .doc = "sglang: ask each endpoint twice a second how many requests wait there, GET /v1/loads, "
            "for adaptive flow. vLLM says so with its replies, without being asked."},
    {.path = GRADERS ".timeouts.connect",
     .type = FIELD_DURATION,
     .offset = GRADER(connect_timeout_us),
     .initial = "2s",
     .min = "1ms",
     .max = "5m",
     .doc = "For a connection to be made."},
    {.path = GRADERS ".timeouts.first_byte",
     .type = FIELD_DURATION,
     .offset = GRADER(first_byte_timeout_us),
     .initial = "30s",
     .min = "1s",
     .max = "1h",
     .doc = "Without a byte of reply for this long a request has failed. In whole seconds."},
    {.path = GRADERS ".timeouts.total",
     .type = FIELD_DURATION,
     .offset = GRADER(total_timeout_us),
     .initial = "60s",
     .min = "1ms",
     .max = "1h",
     .doc = "For one request, with everything."},
    {.path = GRADERS ".attempts",
     .type = FIELD_COUNT,
     .offset = GRADER(attempts),
     .initial = "3",
     .min = "1",
     .max = "10",
     .doc =
         "How often one question is sent at most, within the record's deadline. What an outage of "
         "the grader took does not count; if nobody was answered meanwhile, once more as often."},
    {.path = GRADERS ".questions_per_request",
     .type = FIELD_COUNT,
     .offset = GRADER(questions_per_request),
     .initial = "64",
     .min = "1",
     .max = "200",
     .doc = "Questions about one completion in one request, at most; chat always asks one."},
    {.path = GRADERS ".warm_first",
     .type = FIELD_ENUM,
     .offset = GRADER(warm_first),
     .initial = "auto",
     .words = {"auto", "on", "off"},
     .doc = "Whether one of a completion's requests goes ahead and the others follow when it was "
            "answered, or 2 s after it: they find what they share in the server's prefix cache. "
            "auto: from 32 KiB on that they share; behind https, whose servers charge less for it, "
            "from 4 KiB on."},
    {.path = GRADERS ".mode",
     .type = FIELD_ENUM,
     .offset = GRADER(mode),
     .initial = "logprobs",
     .words = {"logprobs", "verdict", "sample"},
     .doc = "What P(yes) is made of. logprobs: the distribution of the answer's first token. For "
            "servers without, in dialect chat: verdict, the answer's text, 0 or 1; sample, the "
            "share of yes among several answers."},
    {.path = GRADERS ".samples",
     .type = FIELD_COUNT,
     .offset = GRADER(samples),
     .initial = "8",
     .min = "2",
     .max = "128",
     .doc = "Answers to each question in mode sample (`n` in the request)."},
    {.path = GRADERS ".thinking",
     .type = FIELD_ENUM,
     .offset = GRADER(thinking),
     .initial = "unsaid",
     .words = {"unsaid", "template_off", "effort_none", "allowed"},
     .doc = "For models that think before they answer. template_off: chat_template_kwargs "
            "(vLLM, SGLang, llama.cpp). effort_none: reasoning_effort (OpenAI). allowed: in "
            "dialect chat, the first token after </think> is read. unsaid: nothing is sent."},
    {.path = GRADERS ".thinking_tokens",
     .type = FIELD_COUNT,
     .offset = GRADER(thinking_tokens),
     .initial = "1024",
     .min = "16",
     .max = "8192",
     .doc = "Longest thought when it is allowed; a longer one is no answer."},
    {.path = GRADERS ".yes_token_ids",
     .type = FIELD_IDS,
     .offset = GRADER(yes_token_ids),
     .min = "1",
     .max = "16",
     .doc = "Token ids of the yes labels in the model's vocabulary. score and generative_scoring "
            "need them; chat then sends logprob_token_ids, which vLLM understands."},
    {.path = GRADERS ".no_token_ids",
     .type = FIELD_IDS,
     .offset = GRADER(no_token_ids),
     .min = "1",
     .max = "16",
     .doc = "Likewise of the no labels."},
    {.path = GRADERS ".prompt_before",
     .type = FIELD_LINES,
     .offset = GRADER(prompt_before),
     .initial = "",
     .doc = "completions, score and generative_scoring send text: what the model's chat template "
            "has before a user's message, e.g. \"[INST] \"."},
    {.path = GRADERS ".prompt_after",
     .type = FIELD_LINES,
     .offset = GRADER(prompt_after),
     .initial = "",
     .doc = "Likewise after it, up to where the answer begins, e.g. "
            "\" [/INST]\"."},
    {.path = GRADERS ".top_logprobs",
     .type = FIELD_COUNT,
     .offset = GRADER(top_logprobs),
     .initial = "20",
     .min = "2",
     .max = "100",
     .doc = "Alternatives of the answer's token asked for; many servers allow 20 at most."},
    {.path = GRADERS ".price.input",
     .type = FIELD_DECIMAL,
     .offset = GRADER(price_input),
     .initial = "",
     .min = "0",
     .max = "1000",
     .doc = "USD per million prompt tokens. With a price, rewards and the log say what was spent; "
            "without, tokens alone are counted."},
    {.path = GRADERS ".price.cached_input",
     .type = FIELD_DECIMAL,
     .offset = GRADER(price_cached_input),
     .initial = "",
     .min = "0",
     .max = "1000",
     .doc = "Likewise of those that the server has in its cache. Empty: as price.input."},
    {.path = GRADERS ".price.output",
     .type = FIELD_DECIMAL,
     .offset = GRADER(price_output),
     .initial = "",
     .min = "0",
     .max = "1000",
     .doc = "Likewise of generated tokens."},
    {.path = GRADERS ".keep_alive",
     .type = FIELD_DURATION,
     .offset = GRADER(keep_alive_us),
     .initial = "4s",
     .min = "1s",
     .max = "1h",
     .doc = "An idle connection is used again up to this age: less than the server's own limit. In "
            "whole seconds."},
    {.path = GRADERS ".tls.ca_file",
     .type = FIELD_PATH,
     .offset = GRADER(tls_ca_file),
     .initial = "",
     .doc = "Certificates (PEM) that the servers' must be signed by. Empty: those the system "
            "trusts. Verification cannot be switched off."},
    {.path = GRADERS ".tls.certificate_file",
     .type = FIELD_PATH,
     .offset = GRADER(tls_certificate_file),
     .initial = "",
     .doc = "Certificate (PEM) to show to servers that want one."},
    {.path = GRADERS ".tls.key_file",
     .type = FIELD_PATH,
     .offset = GRADER(tls_key_file),
     .initial = "",
     .doc = "Its key (PEM, without a passphrase), closed to other users. Empty: it is in "
            "certificate_file."},
    {.path = GRADERS ".proxy",
     .type = FIELD_URL,
     .offset = GRADER(proxy),
     .initial = "",
     .doc = "HTTP proxy for all requests, http://HOST:PORT. The environment's proxies are never "
            "used."},
    {.path = GRADERS ".insecure",
     .type = FIELD_FLAG,
     .offset = GRADER(insecure),
     .initial = "false",
     .doc = "Plain http to another machine is meant: completions and the key travel readable."},

    {.path = "limits.records_in_flight",
     .type = FIELD_COUNT,
     .offset = LIMITS(records_in_flight),
     .initial = "4096",
     .min = "1",
     .max = "1000000",
     .doc = "Records read and not yet committed."},
    {.path = "limits.memory",
     .type = FIELD_SIZE,
     .offset = LIMITS(memory_bytes),
     .initial = "512MiB",
     .min = "1MiB",
     .max = "1024GiB",
     .doc = "Held by them and by the partitions they come from; at this point reading stops until "
            "some are committed."},
    {.path = "limits.completion_bytes",
     .type = FIELD_SIZE,
     .offset = LIMITS(completion_bytes),
     .initial = "1MiB",
     .min = "1KiB",
     .max = "64MiB",
     .doc = "Text of one record; a record of more than four times this is a dead letter."},
    {.path = "limits.window",
     .type = FIELD_COUNT,
     .offset = LIMITS(window),
     .initial = "8000",
     .min = "16",
     .max = "24000",
     .doc = "Offsets of one partition between the oldest unfinished record and the newest read."},
    {.path = "limits.record_deadline",
     .type = FIELD_DURATION,
     .offset = LIMITS(record_deadline_us),
     .initial = "120s",
     .min = "1s",
     .max = "1d",
     .doc = "From reading a record to its reward; what is not judged by then is settled without."},
    {.path = "limits.drain",
     .type = FIELD_DURATION,
     .offset = LIMITS(drain_us),
     .initial = "10s",
     .min = "0s",
     .max = "10m",
     .doc = "At a stop or rebalance: time to finish what is being judged. At most 20 % of the "
            "consumer's max.poll.interval.ms."},
    {.path = "limits.publish_interval",
     .type = FIELD_DURATION,
     .offset = LIMITS(publish_interval_us),
     .initial = "100ms",
     .min = "1ms",
     .max = "10s",
     .doc = "A transaction at most this often, unless a batch is full."},
    {.path = "limits.max_grader_cost_per_hour",
     .type = FIELD_DECIMAL,
     .offset = LIMITS(max_grader_cost_per_hour),
     .initial = "",
     .min = "0.000001",
     .max = "1000000",
     .doc = "USD that this worker's graders may cost in any hour, by their prices. Then nothing is "
            "asked or read until enough of the hour has gone by; no record fails for it."},

    {.path = "state.dir",
     .type = FIELD_PATH,
     .offset = offsetof(struct settings, state.dir),
     .initial = "",
     .doc =
         "Folder on a local disk that outlives the process: what a worker was at work on when it "
         "died, so that a record that kills is put aside after three deaths. The workers of one "
         "host share it. Empty: no death is counted."},

    {.path = "cache.path",
     .type = FIELD_PATH,
     .offset = offsetof(struct settings, cache.path),
     .initial = "",
     .doc =
         "File that keeps judgments over restarts; the workers of one host share it. Empty: each "
         "keeps them in memory while it runs."},
    {.path = "cache.size",
     .type = FIELD_SIZE,
     .offset = offsetof(struct settings, cache.bytes),
     .initial = "64MiB",
     .min = "1MiB",
     .max = "1024GiB",
     .doc =
         "Of the file when it is made, or of the memory; a MiB keeps 8,192 judgments. The oldest "
         "give way."},
    {.path = "cache.restore_from",
     .type = FIELD_TOPICS,
     .offset = offsetof(struct settings, cache.restore_from),
     .min = "1",
     .max = "16",
     .doc = "Topics of rewards whose judgments are read into the cache when a partition is "
            "assigned: of the same partition, or of all when they have not as many as the input."},
    {.path = "cache.restore_wait",
     .type = FIELD_DURATION,
     .offset = offsetof(struct settings, cache.restore_wait_us),
     .initial = "30s",
     .min = "0s",
     .max = "1d",
     .doc = "So long no record is read while they are not all there; what is not there in time may "
            "be asked again."},

    {.path = "canary.file",
     .type = FIELD_PATH,
     .offset = offsetof(struct settings, canary.file),
     .initial = "",
     .doc = "Completion records (JSON lines) with `propositions`, the answers that are right. They "
            "are graded at the start of rbr run and again and again. Empty: none."},
    {.path = "canary.every",
     .type = FIELD_COUNT,
     .offset = offsetof(struct settings, canary.every),
     .initial = "10000",
     .min = "1",
     .max = "1000000000",
     .doc = "Records put to the grader from one round of canaries to the next."},
    {.path = "canary.on_failure",
     .type = FIELD_SWITCH,
     .offset = offsetof(struct settings, canary.stop),
     .initial = "alarm",
     .words = {"alarm", "stop"},
     .doc = "alarm: a line in the log. stop: also nothing is read, asked or published any more "
            "until a restart, nor before the first round has passed."},
    {.path = "canary.tolerance",
     .type = FIELD_DECIMAL,
     .offset = offsetof(struct settings, canary.tolerance),
     .initial = "0",
     .min = "0",
     .max = "1",
     .doc = "Share of a round's answers that may be wrong, that is on the other side of one half."},

    {.path = "log.level",
     .type = FIELD_ENUM,
     .offset = offsetof(struct settings, log.level),
     .initial = "info",
     .words = {"debug", "info", "warning", "error"},
     .doc = "Lines below this level are not written."},
    {.path = "log.format",
     .type = FIELD_ENUM,
     .offset = offsetof(struct settings, log.format),
     .initial = "text",
     .words = {"text", "json"},
     .doc = "One line an event on standard error: key=value text, or JSON."},
};

const size_t n_fields = ARRAY_LEN(fields);

const struct field_section field_sections[] = {
    {"kafka", "Where completion records come from and rewards go."},
    {"policy", "What is asked and how answers become rewards (docs/policies.md)."},
    {"graders", "Servers that judge. A list; for now of one."},
    {"limits", "Bounds of one worker."},
    {"state", "What must outlive the process."},
    {"cache", "Judgments that are kept, so that no question is asked twice."},
    {"canary",
     "Completions with known answers, to see that the grader still tells right from wrong "
     "(docs/graders.md)."},
    {"log", "Lines on standard error."},
};

const size_t n_field_sections = ARRAY_LEN(field_sections);

const char *field_type_name(enum field_type type)
{
    static const char *const names[FIELD_TYPES] = {
        [FIELD_TEXT] = "text",
        [FIELD_LINES] = "text",
        [FIELD_NAME] = "name",
        [FIELD_TOPIC] = "topic",
        [FIELD_TOPICS] = "list of topics",
        [FIELD_BROKERS] = "host:port, ...",
        [FIELD_PATH] = "path",
        [FIELD_PATHS] = "list of paths",
        [FIELD_URL] = "URL",
        [FIELD_URLS] = "list of URLs",
        [FIELD_IDS] = "list of whole numbers",
        [FIELD_WORD] = "word",
        [FIELD_SWITCH] = "word",
        [FIELD_ENUM] = "word",
        [FIELD_FLAG] = "true or false",
        [FIELD_COUNT] = "whole number",
        [FIELD_SIZE] = "size",
        [FIELD_DURATION] = "duration",
        [FIELD_DECIMAL] = "number",
        [FIELD_PROPERTIES] = "map of text",
    };
    return names[type];
}

bool field_is_number(enum field_type type)
{
    return type >= FIELD_COUNT && type <= FIELD_DECIMAL;
}

bool field_is_list(enum field_type type)
{
    return type == FIELD_TOPICS || type == FIELD_PATHS || type == FIELD_URLS || type == FIELD_IDS;
}

/* ---- paths ------------------------------------------------------------------------------------
 */

const struct field *field_find(struct str path)
{
    for (size_t i = 0; i < n_fields; i++)
        if (str_eq(str_z(fields[i].path), path))
            return &fields[i];
    return NULL;
}

bool field_below(const struct field *f, struct str path)
{
    struct str own = str_z(f->path);
    return path.n == 0 || (own.n > path.n && str_has_prefix(own, path) && own.p[path.n] == '.');
}

bool field_is_section(struct str path)
{
    for (size_t i = 0; i < n_fields; i++)
        if (field_below(&fields[i], path))
            return true;
    return false;
}

struct str field_key_below(const struct field *f, struct str path)
{
    struct str own = {f->path, strlen(f->path)};
    size_t from = path.n > 0 ? path.n + 1 : 0;
    size_t dot = str_find(own, STR("."), from);
    struct str key = str_sub(own, from, dot != SIZE_MAX ? dot : own.n);
    if (key.n > 2 && key.p[key.n - 1] == ']')
        key.n -= 2;
    return key;
}

struct str field_key(const struct field *f)
{
    return str_z(strrchr(f->path, '.') + 1);
}

const char *field_label(const struct field *f, size_t grader, char out[FIELD_LABEL_MAX])
{
    if (field_below(f, STR(GRADERS)))
        (void)snprintf(out, FIELD_LABEL_MAX, "graders.%zu%s", grader, f->path + strlen(GRADERS));
    else
        (void)snprintf(out, FIELD_LABEL_MAX, "%s", f->path);
    return out;
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

bool field_parse_number(enum field_type type, struct str text, uint64_t *ret)
{
    int64_t us;
    if (type == FIELD_COUNT)
        return num_parse_u64(text, ret);
    if (type == FIELD_SIZE)
        return num_parse_size(text, ret);
    if (type == FIELD_DECIMAL)
        return num_parse_millionths(text, ret);
    if (!num_parse_duration_us(text, &us))
        return false;
    *ret = (uint64_t)us;
    return true;
}

struct unit {
    uint64_t factor;
    const char *name;
};

void field_print_number(enum field_type type, uint64_t v, char out[32])
{
    static const struct unit none[] = {{1, ""}};
    static const struct unit bytes[] = {
        {1u << 30, "GiB"}, {1u << 20, "MiB"}, {1u << 10, "KiB"}, {1, "B"}};
    static const struct unit times[] = {{86400000000, "d"}, {3600000000, "h"}, {60000000, "m"},
                                        {1000000, "s"},     {1000, "ms"},      {1, "us"}};
    if (type == FIELD_DECIMAL) {
        num_print_millionths(v, out);
        return;
    }
    const struct unit *u = type == FIELD_COUNT ? none : type == FIELD_SIZE ? bytes : times;
    while (u->factor > 1 && (v == 0 ? u->factor != 1000000 : v % u->factor != 0))
        u++;
    (void)snprintf(out, 32, "%" PRIu64 "%s", v / u->factor, u->name);
}
