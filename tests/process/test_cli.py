"""The commands around the worker: produce, tail, demo, grader."""

import concurrent.futures
import json
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

import pytest
import yaml

import records
import topics
import verify
from reference import Policy
from worker import ROOT, binary, rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"


@pytest.fixture
def config(scene):
    """Topics, and a settings file for them."""
    scene.create(partitions=3)
    path = scene.folder / "cli.yaml"
    path.write_text(yaml.safe_dump(scene.settings([TINY])))
    return path


def write_lines(folder, made):
    path = folder / "in.jsonl"
    path.write_bytes(b"\n".join(records.to_json(r) for r in made) + b"\n")
    return path


def test_produce_run_tail(scene, config):
    """A file in, rewards out, all by commands."""
    made = [records.make(n, 50) for n in range(60)]
    result = rbr("produce", "-c", config, write_lines(scene.folder, made))
    assert result.returncode == 0, result.stderr
    assert b"60" in result.stdout + result.stderr
    written = topics.read(scene.broker.bootstrap, scene.input)
    assert sorted(m.value for m in written) == sorted(records.to_json(r) for r in made)
    assert {(m.key, json.loads(m.value)["group_id"].encode()) for m in written} == {(records.key_of(r),) * 2 for r in made}
    by_key = {}
    for m in written:
        assert by_key.setdefault(m.key, m.partition) == m.partition, "one group in two partitions"

    worker = scene.worker([TINY])
    scene.wait_for(60, 30, worker)
    assert worker.stop() == 0
    shown = rbr("tail", "-c", config, "--json")
    assert shown.returncode == 0, shown.stderr
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    got = {json.dumps(find(row, "completion_id")): row for row in rows}
    assert len(rows) == len(got) == 60
    by_id = {r.completion_id: r for r in map(verify.parse, scene.rewards())}
    for row in rows:
        assert find(row, "reward") == by_id[find(row, "completion_id")].reward
    text = rbr("tail", "-c", config, "--count", "5")
    assert text.returncode == 0 and len(text.stdout.splitlines()) == 5
    scene.assert_conserved()


def find(row, name):
    """The member of that name, at the top or one level down."""
    return row[name] if name in row else next(v[name] for v in row.values() if isinstance(v, dict) and name in v)


def test_produce_from_standard_input_names_what_it_refuses(scene, config):
    good = records.make(1, 51)
    text = records.to_json(good) + b"\n{broken\n\n" + records.to_json(records.make(2, 51) | {"prompt": []}) + b"\n"
    result = rbr("produce", "-c", config, "-", stdin=text)
    assert result.returncode == 3
    complaints = result.stderr.decode()
    assert re.search(r":2: BAD_JSON at byte 1", complaints) and re.search(r":4: MISSING_PROMPT", complaints)
    [m] = topics.read(scene.broker.bootstrap, scene.input)
    assert m.value == records.to_json(good)


def test_tail_shows_dead_letters_and_completions(scene, config):
    scene.write([(0, b"k\x01", b'{"x":\x00\xff', []), (0, b"g", records.to_protobuf(records.make(1, 52)), []),
                 (0, b"g", records.to_confluent(records.make(2, 52)), []), (0, b"g", records.to_json(records.make(3, 52)), [])])
    worker = scene.worker([TINY])
    scene.wait_for(4, 30, worker)
    assert worker.stop() == 0
    dead = rbr("tail", "-c", config, "dead-letters")
    assert dead.returncode == 0 and len(dead.stdout.splitlines()) == 1
    assert re.search(rb"NOT_UTF8|BAD_JSON", dead.stdout)
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", dead.stdout), "control characters reach the terminal"
    completions = rbr("tail", "-c", config, "--json", "completions")
    assert completions.returncode == 0
    shown = [json.loads(line) for line in completions.stdout.splitlines()]
    assert [s["completion_id"] for s in shown] == [records.make(n, 52)["completion_id"] for n in (1, 2, 3)]


