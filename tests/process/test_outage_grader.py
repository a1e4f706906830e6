"""P11: an outage of the grader is a pause. Whatever kind it is, no record fails for it, each way is told in one line, and the
worker goes on by itself within 6 s of its end. Every round has graders of its own; several are played at a time."""

import pathlib
import time

import pytest

import protos
import records
import topics
import verify
from reference import Policy
from scripted_grader import Grader

pytestmark = pytest.mark.alone

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
RECORDS, PARTITIONS = 700, 4
IN_FLIGHT, ANSWER_SECONDS = 16, 0.1  # the grader sets the pace, not the machine: 160 questions/s and endpoint
BEFORE = 60  # rewards, then it begins
BACK_SECONDS = 6
DRAIN_SECONDS, SLACK_SECONDS = 2, 6
OUTAGES = {"refused": 8, "hang": 12, "500": 10, "401": 15}  # seconds


class Load:
    """Records, graders with these endpoints, a worker on them."""

    def __init__(self, scene, endpoints=1):
        self.scene = scene.create(partitions=PARTITIONS)
        self.graders = [Grader() for _ in range(endpoints)]
        self.by_id = {r["completion_id"]: r for r in (records.make(n, scene.group) for n in range(RECORDS))}
        self.reader = topics.Reader(scene.broker.bootstrap, scene.output)
        self.got = []
        for g in self.graders:
            g.delay(ANSWER_SECONDS)
        scene.write([(n % PARTITIONS, records.key_of(r), records.to_json(r), [])
                     for n, r in enumerate(self.by_id.values())])
        self.worker = self.start()

    def start(self):
        return self.scene.worker([TINY], limits={"drain": f"{DRAIN_SECONDS}s"}, grader={
            "endpoints": [g.url for g in self.graders], "max_in_flight": IN_FLIGHT, "flow": "fixed",
            "timeouts": {"connect": "1s", "first_byte": "2s", "total": "2s"}})

    def read_until(self, count, seconds):
        end = time.monotonic() + seconds
        while len(self.got) < count:
            assert self.worker.alive() and time.monotonic() < end, f"{len(self.got)} of {count} rewards"
            self.got += self.reader.more()

    def read_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.got += self.reader.more()

    def begin(self, kind):
        """Of an outage of the first endpoint; returns when it began."""
        grader = self.graders[0]
        grader.stop() if kind == "refused" else grader.mode(kind)
        return time.time()

    def heal(self, kind):
        grader = self.graders[0]
        grader.start() if kind == "refused" else grader.mode(None)
        grader.delay(ANSWER_SECONDS)
        return time.time()

    def lines(self, *events):
        return [self.worker.log().count(f" {e} ") for e in events]

    def finish(self):
        """Each record has its reward, to the last digit, and the checker finds nothing."""
        self.read_until(RECORDS, 60)
        assert self.worker.stop() == 0
        policy = Policy(TINY)
        for m in self.got:
            verify.ok_reward(m, self.by_id[verify.parse(m).completion_id], policy)
        self.scene.assert_conserved()

    def end(self):
        self.reader.close()
        for g in self.graders:
            g.stop()


def pause(load, kind):
    load.read_until(BEFORE, 30)
    load.begin(kind)
    load.read_for(OUTAGES[kind])
    before = len(load.got)
    assert before < RECORDS and load.lines("grader.down", "grader.up") == [1, 0]
    healed = load.heal(kind)
    load.read_until(before + 1, BACK_SECONDS + 10)
    assert load.got[before].timestamp / 1000 - healed < BACK_SECONDS
    load.finish()
    assert load.lines("grader.down", "grader.up") == [1, 1]


def sigterm_while_down(load):
    load.read_until(BEFORE, 30)
    load.begin("refused")
    load.worker.wait_for_log("grader.down")
    began = time.monotonic()
    assert load.worker.stop() == 0
    assert time.monotonic() - began < DRAIN_SECONDS + SLACK_SECONDS
    load.read_for(1)
    assert BEFORE <= len(load.got) < RECORDS
    assert {verify.parse(m).status for m in load.got} == {protos.reward_pb2.STATUS_OK}
    load.heal("refused")
    load.worker = load.start()
    load.finish()


def one_of_two(load):
    """The other goes on at its own pace, and no record waits for the dead one."""
    load.read_until(BEFORE, 30)
    load.begin("refused")
    load.worker.wait_for_log("grader.endpoint_ejected")
    load.read_for(0.5)
    before, began = len(load.got), time.monotonic()
    load.read_for(4)
    asked = sum(len(verify.parse(m).propositions) for m in load.got[before:])
    pace = asked / (time.monotonic() - began) * ANSWER_SECONDS / IN_FLIGHT
    print(f"{pace:.2f} of what one endpoint can do")
    assert pace > 0.7
    load.heal("refused")
    load.worker.wait_for_log("grader.endpoint_back", 20)
    load.finish()
    assert load.lines("grader.endpoint_ejected", "grader.endpoint_back", "grader.down") == [1, 1, 0]


ROUNDS = {**{kind: (pause, 1, kind) for kind in OUTAGES}, "sigterm": (sigterm_while_down, 1), "one of two": (one_of_two, 2)}


def play(scene, name):
    act, endpoints, *rest = ROUNDS[name]
    load = Load(scene, endpoints)
    try:
        act(load, *rest)
    finally:
        load.end()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", [(name,) for name in ROUNDS], ids=lambda c: c[0].replace(" ", "-"))
def test_a_pause(case, outcomes):
    if outcomes[case] is not None:
        raise outcomes[case]
