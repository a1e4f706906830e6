"""What the transactional path costs: the real worker on a real Kafka, exactly once, with a judge that asks nobody.

One input, about 2 KB of reward a record, read by a new group for each run. Runs: the default settings; then at most N
records in flight, which makes back-to-back transactions of N records. A run's CPU is the worker's own, by thread, between
its first and its last transaction; a transaction's time is from its hand-over to the publisher until the loop knows of
the commit (`sink.committed`, of which the log shows ten a second). Prints one JSON line a run.

usage: bench_delivery.py BUILD_FOLDER [RECORDS [IN_FLIGHT...]]
"""

import json
import os
import pathlib
import random
import re
import statistics
import sys
import tempfile
import time

import bench_worker
import topics
import worker
from kafka_broker import Broker

INPUT = "completions"
RECORDS = 200_000
IN_FLIGHT = (4096, 100, 500, 1000, 4096, 16384)
PASSED_THROUGH = 1500  # bytes of labels, which the reward repeats
WORDS = ("river", "garden", "copper", "winter", "lamp", "quick", "sorry", "cannot", "help", "answer", "please", "tomorrow")


def record(number, rng):
    """Labels make the reward as large as one with sixteen propositions, and as compressible: words and numbers in turn."""
    made = bench_worker.record(number) | {"completion": [{"role": "assistant", "content": bench_worker.TEXT}]}
    labels, size = [], 0
    while size < PASSED_THROUGH:
        value = f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{rng.getrandbits(48):012x}"
        labels.append({"key": f"label-{len(labels):02}", "value": value})
        size += len(value) + 8
    return made | {"labels": labels}


def threads(pid):
    """What each thread is -> its CPU seconds. librdkafka names its threads alike in all clients; the consumer's come first."""
    used = dict.fromkeys(("loop", "publisher", "consumer", "producer"), 0.0)
    clients, mains = ("consumer", "producer"), 0
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda t: int(t.name)):
        head, rest = (task / "stat").read_text().rsplit(")", 1)
        name = head.split("(", 1)[1]
        mains += name == "rdk:main"
        what = clients[mains > 1] if name.startswith("rdk:") else "loop" if int(task.name) == pid else "publisher"
        fields = (task / "schedstat").read_text().split()
        used[what] += int(fields[0]) / 1e9
    return used


class Snapshot:
    """Where a run is: rewards (markers included), time, CPU of each thread."""

    def __init__(self, ends, pid):
        self.total, self.at, self.cpu = ends.total(), time.monotonic(), threads(pid)


def follow(ends, w, n):
    """The first transaction, and the last one of n rewards."""
    while ends.total() == 0:
        assert w.alive(), w.log()
        time.sleep(0.005)
    first = last = Snapshot(ends, w.process.pid)
    # Markers make the ends run ahead, so what counts is that they stand still.
    while last.total < n or time.monotonic() - last.at < 1.5:
        time.sleep(0.02)
        now = Snapshot(ends, w.process.pid)
        if now.total != last.total:
            last = now
    return first, last


def percentile(values, share):
    return round(sorted(values)[int(share * (len(values) - 1))], 1) if values else None


def run(broker, folder, number, policy, n, in_flight):
    output = f"rewards-{number}"
    broker.create_topics({output: bench_worker.PARTITIONS, f"dead-{number}": 1})
    config = worker.settings(broker.bootstrap, "http://127.0.0.1:9", [policy],
                             kafka={"input": INPUT, "output": output, "dead_letters": f"dead-{number}", "group": f"g-{number}"},
                             limits={"records_in_flight": in_flight, "publish_interval": "100ms" if number == 0 else "1ms"},
                             log={"level": "debug"})
    w = worker.Worker(folder, config, f"worker-{number}").start()
    ends = bench_worker.Ends(broker, output)
    first, last = follow(ends, w, n)
    ends.close()
    peak = bench_worker.peak_kib(w.process.pid)
    assert w.stop() == 0, w.log()
    rewards = topics.read(broker.bootstrap, output)
    assert len(rewards) == n, f"{len(rewards)} rewards of {n} records"
    log = w.log()
    shown = re.findall(r"sink\.committed records=\d+ ms=([\d.]+)", log)
    transactions = len(shown) + sum(map(int, re.findall(r"sink\.committed .* suppressed=(\d+)", log)))
    wall = last.at - first.at
    measured = n * (last.total - first.total) / last.total
    cpu = {what: last.cpu[what] - first.cpu[what] for what in last.cpu}
    print(json.dumps({
        "bench": "delivery", "records": n, "records_in_flight": in_flight, "settings": "default" if number == 0 else "back to back",
        "reward_bytes": round(statistics.mean(len(m.value) for m in rewards)),
        "wall_s": round(wall, 2), "records_per_s": round(measured / wall),
        "cpu_us_per_record": {what: round(1e6 * used / measured, 2) for what, used in cpu.items()},
        "records_per_core_s": round(measured / sum(cpu.values())),
        "transactions": transactions, "records_per_transaction": round(n / transactions),
        "transactions_per_s": round(transactions * measured / n / wall, 1),
        "commit_ms": {"p50": percentile([float(ms) for ms in shown], 0.5), "p99": percentile([float(ms) for ms in shown], 0.99)},
        "peak_mib": round(peak / 1024, 1)} | bench_worker.machine()), flush=True)


def main():
    os.environ["RBR_BIN"] = str(pathlib.Path(sys.argv[1]).resolve() / "rbr")
    n = int(sys.argv[2]) if len(sys.argv) > 2 else RECORDS
    runs = [int(a) for a in sys.argv[3:]] or IN_FLIGHT
    with tempfile.TemporaryDirectory() as folder:
        policy = pathlib.Path(folder) / "checks-policy.yaml"
        policy.write_text(bench_worker.CHECKS)
        broker = Broker(pathlib.Path(folder) / "kafka").start()
        try:
            broker.create_topics({INPUT: bench_worker.PARTITIONS})
            models = [record(i, random.Random(i)) for i in range(1000)]
            topics.write(broker.bootstrap, INPUT, [(i % bench_worker.PARTITIONS, f"g-{i // 4}".encode(),
                                                    json.dumps(models[i % 1000] | {"completion_id": f"c-{i}"}).encode(), ())
                                                   for i in range(n)])
            for number, in_flight in enumerate(runs):
                run(broker, folder, number, policy, n, in_flight)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