def test_tail_follows(scene, config):
    """--follow waits; what comes later is shown; SIGINT or the count ends it."""
    process = subprocess.Popen([binary(), "tail", "-c", str(config), "--follow", "--count", "2", "--json", "completions"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        time.sleep(1)
        assert process.poll() is None
        for n in (1, 2):
            scene.write([(n, b"k", records.to_json(records.make(n, 53)), [])])
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0 and len(out.splitlines()) == 2


def test_tail_of_an_unknown_topic_fails_with_a_line(config):
    result = rbr("tail", "-c", config, "no-such-topic")
    assert result.returncode == 1 and b"no-such-topic" in result.stderr and result.stdout == b""


def test_run_without_its_topics_fails_with_a_line(scene):
    worker = scene.worker([TINY])  # none was created
    assert worker.process.wait(timeout=60) == 1
    assert scene.input in worker.log() or scene.output in worker.log()


def test_run_without_a_broker_tells_soon_and_fails_with_a_line(scene):
    worker = scene.worker([TINY], kafka={"brokers": "127.0.0.1:1"})
    worker.wait_for_log("kafka.unreached", 5)
    assert worker.process.wait(timeout=60) == 1
    lines = [line for line in worker.log().splitlines() if "127.0.0.1:1" in line]
    assert [event in line for event, line in zip(("kafka.unreached", "worker.start_failed"), lines, strict=True)] == [True, True]


def test_commands_without_a_broker_fail_soon_with_one_line(scene):
    path = scene.folder / "cli.yaml"
    path.write_text(yaml.safe_dump(scene.settings([TINY], kafka={"brokers": "127.0.0.1:1"})))
    made = write_lines(scene.folder, [records.make(1, 54)])
    plan = ("replay", "plan", "-c", path, "--output", "again")
    for command in (("produce", "-c", path, made), ("tail", "-c", path), plan):
        started = time.monotonic()
        result = rbr(*command)
        assert result.returncode == 1 and time.monotonic() - started < 5, (command, result)
        lines = result.stderr.decode().splitlines()
        assert len(lines) == 1 and "127.0.0.1:1" in lines[0] and "is kafka.brokers right" in lines[0], (command, lines)


def test_start_error_says_what_to_do(scene, config):
    """`start: error` on a group without offsets: the worker does not choose for the operator."""
    scene.write([(0, b"k", records.to_json(records.make(1, 54)), [])])
    worker = scene.worker([TINY], kafka={"start": "error"})
    assert worker.process.wait(timeout=60) == 1
    assert "kafka.start" in worker.log()
    assert scene.rewards() == []


def test_demo():
    started = time.monotonic()
    result = rbr("demo", timeout=30, cwd="/")
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - started < 15
    samples = (ROOT / "config" / "demo" / "completions.jsonl").read_text().splitlines()
    ids = [json.loads(line).get("completion_id") or json.loads(line).get("id") for line in samples]
    shown = result.stdout.decode()
    assert len(ids) >= 20
    assert [i for i in ids if not re.search(rf"^{re.escape(i)}\s", shown, re.M)] == []
    assert all(t in shown for t in ("hard_refuse", "safe_refuse", "comply"))
    assert re.search(r"\d+ (completions|rewards).*/s", shown + result.stderr.decode())


def test_demo_with_a_real_grader(grader):
    before = grader.stats()["requests"]
    result = rbr("demo", "--grader", grader.url, timeout=30)
    assert result.returncode == 0, result.stderr
    assert grader.stats()["requests"] > before


def test_grader_command(scene):
    """The stand-in as a server: a worker can use it; SIGTERM ends it with 0."""
    process = subprocess.Popen([binary(), "grader", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line).group(0)
        assert "no judge" in line
        request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps({
            "model": "m", "messages": [{"role": "user", "content": "Is it? {yes}"}], "max_tokens": 1, "logprobs": True,
            "top_logprobs": 5}).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as reply:
            top = json.load(reply)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        assert {t["token"] for t in top} & {"yes", "no", "Yes", "No"}
        scene.create(partitions=1)
        scene.write([(0, b"k", records.to_json(records.make(n, 55)), []) for n in range(5)])
        worker = scene.worker([TINY], grader={"endpoints": [url]})
        policy = Policy(TINY)
        for m in scene.wait_for(5, 30, worker):
            reward = verify.parse(m)
            verify.arithmetic(reward, policy, reward.response_type, {p.id: p.probability for p in reward.propositions},
                              records.make(int(reward.completion_id[2:]), 55).get("reward_model_score"))
        assert worker.stop() == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()


def test_probe(scene):
    """`check --probe` asks; a grader that is not there is exit code 1."""
    config = scene.folder / "probe.yaml"
    config.write_text(yaml.safe_dump(scene.settings([TINY])))
    result = rbr("check", "-c", config, "--probe")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count(b"P(yes)") == 2 and b"scripted-1" in result.stdout
    config.write_text(yaml.safe_dump(scene.settings([TINY], grader={"endpoints": ["http://127.0.0.1:1"], "attempts": 1})))
    result = rbr("check", "-c", config, "--probe")
    assert result.returncode == 1 and b"GRADER_UNAVAILABLE" in result.stdout
    assert b"(http://127.0.0.1:1): does it run, and is the address right?" in result.stdout


def test_nobody_waits_for_ever_for_a_grader(tmp_path):
    """30 s without an answer: one line that says which, why and what to do."""
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"\n".join(records.to_json(records.make(n, 56)) for n in range(20)))
    commands = {"score": ["--policy", TINY, "--jsonl", file], "demo": []}

    def run(command):
        began = time.monotonic()
        return rbr(command, "--grader", "http://127.0.0.1:1", *commands[command], timeout=100), time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for command, (result, took) in zip(commands, pool.map(run, commands)):
            assert result.returncode == 1 and result.stdout == b""
            assert 25 < took < 70
            last = result.stderr.decode().splitlines()[-1]
            assert last.startswith(f"rbr {command}: the grader has not answered for 30 s: ")
            assert last.endswith("(http://127.0.0.1:1): does it run, and is the address right?")
