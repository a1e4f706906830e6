"""Where a worker goes on, on a real Kafka: past what the ack map says is done, and past what the log has lost."""

import pathlib
import re

import records
import verify
from kafka import KafkaProducer, TopicPartition

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"


def put(scene, numbers, seed, partitions=1, slow=()):
    batch = []
    for n in numbers:
        record = records.make(n, seed)
        if n in slow:
            record["completion"][0]["content"] = f"[[do:hang*1]] {n}"
        batch.append((n % partitions, b"k%d" % n, records.to_json(record), []))
    return scene.write(batch)


def sources(scene):
    found = [(r.source.partition, r.source.offset) for r in map(verify.parse, scene.rewards())]
    assert len(found) == len(set(found))
    return set(found)


def test_what_the_map_says_is_done_is_passed_over(scene):
    """The first record hangs, the others are published; then the worker is killed. The next one asks for that record only."""
    scene.create(partitions=1)
    put(scene, range(300), seed=81, slow={0})
    first = scene.worker([TINY])
    scene.wait_for(299, 30, first)
    first.process.kill()
    first.process.wait()
    before = scene.grader.stats()["requests"]
    second = scene.worker([TINY])
    scene.wait_for(300, 30, second)
    asked = scene.grader.stats()["requests"] - before
    second.wait_for_log("worker.progress", 20)
    assert int(re.search(r"already_done=(\d+)", second.log())[1]) == 299
    assert asked <= 4  # the questions of one record
    assert second.stop() == 0
    scene.assert_conserved()


def test_the_log_has_lost_what_was_to_be_read(scene):
    """kafka.start: error says what is missing and ends; earliest goes on, and says exactly how many were not done."""
    scene.create(partitions=2)
    put(scene, range(200), seed=82, partitions=2)
    worker = scene.worker([TINY])
    scene.wait_for(200, 30, worker)
    assert worker.stop() == 0
    put(scene, range(200, 300), seed=82, partitions=2)
    scene.broker.admin.delete_records({TopicPartition(scene.input, 0): 120})

    strict = scene.worker([TINY], kafka={"start": "error"})
    assert strict.process.wait(timeout=30) == 1
    assert f"{scene.input}[0]: the committed offset 100 is outside the log [120, 150]" in strict.log()
    assert len(sources(scene)) == 200

    lenient = scene.worker([TINY], kafka={"start": "earliest"})
    scene.wait_for(280, 30, lenient)
    assert f"{scene.input}[0]: the log has lost offsets 100 to 119; 20 of them were not done" in lenient.log()
    assert lenient.log().count("pipeline.gap") == 1
    assert lenient.stop() == 0
    assert sources(scene) == ({(0, o) for o in range(150)} - {(0, o) for o in range(100, 120)}) | {(1, o) for o in range(150)}


def test_an_input_of_transactions_is_committed_to_its_end(scene):
    """What ends its partitions is a marker, or what was aborted: no record, and no lag either. A second worker finds nothing."""
    scene.create(partitions=3)
    producer = KafkaProducer(bootstrap_servers=scene.broker.bootstrap, transactional_id=f"in-{scene.group}")
    producer.init_transactions()
    for partition, n, end in ((0, 5, producer.commit_transaction), (1, 3, producer.abort_transaction)):
        producer.begin_transaction()
        for i in range(n):
            producer.send(scene.input, records.to_json(records.make(10 * partition + i, 85)), key=b"k", partition=partition)
        producer.flush()
        end()
    producer.close()
    for _ in range(2):
        w = scene.worker([TINY], kafka={"group": scene.group})
        scene.wait_for(5, 30, w)
        facts = scene.assert_conserved()
        assert w.stop() == 0
    assert facts.ends == {0: 6, 1: 4, 2: 0} and facts.committed == {0: 6, 1: 4}
    assert len(sources(scene)) == 5
