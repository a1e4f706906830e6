"""A shadow policy on a real Kafka: a second reward of each record, asked no question twice, and the first as if there were no second."""

import collections
import pathlib
import random
import time

import pytest
import yaml

import checker
import records
import topics
import verify
from protos import reward_pb2
from worker import rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
RECORDS = 200


def overlay(scene, question="Is it short?"):
    """The next policy: tiny with a question more for `comply`, one rule less, and other weights."""
    changes = {
        "policy": {"id": "tiny-next", "version": "2"},
        "simple_propositions": {"brief": {"prompt": question}},
        "completion_classes": {"ideal": {"comply": {"helpful": True, "brief": True}},
                               "fair": {"refuse": {"polite_no": True}}},
        "weights": {"comply": {"helpful": 0.25, "brief": 0.5, "ideal": 1.75, "poor": -1}},
    }
    path = scene.folder / "next.yaml"
    path.write_text(yaml.safe_dump(changes))
    return path


def shadowed(scene, question="Is it short?", **policy):
    """Settings of a worker with both policies; `question`: that the shadow alone asks."""
    if not hasattr(scene, "shadow"):
        scene.shadow = f"{scene.output}.shadow"
        scene.broker.create_topics({scene.shadow: (2, {})})
    shadow = [str(TINY), str(overlay(scene, question))]
    return {"kafka": {"shadow_output": scene.shadow}, "policy": {"files": [str(TINY)], "shadow": shadow, **policy}}


def put(scene, count=RECORDS, seed=1, change=lambda n, record: None):
    made = []
    for n in range(count):
        record = records.make(n, seed)
        change(n, record)
        made.append((n % 2, records.key_of(record), b"no record" if n % 16 == 9 else records.to_json(record), []))
    scene.write(made)


def some_refused(n, record):
    if n % 10 == 3:
        record["completion"][0]["content"] = f"[[do:400]] {n}"


def rewards(scene, topic):
    """By source: the message and the reward."""
    out = {}
    for m in topics.read(scene.broker.bootstrap, topic):
        reward = verify.parse(m)
        assert (reward.source.partition, reward.source.offset) not in out
        out[reward.source.partition, reward.source.offset] = m, reward
    return out


def assert_both_conserved(scene):
    """Each record has a reward of each policy, or is one dead letter."""
    scene.assert_conserved()
    checker.assert_conserved(scene.broker, scene.input, scene.shadow, scene.dead, scene.group)


def timeless(reward, counters=True):
    """Without what two runs differ in: times, and the names of the topics; without counters: nor who paid for a judgment."""
    r = reward_pb2.Reward()
    r.CopyFrom(reward)
    r.source.topic = ""
    for name in ("received_at_ms", "scored_at_ms", "queue_ms", "grading_ms"):
        r.ClearField(name)
    for p in r.propositions:
        p.latency_ms = 0
        if not counters:
            p.attempts, p.cached = 0, False
    if not counters:
        for g in r.graders:
            for name in ("requests", "cache_hits", "retries", "failures", "input_tokens", "cached_input_tokens", "output_tokens",
                         "usage_unknown"):
                if name in g.DESCRIPTOR.fields_by_name:
                    g.ClearField(name)
            g.ClearField("cost_usd")
    return r.SerializeToString(deterministic=True)


def run(scene, **changes):
    """To the end of the input; how many requests that took."""
    before = scene.grader.stats()["requests"]
    worker = scene.worker([TINY], **changes)
    scene.wait_for(RECORDS, 60, worker)
    assert worker.stop() == 0
    return scene.grader.stats()["requests"] - before


def another(scene):
    """A scene beside this one, with the same records to come."""
    return type(scene)(scene.broker, scene.grader, scene.folder).create()


