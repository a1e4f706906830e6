/* settings: a table of wrong files, each with every line that is said about it; then what good ones
 * give. */
#include "settings_fixture.h"

/* ---- wrong files ------------------------------------------------------------------------------
 */

struct wrong {
    const char *name, *text, *lines;
};

static const struct wrong wrongs[] = {
    {"an unknown section", K P G "replay: {path: x}\n",
     "w.yaml:4:1: unknown key 'replay'; the keys there are kafka, policy, graders, limits, state, "
     "cache, canary, log\n"},
    {"a section misspelt", "kafak: {brokers: a}\n" P G,
     "w.yaml:1:1: unknown key 'kafak'; did you mean 'kafka'?\n"
     "w.yaml:1:1: kafka.brokers: is missing; add it\n"},
    {"a key misspelt", KAFKA("  grup: g\n"),
     "w.yaml:3:3: unknown key 'grup' in kafka; did you mean 'group'?\n"},
    {"a key in the wrong section", KAFKA("  drain: 1s\n"),
     "w.yaml:3:3: unknown key 'drain' in kafka; did you mean limits.drain?\n"},
    {"a dotted key", K P G "log.level: debug\n",
     "w.yaml:4:1: unknown key 'log.level'; the keys there are kafka, policy, graders, limits, "
     "state, cache, canary, log\n"},
    {"a key of a grader misspelt", GRADER("  timeout: {total: 1s}\n"),
     "w.yaml:6:3: unknown key 'timeout' in graders.0; did you mean 'timeouts'?\n"},
    {"a key below a grader's section", GRADER("  timeouts: {totel: 1s}\n"),
     "w.yaml:6:14: unknown key 'totel' in graders.0.timeouts; did you mean 'total'?\n"},
    {"an API key in the file", GRADER("  api_key: sk-very-secret\n"),
     "w.yaml:6:3: unknown key 'api_key' in graders.0; put the key in a file and name that in "
     "api_key_file\n"},
    {"a section that is a list", "kafka: [a]\n" P G,
     "w.yaml:1:1: kafka: is not a section; write its keys below it, indented\n"
     "w.yaml:1:1: kafka.brokers: is missing; add it\n"},
    {"a section that is a word", K P G "limits: many\n",
     "w.yaml:4:9: limits: is not a section; write its keys below it, indented\n"},
    {"no brokers", "kafka: {input: c}\n" P G, "w.yaml:1:1: kafka.brokers: is missing; add it\n"},
    {"nothing at all", "",
     "w.yaml:1:1: kafka.brokers: is missing; add it\n"
     "w.yaml:1:1: policy.files: is missing; add it\n"
     "w.yaml:1:1: graders: there is none; add one with endpoints and model\n"},
    {"no grader in the list", K P "graders: []\n",
     "w.yaml:1:1: graders: there is none; add one with endpoints and model\n"},
    {"a grader without model and endpoints", K P "graders:\n  - name: g\n",
     "w.yaml:4:5: graders.0.model: is missing; add it\n"
     "w.yaml:4:5: graders.0.endpoints: is missing; add it\n"},
    {"graders as a map", K P "graders: {model: m}\n",
     "w.yaml:3:1: graders: is not a list; begin the grader's first line with '- '\n"},
    {"a grader that is a word", K P "graders: [local]\n",
     "w.yaml:3:11: graders.0: is not a map; write '- endpoints: [http://HOST:PORT]' and the other "
     "keys below it\n"},
    {"two graders",
     K P "graders:\n- {model: m, endpoints: [http://127.0.0.1:1]}\n- {model: n, endpoints: "
         "[http://127.0.0.1:2]}\n",
     "w.yaml:5:4: graders: there are 2, and the worker asks one; remove this one\n"},
    {"text that is a list", "kafka: {brokers: [a, b]}\n" P G,
     "w.yaml:1:9: kafka.brokers: a list, where one value is wanted; write brokers: VALUE\n"},
    {"text that is a map", KAFKA("  group: {a: b}\n"),
     "w.yaml:3:3: kafka.group: a map, where one value is wanted; write group: VALUE\n"},
    {"text that is empty", KAFKA("  group: \"\"\n"),
     "w.yaml:3:11: kafka.group: is empty; write a value, or remove the line\n"},
    {"text with a line end", KAFKA("  group: \"a\\nb\"\n"),
     "w.yaml:3:11: kafka.group: has a line end or other control character in it; remove it\n"},
    {"a topic with a space", KAFKA("  input: my topic\n"),
     "w.yaml:3:10: kafka.input: 'my topic' is no topic; use up to 249 letters, digits, '.', _ and "
     "-\n"},
    {"a topic of two dots", KAFKA("  output: ..\n"),
     "w.yaml:3:11: kafka.output: '..' is no topic; use up to 249 letters, digits, '.', _ and -\n"},
    {"a broker without host", "kafka: {brokers: \"a:9092,:9092\"}\n" P G,
     "w.yaml:1:19: kafka.brokers: ':9092' is no broker; write host:port, several separated by "
     "commas\n"},
    {"a broker with a port too large", "kafka: {brokers: \"a:99999\"}\n" P G,
     "w.yaml:1:19: kafka.brokers: 'a:99999' is no broker; write host:port, several separated by "
     "commas\n"},
    {"a grader's name that looks like a number", GRADER("  name: \"7\"\n"),
     "w.yaml:6:10: graders.0.name: '7' is no name; use up to 64 letters, digits, _ and -, not "
     "digits alone\n"},
    {"a word that is none of the choices", KAFKA("  delivery: twice\n"),
     "w.yaml:3:13: kafka.delivery: there is no 'twice'; write exactly_once or at_least_once\n"},
    {"a choice that is a list", KAFKA("  start: [earliest]\n"),
     "w.yaml:3:3: kafka.start: a list, where one value is wanted; write start: VALUE\n"},
    {"a dialect that there is not", GRADER("  dialect: telepathy\n"),
     "w.yaml:6:12: graders.0.dialect: there is no 'telepathy'; write chat, chat_batch, "
     "completions, score, generative_scoring, systemone or decisions\n"},
    {"a token id that is none", GRADER("  yes_token_ids: [9891, -1]\n"),
     "w.yaml:6:25: graders.0.yes_token_ids: '-1' is no token id; write a whole number\n"},
    {"a control character in a template", GRADER("  prompt_before: \"<s>\\n\\e\"\n"),
     "w.yaml:6:19: graders.0.prompt_before: has a control character in it; remove it\n"},
    {"a log level that there is not", K P G "log: {level: warn}\n",
     "w.yaml:4:14: log.level: there is no 'warn'; write debug, info, warning or error\n"},
    {"a flag that is another word", GRADER("  insecure: yes\n"),
     "w.yaml:6:13: graders.0.insecure: 'yes' is neither true nor false; write one of them, without "
     "quotes\n"},
    {"a flag in quotes", GRADER("  insecure: \"true\"\n"),
     "w.yaml:6:14: graders.0.insecure: 'true' is neither true nor false; write one of them, "
     "without quotes\n"},
    {"a flag that is a map", GRADER("  insecure: {a: b}\n"),
     "w.yaml:6:3: graders.0.insecure: a map, where one value is wanted; write insecure: VALUE\n"},
    {"a count with a letter", LIMITS("  window: 8k\n"),
     "w.yaml:5:11: limits.window: '8k' is not a whole number; write digits alone, e.g. 8000\n"},
    {"a count below zero", GRADER("  attempts: -1\n"),
     "w.yaml:6:13: graders.0.attempts: '-1' is not a whole number; write digits alone, e.g. 3\n"},
    {"a count out of range", GRADER("  attempts: 11\n"),
     "w.yaml:6:13: graders.0.attempts: 11 is out of range; choose 1 to 10\n"},
    {"a count that is a list", LIMITS("  window: [1]\n"),
     "w.yaml:5:3: limits.window: a list, where one value is wanted; write window: VALUE\n"},
    {"a size without unit", LIMITS("  memory: 512\n"),
     "w.yaml:5:11: limits.memory: '512' is not a size; write a number with B, KiB, MiB, GiB, KB, "
     "MB or GB, e.g. 512MiB\n"},
    {"a size in another spelling", LIMITS("  memory: 512mb\n"),
     "w.yaml:5:11: limits.memory: '512mb' is not a size; write a number with B, KiB, MiB, GiB, KB, "
     "MB or GB, e.g. 512MiB\n"},
    {"a size out of range", LIMITS("  completion_bytes: 1GiB\n"),
     "w.yaml:5:21: limits.completion_bytes: 1GiB is out of range; choose 1KiB to 64MiB\n"},
    {"a duration without unit", LIMITS("  drain: 10\n"),
     "w.yaml:5:10: limits.drain: '10' is not a duration; write a number with us, ms, s, m, h or d, "
     "e.g. 10s\n"},
    {"a duration of words", LIMITS("  record_deadline: two minutes\n"),
     "w.yaml:5:20: limits.record_deadline: 'two minutes' is not a duration; write a number with "
     "us, ms, s, m, h or d, e.g. 120s\n"},
    {"a duration out of range", LIMITS("  publish_interval: 1m\n"),
     "w.yaml:5:21: limits.publish_interval: 1m is out of range; choose 1ms to 10s\n"},
    {"files that are no list", K "policy: {files: p.yaml}\n" G,
     "w.yaml:2:17: policy.files: is not a list; write [a, b], or a line '- a' for each\n"},
    {"no file in the list", K "policy: {files: []}\n" G,
     "w.yaml:2:10: policy.files: has 0 items; write 1 to 16\n"},
    {"a file twice", K "policy: {files: [p.yaml, q.yaml, p.yaml]}\n" G,
     "w.yaml:2:34: policy.files: 'p.yaml' is here twice; remove one\n"},
    {"a file that is empty", K "policy: {files: [p.yaml, \"\"]}\n" G,
     "w.yaml:2:27: policy.files: an item that is empty; write one value\n"},
    {"a file that is a map", K "policy: {files: [{a: b}]}\n" G,
     "w.yaml:2:19: policy.files: an item that is a map; write one value\n"},
    {"a file with a control character", K "policy: {files: [\"a\\tb\"]}\n" G,
     "w.yaml:2:19: policy.files: has a line end or other control character in it; remove it\n"},
    {"an endpoint without scheme", K P "graders: [{model: m, endpoints: [\"127.0.0.1:8000\"]}]\n",
     "w.yaml:3:35: graders.0.endpoints: '127.0.0.1:8000' is no base URL; begin it with http:// or "
     "https://\n"},
    {"an endpoint with a password",
     K P "graders: [{model: m, endpoints: [\"http://me:hunter2@127.0.0.1\"]}]\n",
     "w.yaml:3:35: graders.0.endpoints: credentials do not belong in a URL; put the key in "
     "api_key_file\n"},
    {"an endpoint without host", K P "graders: [{model: m, endpoints: [\"https://:80\"]}]\n",
     "w.yaml:3:35: graders.0.endpoints: 'https://:80' is no base URL; name a host: "
     "http://HOST:PORT\n"},
    {"an endpoint with a query", K P "graders: [{model: m, endpoints: [\"https://h/v1?key=1\"]}]\n",
     "w.yaml:3:35: graders.0.endpoints: 'https://h/v1?key=1' is no base URL; remove what follows ? "
     "or #: a path is added to it\n"},
    {"an endpoint with a space", K P "graders: [{model: m, endpoints: [\"https://h /v1\"]}]\n",
     "w.yaml:3:35: graders.0.endpoints: 'https://h /v1' is no base URL; remove the space in it\n"},
    {"plain http to another machine",
     K P "graders: [{model: m, endpoints: [\"http://gpu1:8000\"]}]\n",
     "w.yaml:3:35: graders.0.endpoints: 'http://gpu1:8000' is plain http to another machine; use "
     "https, or say insecure: true\n"},
    {"plain http to a name like loopback",
     K P "graders: [{model: m, endpoints: [\"http://127.0.0.1.example.org\"]}]\n",
     "w.yaml:3:35: graders.0.endpoints: 'http://127.0.0.1.example.org' is plain http to another "
     "machine; use https, or say insecure: true\n"},
    {"a first byte later than the end", GRADER("  timeouts: {first_byte: 61s}\n"),
     "w.yaml:6:26: graders.0.timeouts.first_byte: 61s is longer than timeouts.total (1m); lower "
     "it, or raise that\n"},
    {"an end before a connection", GRADER("  timeouts: {connect: 3s, first_byte: 1s, total: 2s}\n"),
     "w.yaml:6:23: graders.0.timeouts.connect: 3s is longer than timeouts.total (2s); lower it, or "
     "raise that\n"},
    {"output is input", KAFKA("  output: completions\n"),
     "w.yaml:3:11: kafka.output: rewards would be written to the input, 'completions'; choose "
     "another topic\n"},
    {"dead letters go to the input", KAFKA("  dead_letters: completions\n"),
     "w.yaml:3:17: kafka.dead_letters: dead letters would be read again from the input, "
     "'completions'; choose another topic\n"},
    {"dead letters among rewards", KAFKA("  dead_letters: rewards\n"),
     "w.yaml:3:17: kafka.dead_letters: dead letters would be among the rewards in 'rewards'; "
     "choose another topic\n"},
    {"shadow rewards among the rewards",
     "kafka: {brokers: a:9092, shadow_output: rewards}\npolicy: {files: [p.yaml], shadow: "
     "[s.yaml]}\n" G,
     "w.yaml:1:41: kafka.shadow_output: rewards of the shadow policy would be among the rewards in "
     "'rewards'; choose another topic\n"},
    {"shadow rewards in the input",
     "kafka: {brokers: a:9092, shadow_output: completions}\npolicy: {files: [p.yaml], shadow: "
     "[s.yaml]}\n" G,
     "w.yaml:1:41: kafka.shadow_output: rewards of the shadow policy would be among the input in "
     "'completions'; choose another topic\n"},
    {"shadow rewards among the dead letters",
     "kafka: {brokers: a:9092, dead_letters: rewards.shadow}\npolicy: {files: [p.yaml], shadow: "
     "[s.yaml]}\n" G,
     "w.yaml:1:1: kafka.shadow_output: rewards of the shadow policy would be among the dead "
     "letters in "
     "'rewards.shadow'; choose another topic\n"},
    {"a drain too long", LIMITS("  drain: 61s\n"),
     "w.yaml:5:10: limits.drain: 61s is more than 20 % of max.poll.interval.ms (300000); choose at "
     "most 1m, or raise that property\n"},
    {"a poll interval too short for the drain",
     KAFKA("  properties: {consumer: {max.poll.interval.ms: 45000}}\n"),
     "w.yaml:3:49: limits.drain: 10s is more than 20 % of max.poll.interval.ms (45000); choose at "
     "most 9s, or raise that property\n"},
    {"a poll interval of words", KAFKA("  properties: {common: {max.poll.interval.ms: long}}\n"),
     "w.yaml:3:47: kafka.properties: max.poll.interval.ms: 'long' is not a number of milliseconds; "
     "write e.g. 300000\n"},
    {"a message that outlives its transaction",
     KAFKA("  properties: {producer: {message.timeout.ms: 60000}}\n"),
     "w.yaml:3:47: kafka.properties: message.timeout.ms (60000) must be less than "
     "transaction.timeout.ms (60000), or transactions end with rewards on their way; change one of "
     "them\n"},
    {"a message that never ends", KAFKA("  properties: {producer: {delivery.timeout.ms: 0}}\n"),
     "w.yaml:3:48: kafka.properties: delivery.timeout.ms (0) must be less than "
     "transaction.timeout.ms (60000), or transactions end with rewards on their way; change one of "
     "them\n"},
    {"a transaction shorter than its messages",
     KAFKA("  properties: {producer: {transaction.timeout.ms: 45000}}\n"),
     "w.yaml:3:51: kafka.properties: message.timeout.ms (45000) must be less than "
     "transaction.timeout.ms (45000), or transactions end with rewards on their way; change one of "
     "them\n"},
    {"no room for a record", LIMITS("  memory: 63MiB\n"),
     "w.yaml:5:11: limits.memory: 63MiB has no room for the largest record; choose at least 64MiB "
     "(64 times limits.completion_bytes)\n"},
    {"records too large for the memory", LIMITS("  completion_bytes: 9MiB\n"),
     "w.yaml:5:21: limits.memory: 512MiB has no room for the largest record; choose at least "
     "576MiB (64 times limits.completion_bytes)\n"},
    {"a property that is rbr's: commit",
     KAFKA("  properties: {consumer: {enable.auto.commit: true}}\n"),
     "w.yaml:3:27: kafka.properties.consumer: rbr sets enable.auto.commit itself; offsets are "
     "committed with the rewards they belong to; remove it\n"},
    {"a property that is rbr's: store",
     KAFKA("  properties: {consumer: {enable.auto.offset.store: true}}\n"),
     "w.yaml:3:27: kafka.properties.consumer: rbr sets enable.auto.offset.store itself; offsets "
     "are committed with the rewards they belong to; remove it\n"},
    {"a property that is rbr's: group", KAFKA("  properties: {common: {group.id: g}}\n"),
     "w.yaml:3:25: kafka.properties.common: rbr sets group.id itself; use kafka.group\n"},
    {"a property that is rbr's: brokers", KAFKA("  properties: {common: {bootstrap.servers: b}}\n"),
     "w.yaml:3:25: kafka.properties.common: rbr sets bootstrap.servers itself; use "
     "kafka.brokers\n"},
    {"a property that is rbr's: transactional id",
     KAFKA("  properties: {producer: {transactional.id: b}}\n"),
     "w.yaml:3:27: kafka.properties.producer: rbr sets transactional.id itself; use "
     "kafka.transactional_id\n"},
    {"a property that is rbr's: idempotence",
     KAFKA("  properties: {producer: {enable.idempotence: false}}\n"),
     "w.yaml:3:27: kafka.properties.producer: rbr sets enable.idempotence itself; without it a "
     "retry writes a reward twice; use kafka.delivery\n"},
    {"a property that is rbr's: isolation",
     KAFKA("  properties: {consumer: {isolation.level: read_uncommitted}}\n"),
     "w.yaml:3:27: kafka.properties.consumer: rbr sets isolation.level itself; completions of "
     "aborted transactions are never judged; remove it\n"},
    {"an assignor that ends the process",
     KAFKA("  properties: {consumer: {partition.assignment.strategy: "
           "\"range,cooperative-sticky\"}}\n"),
     "w.yaml:3:59: kafka.properties.consumer: cooperative-sticky ends the process in librdkafka "
     "before 2.10; use range or roundrobin\n"},
    {"properties that are no map", KAFKA("  properties: {common: tls}\n"),
     "w.yaml:3:24: kafka.properties.common: is not a map; write lines 'property: value' below "
     "it\n"},
    {"a property with capitals", KAFKA("  properties: {common: {Debug: all}}\n"),
     "w.yaml:3:25: kafka.properties.common: 'Debug' is no librdkafka property; they are like "
     "max.poll.interval.ms\n"},
    {"a property that is a map", KAFKA("  properties: {common: {ssl: {ca.location: x}}}\n"),
     "w.yaml:3:25: kafka.properties.common: 'ssl' must be one value; write ssl.x: VALUE\n"},
    {"a property without value", KAFKA("  properties: {common: {debug: }}\n"),
     "w.yaml:3:25: kafka.properties.common: 'debug' has no value; write one, or remove the line\n"},
    {"a property with a NUL", KAFKA("  properties: {common: {debug: \"a\\0b\"}}\n"),
     "w.yaml:3:33: kafka.properties.common: 'debug' has a NUL byte in it; remove it\n"},
    {"a client that there is not", KAFKA("  properties: {comsumer: {debug: all}}\n"),
     "w.yaml:3:16: unknown key 'comsumer' in kafka.properties; did you mean 'consumer'?\n"},
    {"a client like no other", KAFKA("  properties: {zookeeper: {debug: all}}\n"),
     "w.yaml:3:16: unknown key 'zookeeper' in kafka.properties; the keys there are common, "
     "consumer, "
     "producer\n"},
    {"an environment variable that is not set", KAFKA("  group: x-${RBR_TEST_NOT_SET}\n"),
     "w.yaml:3:10: environment variable RBR_TEST_NOT_SET is not set; set it, or write the value "
     "here\n"},
    {"an environment variable without end", KAFKA("  group: ${HOME\n"),
     "w.yaml:3:10: '${' begins no ${NAME} of letters, digits and _; complete it, or write $${ for "
     "the characters themselves\n"},
    {"an environment variable that is no name", KAFKA("  group: ${9}\n"),
     "w.yaml:3:10: '${' begins no ${NAME} of letters, digits and _; complete it, or write $${ for "
     "the characters themselves\n"},
    {"YAML that is none", "kafka: {brokers: a:9092\n",
     "w.yaml:2:1: missing comma in flow mapping; correct it\n"},
    {"a tab for indentation", "kafka:\n\tbrokers: a\n",
     "w.yaml:2:1: tab character may not be used as indentation; correct it\n"},
    {"a key twice", K K P G, "w.yaml:2:1: duplicate key; correct it\n"},
    {"an anchor", "kafka: &k {brokers: a:9092}\n" P G,
     "w.yaml:1:8: anchors are not supported; write the value out\n"},
    {"a list of sections", "- kafka\n",
     "w.yaml:1:1: a settings file is a map of sections; write 'kafka:', 'policy:', ...\n"},
    {"a price that is none", GRADER("  price: {input: cheap, output: -1}\n"),
     "w.yaml:6:18: graders.0.price.input: 'cheap' is not a number; write digits, a point and up to "
     "six digits, e.g. 0.25\n"
     "w.yaml:6:33: graders.0.price.output: '-1' is not a number; write digits, a point and up to "
     "six digits, e.g. 0.25\n"},
    {"a price too fine", GRADER("  price: {input: 0.0000001, output: 1000.1}\n"),
     "w.yaml:6:18: graders.0.price.input: '0.0000001' is not a number; write digits, a point and "
     "up to six digits, e.g. 0.25\n"
     "w.yaml:6:37: graders.0.price.output: 1000.1 is out of range; choose 0 to 1000\n"},
    {"half a price", GRADER("  price: {input: 0.04}\n"),
     "w.yaml:6:18: graders.0.price.output: is missing; add it, 0 when it is free\n"},
    {"the other half", GRADER("  price: {output: 0}\n"),
     "w.yaml:6:19: graders.0.price.input: is missing; add it, 0 when it is free\n"},
    {"the price of the cache alone", GRADER("  price: {cached_input: 0}\n"),
     "w.yaml:6:25: graders.0.price.input: is missing; add it, 0 when it is free\n"},
    {"a ceiling without a price", LIMITS("  max_grader_cost_per_hour: 5\n"),
     "w.yaml:5:29: limits.max_grader_cost_per_hour: grader 'grader' has no price; add price: "
     "{input: "
     "USD per million tokens, output: ...} to it\n"},
    {"a ceiling of nothing", LIMITS("  max_grader_cost_per_hour: 0\n"),
     "w.yaml:5:29: limits.max_grader_cost_per_hour: 0 is out of range; choose 0.000001 to "
     "1000000\n"},
    {"several at once",
     "kafka: {brokers: a:9092, delivery: twice, x: 1}\n" P
     "limits: {drain: soon, window: 1}\ngraders: [{model: m, endpoints: []}]\n",
     "w.yaml:1:36: kafka.delivery: there is no 'twice'; write exactly_once or at_least_once\n"
     "w.yaml:1:43: unknown key 'x' in kafka; the keys there are brokers, input, output, "
     "shadow_output, "
     "dead_letters, group, delivery, instance_id, transactional_id, start, properties\n"
     "w.yaml:3:17: limits.drain: 'soon' is not a duration; write a number with us, ms, s, m, h or "
     "d, e.g. 10s\n"
     "w.yaml:3:31: limits.window: 1 is out of range; choose 16 to 24000\n"
     "w.yaml:4:22: graders.0.endpoints: has 0 items; write 1 to 64\n"},
};

