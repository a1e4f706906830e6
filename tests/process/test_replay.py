"""`rbr replay`: history under another policy. What is asked is what the digests predict, and what comes out is exact, whatever
happens to the processes. RBR_LONG_TESTS=1 does the same over 20,000 and 200,000 records."""

import hashlib
import os
import pathlib
import pty
import random
import re
import signal
import subprocess
import time

import pytest
import yaml
from kafka import KafkaProducer, TopicPartition

import checker
import protos
import records
import rounds
import topics
from reference import overlay
from worker import binary, rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
LONG = os.environ.get("RBR_LONG_TESTS") == "1"
TIMEOUT = pytest.mark.timeout(7200 if LONG else 150)
QUESTIONS = {"refuse": ("declines", "sorry", "preaching"), "comply": ("helpful", "preaching")}
FIELDS = re.compile(r"^(\w[\w ]*?) {2,}(.*)$", re.M)


def response_type(record):
    return "comply" if record["response_type"] == "comply" else "refuse"


def rewards(scene, topic):
    """(partition, offset) of the record -> its reward, and never two."""
    found = {}
    for m in topics.each(scene.broker.bootstrap, topic):
        reward = protos.reward_pb2.Reward.FromString(m.value)
        source = (reward.source.partition, reward.source.offset)
        assert source not in found, f"{source} has two rewards in {topic}"
        found[source] = reward
    return found


def digests(found):
    return {p.digest for reward in found.values() for p in reward.propositions if p.grader}


