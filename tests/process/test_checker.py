"""The checker finds every defect that is planted, and nothing where there is none."""

import copy
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

import checker
import protos
import topics
from checker import Facts, violations


def sound():
    return Facts(
        offsets={0: [0, 1, 2, 4], 1: [0, 1]},  # 0/3 is a transaction's marker
        ends={0: 6, 1: 2},
        committed={0: 6, 1: 2},
        rewards=[(0, 0), (0, 2), (0, 4), (1, 0), (1, 1)],
        dead=[(0, 1)],
        unstable={"rewards/0": (9, 9), "dead/0": (2, 2)},
    )


def test_sound_facts_pass():
    assert violations(sound()) == []


DEFECTS = {
    "a dropped offset": (lambda f: f.rewards.remove((0, 2)), "lost: 0/2"),
    "a dropped dead letter": (lambda f: f.dead.clear(), "lost: 0/1"),
    "a dropped partition": (lambda f: [f.rewards.remove((1, o)) for o in (0, 1)], "lost: 1/0"),
    "a doubled reward": (lambda f: f.rewards.append((1, 1)), "repeated: 1/1 has 2 of reward"),
    "a doubled dead letter": (lambda f: f.dead.append((0, 1)), "repeated: 0/1 has 2 of dead letter"),
    "a reward and a dead letter": (lambda f: f.dead.append((0, 0)), "both: 0/0"),
    "an offset off by two": (lambda f: (f.rewards.remove((0, 0)), f.rewards.append((0, 3))), "invented: 0/3"),
    "a reward of an offset beyond the end": (lambda f: f.rewards.append((0, 9)), "invented: 0/9"),
    "a reward of a partition that is not there": (lambda f: f.rewards.append((7, 0)), "invented: 7/0"),
    "a commit too early": (lambda f: f.committed.update({0: 4}), "behind: partition 0"),
    "a commit beyond the end": (lambda f: f.committed.update({1: 4}), "beyond: partition 1"),
    "no commit": (lambda f: f.committed.pop(1), "uncommitted: partition 1"),
    "a transaction left open": (lambda f: f.unstable.update({"rewards/0": (7, 9)}), "hanging: rewards/0"),
    "a coordinator that still knows one": (lambda f: f.open_transactions.append("rbr-1"), "hanging: transaction rbr-1"),
    "a default reward": (lambda f: f.numbers.append("0/2 is FAILED and has the reward 1.0"), "number: 0/2 is FAILED"),
    "a message of another input": (lambda f: f.strangers.append("rewards/0/3"), "stranger: rewards/0/3"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_finds(defect):
    plant, sentence = DEFECTS[defect]
    facts = copy.deepcopy(sound())
    plant(facts)
    assert any(v.startswith(sentence) for v in violations(facts)), violations(facts)


def test_repeats_are_allowed_only_on_request():
    facts = sound()
    facts.rewards.append((1, 1))
    assert violations(facts, allow_repeats=True) == []
    facts.dead.append((1, 1))
    assert violations(facts, allow_repeats=True)[0].startswith("both: 1/1")


def reward(topic, partition, offset, **fields):
    r = protos.reward_pb2.Reward(reward_id="r", **fields)
    r.source.topic, r.source.partition, r.source.offset = topic, partition, offset
    return r.SerializeToString()


def test_reads_the_facts_from_a_real_broker(scene):
    """By hand what a worker does, well and then badly: an aborted transaction, a short commit, an open transaction."""
    scene.create(partitions=1)
    offsets = scene.write([(0, b"k", b"v%d" % i, []) for i in range(6)])
    producer = KafkaProducer(bootstrap_servers=scene.broker.bootstrap, transactional_id=f"t-{scene.group}")
    input_partition = TopicPartition(scene.input, 0)
    consumer = KafkaConsumer(bootstrap_servers=scene.broker.bootstrap, group_id=scene.group, enable_auto_commit=False)
    consumer.assign([input_partition])
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(scene.output, reward(scene.input, 0, 0), partition=0)
    producer.flush()
    producer.abort_transaction()  # a read_committed reader must not count this one
    producer.begin_transaction()
    for o in offsets[:5]:
        producer.send(scene.output, reward(scene.input, 0, o), partition=0)
    producer.send(scene.dead, b"v5", partition=0, headers=[
        ("__connect.errors.topic", scene.input.encode()), ("__connect.errors.partition", b"0"),
        ("__connect.errors.offset", str(offsets[5]).encode())])
    producer.flush()
    producer.commit_transaction()

    def commit(offset):
        consumer.commit({input_partition: OffsetAndMetadata(offset, "", -1)})

    def facts():
        return checker.collect(scene.broker, scene.input, scene.output, scene.dead, scene.group)

    assert [v.split(":")[0] for v in violations(facts())] == ["uncommitted"]
    commit(5)
    assert [v.split(":")[0] for v in violations(facts())] == ["behind"]
    commit(7)
    assert [v.split(":")[0] for v in violations(facts())] == ["beyond"]
    commit(6)
    time.sleep(0.2)
    assert violations(facts()) == []
    producer.begin_transaction()
    producer.send(scene.output, reward(scene.input, 0, 0), partition=0)
    producer.flush()
    assert sorted(v.split(":")[0] for v in violations(facts())) == ["hanging", "hanging"]
    producer.commit_transaction()
    assert [v.split(":")[0] for v in violations(facts())] == ["repeated"]
    topics.write(scene.broker.bootstrap, scene.output, [(0, None, reward("elsewhere", 0, 0), [])])
    assert "stranger" in [v.split(":")[0] for v in violations(facts())]
    for status in (protos.reward_pb2.STATUS_FAILED, protos.reward_pb2.STATUS_PARTIAL):
        topics.write(scene.broker.bootstrap, scene.output, [(0, None, reward(scene.input, 0, 0, status=status, reward=1), [])])
    assert [v for v in violations(facts()) if v.startswith("number")] == ["number: 0/0 is FAILED and has the reward 1.0"]
    producer.close()
    consumer.close()