static void every_wrong_file_gets_its_lines(void **state RBR_UNUSED)
{
    assert_int_equal(unsetenv("RBR_TEST_NOT_SET"), 0);
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        struct loaded l = load(wrongs[i].text, NULL);
        assert_problems(wrongs[i].name, &l, wrongs[i].lines);
    }
}

static void outside_text_stays_on_one_line(void **state RBR_UNUSED)
{
    struct loaded l = load(KAFKA("  input: \"a\\n\\e[31mb\"\n"), NULL);
    assert_problems("control characters", &l,
                    "w.yaml:3:11: kafka.input: has a line end or other control character in it; "
                    "remove it\n");
    l = load(KAFKA("  \"x\\ny\": 1\n"), NULL);
    assert_int_equal(count_lines(buf_str(&l.problems.lines)), 1);
    assert_true(str_find(buf_str(&l.problems.lines), STR("'x?y'"), 0) != SIZE_MAX);
    done(&l);
    l = load(KAFKA("  delivery: ééééééééééééééééééééééééééééééééééééééééééééééééééé\n"), NULL);
    assert_true(str_find(buf_str(&l.problems.lines), STR("é...'"), 0) != SIZE_MAX);
    done(&l);
}

static void a_hundred_problems_are_enough(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 1u << 16);
    for (int i = 0; i < 300; i++)
        assert_true(buf_printf(&b, "section%d: {}\n", i));
    struct loaded l = load_as("w.yaml", buf_str(&b), 0, NULL);
    assert_null(l.settings);
    assert_int_equal(l.problems.n, 300);
    assert_int_equal(count_lines(buf_str(&l.problems.lines)), 100);
    done(&l);
    buf_done(&b);
}

