"""P8: a verdict that never comes costs its own record and nobody's time, not even when its partition's window is full.

The same load is judged in turn with and without one hanging record at the head of each partition. The grader sets the pace,
not the machine: so many questions at a time, each answered after so long.
"""

import itertools
import os
import pathlib
import statistics

import pytest

import checker
import protos
import records
import topics
import verify

pytestmark = pytest.mark.alone

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
PAIRS = 5 if os.environ.get("RBR_LONG_TESTS") else 3
PARTITIONS = 4
RECORDS = 800  # of each partition
WINDOW = 256  # full after a third of them
IN_FLIGHT, ANSWER_SECONDS = 128, 0.2


def load(hanging):
    """(partition, key, value, headers); completion ids of those that hang begin with `hangs`."""
    for number, partition in itertools.product(range(RECORDS), range(PARTITIONS)):
        record = records.make(number * PARTITIONS + partition, 80) | {"response_type": "comply"}
        if hanging and number == 0:
            record |= {"completion_id": f"hangs-{partition}", "completion": [{"role": "assistant", "content": "[[do:hang]]"}]}
        yield partition, records.key_of(record), records.to_json(record), ()


class Runs:
    def __init__(self, scene):
        self.scene = scene
        self.numbers = itertools.count(1)
        self.inputs = {hanging: f"{scene.input}-{'hanging' if hanging else 'normal'}" for hanging in (False, True)}
        scene.create(partitions=PARTITIONS)
        scene.broker.create_topics(dict.fromkeys(self.inputs.values(), PARTITIONS))
        for hanging, topic in self.inputs.items():
            topics.write(scene.broker.bootstrap, topic, list(load(hanging)))

    def rewards(self, hanging):
        """Of a new worker, all of them: [(time of publishing, Reward)]."""
        scene, number = self.scene, next(self.numbers)
        source, output, group = self.inputs[hanging], f"{scene.output}-{number}", f"{scene.group}-{number}"
        scene.broker.create_topics({output: PARTITIONS})
        w = scene.worker([TINY], kafka={"input": source, "output": output, "group": group}, limits={"window": WINDOW, "record_deadline": "120s"},
                         grader={"max_in_flight": IN_FLIGHT, "flow": "fixed",
                                 "timeouts": {"connect": "1s", "first_byte": "60s", "total": "60s"}})
        got = topics.wait_for(scene.broker.bootstrap, [output], RECORDS * PARTITIONS, 60, w.alive)
        assert w.stop() == 0
        checker.assert_conserved(scene.broker, source, output, scene.dead, group)
        return [(m.timestamp, verify.parse(m)) for m in got]


def rate(rewards):
    """Records a second from the first to the last published."""
    times = [at for at, reward in rewards if not reward.completion_id.startswith("hangs")]
    return 1000 * len(times) / (max(times) - min(times))


@pytest.mark.timeout(300)
def test_one_hanging_record_in_each_partition(scene):
    runs = Runs(scene)
    scene.grader.delay(ANSWER_SECONDS)
    ratios = []
    for _ in range(PAIRS):
        normal, hanging = rate(runs.rewards(False)), runs.rewards(True)
        ratios.append(rate(hanging) / normal)
        print(f"{normal:.0f} records/s, {rate(hanging):.0f} beside a hanging one")
        assert sum(r.status == protos.reward_pb2.STATUS_OK for _, r in hanging) == (RECORDS - 1) * PARTITIONS
        stuck = [r for _, r in hanging if r.completion_id.startswith("hangs")]
        assert len(stuck) == PARTITIONS
        for reward in stuck:  # long before anything timed out
            assert (protos.status_name(reward.status), protos.reason_name(reward.reason)) == ("EXPIRED", "DEADLINE")
            assert not reward.HasField("reward") and reward.mask_sample and reward.grading_ms < 30_000
    assert statistics.median(ratios) >= 0.9, ratios
