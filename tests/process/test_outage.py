"""Kafka itself goes away and comes back under load: one line in the log each way, nothing lost, and on without help."""

import pathlib
import time

import pytest

import records
from kafka_broker import Broker
from scene import Scene

pytestmark = pytest.mark.alone

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
AWAY_SECONDS = 10


@pytest.fixture
def own_scene(grader, tmp_path):
    """A broker that no other test uses."""
    broker = Broker(tmp_path / "kafka", "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n")
    try:
        broker.start()
        scene = Scene(broker, grader, tmp_path)
        yield scene
        for w in scene.workers:
            w.end()
    finally:
        grader.delay(0.0)
        broker.stop()


def lines(log, *levels):
    return [line for line in log.splitlines() if any(f" {level} " in line for level in levels)]


@pytest.mark.timeout(200)
def test_a_broker_dies_and_comes_back(own_scene):
    scene, total = own_scene, 3000
    scene.create(partitions=4)
    scene.write([(n % 4, b"k%d" % n, records.to_json(records.make(n, 91)), []) for n in range(total)])
    scene.grader.delay(0.05)
    workers = [scene.worker([TINY], grader={"max_in_flight": 16}, kafka={"instance_id": f"w{n}"}) for n in range(2)]
    for w in workers:
        w.wait_for_log("source.assigned")
    scene.wait_for(200, 30, workers[0])
    scene.broker.kill()
    time.sleep(AWAY_SECONDS)
    said = [lines(w.log(), "warning", "error") for w in workers]
    scene.broker.restart()
    back = time.monotonic()
    before = len(scene.rewards())
    assert before < total
    scene.wait_for(before + 1, 30, workers[0])
    print(f"progress {time.monotonic() - back:.1f} s after the broker was back")
    scene.grader.delay(0.0)
    scene.wait_for(total, 60, workers[0])
    for w, during in zip(workers, said, strict=True):
        w.wait_for_log("kafka.up", 30)
        log = w.log()
        assert log.count(" kafka.down ") == 1 and log.count(" kafka.up ") == 1, log
        assert any("kafka.down" in line and scene.broker.bootstrap in line and "Connection refused" in line for line in during)
        # The outage, and what became of the batch that it interrupted.
        assert len(during) <= 3, during
        assert w.stop() == 0
    scene.assert_conserved()