static void a_file_that_grows_without_end_is_refused(void **state RBR_UNUSED)
{
    struct buf b, value;
    buf_init(&b, 1u << 20);
    buf_init(&value, 1u << 20);
    for (int i = 0; i < 60 * 1024; i++)
        assert_true(buf_append_z(&value, "x"));
    assert_true(buf_append(&value, "", 1));
    assert_int_equal(setenv("RBR_TEST_LONG", value.p, 1), 0);
    assert_true(buf_append_z(&b, "kafka:\n  properties:\n    common:\n"));
    for (int i = 0; i < 4000; i++)
        assert_true(buf_printf(&b, "      p%d: ${RBR_TEST_LONG}\n", i));
    struct loaded l = load_as("w.yaml", buf_str(&b), 0, NULL);
    assert_null(l.settings);
    assert_true(str_has_prefix(buf_str(&l.problems.lines),
                               STR("w.yaml: the settings need too much memory; ")));
    done(&l);
    l = load(KAFKA("  group: ${RBR_TEST_LONG}${RBR_TEST_LONG}\n"), NULL);
    assert_problems("a long value", &l,
                    "w.yaml:3:10: longer than 64 KiB with its ${NAME} replaced; shorten it\n");
    (void)unsetenv("RBR_TEST_LONG");
    buf_done(&b);
    buf_done(&value);
}

