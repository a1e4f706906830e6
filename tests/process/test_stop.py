"""SIGTERM at every stage of a worker's life: exit code 0 within the drain and a little, and who comes next finds each record
undone or done, never half. (At every named point: test_points.py.)"""

import pathlib
import random
import signal
import time

import pytest

import records
from kafka_broker import Broker
from scene import Scene

pytestmark = pytest.mark.alone

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
DRAIN_SECONDS, SLACK_SECONDS = 2, 6
GAVE_UP_SECONDS = 15  # beyond the drain: then a worker ends without Kafka


def put(scene, count, seed, partitions=2):
    scene.write([(n % partitions, b"k%d" % n, records.to_json(records.make(n, seed)), []) for n in range(count)])


def worker(scene, **changes):
    limits = {"drain": f"{DRAIN_SECONDS}s", **changes.pop("limits", {})}
    return scene.worker([TINY], limits=limits, **changes)


def stop(w, codes=(0,), bound=DRAIN_SECONDS + SLACK_SECONDS):
    began = time.monotonic()
    code = w.stop(seconds=bound + 20)
    took = time.monotonic() - began
    assert code in codes, (code, w.log()[-3000:])
    assert took < bound, (took, w.log()[-3000:])


def finish(scene, total):
    """Another worker does the rest; then each record is there once."""
    last = worker(scene)
    scene.wait_for(total, 60, last)
    stop(last)
    scene.assert_conserved()


@pytest.fixture
def calm(scene):
    yield scene
    scene.grader.call("/_script", {"mode": None, "delay": 0.0})


def test_while_starting_joining_and_looking_up(calm):
    """Moments of the first two seconds, with something to do from the first one on."""
    calm.create(partitions=2)
    put(calm, 200, seed=71)
    calm.grader.delay(0.02)
    for wait in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.9, 1.3, 2.0):
        w = worker(calm, grader={"max_in_flight": 8})
        time.sleep(wait)
        # Before its first line it may not have got to its signal handler.
        stop(w, codes=(0,) if w.log() else (0, -signal.SIGTERM))
    finish(calm, 200)


def test_idle(calm):
    calm.create(partitions=2)
    w = worker(calm)
    w.wait_for_log("source.assigned")
    stop(w, bound=SLACK_SECONDS)  # there is nothing to drain


def test_while_judging_and_publishing(calm):
    """At random moments under load: some of them within a batch's way through its transaction."""
    rng = random.Random(72)
    calm.create(partitions=2)
    put(calm, 3000, seed=72)
    calm.grader.delay(0.004)
    for _ in range(6):
        w = worker(calm, grader={"max_in_flight": 32})
        w.wait_for_log("source.assigned")
        time.sleep(rng.uniform(0.1, 0.7))
        stop(w)
    calm.grader.delay(0.0)
    finish(calm, 3000)


def test_while_the_grader_hangs_and_at_once_with_a_second_signal(calm):
    calm.create(partitions=2)
    put(calm, 40, seed=73)
    calm.grader.call("/_script", {"mode": "hang"})
    w = worker(calm)
    w.wait_for_log("source.assigned")
    time.sleep(0.5)
    stop(w)
    w = worker(calm, limits={"drain": "30s"})
    w.wait_for_log("source.assigned")
    time.sleep(0.5)
    w.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert w.alive()
    stop(w, codes=(1,), bound=2)
    calm.grader.call("/_script", {"mode": None})
    finish(calm, 40)


def test_during_a_rebalance(calm):
    calm.create(partitions=2)
    put(calm, 1500, seed=74)
    calm.grader.delay(0.01)
    first = worker(calm, grader={"max_in_flight": 16})
    first.wait_for_log("source.assigned")
    second = worker(calm, grader={"max_in_flight": 16})
    first.wait_for_log("source.revoked")
    stop(first)
    third = worker(calm, grader={"max_in_flight": 16})
    time.sleep(0.5)
    stop(third)
    stop(second)
    calm.grader.delay(0.0)
    finish(calm, 1500)


@pytest.mark.timeout(120)
def test_without_a_broker(grader, tmp_path):
    """Nobody answers: it ends in time all the same, with 1 when something was left unpublished, and without a crash."""
    broker = Broker(tmp_path / "kafka")
    scene = Scene(broker, grader, tmp_path)
    try:
        broker.start()
        scene.create(partitions=2)
        put(scene, 1500, seed=75)
        grader.delay(0.01)
        busy = worker(scene, grader={"max_in_flight": 16})
        idle = worker(scene, kafka={"group": f"{scene.group}-idle", "start": "latest"})
        scene.wait_for(50, 30, busy)
        idle.wait_for_log("source.assigned")
        broker.kill()
        time.sleep(1)
        for w in (busy, idle):
            w.process.send_signal(signal.SIGTERM)
        for w in (busy, idle):
            code = w.process.wait(timeout=DRAIN_SECONDS + GAVE_UP_SECONDS + SLACK_SECONDS)
            assert code == (1 if "worker.gave_up" in w.log() else 0)
        broker.restart()
        grader.delay(0.0)
        finish(scene, 1500)
    finally:
        grader.delay(0.0)
        for w in scene.workers:
            w.end()
        broker.stop()
