"""Faults by a seed, on a real Kafka: workers of one group are killed, stopped, thrown out and called back, and so is the
broker, while a generator keeps writing. The verdict is checker.py's, from Kafka alone.

    python tests/process/soak.py [--records N | --minutes N] [--kills N] [--seed S] ...     # or: ./dev soak

The same seed gives the same faults in the same order; what they hit is up to the machine. A line for each fault as it
happens, a summary, and one line of JSON. Exit code 0: nothing lost, nothing doubled, nothing hanging, each fault recovered from.
"""

import argparse
import collections
import json
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import checker  # noqa: E402
import protos  # noqa: E402
import records  # noqa: E402
import rounds  # noqa: E402
import topics  # noqa: E402
from kafka import KafkaProducer  # noqa: E402
from kafka_broker import Broker, Cluster  # noqa: E402
from scripted_grader import Grader  # noqa: E402
from worker import Worker, settings  # noqa: E402

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
INPUT, OUTPUT, DEAD, GROUP = "completions", "rewards", "dead-letters", "soak"
SESSION_SECONDS = 3  # of the group: who is not heard of for so long is out
RECOVERY_SECONDS = 30  # each partition gives rewards again within this
TWIN_SECONDS = 60  # one of two twins is gone within this: four fencings, some seconds apart, then a stop of drain + 15 s at most
IN_FLIGHT = 32  # grader calls of a worker at a time, at most
PATIENCE_SECONDS = 150  # how long a slow recovery is waited for, to tell slow from stuck
POINTS = ("looked_up", "assigned", *rounds.REPEATED)  # that this load brings a worker to
KILLS = ("kill", "kill_open", "kill_twice", "kill_all")
IDENTITIES = ("static", "dynamic", "default")