static void a_file_that_cannot_be_read_is_named(void **state RBR_UNUSED)
{
    struct loaded l = {0};
    buf_init(&l.problems.lines, 1u << 20);
    l.settings = settings_load(STR("/nowhere/w.yaml"), NULL, NULL, 0, ALL, &l.problems);
    assert_problems("a file that is not there", &l,
                    "/nowhere/w.yaml: No such file or directory; name a settings file with -c "
                    "FILE\n");
}

static void what_is_not_needed_may_be_absent(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        unsigned needs;
    } cases[] = {{"", 0},
                 {"kafka:\ngraders:\nlimits: ~\n", 0},
                 {K, SETTINGS_NEED_KAFKA},
                 {P, SETTINGS_NEED_POLICY},
                 {G, SETTINGS_NEED_GRADER},
                 {P G, SETTINGS_NEED_POLICY | SETTINGS_NEED_GRADER}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load_as("w.yaml", str_z(cases[i].text), cases[i].needs, NULL);
        struct buf b;
        buf_init(&b, 1u << 20);
        assert_non_null(l.settings);
        assert_true(settings_dump(l.settings, &b));
        buf_done(&b);
        done(&l);
    }
    struct loaded l = load_as("w.yaml", STR("graders: [{name: g}]\n"), 0, NULL);
    assert_problems("a grader is checked whoever needs it", &l,
                    "w.yaml:1:12: graders.0.model: is missing; add it\n"
                    "w.yaml:1:12: graders.0.endpoints: is missing; add it\n");
}