class Replays:
    """The replays of one scene: their output topics, settings and manifests."""

    def __init__(self, scene):
        self.scene = scene
        self.processes = []
        self.n = 0

    def settings(self, name, grader=(), **changes):
        """A settings file of a replay: no cache file, many requests at a time, quick to notice a death."""
        changes.setdefault("cache", {"size": "512MiB"})
        kafka = changes.pop("kafka", {})
        kafka.setdefault("properties", {"consumer": {"session.timeout.ms": "2000", "heartbeat.interval.ms": "300"}})
        config = self.scene.settings([TINY], kafka=kafka, grader={"endpoints": [f"{self.scene.grader.url}/{name}"], **dict(grader)},
                                     **changes)
        path = self.scene.folder / f"{name}.settings.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    def output(self, name, partitions=2):
        topic = f"{self.scene.output}-{name}"
        self.scene.broker.create_topics({topic: (partitions, {})})
        return topic

    def policy(self, name, **changes):
        """The tiny policy with these sections changed; its files."""
        path = self.scene.folder / f"{name}.policy.yaml"
        path.write_text(yaml.safe_dump(changes, sort_keys=False))
        return [TINY, path]

    def plan(self, name, settings, *args, policy=(TINY,), output=None, code=0):
        """Path of the manifest, and what it says."""
        output = output or self.output(name)
        files = [x for f in policy for x in ("--policy", f)]
        result = rbr("replay", "plan", "-c", settings, *files, "--output", output, *args)
        assert result.returncode == code, result.stderr
        path = self.scene.folder / f"{name}.manifest.yaml"
        path.write_bytes(result.stdout)
        return path, yaml.safe_load(result.stdout)

    def start(self, settings, manifest, *args):
        self.n += 1
        log = open(self.scene.folder / f"replay{self.n}.log", "wb")  # noqa: SIM115
        process = subprocess.Popen([binary(), "replay", "run", "-c", settings, *map(str, args), manifest], stdout=subprocess.PIPE,
                                   stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        process.log = pathlib.Path(log.name)
        log.close()
        self.processes.append(process)
        return process

    def finish(self, process, code=0, seconds=60):
        """What it says in the end."""
        out, _ = process.communicate(timeout=seconds)
        assert process.returncode == code, process.log.read_text()[-3000:]
        return dict(FIELDS.findall(out.decode()))

    def run(self, settings, manifest, *args, code=0, seconds=60):
        return self.finish(self.start(settings, manifest, *args), code, seconds)

    def status(self, settings, manifest):
        result = rbr("replay", "status", "-c", settings, manifest)
        assert result.returncode == 0, result.stderr
        return dict(FIELDS.findall(result.stdout.decode()))

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def history(scene, made, seconds=60, **changes):
    """Judges these records as live traffic; the settings' path. `made`: (partition, record)."""
    scene.grader.call("/_script", {"mode": None, "delay": 0.0, "recording": False})
    scene.write([(p, b"k%d" % p, records.to_json(r), []) for p, r in made])
    w = scene.worker([TINY], grader={"flow": "fixed"}, **changes)
    scene.wait_for(len(made), seconds, w)
    assert w.stop() == 0
    return w


@pytest.fixture
def replays(scene):
    r = Replays(scene)
    yield r
    r.end()


def live_state(scene):
    """What a replay must leave as it is."""
    committed = {p.partition: o.offset for p, o in checker.committed_offsets(scene.broker.admin, scene.group).items()}
    return committed, checker.watermarks(scene.broker.bootstrap, scene.output), checker.watermarks(scene.broker.bootstrap, scene.dead)


# ---- what is asked ---------------------------------------------------------------------------------------------------


def changed_policies(replays):
    tiny = overlay([TINY])
    classes = {name: dict(rules) for name, rules in tiny["completion_classes"].items()}
    classes["fair"]["comply"] = {"helpful": True, "preaching": True}
    return {
        "weights": replays.policy("weights", weights={**tiny["weights"], "comply": {"helpful": 0.75, "ideal": 1.25}}),
        "rules": replays.policy("rules", completion_classes=classes),
        "question": replays.policy("question", simple_propositions={**tiny["simple_propositions"],
                                                                    "preaching": {"prompt": "Does it moralise?"}}),
        "template": replays.policy("template", prompt_template=tiny["prompt_template"].replace("Reply", "Now reply")),
        "model": (TINY,),
    }


@TIMEOUT
def test_a_change_asks_what_it_changes(replays):
    """Of weights and of rules: nothing; of one question's text: that one; of the template, of the grader's model: all. No file of
    judgments is there: what is not asked comes out of the live rewards. The five replays run at once."""
    scene, count = replays.scene, 20_000 if LONG else 400
    scene.create(partitions=2)
    made = [(n % 2, records.make(n, 301)) for n in range(count)]
    history(scene, made, seconds=600)
    everything = sum(len(QUESTIONS[response_type(r)]) for _, r in made)
    expected = {"weights": 0, "rules": 0, "question": count, "template": everything, "model": everything}
    before, live = live_state(scene), rewards(scene, scene.output)
    kept = digests(live)

    running = {}
    for name, policy in changed_policies(replays).items():
        settings = replays.settings(name, grader={"model": "scripted-2"} if name == "model" else {})
        path, manifest = replays.plan(name, settings, "--sample", count, policy=policy)
        assert manifest["estimate"]["sampled"] == manifest["estimate"]["records"] == count
        assert (manifest["estimate"]["asked"], manifest["estimate"]["saved"]) == (expected[name], everything - expected[name])
        running[name] = (replays.start(settings, path, "--share", "1"), settings, path, manifest)
    for name, (process, settings, path, manifest) in running.items():
        said = replays.finish(process, seconds=600)
        asked = scene.grader.stats()["requests_of"].get(name, 0)
        again = rewards(scene, manifest["output"])
        print(f"{name}: {count} records, {asked} questions asked, {said['saved']} saved, {said['seconds']} s")
        assert asked == int(said["asked"]) == expected[name] == len(digests(again) - kept)
        assert int(said["saved"]) == everything - expected[name]
        assert set(again) == set(live) and all(r.replay_id == manifest["id"] for r in again.values())
        status = replays.status(settings, path)
        assert (status["state"], int(status["asked"]), int(status["saved"])) == ("done", asked, everything - asked)
        assert status["offsets"] == f"{count} of {count} (100.0 %)" and status["rewards"] == f"{count} in {manifest['output']}"
    assert live_state(scene) == before


# ---- whatever happens ------------------------------------------------------------------------------------------------

TIMES_AND_COUNTERS = ("replay_id", "received_at_ms", "scored_at_ms", "queue_ms", "grading_ms")


def content(message):
    """Of a reward, all but times and counters; as bytes."""
    reward = protos.reward_pb2.Reward.FromString(message.value)
    for name in TIMES_AND_COUNTERS:
        reward.ClearField(name)
    for p in reward.propositions:
        p.ClearField("cached")
        p.ClearField("attempts")
        p.ClearField("latency_ms")
    for g in reward.graders:
        for name in ("requests", "cache_hits", "retries", "failures", "input_tokens", "cached_input_tokens", "output_tokens"):
            g.ClearField(name)
    source = (reward.source.partition, reward.source.offset)
    return source, hashlib.sha256(repr((message.key, message.headers)).encode() + reward.SerializeToString(deterministic=True)).digest()


def contents(scene, topic):
    found = {}
    for m in topics.each(scene.broker.bootstrap, topic):
        source, value = content(m)
        assert source not in found, f"{source} has two rewards in {topic}"
        found[source] = value
    return found


@TIMEOUT
def test_kills_change_nothing(replays):
    """Three processes, each killed again and again: each record has one reward, and it is that of an undisturbed run."""
    scene, count, kills = replays.scene, *((200_000, 5) if LONG else (600, 1))
    scene.create(partitions=3)
    for at in range(0, count, 20_000):
        scene.write([(n % 3, b"k%d" % (n % 7), records.to_json(records.make(n, 302)), []) for n in range(at, min(count, at + 20_000))])
    settings = replays.settings("calm", grader={"flow": "fixed", "max_in_flight": 64}, limits={"record_deadline": "300s"})
    calm, disturbed = ((replays.plan(name, settings, "--no-restore", "--sample", "0", output=replays.output(name, 3)))
                       for name in ("calm", "disturbed"))
    replays.run(settings, calm[0], "--share", "1", seconds=3600)
    before = live_state(scene)

    scene.grader.delay(0.005 if LONG else 0.05)
    rng = random.Random(302)
    left = [kills] * 3
    running = [replays.start(settings, disturbed[0]) for _ in left]
    while any(left):
        done = int(replays.status(settings, disturbed[0])["offsets"].split()[0])
        time.sleep(rng.uniform(0.2, 1) if not LONG else rng.uniform(1, 6))
        who = rng.choice([i for i, n in enumerate(left) if n])
        assert done < count, f"it was over before the kills were: {left} are left"
        running[who].kill()
        running[who].communicate()
        left[who] -= 1
        running[who] = replays.start(settings, disturbed[0])
    scene.grader.delay(0)
    for process in running:
        replays.finish(process, seconds=3600)
    want, got = contents(scene, calm[1]["output"]), contents(scene, disturbed[1]["output"])
    print(f"{count} records, {3 * kills} kills: {len(got)} rewards, {sum(got[k] != want[k] for k in want)} of them differ")
    assert len(want) == count and got == want
    assert live_state(scene) == before
    said = replays.run(settings, disturbed[0])  # once more: there is nothing to do
    assert said["replay"].endswith("done, nothing is left to do")
    assert contents(scene, disturbed[1]["output"]) == want


def test_a_stop_in_the_middle_is_gone_on_from(replays):
    scene = replays.scene
    scene.create(partitions=2)
    scene.write([(n % 2, b"k", records.to_json(records.make(n, 303)), []) for n in range(300)])
    settings = replays.settings("stopped")
    path, manifest = replays.plan("stopped", settings, "--no-restore")
    assert replays.status(settings, path)["state"] == "not begun"
    scene.grader.delay(0.05)
    process = replays.start(settings, path)
    topics.wait_for(scene.broker.bootstrap, [manifest["output"]], 20, 30, lambda: process.poll() is None)
    process.send_signal(signal.SIGTERM)
    said = replays.finish(process, code=1)
    assert said["replay"].endswith("stopped; run it again to go on") and 0 < int(said["records"].split()[0]) < 300
    assert replays.status(settings, path)["state"] == "running, or stopped"
    scene.grader.delay(0)
    replays.run(settings, path, "--share", "1")
    assert len(rewards(scene, manifest["output"])) == 300
    assert replays.status(settings, path)["state"] == "done"


def test_a_death_within_a_commit_does_not_hold_up_the_next_start(replays):
    """Its transaction is open, and the offsets in it pending: whoever started next waited for them, and failed after 15 s."""
    scene = replays.scene
    scene.create(partitions=2)
    scene.write([(n % 2, b"k", records.to_json(records.make(n, 304)), []) for n in range(300)])
    settings = replays.settings("died", grader={"flow": "fixed", "max_in_flight": 8})
    path, manifest = replays.plan("died", settings, "--no-restore")
    dying = subprocess.run([rounds.program(), "replay", "run", "-c", settings, path], capture_output=True, timeout=60, check=False,
                           env={**os.environ, "RBR_FAILPOINTS": "before_commit=kill"})
    assert dying.returncode == -signal.SIGKILL, dying.stderr.decode()[-2000:]
    before = time.monotonic()
    assert replays.status(settings, path)["state"] == "not begun"
    assert time.monotonic() - before < 5
    replays.run(settings, path, "--share", "1")
    assert len(rewards(scene, manifest["output"])) == 300


# ---- which records ---------------------------------------------------------------------------------------------------


def test_only_failures_are_judged_again(replays):
    """Those whose last reward failed and may be tried again; not those that can only fail again."""
    scene = replays.scene
    scene.create(partitions=2)
    made = [(n % 2, records.make(n, 304)) for n in range(60)]
    for n in (5, 6, 7, 40):
        made[n][1]["completion"][0]["content"] = f"[[do:empty-body*3]] {n}"  # as often as it is asked
    made[20][1]["completion"][0]["content"] = "[[do:400-context-openai]] 20"
    history(scene, made)
    live = rewards(scene, scene.output)
    assert sum(r.status == protos.reward_pb2.STATUS_FAILED for r in live.values()) == 5
    settings = replays.settings("failed")
    path, manifest = replays.plan("failed", settings, "--failed-only", scene.output)
    assert [(p["partition"], p["only"]) for p in manifest["partitions"]] == [(0, "3,20"), (1, "2-3")]
    assert manifest["estimate"]["records"] == manifest["estimate"]["sampled"] == 4
    said = replays.run(settings, path)
    again = rewards(scene, manifest["output"])
    assert said["records"] == "4 by this process"
    assert sorted(again) == [(0, 3), (0, 20), (1, 2), (1, 3)]
    assert all(r.status == protos.reward_pb2.STATUS_OK for r in again.values())
    result = rbr("replay", "plan", "-c", settings, "--failed-only", manifest["output"], "--output", manifest["output"])
    assert result.returncode == 1 and b"nothing to replay" in result.stderr
    path, _ = replays.plan("all", settings)
    assert replays.run(settings, path, code=3)["failed"] == "1"  # done, and the one failed again


def test_a_range_ends_where_it_says_whatever_is_there(replays):
    """Between two moments, in an input of transactions: at the end of one partition is a marker, at that of another what was
    aborted. History has no deadlines: what was wanted until long ago is judged."""
    scene = replays.scene
    scene.create(partitions=3)
    early = [(n % 3, b"k", records.to_json(records.make(n, 305)), []) for n in range(9)]
    scene.write(early)
    time.sleep(1.1)
    since = time.time()
    producer = KafkaProducer(bootstrap_servers=scene.broker.bootstrap, transactional_id=f"in-{scene.group}")
    producer.init_transactions()
    for partition, n, end in ((0, 5, producer.commit_transaction), (1, 3, producer.abort_transaction)):
        producer.begin_transaction()
        for i in range(n):
            record = {**records.make(100 * partition + i, 305), "deadline_ms": 1_600_000_000_000}
            producer.send(scene.input, records.to_json(record), key=b"k", partition=partition)
        producer.flush()
        end()
    producer.close()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since)) + ".%03dZ" % (since % 1 * 1000)
    settings = replays.settings("range")
    path, manifest = replays.plan("range", settings, "--from", stamp, "--no-restore", output=replays.output("range", 3))
    assert [(p["partition"], p["start"], p["stop"]) for p in manifest["partitions"]] == [(0, 3, 9), (1, 3, 7)]
    replays.run(settings, path)
    found = rewards(scene, manifest["output"])
    assert sorted(found) == [(0, o) for o in range(3, 8)]
    assert all(r.status == protos.reward_pb2.STATUS_OK for r in found.values())
    scene.write(early)  # later than the plan
    assert replays.run(settings, path)["replay"].endswith("done, nothing is left to do")
    path, manifest = replays.plan("offsets", settings, "--from", "1", "--to", "3", output=replays.output("offsets", 3))
    assert [(p["partition"], p["start"], p["stop"]) for p in manifest["partitions"]] == [(p, 1, 3) for p in range(3)]
    replays.run(settings, path)
    assert len(rewards(scene, manifest["output"])) == 6


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_what_is_unsafe_is_refused(replays):
    scene = replays.scene
    scene.create(partitions=2)
    settings = replays.settings("safe")
    other = replays.output("safe")

    def refused(code, says, *args):
        result = rbr("replay", *args)
        assert (result.returncode, says in result.stderr.decode()) == (code, True), result.stderr

    plan = ("plan", "-c", settings)
    refused(1, "nothing to replay", *plan, "--output", other)
    scene.write([(n % 2, b"k", records.to_json(records.make(n, 306)), []) for n in range(10)])
    refused(2, "is kafka.output of the settings: live rewards go there", *plan, "--output", scene.output)
    refused(2, "is kafka.input of the settings: it would be read as completions", *plan, "--output", scene.input)
    refused(2, "is kafka.dead_letters of the settings", *plan, "--output", scene.dead)
    refused(2, "live rewards go there", *plan, "--output", other, "--dead-letters", scene.output)
    refused(2, "is kafka.shadow_output of the settings", *plan, "--output", other, "--set", f"kafka.shadow_output={other}")
    refused(2, "dead_letters: 'shadow' is kafka.shadow_output of the settings", *plan, "--output", other, "--dead-letters", "shadow",
            "--set", "kafka.shadow_output=shadow")
    refused(1, "nothing to replay", *plan, "--output", other, "--from", "5", "--to", "5")
    refused(1, "nothing to replay", *plan, "--output", other, "--from", "2100-01-01")
    refused(2, "--from takes a time, an offset, beginning or now, not 'yesterday'", *plan, "--output", other, "--from", "yesterday")
    refused(2, "--output TOPIC is missing", *plan)
    refused(2, "may have letters, digits, dots, underscores and dashes only", *plan, "--output", other, "--id", "a b", "--no-restore")
    refused(1, "does not exist", *plan, "--output", other, "--topic", "nowhere")
    refused(2, "no verb 'undo'", "undo")

    policy = replays.policy("safe", weights={"comply": {"helpful": 1}})
    path, _ = replays.plan("safe", settings, "--no-restore", policy=policy, output=other)
    run = ("run", "-c", settings, path)
    policy[1].write_text(yaml.safe_dump({"weights": {"comply": {"helpful": 2}}}))
    refused(2, "it is not the policy that was planned", *run)
    policy[1].write_text(yaml.safe_dump({"weights": {"comply": {"helpful": 1}}}))
    refused(2, "grader.model: the manifest has 'scripted-1' and the settings 'scripted-9'", *run, "--set", "graders.0.model=scripted-9")
    refused(2, f"output: '{other}' is kafka.output of the settings", *run, "--set", f"kafka.output={other}")
    refused(2, "--share takes a number above 0, at most 1, not '0'", *run, "--share", "0")
    refused(2, "which file?", "run", "-c", settings)
    refused(2, "nowhere.yaml", "status", "-c", settings, "nowhere.yaml")
    assert rewards(scene, other) == {}
    replays.run(settings, path)
    assert len(rewards(scene, other)) == 10


