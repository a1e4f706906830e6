"""What goes wrong on the first day: each is said in one line with what, where and what to do, and nothing is taken for done.

Mistakes within settings and policy files: test_config.py. Those that need a broker: test_cli.py."""

import contextlib
import http.server
import json
import pathlib
import re
import threading

import pytest
import yaml

from worker import ROOT, rbr, settings

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
SAFETY = ROOT / "config" / "policies" / "safety.yaml"
LABELLED = ROOT / "config" / "demo" / "labelled.jsonl"
RECORD = {"id": "x", "prompt": "Hello?", "completion": "Yes.", "response_type": "comply"}


def row(**changes):
    return json.dumps(RECORD | changes).encode() + b"\n"


def complaints(result, code):
    assert result.returncode == code, result.stderr
    return result.stderr.decode().splitlines()


@contextlib.contextmanager
def server(status):
    """Answers everything with `status`; yields its URL and the keys that it was shown."""
    keys = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as s:
        threading.Thread(target=s.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{s.server_port}", keys
        s.shutdown()


# ---- the file of completions ---------------------------------------------------------------------

NO_JSON = "write each completion as a JSON object on one line"


@pytest.mark.parametrize("content", [
    b"id,prompt,completion\n1,Hello?,Yes.\n",
    json.dumps(RECORD, indent=2).encode(),
    json.dumps([RECORD, RECORD]).encode(),
    b"{'id': 'x', 'prompt': 'Hello?', 'completion': 'Yes.'}\n",
], ids=["csv", "indented", "array", "python"])
def test_what_is_no_json_lines_is_advised_once(content, tmp_path):
    file = tmp_path / "in"
    file.write_bytes(content)
    said = complaints(rbr("score", "--policy", TINY, file), 3)
    assert said[0].startswith(f"{file}:1: ") and said[0].endswith(NO_JSON)
    assert sum(NO_JSON in line for line in said) == 1


def test_a_byte_order_mark_is_passed_over(tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + row(propositions={}))
    assert "1 scored" in complaints(rbr("score", "--policy", TINY, "--use-labels", file), 3)[0]


@pytest.mark.parametrize("arguments", [("score", "--policy", TINY), ("eval", "--policy", TINY, "--use-labels", "--gold")],
                         ids=["score", "eval"])
def test_a_folder_is_no_file(arguments, tmp_path):
    assert complaints(rbr(*arguments, tmp_path), 1)[-1].endswith(f"{tmp_path}: Is a directory")


def test_records_of_unknown_types_are_told_which_there_are(tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_bytes(row(response_type="complyy") + row(id="y"))
    said = complaints(rbr("score", "--policy", SAFETY, file), 3)
    assert "1 with no response type of the policy; it has hard_refuse, safe_refuse_1, safe_refuse_2, comply" in said


@pytest.mark.parametrize("arguments, advice", [
    ((), "name a grader with --grader URL, or settings with -c FILE"),
    (("--use-labels",), "label them, or ask a grader instead of --use-labels"),
], ids=["no grader", "no labels"])
def test_nobody_was_asked(arguments, advice, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_bytes(row() + row(id="y"))
    assert complaints(rbr("score", "--policy", SAFETY, *arguments, file), 3)[-1] == \
        f"2 without an answer to all questions; {advice}"


def test_labels_of_another_policy():
    said = complaints(rbr("eval", "--policy", SAFETY, "--use-labels", "--gold", LABELLED), 2)
    assert said[0] == (f"{LABELLED}:1: no label of a proposition of the policy, which has no 'judgmental'; "
                       "is it the right policy?")


# ---- which file is which -------------------------------------------------------------------------


def test_settings_are_no_policy():
    said = complaints(rbr("check", "--policy", ROOT / "config" / "worker.yaml"), 2)
    assert re.search("error: these are a worker's settings, not a policy; name them with -c FILE", said[0])
    assert sum("error" in line for line in said) == 1


def test_a_policy_is_no_settings():
    [line] = complaints(rbr("check", "-c", SAFETY), 2)
    assert line.endswith("this is a policy, not settings; name it in policy.files, or with --policy FILE")


def test_a_missing_policy_is_named_once():
    assert complaints(rbr("check", "--policy", "nowhere.yaml"), 2) == ["nowhere.yaml: error: No such file or directory"]


@pytest.mark.parametrize("client, name, value, why", [
    ("consumer", "wait.timeout.ms", "6000", 'No such configuration property: "wait.timeout.ms"'),
    ("producer", "compression.codec", "best", 'Invalid value "best" for configuration property "compression.codec"'),
    ("common", "security.protocol", "TLS", 'Invalid value "TLS" for configuration property "security.protocol"'),
])
def test_properties_that_librdkafka_does_not_take(client, name, value, why, tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(yaml.safe_dump(settings("127.0.0.1:9", "http://127.0.0.1:9", [TINY],
                                            kafka={"properties": {client: {name: value}}})))
    [line] = complaints(rbr("check", "-c", file), 2)
    assert line == f"{file}: kafka.properties: Kafka property {name}: {why}; correct it, or remove it"


# ---- the grader ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/openai/v1/chat/completions"])
@pytest.mark.parametrize("command", [("score", "--policy", TINY, "in.jsonl", "--grader="), ("check", "--probe=")], ids=lambda c: c[0])
def test_a_grader_is_named_without_the_apis_path(command, path):
    *arguments, option = command
    [line] = complaints(rbr(*arguments, f"{option}http://127.0.0.1:1{path}"), 2)
    assert f"'http://127.0.0.1:1{path}' is no base URL; end it before /v1: " in line


@pytest.mark.parametrize("command", [("score", TINY), ("demo",), ("eval", "--gold", TINY)], ids=lambda c: c[0])
def test_a_model_without_a_grader_is_not_passed_over(command):
    assert "--model goes with --grader; " in complaints(rbr(*command, "--model", "m"), 2)[0]


def test_probing_what_is_not_there_says_why():
    result = rbr("check", "--probe=http://127.0.0.1:1")
    assert result.returncode == 1
    assert b"no answer: Failed to connect to 127.0.0.1 port 1" in result.stdout
    assert result.stdout.endswith(b"; does it run, and is the address right?\n")


@pytest.mark.parametrize("status, advice", [
    (401, "HTTP 401 ({url}): check its key: api_key_file or api_key_env"),
    (404, "HTTP 404 ({url}): check its URL and the model's name, see rbr check --probe"),
])
def test_a_refusal_says_what_to_check(status, advice, tmp_path):
    with server(status) as (url, _):
        file = tmp_path / "w.yaml"
        file.write_text(yaml.safe_dump(settings("127.0.0.1:9", url, [TINY])))
        result = rbr("check", "-c", file, "--probe")
    assert result.returncode == 1 and advice.format(url=url) in result.stdout.decode()


def test_https_to_a_server_without_tls(tmp_path):
    with server(200) as (url, _):
        file = tmp_path / "w.yaml"
        file.write_text(yaml.safe_dump(settings("127.0.0.1:9", url.replace("http:", "https:"), [TINY])))
        result = rbr("check", "-c", file, "--probe")
    assert result.returncode == 1 and b"it answers without TLS: begin its URL with http://" in result.stdout


# ---- the key -------------------------------------------------------------------------------------


def test_a_key_from_the_environment_is_shown_to_the_grader(tmp_path):
    """It was not, for a while: a setting that is read and then forgotten."""
    with server(404) as (url, keys):
        file = tmp_path / "w.yaml"
        file.write_text(yaml.safe_dump(settings("127.0.0.1:9", url, [TINY], grader={"api_key_env": "RBR_TEST_KEY"})))
        result = rbr("check", "-c", file, "--probe", env={"RBR_TEST_KEY": "hunter2"})
    assert set(keys) == {"Bearer hunter2"} and b"hunter2" not in result.stdout + result.stderr


@pytest.mark.parametrize("grader, text", [
    ({"api_key_env": "RBR_TEST_NO_KEY"}, "graders.scripted.api_key_env: RBR_TEST_NO_KEY: no such environment variable; set it"),
    ({"api_key_file": "/nowhere/key"}, "graders.scripted.api_key_file: /nowhere/key: No such file or directory"),
], ids=["environment", "file"])
def test_a_key_that_is_not_there(grader, text, tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(yaml.safe_dump(settings("127.0.0.1:9", "http://127.0.0.1:9", [TINY], grader=grader)))
    (tmp_path / "in.jsonl").write_bytes(row())
    assert complaints(rbr("score", "-c", file, tmp_path / "in.jsonl"), 1)[-1] == f"rbr score: {text}"
    result = rbr("check", "-c", file, "--probe=http://127.0.0.1:1")
    assert result.returncode == 1 and text in result.stdout.decode()


def test_a_port_or_address_that_is_not_to_be_had():
    [line] = complaints(rbr("grader", "--address", "192.0.2.1", "--port", "0"), 1)
    assert line.endswith("; choose another address or port")