/* ---- good files -------------------------------------------------------------------------------
 */

/* The name of a topic that nothing is written to forbids nothing. */
static void without_a_shadow_policy_its_topic_may_be_any(void **state RBR_UNUSED)
{
    struct settings *s = good("kafka: {brokers: a:9092, output: rewards.shadow}\n" P G, NULL);
    assert_int_equal(s->shadow_files.n, 0);
    assert_int_equal(s->shadow_wait_us, 2000000);
    settings_free(s);
}

static void defaults_fill_every_field(void **state RBR_UNUSED)
{
    struct settings *s = good(K P G, NULL);
    assert_str(s->file, "w.yaml");
    assert_str(s->kafka.brokers, "a:9092");
    assert_str(s->kafka.input, "completions");
    assert_str(s->kafka.output, "rewards");
    assert_str(s->kafka.dead_letters, "dead-letters");
    assert_str(s->kafka.group, "rbr");
    assert_str(s->kafka.start, "error");
    assert_false(s->kafka.at_least_once);
    assert_int_equal(s->kafka.instance_id.n, 0);
    assert_int_equal(s->n_graders, 1);
    const struct settings_grader *g = &s->graders[0];
    assert_str(g->name, "grader");
    assert_str(g->dialect, "chat");
    assert_str(g->model, "m");
    assert_int_equal(g->endpoints.n, 1);
    assert_str(g->endpoints.items[0], "http://127.0.0.1:1");
    assert_int_equal(g->max_in_flight, 256);
    assert_false(g->fixed_in_flight);
    assert_int_equal(g->connect_timeout_us, 2000000);
    assert_int_equal(g->first_byte_timeout_us, 30000000);
    assert_int_equal(g->total_timeout_us, 60000000);
    assert_int_equal(g->attempts, 3);
    assert_int_equal(g->top_logprobs, 20);
    assert_int_equal(g->keep_alive_us, 4000000);
    assert_true(g->price_input == SETTINGS_UNSET && g->price_cached_input == SETTINGS_UNSET &&
                g->price_output == SETTINGS_UNSET);
    assert_false(g->insecure);
    assert_int_equal(s->limits.records_in_flight, 4096);
    assert_int_equal(s->limits.memory_bytes, 512u << 20);
    assert_int_equal(s->limits.completion_bytes, 1u << 20);
    assert_int_equal(s->limits.window, 8000);
    assert_int_equal(s->limits.record_deadline_us, 120000000);
    assert_int_equal(s->limits.drain_us, 10000000);
    assert_int_equal(s->limits.publish_interval_us, 100000);
    assert_true(s->limits.max_grader_cost_per_hour == SETTINGS_UNSET);
    assert_int_equal(s->canary.file.n, 0);
    assert_int_equal(s->canary.every, 10000);
    assert_false(s->canary.stop);
    assert_int_equal(s->canary.tolerance, 0);
    assert_int_equal(s->log.level, LOG_LEVEL_INFO);
    assert_int_equal(s->log.format, LOG_FORMAT_TEXT);
    settings_free(s);
}