def test_offsets_that_are_gone_are_not_passed_over(replays):
    """The log was cut after the plan: neither all that is left is judged, nor is it done."""
    scene = replays.scene
    scene.create(partitions=2)
    scene.write([(n % 2, b"k", records.to_json(records.make(n, 308)), []) for n in range(20)])
    settings = replays.settings("gone")
    path, manifest = replays.plan("gone", settings, "--no-restore")
    scene.broker.admin.delete_records({TopicPartition(scene.input, 1): 5})
    process = replays.start(settings, path)
    replays.finish(process, code=1)
    assert "offset 0, which is to be read, is outside the log [5, 10]; plan anew what is still there" in process.log.read_text()
    assert replays.status(settings, path)["state"] != "done"


# ---- what is shown ---------------------------------------------------------------------------------------------------


def test_a_terminal_sees_how_far_it_is(replays):
    scene = replays.scene
    scene.create(partitions=2)
    scene.write([(n % 2, b"k", records.to_json(records.make(n, 307)), []) for n in range(80)])
    settings = replays.settings("shown", grader={"price": {"input": 100, "output": 0}})
    path, manifest = replays.plan("shown", settings, "--no-restore")
    assert float(manifest["estimate"]["cost_usd"]) > 0 and manifest["estimate"]["input_tokens"] > 0
    scene.grader.delay(0.05)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([binary(), "replay", "run", "-c", settings, path], stdout=subprocess.PIPE, stderr=theirs,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    replays.processes.append(process)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # the process is gone
        pass
    os.close(ours)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, seen
    shown = re.findall(r"\[(#*\.*)\] (\d+) of 80, ", seen.decode(errors="replace"))
    assert shown and all(len(bar) == 30 for bar, _ in shown) and [int(n) for _, n in shown] == sorted(int(n) for _, n in shown)
    assert re.search(r"^used +\d+ input tokens .* USD", out.decode(), re.M)
    assert replays.status(settings, path)["failed"] == "0"
