"""One fault on a real Kafka: two workers and a load; one of them is killed or stopped at a named point; then all goes on to
its end, and checker.py looks.

The points are those of src/base/failpoint.h, and the program is one that was built with them.
"""

import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import time

from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

import checker
import records
import topics
from kafka_proxy import END_TXN, HOLD
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


# What a worker passes again and again under load.
PER_RECORD = ("read", "before_decode", "decoded", "asked", "verdict", "ready")
PER_BATCH = ("batch", "before_begin", "after_begin", "after_produce", "delivered", "before_commit", "after_commit", "before_done",
             "done")
REPEATED = PER_RECORD + PER_BATCH


def program():
    """The one with the points."""
    path = pathlib.Path(os.environ.get("RBR_FAILPOINTS_BIN") or ROOT / "build-failpoints" / "rbr")
    if not path.exists():
        raise RuntimeError(f"no program {path}: configure a build there with -DRBR_FAILPOINTS=ON, or say RBR_FAILPOINTS_BIN=...")
    return str(path.resolve())


def play_all(cases, play, scene_of, at_a_time=4):
    """case -> what went wrong with play(scene, *case), or None. Several at a time: a round waits more than it works."""
    def one(case, scene):
        try:
            play(scene, *case)
        except Exception as fault:
            for w in scene.workers:
                fault.add_note(f"---- {w.log_path.name}\n{w.log()[-4000:]}")
            return fault
        finally:
            for w in scene.workers:
                w.end()
        return None

    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        return dict(zip(cases, pool.map(one, cases, [scene_of(case) for case in cases])))