static void every_key_is_read(void **state RBR_UNUSED)
{
    struct settings *s = good(every_key, NULL);
    assert_str(s->kafka.brokers, "SSL://a.example:9093, b-2, [::1]:9092");
    assert_str(s->kafka.input, "in.1");
    assert_str(s->kafka.output, "out_1");
    assert_str(s->kafka.dead_letters, "dead");
    assert_str(s->kafka.group, "my group");
    assert_true(s->kafka.at_least_once);
    assert_str(s->kafka.instance_id, "7");
    assert_str(s->kafka.transactional_id, "t");
    assert_str(s->kafka.start, "latest");
    assert_int_equal(s->kafka.common.n, 4);
    assert_str(s->kafka.common.items[1].name, "sasl.password");
    assert_str(s->kafka.common.items[1].value, "hunter2");
    assert_int_equal(s->kafka.consumer.n, 2);
    assert_str(s->kafka.consumer.items[0].value, "50000");
    assert_int_equal(s->kafka.producer.n, 2);
    assert_int_equal(s->policy_files.n, 2);
    const struct settings_grader *g = &s->graders[0];
    assert_str(g->name, "local_1");
    assert_str(g->model, "org/model:7b");
    assert_str(g->revision, "r2");
    assert_int_equal(g->endpoints.n, 4);
    assert_str(g->api_key_file, "key");
    assert_int_equal(g->max_in_flight, 10);
    assert_true(g->fixed_in_flight);
    assert_int_equal(g->connect_timeout_us, 1500000);
    assert_int_equal(g->first_byte_timeout_us, 120000000);
    assert_int_equal(g->total_timeout_us, 3600000000);
    assert_int_equal(g->attempts, 1);
    assert_int_equal(g->top_logprobs, 5);
    assert_int_equal(g->keep_alive_us, 90000000);
    assert_int_equal(g->price_input, 40000);
    assert_int_equal(g->price_cached_input, 4000);
    assert_int_equal(g->price_output, 1500000);
    assert_true(g->insecure);
    assert_int_equal(s->limits.records_in_flight, 1);
    assert_int_equal(s->limits.memory_bytes, 2ul << 30);
    assert_int_equal(s->limits.completion_bytes, 1500000);
    assert_int_equal(s->limits.window, 24000);
    assert_int_equal(s->limits.record_deadline_us, 86400000000);
    assert_int_equal(s->limits.drain_us, 0);
    assert_int_equal(s->limits.publish_interval_us, 5000);
    assert_int_equal(s->limits.max_grader_cost_per_hour, 12500000);
    assert_str(s->canary.file, "c.jsonl");
    assert_int_equal(s->canary.every, 7);
    assert_true(s->canary.stop);
    assert_int_equal(s->canary.tolerance, 50000);
    assert_int_equal(s->log.level, LOG_LEVEL_ERROR);
    assert_int_equal(s->log.format, LOG_FORMAT_JSON);
    settings_free(s);
}