class Generator(threading.Thread):
    """Writes records, as fast as they are rewarded: every partition has up to `backlog` of them waiting, always."""

    def __init__(self, bootstrap, partitions, monitor, backlog, seed):
        super().__init__(daemon=True)
        self.producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=20, batch_size=1 << 17,
                                      delivery_timeout_ms=600_000)
        self.monitor, self.backlog = monitor, backlog
        self.written = [0] * partitions
        self.enough = threading.Event()
        self.failure = None
        mark = 987654321
        self.models = [records.to_json(records.make(mark, f"{seed}/{i}")) for i in range(200)]
        self.mark = str(mark).encode()

    def run(self):
        number = 0
        try:
            while not self.enough.is_set():
                for partition, written in enumerate(self.written):
                    for _ in range(min(50, self.backlog - (written - self.monitor.rewarded[partition]))):
                        value = self.models[number % len(self.models)].replace(self.mark, b"%d" % number)
                        self.producer.send(INPUT, value, key=b"g-%d" % (number // 4), partition=partition)
                        self.written[partition] += 1
                        number += 1
                time.sleep(0.01)
            self.producer.flush()
        except Exception as e:  # told at the end of the run: see Soak.finish
            self.failure = e
        finally:
            self.producer.close()


class Monitor(threading.Thread):
    """A trainer's view while it happens: reads committed results and notes when each partition goes on."""

    def __init__(self, bootstrap, partitions):
        super().__init__(daemon=True)
        self.readers = [topics.Reader(bootstrap, t) for t in (OUTPUT, DEAD)]
        self.rewarded = [0] * partitions
        self.seen = set()
        self.repeated = []
        self.scored_from_ms = float("inf")
        self.first_after = {}
        self.ending = threading.Event()

    def watch_from(self, wall):
        """Forgets what it saw; notes each partition's first reward that was worked out after this moment."""
        self.scored_from_ms = float("inf")
        self.first_after = {}
        self.scored_from_ms = wall * 1000

    def run(self):
        reward = protos.reward_pb2.Reward()
        while not self.ending.is_set():
            for m in self.readers[1].more(timeout_ms=0):
                self.note(int(topics.header(m, "__connect.errors.partition")), int(topics.header(m, "__connect.errors.offset")), 0)
            for m in self.readers[0].more(timeout_ms=50):
                reward.ParseFromString(m.value)
                self.note(reward.source.partition, reward.source.offset, reward.scored_at_ms)
        for reader in self.readers:
            reader.close()

    def note(self, partition, offset, scored_at_ms):
        if (partition, offset) in self.seen:
            self.repeated.append((partition, offset))
            return
        self.seen.add((partition, offset))
        self.rewarded[partition] += 1
        if scored_at_ms >= self.scored_from_ms and partition not in self.first_after:
            self.first_after[partition] = time.time()


def schedule(options):
    """The kinds of the faults, in the order that the seed gives."""
    rng = random.Random(f"{options.seed}/schedule")
    kinds = []
    kills = options.kills
    while kills > 0:
        kind = rng.choices(KILLS, options.kill_weights)[0]
        deaths = {"kill": 1, "kill_open": 1, "kill_twice": 2, "kill_all": options.workers}[kind]
        if deaths <= kills:
            kinds.append(kind)
            kills -= deaths
    kinds += ["zombie"] * options.zombies + ["twin"] * options.twins + ["terminate"] * options.terms
    kinds += ["broker"] * options.broker_kills + ["point"] * options.points
    rng.shuffle(kinds)
    if options.rounds > 0:
        kinds.insert(len(kinds) // 2, "storm")
    return kinds


class Soak:
    def __init__(self, options, folder, say=print):
        self.options, self.folder, self.say = options, pathlib.Path(folder), say
        self.rng = random.Random(f"{options.seed}/moments")
        self.violations = []
        self.points = self.rng.sample(POINTS, len(POINTS))
        self.recovery = collections.defaultdict(list)  # kind -> seconds
        self.redone = collections.defaultdict(list)  # kind -> grader calls asked again
        self.latest = None  # kind of the last fault, and how much was asked again by its recovery
        self.in_flight = []  # at each kill, of the worker that died
        self.without_node = []  # seconds from its kill until the others went on
        self.rates = {}
        self.deaths = 0
        self.exits = []  # of workers that ended by themselves
        self.broker = self.grader = self.monitor = self.generator = None
        self.workers, self.ghosts = [], []
        self.moment = None
        self.started = time.monotonic()

    # ---- the parts -----------------------------------------------------------------------------

    def worker(self, number):
        o = self.options
        identity = o.identity if o.identity != "mixed" else IDENTITIES[number % 2]
        kafka = {"input": INPUT, "output": OUTPUT, "dead_letters": DEAD, "group": GROUP, "delivery": o.delivery,
                 "properties": {"consumer": {"session.timeout.ms": str(SESSION_SECONDS * 1000), "heartbeat.interval.ms": "500"}}}
        if identity == "static":
            kafka["instance_id"] = f"w{number}"
        elif identity == "dynamic":
            kafka["transactional_id"] = f"{GROUP}-w{number}"
        config = settings(self.broker.bootstrap, f"{self.grader.url}/w{number}", [TINY], kafka=kafka,
                          grader={"max_in_flight": IN_FLIGHT, "flow": "fixed"}, limits={"drain": "3s"},
                          cache={"path": None if o.no_cache else str((self.folder / "judgments").resolve())})
        return Worker(self.folder, config, f"w{number}")

    def set_up(self):
        o = self.options
        # Else a broker that was killed waits for 9 s before it takes itself for dead.
        self.broker = (Cluster if o.brokers == 3 else Broker)(
            self.folder / "kafka", "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n")
        self.broker.start()
        self.broker.create_topics({INPUT: o.partitions, OUTPUT: o.partitions, DEAD: 1})
        self.grader = Grader()
        self.grader.count_repeats()
        self.grader.delay(o.delay_ms / 1000)
        self.monitor = Monitor(self.broker.bootstrap, o.partitions)
        self.generator = Generator(self.broker.bootstrap, o.partitions, self.monitor, o.backlog, o.seed)
        self.monitor.start()
        self.generator.start()
        self.workers = [self.worker(n).start() for n in range(o.workers)]

    def tear_down(self):
        if self.generator is not None:
            self.generator.enough.set()
        if self.monitor is not None:
            self.monitor.ending.set()
        for w in self.workers:
            w.end()
        for thread in (self.generator, self.monitor):
            if thread is not None:
                thread.join(10)
        for part in (self.grader, self.broker):
            if part is not None:
                part.stop()

    def broken(self, sentence):
        self.violations.append(sentence)
        self.say(f"VIOLATION {sentence}")

    def look_after(self, awaited=()):
        """As a supervisor would: who ended by itself starts again, and is counted."""
        for w in self.workers:
            if w not in awaited and w.process is not None and not w.alive():
                last = [line for line in w.log().splitlines() if "level=error" in line or " error " in line.lower()][-3:]
                self.exits.append(f"{w.log_path.name}: exit code {w.process.returncode}: {' / '.join(last)}")
                self.say(f"  {self.exits[-1]}")
                w.start()

    # ---- faults: each returns when it has been done to them --------------------------------------

    def kill(self):
        self.die([self.rng.choice(self.workers)])

    def kill_all(self):
        self.die(self.workers)

    def kill_twice(self):
        """The second time while it starts, joins or takes its partitions."""
        w = self.rng.choice(self.workers)
        self.die([w])
        time.sleep(self.rng.uniform(0, 2))
        self.die([w])

    def kill_open(self):
        """Within a transaction: stopped until the broker knows of an open one, then killed."""
        w = self.rng.choice(self.workers)
        self.look_after()
        end = time.monotonic() + 60
        while True:
            w.stop_time()
            time.sleep(0.3)  # a commit that is on its way arrives
            ongoing = self.broker.admin.list_transactions(state_filters=["Ongoing"])
            names = [t.transactional_id for per_broker in ongoing.values() for t in per_broker]
            if any(n.endswith(f"-{w.config_path.stem}") or n == self.default_identity(w) for n in names):
                break
            w.go_on()
            if time.monotonic() > end:
                raise TimeoutError("no transaction was ever open when the worker was stopped")
            time.sleep(self.rng.uniform(0, 0.1))
        self.die([w])

    @staticmethod
    def default_identity(w):
        """Of its latest start; None when it has a name that was set."""
        said = re.findall(r"kafka\.identity.* this worker is (\S+)", w.log())
        return said[-1].strip('"') if said else None

    def die(self, workers):
        self.look_after()
        flying = self.grader.stats()["in_flight_of"]
        for w in workers:
            w.process.kill()
        for w in workers:
            w.process.wait()
        self.moment = time.time()
        for w in workers:
            self.in_flight.append(flying.get(w.config_path.stem, 0))
            self.deaths += 1
            w.start()

    def zombie(self):
        """Stopped for longer than its session: the others take over; then it goes on as if nothing had been."""
        w = self.rng.choice(self.workers)
        w.stop_time()
        time.sleep(SESSION_SECONDS + self.rng.uniform(1, 4))
        w.go_on()

    def twin(self):
        """Stopped, taken for dead and started elsewhere under the same names; then it wakes up. Only one may stay."""
        w = self.rng.choice(self.workers)
        w.stop_time()
        ghost = w.process
        w.start()
        self.ghosts.append((ghost, w.process, w.log_path))
        time.sleep(self.rng.uniform(1, SESSION_SECONDS + 3))
        ghost.send_signal(signal.SIGCONT)

    def terminate(self):
        self.leave(self.rng.choice(self.workers)).start()

    def point(self):
        """Started so that it dies at a named point; then again, to live. All of the points in turn."""
        w = self.rng.choice(self.workers)
        name = self.points[len(self.recovery["point"]) % len(self.points)]
        self.leave(w)
        ordinary, w.program = w.program, rounds.program()
        w.start(f"{name}=kill@{self.rng.randint(1, 3) if name in rounds.REPEATED else 1}")
        w.program = ordinary
        try:
            w.process.wait(RECOVERY_SECONDS)
        except subprocess.TimeoutExpired:
            self.broken(f"point: {w.log_path.name} did not come to {name} within {RECOVERY_SECONDS} s")
            w.end()
        if f"failpoint {name}: kill" not in w.log():
            self.broken(f"point: {w.log_path.name} ended before it came to {name}")
        self.moment = time.time()
        w.start()

    def leave(self, w):
        began = time.monotonic()
        code = w.stop()
        if code != 0:
            self.broken(f"SIGTERM: {w.log_path.name} ended with {code} after {time.monotonic() - began:.1f} s")
        return w

    def broker_(self):
        node = self.rng.choice(self.broker.nodes)
        node.kill()
        if self.options.brokers == 1:
            time.sleep(self.rng.uniform(0.5, 4))
        else:  # the others are enough
            self.without_node.append(self.recover("broker", time.time()))
        node.restart()

    def storm(self):
        """Join and leave, one every two seconds; half of the workers stay."""
        before, began = len(self.monitor.seen), time.monotonic()
        away = set()
        movers = self.workers[::2] if len(self.workers) > 1 else self.workers
        for _ in range(self.options.rounds):
            due = time.monotonic() + 2
            w = self.rng.choice(movers)
            self.look_after(away)
            if w in away:
                w.start()
                away.discard(w)
            else:
                away.add(self.leave(w))
            time.sleep(max(0, due - time.monotonic()))
        for w in away:
            w.start()
        self.rates["storm_of_joins"] = (len(self.monitor.seen) - before) / (time.monotonic() - began)

    # ---- the run ---------------------------------------------------------------------------------

    def strike(self, kind):
        time.sleep(self.rng.uniform(0.1, 1.0))
        self.look_after()
        self.count_the_rest()
        repeated, self.moment = self.grader.stats()["repeated"], None
        getattr(self, "broker_" if kind == "broker" else kind)()
        # Of a kill from that moment on, else from the end of the fault.
        self.recovery[kind].append(self.recover(kind, self.moment or time.time()))
        self.latest = (kind, self.grader.stats()["repeated"])
        self.redone[kind].append(self.latest[1] - repeated)
        self.say(f"{time.monotonic() - self.started:7.1f} s  {kind:10}  recovered in {self.recovery[kind][-1]:5.2f} s  "
                 f"asked again {self.redone[kind][-1]:4}  rewards {len(self.monitor.seen)}")

    def count_the_rest(self):
        """What is asked again later, until the next fault, is of the last one too."""
        if self.latest is not None:
            kind, counted = self.latest
            self.redone[kind][-1] += self.grader.stats()["repeated"] - counted
            self.latest = None

    def recover(self, kind, moment):
        """Waits until every partition gives rewards that were worked out after the fault; the seconds that took."""
        self.monitor.watch_from(moment)
        end = moment + PATIENCE_SECONDS
        while len(self.monitor.first_after) < self.options.partitions and time.time() < end:
            self.look_after()
            if self.generator.failure is not None or not self.monitor.is_alive():
                raise RuntimeError("the generator or the monitor ended") from self.generator.failure
            time.sleep(0.02)
        missing = set(range(self.options.partitions)) - set(self.monitor.first_after)
        took = max([t - moment for t in self.monitor.first_after.values()] + [PATIENCE_SECONDS] * bool(missing))
        if missing:
            self.broken(f"stuck: after {kind}, partitions {sorted(missing)} gave nothing for {PATIENCE_SECONDS} s")
        elif took > RECOVERY_SECONDS:
            self.broken(f"slow: after {kind}, it took {took:.1f} s until each partition gave rewards again")
        return took

    def calm(self):
        """What the workers do when they are left alone. Nothing is asked twice then."""
        for w in self.workers:  # all of them are in the group: from here on nobody joins
            w.wait_for_log("source.assigned")
        self.recover("start", time.time())
        time.sleep(2)
        before, repeated, began = len(self.monitor.seen), self.grader.stats()["repeated"], time.monotonic()
        time.sleep(self.options.calm)
        self.rates["calm"] = (len(self.monitor.seen) - before) / (time.monotonic() - began)
        again = self.grader.stats()["repeated"] - repeated
        if again:
            self.broken(f"{again} questions were asked again in calm")
        self.say(f"calm: {self.rates['calm']:.0f} rewards a second")

    def wait_for_turn(self, done):
        """Spreads the faults over the run, when it is to be longer than they need."""
        o = self.options
        while (len(self.monitor.seen) < o.records * done
               or time.monotonic() - self.started < o.minutes * 60 * done):
            self.look_after()
            time.sleep(0.05)

    def finish(self):
        """All that was written is rewarded, the workers leave, and the checker looks."""
        self.generator.enough.set()
        self.generator.join(60)
        if self.generator.failure is not None:
            raise RuntimeError("the generator failed") from self.generator.failure
        total = sum(self.generator.written)
        end = time.monotonic() + PATIENCE_SECONDS
        while len(self.monitor.seen) < total and time.monotonic() < end:
            self.look_after()
            time.sleep(0.1)
        self.count_the_rest()
        again = sum(n for kind in KILLS for n in self.redone[kind])
        # What a worker that ended by itself or woke up late had in flight may be asked again after the next kill.
        ends = self.deaths + len(self.exits) + 2 * sum(len(self.recovery.get(k, ())) for k in ("zombie", "twin"))
        if again > IN_FLIGHT * ends and not self.options.no_cache:
            self.broken(f"{again} questions were asked again after {self.deaths} kills, with {IN_FLIGHT} in flight at most")
        for w in self.workers:
            self.leave(w)
        end = time.monotonic() + 90  # a transaction that was left open is ended by the broker within its timeout
        while True:
            facts = checker.collect(self.broker, INPUT, OUTPUT, DEAD, GROUP)
            found = checker.violations(facts, allow_repeats=self.options.delivery == "at_least_once")
            if not any(f.startswith("hanging") for f in found) or time.monotonic() > end:
                break
            time.sleep(2)
        self.repeated = len(facts.rewards) + len(facts.dead) - len({*facts.rewards, *facts.dead})
        if self.monitor.repeated and self.options.delivery == "exactly_once":
            found.append(f"repeated: a reader saw {len(self.monitor.repeated)} twice while it ran: {self.monitor.repeated[:5]}")
        if sum(map(len, facts.offsets.values())) < total:
            found.append(f"the input holds {sum(map(len, facts.offsets.values()))} of {total} records")
        self.counts = collections.Counter(f.split(":")[0] for f in found)
        for f in found[:30]:
            self.broken(f)
        self.violations += found[30:]
        return facts

    def run(self):
        kinds = schedule(self.options)
        self.say(f"seed {self.options.seed}: {len(kinds)} faults, {self.options.workers} workers ({self.options.identity}), "
                 f"{self.options.partitions} partitions; logs in {self.folder}")
        try:
            self.set_up()
            self.calm()
            before, began = len(self.monitor.seen), time.monotonic()
            for done, kind in enumerate(kinds):
                self.wait_for_turn(done / len(kinds))
                self.strike(kind)
                self.bury()
            self.rates["faults"] = (len(self.monitor.seen) - before) / (time.monotonic() - began)
            self.wait_for_turn(1)
            facts = self.finish()
        finally:
            for ghost, _, _ in self.ghosts:
                ghost.kill()
                ghost.wait()
            self.tear_down()
        return self.report(facts)

    def bury(self):
        """Of a worker and its twin one must go, whichever; a supervisor started the successor again if it was that one."""
        for ghost, successor, log_path in list(self.ghosts):
            end = time.monotonic() + TWIN_SECONDS
            while ghost.poll() is None and successor.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            if ghost.poll() is not None:
                self.say(f"  the awakened twin ended with {ghost.returncode}")
            elif successor.poll() is not None:
                self.say(f"  the awakened twin outlived its successor, which ended with {successor.returncode}")
            else:
                self.broken("twins: the worker that was taken for dead works on beside its successor; the end of their log: "
                            + " / ".join(log_path.read_text(errors="replace").splitlines()[-40:]))
            ghost.kill()
            ghost.wait()
            self.ghosts.remove((ghost, successor, log_path))

    def report(self, facts):
        kills = [n for kind in KILLS for n in self.redone[kind]]
        result = {
            "verdict": "fail" if self.violations else "pass",
            "seed": self.options.seed,
            "seconds": round(time.monotonic() - self.started),
            "records": sum(map(len, facts.offsets.values())),
            "lost": self.counts["lost"], "repeated": self.repeated, "hanging": self.counts["hanging"],
            "kills": self.deaths,
            "faults": {kind: len(v) for kind, v in sorted(self.recovery.items())},
            "redone_per_kill": round(sum(kills) / self.deaths, 1) if self.deaths else None,
            "in_flight_per_kill": round(statistics.mean(self.in_flight), 1) if self.in_flight else None,
            "redone": {kind: v for kind, v in sorted(self.redone.items())},
            "recovery_s": {kind: {"median": round(statistics.median(v), 2), "max": round(max(v), 2)}
                           for kind, v in sorted(self.recovery.items())},
            "without_node_s": [round(v, 2) for v in self.without_node],
            "rewards_per_s": {kind: round(v) for kind, v in self.rates.items()},
            "ended_by_themselves": len(self.exits),
            "violations": self.violations[:30],
        }
        self.say(f"\n{result['records']} records, {self.deaths} kills, {len(self.exits)} workers that ended by themselves")
        for kind, v in result["recovery_s"].items():
            self.say(f"  {kind:10} {result['faults'][kind]:4} times  recovery median {v['median']:6.2f} s  max {v['max']:6.2f} s  "
                     f"asked again, mean {statistics.mean(self.redone[kind]):.0f}")
        self.say(f"  asked again per kill {result['redone_per_kill']}, in flight at a kill {result['in_flight_per_kill']} "
                 f"as the grader saw it, {IN_FLIGHT} of a worker at most")
        if self.without_node:
            self.say("  seconds until two brokers went on without the third: " + ", ".join(f"{v:.1f}" for v in self.without_node))
        self.say("  rewards a second: " + ", ".join(f"{k} {v}" for k, v in result["rewards_per_s"].items()))
        for line in self.exits:
            self.say(f"  ended by itself: {line}")
        self.say(f"  {result['lost']} lost, {result['repeated']} repeated, {result['hanging']} hanging: {result['verdict']}")
        for sentence in self.violations[:10]:
            self.say(f"  {sentence}")
        return result


def options(arguments=()):
    p = argparse.ArgumentParser(prog="./dev soak", description="Workers under faults on a real Kafka; the verdict is from Kafka alone.")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument("--records", type=int, help="go on until so many are rewarded, the faults spread over them; "
                   "500,000 unless --minutes is given")
    p.add_argument("--minutes", type=float, default=0, help="go on for so long, the faults spread over it")
    p.add_argument("--kills", type=int, default=120, help="kill -9 of workers")
    p.add_argument("--kill-weights", type=lambda t: [float(x) for x in t.split(",")], default=[8, 3, 2, 1],
                   help="how often at a random moment, within a transaction, twice running, all workers at once")
    p.add_argument("--zombies", type=int, default=15, help="SIGSTOP for longer than the session, then SIGCONT")
    p.add_argument("--twins", type=int, default=5, help="the same, with a second worker of the same name meanwhile")
    p.add_argument("--terms", type=int, default=10, help="SIGTERM and start again")
    p.add_argument("--broker-kills", type=int, default=6)
    p.add_argument("--points", type=int, default=len(POINTS),
                   help="kill -9 at named points of a record's way, one after another; all of them once by default")
    p.add_argument("--brokers", type=int, choices=(1, 3), default=1,
                   help="3: each topic three times, and a broker that is killed stays away until the others have gone on")
    p.add_argument("--rounds", type=int, default=60, help="of the storm of joining and leaving")
    p.add_argument("--workers", type=int, default=4)
    p.add_argument("--partitions", type=int, default=8)
    p.add_argument("--identity", choices=("mixed", *IDENTITIES), default="mixed",
                   help="of a worker: instance_id, transactional_id, nothing; mixed: every other one of the first two")
    p.add_argument("--delivery", choices=("exactly_once", "at_least_once"), default="exactly_once")
    p.add_argument("--backlog", type=int, default=500, help="unrewarded records of a partition")
    p.add_argument("--delay-ms", type=float, default=4, help="of each answer of the grader")
    p.add_argument("--no-cache", action="store_true", help="workers keep judgments in memory, not in a file that they share")
    p.add_argument("--calm", type=float, default=10, help="seconds without faults at the start, for comparison")
    p.add_argument("--folder", help="for logs and Kafka's data; kept")
    o = p.parse_args(list(arguments))
    if o.identity == "default":  # no two have one name
        o.twins = 0
    if o.records is None:
        o.records = 0 if o.minutes else 500_000
    return o


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("soak: told to stop"))  # through every `finally`: nothing stays behind
    o = options(sys.argv[1:])
    folder = o.folder or tempfile.mkdtemp(prefix="rbr-soak-")
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    result = Soak(o, folder, lambda line: print(line, flush=True)).run()
    print(json.dumps(result), flush=True)
    if result["verdict"] == "pass" and not o.folder:
        shutil.rmtree(folder)
    return 0 if result["verdict"] == "pass" else 1


if __name__ == "__main__":
    sys.exit(main())