class Round:
    def __init__(self, scene, binary=None, partitions=4, proxied=False, producer=None, **changes):
        """proxied: the workers reach the broker by its proxy; producer: librdkafka's own settings; changes: of the workers'."""
        self.scene = scene.create(partitions=partitions)
        self.partitions = partitions
        self.binary = binary or program()
        self.producer = producer or {}
        self.changes = changes
        self.bootstrap = scene.broker.proxy.bootstrap if proxied else scene.broker.bootstrap
        self.written = 0
        self.ended = []
        self.victim, self.witness = self.worker("victim"), self.worker("witness")

    def worker(self, name):
        consumer = {"session.timeout.ms": str(int(SESSION_SECONDS * 1000)), "heartbeat.interval.ms": "300"}
        kafka = {"brokers": self.bootstrap, "instance_id": name, "properties": {"consumer": consumer, "producer": self.producer},
                 **self.changes.get("kafka", {})}
        grader = {"timeouts": {"connect": "1s", "first_byte": "1s", "total": "1s"}, **self.changes.get("grader", {})}
        limits = {"drain": "3s", **self.changes.get("limits", {})}
        settings = self.scene.settings([TINY], kafka=kafka, grader=grader, limits=limits)
        w = Worker(self.scene.folder, settings, name, self.binary)
        self.scene.workers.append(w)
        return w

    def put(self, count=RECORDS):
        """One of the first of each partition, the n-th of partition n, is slow, so that what is done above it goes into the ack
        map. Some are no records, and some the grader refuses."""
        self.scene.write(self.batch(count))

    def batch(self, count=RECORDS):
        batch = []
        for n in range(self.written, self.written + count):
            record = records.make(n, self.scene.group)
            if n % RECORDS // self.partitions == n % self.partitions:
                record["completion"][0]["content"] = f"[[do:hang*1]] {n}"
            if n % 16 == 5:
                record["completion"][0]["content"] = f"[[do:400]] {n}"
            value = b"no record" if n % 8 == 7 else records.to_json(record)
            batch.append((n % self.partitions, b"k%d" % n, value, []))
        self.written += count
        return batch

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
        self.settle()
        self.usurp()
        self.put()

    def usurp(self):
        """Somebody with the victim's transactional id ends what is open, and goes away."""
        twin = KafkaProducer(bootstrap_servers=self.scene.broker.bootstrap, transactional_id=self.identity)
        twin.init_transactions()
        twin.close()

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
        self.victim.wait_for_log("source.assigned")
        self.witness.start()
        self.witness.wait_for_log("source.assigned")
        self.scene.wait_for(RECORDS // 2, 30, self.victim)

    @property
    def identity(self):
        """The victim's transactional id."""
        return f"{self.scene.group}-victim"

    def stray_commit_at(self, point):
        """The victim's first commit is held up until the client has sent it again and the next transaction is at that point,
        where it arrives. Let it go_on, or not."""
        rule = self.scene.broker.proxy.on(END_TXN, self.identity.encode(), HOLD)
        self.put()
        self.victim.start(f"{point}=stop@2")
        if not rule.met.wait(30):
            raise AssertionError(f"no commit was sent:\n{self.victim.log()[-4000:]}")
        self.put()
        self.await_failpoint(self.victim, f"{point}: stop")
        rule.go_on.set()
        time.sleep(0.3)  # it arrives

    # ---- the round -----------------------------------------------------------------------------------

    def reach(self, point, act, seconds=30):
        """Starts the load and the victim, and waits until it has met its fate at that point."""
        self.put()
        self.victim.start(f"{point}={act}")
        getattr(self, PROVOKED_BY.get(point, "records"))()
        self.await_failpoint(self.victim, f"{point}: {act.split('@')[0]}", seconds)

    def await_failpoint(self, worker, what, seconds=30):
        end = time.monotonic() + seconds
        alive = True
        while f"failpoint {what}" not in worker.log():
            if not alive or time.monotonic() > end:
                raise AssertionError(f"the failpoint was not reached, {what}:\n{worker.log()[-4000:]}")
            time.sleep(0.02)
            alive = worker.alive()  # before the log is looked at for the last time

    def kill_at(self, point, passing=1):
        self.reach(point, f"kill@{passing}")
        assert self.victim.process.wait(10) == -signal.SIGKILL
        self.victim.start()

    def stop_at(self, point, passing=1):
        """Longer than its session, until the other has its partitions and is at work; then it goes on as if nothing had been."""
        self.reach(point, f"stop@{passing}")
        time.sleep(SESSION_SECONDS)
        end = time.monotonic() + 5  # no longer: offsets of an open transaction keep the other waiting
        while not self.witness_has_all() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1)
        self.victim.go_on()

    def witness_has_all(self):
        log = self.witness.log()
        return all(f"source.assigned {self.scene.input}[{p}]" in log for p in range(self.partitions))

    def finish(self, seconds=60):
        """All that was written has its message, the workers leave in order, and the checker looks."""
        self.scene.wait_for(self.written, seconds, self.witness)
        for w in (self.victim, self.witness):
            if w.alive():
                code = w.stop()
                assert code == 0, f"{w.log_path.name}: exit code {code}"
        return self.scene.assert_conserved()

    def verdict(self, quiet_seconds=6, **how):
        """The same for a program that may be wrong, which the workers may not survive: the checker's sentences."""
        self.wait_until_quiet(quiet_seconds)
        for w in (self.victim, self.witness):
            if w.alive():
                w.process.send_signal(signal.SIGTERM)
        for w in (self.victim, self.witness):
            try:
                w.process.wait(10)
            except subprocess.TimeoutExpired:
                w.end()
        end = time.monotonic() + 3
        while True:
            s = self.scene
            found = checker.violations(checker.collect(s.broker, s.input, s.output, s.dead, s.group), **how) + self.ended
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.3)

    def wait_until_quiet(self, seconds):
        """Until there is a message for each record, or nothing has come for so long. Who ended is started again."""
        readers = [topics.Reader(self.scene.broker.bootstrap, t) for t in (self.scene.output, self.scene.dead)]
        seen, last = 0, time.monotonic()
        while seen < self.written and time.monotonic() < last + seconds:
            for w in (self.victim, self.witness):
                if w.process is not None and not w.alive():
                    self.ended.append(f"ended: {w.log_path.stem} by itself, with exit code {w.process.returncode}")
                    w.start()
            more = sum(len(r.more()) for r in readers)
            last = time.monotonic() if more else last
            seen += more
        for r in readers:
            r.close()