/* What the rules between fields let pass. */
static void limits_of_the_rules(void **state RBR_UNUSED)
{
    static const char *const texts[] = {
        LIMITS("  drain: 60s\n"),
        KAFKA("  properties: {consumer: {max.poll.interval.ms: 50000}}\n"),
        KAFKA("  properties: {common: {max.poll.interval.ms: 9}, consumer: {max.poll.interval.ms: "
              "50000}}\n"),
        KAFKA("  properties: {producer: {message.timeout.ms: 59999}}\n"),
        KAFKA("  properties: {producer: {transaction.timeout.ms: 45001}}\n"),
        KAFKA("  delivery: at_least_once\n  properties: {producer: {message.timeout.ms: 0}}\n"),
        LIMITS("  memory: 64MiB\n"),
        GRADER("  timeouts: {first_byte: 60s, connect: 60s}\n"),
        GRADER("  price: {input: 0.04, output: 0}\nlimits: {max_grader_cost_per_hour: 5}\n"),
        GRADER("  price: {input: 0, cached_input:, output: 0}\n"),
        K P "graders: [{model: m, insecure: true, endpoints: ['http://gpu1']}]\n",
        K P "graders: [{model: m, endpoints: ['https://gpu1']}]\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        settings_free(good(texts[i], NULL));
}

static void paths_start_at_the_file(void **state RBR_UNUSED)
{
    static const char text[] =
        K "policy: {files: [policies/a.yaml, /b.yaml, ../c.yaml]}\n"
          "graders: [{model: m, endpoints: ['https://h'], api_key_file: k}]\n";
    static const struct {
        const char *file, *first, *third, *key;
    } cases[] = {
        {"w.yaml", "policies/a.yaml", "../c.yaml", "k"},
        {"conf/w.yaml", "conf/policies/a.yaml", "conf/../c.yaml", "conf/k"},
        {"/etc/rbr/w.yaml", "/etc/rbr/policies/a.yaml", "/etc/rbr/../c.yaml", "/etc/rbr/k"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load_as(cases[i].file, str_z(text), ALL, NULL);
        assert_non_null(l.settings);
        assert_strs(l.settings->policy_files.items[0], str_z(cases[i].first));
        assert_str(l.settings->policy_files.items[1], "/b.yaml");
        assert_strs(l.settings->policy_files.items[2], str_z(cases[i].third));
        assert_strs(l.settings->graders[0].api_key_file, str_z(cases[i].key));
        done(&l);
    }
}

static void the_shipped_files_load(void **state RBR_UNUSED)
{
    static const char *const files[] = {SOURCE_DIR "/config/worker.yaml",
                                        SOURCE_DIR "/config/minimal.yaml"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct loaded l = {0};
        buf_init(&l.problems.lines, 1u << 20);
        l.settings = settings_load(str_z(files[i]), NULL, NULL, 0, ALL, &l.problems);
        if (l.settings == NULL) {
            fail_msg("%.*s", STR_ARGS(buf_str(&l.problems.lines)));
            return;
        }
        assert_str(l.settings->policy_files.items[0], SOURCE_DIR "/config/policies/safety.yaml");
        assert_str(l.settings->kafka.start, "earliest");
        done(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wrong_file_gets_its_lines),
        cmocka_unit_test(outside_text_stays_on_one_line),
        cmocka_unit_test(a_hundred_problems_are_enough),
        cmocka_unit_test(a_file_that_grows_without_end_is_refused),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
        cmocka_unit_test(what_is_not_needed_may_be_absent),
        cmocka_unit_test(without_a_shadow_policy_its_topic_may_be_any),
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(limits_of_the_rules),
        cmocka_unit_test(paths_start_at_the_file),
        cmocka_unit_test(the_shipped_files_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
