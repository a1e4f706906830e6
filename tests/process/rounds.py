"""One fault on a real Kafka: two workers and a load; one of them is killed or stopped at a named point; then all goes on to
its end, and checker.py looks.

The points are those of src/base/failpoint.h, and the program is one that was built with them.
"""

import os
import pathlib
import re
import signal
import time

from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

import records
from worker import ROOT, Worker

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
POINTS = re.findall(r'^    X\((\w+), "', (ROOT / "src/base/failpoint.h").read_text(), re.MULTILINE)
SESSION_SECONDS = 1.5  # who is not heard of for so long is out of the group
RECORDS = 64  # of each half of the load

# What brings a worker to a point, where records alone do not.
PROVOKED_BY = {
    "before_abort": "smaller_rewards",
    "before_recovery": "twin", "new_producer": "twin", "recovered": "twin",
    "lost": "long_pause",
    "closing": "stop", "closed": "stop",
}


def program():
    """The one with the points."""
    path = pathlib.Path(os.environ.get("RBR_FAILPOINTS_BIN") or ROOT / "build-failpoints" / "rbr")
    if not path.exists():
        raise RuntimeError(f"no program {path}: configure a build there with -DRBR_FAILPOINTS=ON, or say RBR_FAILPOINTS_BIN=...")
    return str(path.resolve())


class Round:
    def __init__(self, scene, binary=None, partitions=4, **changes):
        """changes: of the workers' settings."""
        self.scene = scene.create(partitions=partitions)
        self.partitions = partitions
        self.binary = binary or program()
        self.changes = changes
        self.written = 0
        self.victim, self.witness = self.worker("victim"), self.worker("witness")

    def worker(self, name):
        kafka = {"instance_id": name, **self.changes.get("kafka", {}), "properties": {"consumer": {
            "session.timeout.ms": str(int(SESSION_SECONDS * 1000)), "heartbeat.interval.ms": "300"}}}
        grader = {"timeouts": {"connect": "1s", "first_byte": "1s", "total": "1s"}, **self.changes.get("grader", {})}
        limits = {"drain": "3s", **self.changes.get("limits", {})}
        settings = self.scene.settings([TINY], kafka=kafka, grader=grader, limits=limits)
        w = Worker(self.scene.folder, settings, name, self.binary)
        self.scene.workers.append(w)
        return w

    def put(self, count=RECORDS):
        """The first of each partition is slow, so that what is done above it goes into the ack map; every eighth is no record."""
        batch = []
        for n in range(self.written, self.written + count):
            record = records.make(n, self.scene.group)
            if n % RECORDS < self.partitions:
                record["completion"][0]["content"] = f"[[do:hang*1]] {n}"
            value = b"no record" if n % 8 == 7 else records.to_json(record)
            batch.append((n % self.partitions, b"k%d" % n, value, []))
        self.scene.write(batch)
        self.written += count

    # ---- what brings the victim to a point; each ends when it is on its way there -------------------

    def records(self):
        """The other comes when the victim has its partitions, so each of them gets some of the load."""
        while self.victim.alive() and "source.assigned" not in self.victim.log():
            time.sleep(0.02)
        self.put()
        self.witness.start()

    def smaller_rewards(self):
        """The output topic takes no reward any more: each becomes a dead letter, after an abort."""
        self.settle()
        topic = ConfigResource(ConfigResourceType.TOPIC, self.scene.output, {"max.message.bytes": "300"})
        self.scene.broker.admin.alter_configs([topic])
        self.put()

    def twin(self):
        """Somebody with the victim's transactional id takes it over and goes away."""
        self.settle()
        twin = KafkaProducer(bootstrap_servers=self.scene.broker.bootstrap, transactional_id=f"{self.scene.group}-victim")
        twin.init_transactions()
        twin.close()
        self.put()

    def long_pause(self):
        """Out of the group, and it learns that only later."""
        self.settle()
        self.put()
        self.victim.stop_time()
        time.sleep(SESSION_SECONDS + 1)
        self.victim.go_on()

    def stop(self):
        self.victim.wait_for_log("source.assigned")
        self.witness.start()
        self.put()
        self.victim.process.send_signal(signal.SIGTERM)

    def settle(self):
        """Both are in the group, and some results are there."""
        self.witness.start()
        self.witness.wait_for_log("source.assigned")
        self.scene.wait_for(RECORDS // 2, 30, self.victim)

    # ---- the round -----------------------------------------------------------------------------------

    def reach(self, point, act, seconds=30):
        """Starts the load and the victim, and waits until it has met its fate at that point."""
        self.put()
        self.victim.start(f"{point}={act}")
        getattr(self, PROVOKED_BY.get(point, "records"))()
        said = f"failpoint {point}: {act.split('@')[0]}"
        end = time.monotonic() + seconds
        alive = True
        while said not in self.victim.log():
            if not alive or time.monotonic() > end:
                raise AssertionError(f"the point {point} was not reached:\n{self.victim.log()[-4000:]}")
            time.sleep(0.02)
            alive = self.victim.alive()  # before the log is looked at for the last time

    def kill_at(self, point, passing=1):
        self.reach(point, f"kill@{passing}")
        assert self.victim.process.wait(10) == -signal.SIGKILL
        self.victim.start()

    def stop_at(self, point, passing=1):
        """Longer than its session; then it goes on as if nothing had been."""
        self.reach(point, f"stop@{passing}")
        time.sleep(SESSION_SECONDS + 1)
        self.victim.go_on()

    def finish(self, seconds=60):
        """All that was written has its message, the workers leave in order, and the checker looks."""
        self.scene.wait_for(self.written, seconds, self.witness)
        for w in (self.victim, self.witness):
            if w.alive():
                code = w.stop()
                assert code == 0, f"{w.log_path.name}: exit code {code}"
        return self.scene.assert_conserved()
