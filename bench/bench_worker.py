"""The whole worker on a real Kafka against bench/fake_grader: records/s, requests/s, CPU.

Two runs: `judged` asks the fake grader the questions of safety.yaml about completions of about 2 KB (requests of
about 4 KB); `checks` asks nobody, so what is left is Kafka in, decode, reward, Kafka out, exactly once.
CPU is the worker's own (user + system, all its threads) between its first and its last reward.
Prints one JSON line a run.

usage: bench_worker.py BUILD_FOLDER [JUDGED_RECORDS [CHECKED_RECORDS]]
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support")]

import topics  # noqa: E402
import worker  # noqa: E402
from kafka import KafkaConsumer, TopicPartition  # noqa: E402
from kafka_broker import Broker  # noqa: E402
from reference import Policy  # noqa: E402

PARTITIONS = 4
TEXT = "The garden lies by the river, and in winter the copper lamp is lit every evening. "
TYPES = ("hard_refuse", "safe_refuse_1", "safe_refuse_2", "comply")
CHECKS = """
policy: {id: checks}
prompt_template: "{response} {question}"
completion_class_order: [good, bad]
completion_classes:
  good: {hard_refuse: {short: true}, safe_refuse_1: {short: true}, safe_refuse_2: {short: true}, comply: {short: true}}
  bad: {hard_refuse: {short: false}, safe_refuse_1: {short: false}, safe_refuse_2: {short: false}, comply: {short: false}}
simple_propositions:
  short: {check: {max_chars: 1000}}
weights:
  hard_refuse: {good: 1}
  safe_refuse_1: {good: 1}
  safe_refuse_2: {good: 1}
  comply: {good: 1}
"""


def record(number):
    return {"completion_id": f"c-{number}", "group_id": f"g-{number // 4}", "sample_index": number % 4,
            "response_type": TYPES[number % 4],
            "prompt": [{"role": "user", "content": f"{number}: tell me of the garden."}],
            "completion": [{"role": "assistant", "content": TEXT * 21}]}


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


class Ends:
    """How far the rewards topic has come; an offset counts a transaction's marker too."""

    def __init__(self, broker, topic):
        self.consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
        self.partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]

    def total(self):
        return sum(self.consumer.end_offsets(self.partitions).values())

    def close(self):
        self.consumer.close()


def machine():
    return {"cpu": cpu_model(), "cores": os.cpu_count(), "kernel": platform.release()}


def run(broker, folder, name, policy, n, grader_url):
    names = {k: f"{name}-{k}" for k in ("completions", "rewards", "dead-letters")}
    broker.create_topics({t: PARTITIONS for t in names.values()})
    topics.write(broker.bootstrap, names["completions"],
                 [(i % PARTITIONS, f"g-{i // 4}".encode(), json.dumps(record(i)).encode(), ()) for i in range(n)])
    config = worker.settings(broker.bootstrap, grader_url, [policy],
                             kafka={"input": names["completions"], "output": names["rewards"],
                                    "dead_letters": names["dead-letters"], "group": name},
                             grader={"max_in_flight": 256}, log={"level": "warning"})
    w = worker.Worker(folder, config, name)
    w.start()
    ends = Ends(broker, names["rewards"])
    while ends.total() == 0:
        assert w.alive(), w.log()
        time.sleep(0.01)
    start, cpu, done = time.monotonic(), cpu_seconds(w.process.pid), ends.total()
    while ends.total() < n:
        time.sleep(0.02)
    # Markers make the ends run a little ahead: wait until they stand still.
    last, still = -1, time.monotonic()
    stop, cpu_end = still, cpu_seconds(w.process.pid)
    while time.monotonic() - still < 1.0:
        total = ends.total()
        if total != last:
            last, still = total, time.monotonic()
            stop, cpu_end = still, cpu_seconds(w.process.pid)
        time.sleep(0.02)
    ends.close()
    peak = peak_kib(w.process.pid)
    assert w.stop() == 0, w.log()
    rewards = topics.read(broker.bootstrap, names["rewards"])
    assert len(rewards) == n, f"{len(rewards)} rewards of {n} records"
    wall, used, measured = stop - start, cpu_end - cpu, n - done
    line = {"bench": f"worker_{name}", "records": n, "records_measured": measured, "wall_s": round(wall, 3),
            "cpu_s": round(used, 3), "records_per_s": round(measured / wall, 1),
            "cpu_us_per_record": round(1e6 * used / measured, 2), "peak_mib": round(peak / 1024, 1)}
    asked = [len(Policy(policy).asked(t)) for t in TYPES] if grader_url != "http://127.0.0.1:9" else []
    if asked:
        requests = measured * sum(asked) / len(asked)
        line |= {"requests": round(requests), "requests_per_s": round(requests / wall, 1),
                 "cpu_us_per_request": round(1e6 * used / requests, 2)}
    print(json.dumps(line | machine()), flush=True)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    judged = int(sys.argv[2]) if len(sys.argv) > 2 else 6000
    checked = int(sys.argv[3]) if len(sys.argv) > 3 else 60000
    os.environ["RBR_BIN"] = str(build / "rbr")
    with tempfile.TemporaryDirectory() as folder:
        checks = pathlib.Path(folder) / "checks-policy.yaml"
        checks.write_text(CHECKS)
        broker = Broker(pathlib.Path(folder) / "kafka").start()
        grader = subprocess.Popen([build / "fake_grader"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            url = f"http://127.0.0.1:{grader.stdout.readline().strip()}"
            run(broker, folder, "judged", ROOT / "config" / "policies" / "safety.yaml", judged, url)
            run(broker, folder, "checks", checks, checked, "http://127.0.0.1:9")
        finally:
            grader.stdin.close()
            grader.wait()
            broker.stop()


if __name__ == "__main__":
    main()
