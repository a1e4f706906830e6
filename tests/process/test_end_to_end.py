"""The whole job on a real Kafka: every completion gets one reward, and each number in it is the right one."""

import collections
import pathlib
import random
import time

import pytest

import records
import verify
from reference import Policy
from worker import ROOT

SAFETY = ROOT / "config" / "policies" / "safety.yaml"
TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"


def mixed(n_json, n_protobuf, partitions, seed=1, first=0):
    """[(partition, record, value)]: both formats over all partitions, the copies of a group in one of them."""
    out = []
    for number in range(first, first + n_json + n_protobuf):
        record = records.make(number, seed)
        as_json = number - first < n_json
        out.append((number // 4 % partitions, record, (records.to_json if as_json else records.to_protobuf)(record)))
    random.Random(seed).shuffle(out)
    return out


def put(scene, made):
    """Writes them; (partition, offset) -> record."""
    offsets = scene.write([(p, records.key_of(r), value, [("traceparent", b"00-a-b-01")]) for p, r, value in made])
    return {(p, o): r for (p, r, _), o in zip(made, offsets)}


def verify_all(scene, by_source, policy):
    """Every committed reward against the record at its source; the order of names per response type is one."""
    orders = collections.defaultdict(set)
    messages = scene.rewards()
    for m in messages:
        reward = verify.parse(m)
        assert reward.source.topic == scene.input
        record = by_source[reward.source.partition, reward.source.offset]
        verify.ok_reward(m, record, policy)
        assert m.key == records.key_of(record)
        assert m.partition == reward.source.partition  # as many partitions: the same one
        assert reward.traceparent == "00-a-b-01"
        orders[reward.response_type].add((tuple(p.id for p in reward.propositions), tuple(c.name for c in reward.classes),
                                          tuple(c.name for c in reward.components)))
    assert all(len(o) == 1 for o in orders.values())
    assert scene.dead_letters() == []
    return messages


@pytest.mark.timeout(240)
def test_exactly_once_4000(scene):
    policy = Policy(SAFETY)
    scene.create(partitions=4)
    by_source = put(scene, mixed(2000, 2000, 4))
    start, before = time.monotonic(), scene.grader.stats()["requests"]
    worker = scene.worker([SAFETY], grader={"max_in_flight": 128})
    scene.wait_for(4000, 180, worker)
    seconds = time.monotonic() - start
    questions = sum(len(policy.asked(r["response_type"])) for r in by_source.values())
    assert scene.grader.stats()["requests"] - before == questions
    print(f"4000 rewards of {questions} questions in {seconds:.1f} s")
    assert worker.stop() == 0
    messages = verify_all(scene, by_source, policy)
    assert len(messages) == 4000
    assert {verify.parse(m).response_type for m in messages} == set(records.TYPES)
    scene.assert_conserved()


def test_at_least_once_400(scene):
    scene.create(partitions=3)
    by_source = put(scene, mixed(200, 200, 3, seed=2))
    worker = scene.worker([TINY], kafka={"delivery": "at_least_once"})
    scene.wait_for(400, 60, worker)
    assert worker.stop() == 0
    assert len(verify_all(scene, by_source, Policy(TINY))) == 400
    scene.assert_conserved()


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_stop_drains_and_the_next_start_goes_on(scene, delivery):
    """SIGTERM in the middle: exit code 0 within the drain time, no half of anything; then the rest, each once."""
    scene.create(partitions=4)
    by_source = put(scene, mixed(300, 300, 4, seed=3))
    scene.grader.delay(0.03)
    kafka = {"delivery": delivery}
    first = scene.worker([TINY], kafka=kafka, grader={"max_in_flight": 16}, limits={"records_in_flight": 40})
    early = scene.wait_for(60, 60, first)
    started = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - started < 15
    done = len(scene.rewards())
    assert len(early) <= done < 600, "the stop came too late to show anything"
    scene.grader.delay(0.0)
    second = scene.worker([TINY], kafka=kafka)
    scene.wait_for(600, 60, second)
    assert second.stop() == 0
    assert len(verify_all(scene, by_source, Policy(TINY))) == 600
    scene.assert_conserved()


def test_a_second_start_with_nothing_new_does_nothing(scene):
    scene.create(partitions=2)
    by_source = put(scene, mixed(10, 10, 2, seed=4))
    for _ in range(2):
        worker = scene.worker([TINY])
        scene.wait_for(20, 30, worker)
        time.sleep(1)
        assert worker.stop() == 0
    assert len(verify_all(scene, by_source, Policy(TINY))) == 20
    scene.assert_conserved()


def test_two_workers_share_the_partitions(scene):
    """A fleet: what one left when the other joined is scored once."""
    scene.create(partitions=4)
    by_source = put(scene, mixed(200, 200, 4, seed=5))
    scene.grader.delay(0.01)
    first = scene.worker([TINY], grader={"max_in_flight": 16})
    scene.wait_for(20, 30, first)
    second = scene.worker([TINY], grader={"max_in_flight": 16})
    scene.wait_for(400, 60, first)
    by_source |= put(scene, mixed(100, 100, 4, seed=6, first=1000))
    scene.wait_for(600, 60, second)
    assert first.stop() == 0
    assert second.stop() == 0
    assert len(verify_all(scene, by_source, Policy(TINY))) == 600
    scene.assert_conserved()


def test_confluent_framing_is_read(scene):
    scene.create(partitions=1)
    made = [(0, records.make(n, 7), records.to_confluent(records.make(n, 7))) for n in range(20)]
    by_source = put(scene, made)
    worker = scene.worker([TINY])
    scene.wait_for(20, 30, worker)
    assert worker.stop() == 0
    assert len(verify_all(scene, by_source, Policy(TINY))) == 20
    scene.assert_conserved()


def test_a_fewer_partitioned_output_keeps_the_key(scene):
    scene.create(partitions=4, output=1)
    by_source = put(scene, mixed(20, 20, 4, seed=8))
    worker = scene.worker([TINY])
    scene.wait_for(40, 30, worker)
    assert worker.stop() == 0
    messages = scene.rewards()
    assert len(messages) == 40
    for m in messages:
        source = verify.parse(m).source
        assert m.key == records.key_of(by_source[source.partition, source.offset])
    scene.assert_conserved()
