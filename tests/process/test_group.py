"""Joining and leaving: workers without a partition, a signal while starting, a stop while Kafka does not
answer, a twin with our transactional id."""

import os
import pathlib
import signal
import time

import pytest

import records
from kafka import KafkaProducer

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"


def put(scene, count, seed, partitions=1):
    scene.write([(n % partitions, b"k", records.to_json(records.make(n, seed)), []) for n in range(count)])


def test_a_worker_without_a_partition_waits_its_turn(scene):
    """More workers than partitions: the spare one lives, and takes over when the other leaves."""
    scene.create(partitions=1)
    put(scene, 40, seed=61)
    first = scene.worker([TINY])
    scene.wait_for(40, 30, first)
    spare = scene.worker([TINY])
    time.sleep(5)
    assert first.alive() and spare.alive()
    put(scene, 40, seed=62)
    scene.wait_for(80, 30, spare)
    assert first.stop() == 0
    put(scene, 40, seed=63)
    scene.wait_for(120, 30, spare)
    assert spare.stop() == 0
    scene.assert_conserved()


def test_a_signal_while_starting_ends_the_worker_at_once(scene):
    """No broker: the start waits for half a minute, but not with a signal."""
    worker = scene.worker([TINY], kafka={"brokers": "127.0.0.1:1"})
    worker.wait_for_log("127.0.0.1:1")
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 2


@pytest.mark.alone
def test_a_stop_while_kafka_does_not_answer_is_bounded(scene):
    """The worker gives up after drain + 15 s; the next one with its transactional id goes on, each record once."""
    scene.create(partitions=2)
    put(scene, 400, seed=64, partitions=2)
    kafka = {"transactional_id": f"{scene.group}-one"}
    scene.grader.delay(0.02)
    first = scene.worker([TINY], kafka=kafka, grader={"max_in_flight": 16}, limits={"drain": "1s"})
    scene.wait_for(20, 30, first)
    os.kill(scene.broker.process.pid, signal.SIGSTOP)
    try:
        time.sleep(1)
        started = time.monotonic()
        code = first.stop(seconds=40)
        took = time.monotonic() - started
    finally:
        os.kill(scene.broker.process.pid, signal.SIGCONT)
        scene.grader.delay(0.0)
    assert code == 1 and "gave_up" in first.log()
    assert took < 1 + 15 + 5
    second = scene.worker([TINY], kafka=kafka)
    scene.wait_for(400, 90, second)
    assert second.stop() == 0
    scene.assert_conserved()


def test_a_passing_twin_costs_nothing(scene):
    """Somebody starts with our transactional id and goes away: another producer takes over, each record once."""
    scene.create(partitions=2)
    put(scene, 300, seed=65, partitions=2)
    name = f"{scene.group}-twin"
    scene.grader.delay(0.02)
    worker = scene.worker([TINY], kafka={"transactional_id": name}, grader={"max_in_flight": 16})
    scene.wait_for(20, 30, worker)
    twin = KafkaProducer(bootstrap_servers=scene.broker.bootstrap, transactional_id=name)
    twin.init_transactions()
    twin.close()
    worker.wait_for_log("sink.new_producer")
    worker.wait_for_log("sink.recovered")
    scene.grader.delay(0.0)
    scene.wait_for(300, 60, worker)
    assert worker.stop() == 0
    scene.assert_conserved()