@pytest.mark.timeout(120)
def test_the_live_reward_is_the_same_and_no_question_is_asked_twice(scene, request):
    both, live, alone = scene.create(), another(scene), another(scene)
    request.addfinalizer(lambda: [w.end() for s in (live, alone) for w in s.workers])
    for s in (both, live, alone):
        put(s, change=some_refused)
    asked_both = run(both, **shadowed(both))
    asked_live = run(live)
    asked_alone = run(alone, policy={"files": [str(TINY), str(overlay(alone))]})

    assert_both_conserved(both)
    got, want = rewards(both, both.output), rewards(live, live.output)
    assert set(got) == set(want)
    for source, (message, reward) in got.items():
        assert timeless(reward) == timeless(want[source][1])
        assert (message.key, message.headers, message.partition) == (want[source][0].key, want[source][0].headers,
                                                                     want[source][0].partition)

    shadow, want = rewards(both, both.shadow), rewards(alone, alone.output)
    assert set(shadow) == set(want) == set(got)
    for source, (message, reward) in shadow.items():
        assert timeless(reward, counters=False) == timeless(want[source][1], counters=False)
        assert message.key == got[source][0].key and message.partition == got[source][0].partition
        assert topics.header(message, "rbr-policy") == "tiny-next"

    digests = collections.Counter()
    for message_and_reward in [*got.values(), *shadow.values()]:
        digests.update({p.digest for p in message_and_reward[1].propositions})
    own = {p.digest for _, r in shadow.values() for p in r.propositions} - {p.digest for _, r in got.values() for p in r.propositions}
    assert asked_both == len(digests) == asked_live + len(own)
    assert asked_both < asked_live + asked_alone and own

    settings = both.workers[0].config_path
    compared = rbr("compare", "-c", settings, f"topic:{both.output}", f"topic:{both.shadow}")
    assert compared.returncode == 0, compared.stderr.decode()
    assert f"{len(got)} completions in both" in compared.stdout.decode()


@pytest.mark.timeout(120)
def test_kills_leave_both_topics_exact(scene):
    scene.create()
    rng = random.Random(5)
    scene.grader.delay(0.02)
    put(scene, 600, change=some_refused)
    settings = shadowed(scene)
    settings["kafka"]["instance_id"] = "one"  # its next start takes the dead one's place at once
    worker = scene.worker([TINY], grader={"max_in_flight": 32}, limits={"publish_interval": "50ms"}, **settings)
    for _ in range(6):
        before = scene.grader.stats()["requests"]
        scene.grader.wait_for_requests(before + rng.randint(20, 200))
        worker.process.kill()
        worker.process.wait()
        worker.start()
    scene.grader.delay(0)
    scene.wait_for(600, 60, worker)
    assert worker.stop() == 0
    assert_both_conserved(scene)
    got, shadow = rewards(scene, scene.output), rewards(scene, scene.shadow)
    assert set(got) == set(shadow)


@pytest.mark.timeout(120)
def test_a_shadow_that_hangs_holds_nothing_up_for_long(scene):
    scene.create()
    put(scene, 40)
    settings = shadowed(scene, "[[do:hang]] Is it short?", shadow_wait="300ms")
    started = time.monotonic()
    worker = scene.worker([TINY], **settings)
    scene.wait_for(40, 30, worker)
    assert time.monotonic() - started < 15  # a request may take 20 s
    assert worker.stop() == 0
    assert_both_conserved(scene)
    got, shadow = rewards(scene, scene.output), rewards(scene, scene.shadow)
    comply = {source for source, (_, r) in got.items() if r.response_type == "comply"}
    assert comply and all(r.status == reward_pb2.STATUS_OK for _, r in got.values())
    for source, (_, r) in shadow.items():
        assert r.status == (reward_pb2.STATUS_EXPIRED if source in comply else reward_pb2.STATUS_OK)


def test_a_wrong_shadow_policy_is_found_before_anything_is_read(scene):
    scene.create()
    settings = shadowed(scene)
    worker = scene.worker([TINY], **settings)
    worker.wait_for_log("source.assigned")
    assert "worker.shadow policy=tiny-next" in worker.log()
    checked = rbr("check", "-c", worker.config_path)
    assert checked.returncode == 0
    assert [line.split(":")[0].split(" hash ")[0] for line in checked.stdout.decode().splitlines()] == [
        "policy tiny version 1", "shadow policy tiny-next version 2"]
    assert worker.stop() == 0

    wrong = scene.folder / "wrong.yaml"
    wrong.write_text("completion_classes:\n  ideal:\n    comply: {helpfull: true}\n")
    settings["policy"]["shadow"] = [str(TINY), str(wrong)]
    worker = scene.worker([TINY], **settings)
    assert worker.process.wait(10) == 2
    assert f"{wrong}:3:14: error: " in worker.log()
    assert rbr("check", "-c", worker.config_path).returncode == 2

    settings["policy"]["shadow"] = [str(TINY), str(overlay(scene))]
    settings["kafka"]["shadow_output"] = "no-such-topic"
    worker = scene.worker([TINY], **settings)
    assert worker.process.wait(30) == 1
    assert "no-such-topic" in worker.log()
