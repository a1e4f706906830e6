"""Poison: a record that kills its worker, batches that cannot be read or would not fit into memory. Each ends as a dead letter
by reference, after at most three deaths, and everything else flows."""

import pathlib
import random
import re
import signal
import time

import pytest
from kafka import KafkaProducer

import records
import rounds
import topics
from worker import Worker

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
CODECS = ("gzip", "lz4", "zstd", "snappy")
MIB = 1 << 20


def resident_peak(worker):
    """Bytes, since its start."""
    status = pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024


def write_batch(scene, partition, values, codec=None):
    """All of them in one batch; their offsets."""
    producer = KafkaProducer(bootstrap_servers=scene.broker.bootstrap, acks="all", compression_type=codec, linger_ms=5000,
                             batch_size=1 << 30, max_request_size=1 << 30, max_block_ms=60000)
    try:
        sent = [producer.send(scene.input, v, key=b"k", partition=partition) for v in values]
        producer.flush()
        return [s.get(timeout=60).offset for s in sent]
    finally:
        producer.close()


def good(scene, partition, first, count):
    return write_batch(scene, partition, [records.to_json(records.make(n, scene.group)) for n in range(first, first + count)])


def reasons(scene):
    """(partition, offset) of the source -> rbr-reason; of each: no key, no value."""
    found = {}
    for m in scene.dead_letters():
        assert m.key is None and m.value is None
        assert topics.header(m, "__connect.errors.stage") in ("quarantine", "publish")
        found[int(topics.header(m, "__connect.errors.partition")), int(topics.header(m, "__connect.errors.offset"))] = \
            topics.header(m, "rbr-reason")
    return found


@pytest.mark.timeout(120)
def test_bombs_of_every_codec(scene):
    """One in each partition, and a batch of many that is one as a whole, between good records."""
    scene.create(partitions=len(CODECS), input_config={"max.message.bytes": "16000000"})
    bombs, most = {}, 24 * MIB
    for p, codec in enumerate(CODECS):
        good(scene, p, 100 * p, 20)
        size = 200 * MIB if codec != "snappy" else 20 * MIB
        bombs[p] = write_batch(scene, p, [bytes(size)], codec)
        good(scene, p, 100 * p + 20, 20)
        if codec != "snappy":
            bombs[p] += write_batch(scene, p, [bytes(MIB)] * 60, codec)
            good(scene, p, 100 * p + 40, 20)
    total = sum(len(b) for b in bombs.values()) + 20 * (3 * len(CODECS) - 1)
    started = time.monotonic()
    worker = scene.worker([TINY], kafka={"properties": {"consumer": {
        "receive.message.max.bytes": str(most), "fetch.max.bytes": str(most - 1024)}}})
    scene.wait_for(total, 60, worker)
    print(f"{total} messages after {time.monotonic() - started:.1f} s, peak {resident_peak(worker) / MIB:.0f} MiB")
    assert resident_peak(worker) < 200 * MIB
    for event in ("source.bombs_allowed", "source.large_records_allowed"):
        assert worker.log().count(event) == 1
    assert worker.stop() == 0
    scene.assert_conserved()
    assert reasons(scene) == {(p, o): "MESSAGE_TOO_LARGE" if CODECS[p] == "snappy" else "UNREADABLE"
                              for p, offsets in bombs.items() for o in offsets}


@pytest.mark.timeout(100)
def test_a_record_that_kills_its_worker(scene):
    """The worker dies as soon as it has taken the only record there is, every time: a named point, passed the first time."""
    scene.create(partitions=1)
    scene.write([(0, b"k", records.to_json(records.make(1, scene.group)), [])])
    settings = scene.settings([TINY], kafka={"instance_id": "victim"}, state={"dir": str(scene.folder / "state")})
    deaths = 0
    for life in range(8):  # a supervisor
        worker = Worker(scene.folder, settings, f"life-{life}", rounds.program())
        scene.workers.append(worker)
        worker.start("before_decode=kill@1")
        while worker.alive() and "pipeline.quarantined" not in worker.log():
            time.sleep(0.05)
        if worker.alive():
            break
        assert worker.process.returncode == -signal.SIGKILL, worker.log()[-2000:]
        deaths += 1
    assert deaths == 3
    scene.wait_for(1, 10, worker)
    assert worker.stop() == 0
    assert reasons(scene) == {(0, 0): "KILLED_THE_WORKER"}
    # Where it killed nobody any more, life goes on; and no trace of it is left.
    good(scene, 0, 10, 40)
    worker.start()
    scene.wait_for(41, 20, worker)
    assert worker.stop() == 0
    assert "blackbox.death" not in worker.log().split("worker.stopped")[1]
    scene.assert_conserved()


@pytest.mark.timeout(100)
def test_deaths_at_work_on_any_record_put_nothing_aside(scene):
    """Each death is at work on a record, of chance; what was done by then differs, and so does the next place."""
    scene.create(partitions=2)
    for p in range(2):
        good(scene, p, 5000 * p, 200)
    settings = scene.settings([TINY], kafka={"instance_id": "victim"}, state={"dir": str(scene.folder / "state")},
                              limits={"records_in_flight": 8, "publish_interval": "10ms"})
    worker = Worker(scene.folder, settings, "worker", rounds.program())
    scene.workers.append(worker)
    for life in range(12):
        worker.start(f"before_decode=kill%2,seed={life}")
        end = time.monotonic() + 5
        while worker.alive() and time.monotonic() < end:
            time.sleep(0.05)
        if worker.alive():  # there is nothing left to die at
            break
    if not worker.alive():
        worker.start()
    scene.wait_for(400, 40, worker)
    assert worker.stop() == 0
    assert worker.log().count("blackbox.death") >= 6
    assert not scene.dead_letters()
    scene.assert_conserved()


@pytest.mark.timeout(100)
def test_a_record_over_the_receive_limit(scene):
    """librdkafka drops the connection at such a response, and again, and tells nobody which record it was."""
    scene.create(partitions=2)
    offsets = {}
    for p in range(2):
        good(scene, p, 100 * p, 20)
    offsets[0] = write_batch(scene, 0, [random.Random(1).randbytes(6 * MIB)])
    for p in range(2):
        good(scene, p, 100 * p + 20, 20)
    worker = scene.worker([TINY], kafka={"properties": {"consumer": {
        "receive.message.max.bytes": str(2 * MIB), "fetch.max.bytes": str(2 * MIB - 1024)}}})
    scene.wait_for(81, 60, worker)
    assert worker.stop() == 0
    (dead,) = scene.dead_letters()
    assert topics.header(dead, "rbr-reason") == "TOO_LARGE" and len(dead.value) == 6 * MIB
    scene.assert_conserved()
