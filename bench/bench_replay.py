"""A replay under other weights, on a real Kafka: what a record costs whose judgments are known.

Records of 1.7 KB are judged once by bench/fake_grader under safety.yaml (16.25 questions a record on average), then replayed
under other weights: from a warm file, and with the judgments out of the rewards topic into memory.
CPU is the replay's own, all its threads, from its start to its end, start-up included. Prints one JSON line a run.

usage: bench_replay.py BUILD_FOLDER [RECORDS [RUNS]]
"""

import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

import bench_worker
import topics
import worker
import yaml
from kafka_broker import Broker

SAFETY = bench_worker.ROOT / "config" / "policies" / "safety.yaml"
PER_CORE = 20_000  # records/s, the aim


def judge_once(broker, folder, n, url):
    broker.create_topics({"completions": bench_worker.PARTITIONS, "rewards": bench_worker.PARTITIONS, "dead-letters": 1})
    topics.write(broker.bootstrap, "completions",
                 [(i % bench_worker.PARTITIONS, f"g-{i // 4}".encode(), json.dumps(bench_worker.record(i)).encode(), ()) for i in range(n)])
    config = worker.settings(broker.bootstrap, url, [SAFETY], grader={"max_in_flight": 256}, log={"level": "warning"},
                             cache={"path": str(folder / "judgments"), "size": "4GiB"})
    w = worker.Worker(folder, config).start()
    topics.wait_for(broker.bootstrap, ["rewards"], n, 1200, w.alive)
    assert w.stop() == 0, w.log()
    return w.config_path


def rusage(command, **more):
    """What it prints, and the CPU seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def replay(broker, folder, settings, n, name, *args):
    output = f"rewards.{name}"
    broker.create_topics({output: bench_worker.PARTITIONS})
    weights = yaml.safe_load(SAFETY.read_text())["weights"]
    overlay = folder / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"weights": {t: {k: 0.9 * v for k, v in of.items()} for t, of in weights.items()}}))
    manifest = folder / f"{name}.yaml"
    sets = [x for a in args if a.startswith("cache.") for x in ("--set", a)]
    planned, _ = rusage([worker.binary(), "replay", "plan", "-c", settings, *sets, "--policy", SAFETY, "--policy", overlay, "--output",
                         output, "--sample", "0", *(a for a in args if a.startswith("--"))])
    manifest.write_text(planned)
    said, cpu = rusage([worker.binary(), "replay", "run", "-c", settings, *sets, manifest])
    asked = int(re.search(r"^asked +(\d+)", said, re.M)[1])
    wall = float(re.search(r"^seconds +([\d.]+)", said, re.M)[1])
    print(json.dumps({"bench": f"replay_{name.rsplit('-', 1)[0]}", "records": n, "asked": asked,
                      "saved": int(re.search(r"^saved +(\d+)", said, re.M)[1]), "wall_s": wall, "cpu_s": round(cpu, 2),
                      "records_per_s": round(n / wall), "cpu_us_per_record": round(1e6 * cpu / n, 1),
                      "records_per_core_s": round(n / cpu), "aim": PER_CORE} | bench_worker.machine()), flush=True)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 40_000
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    os.environ["RBR_BIN"] = str(build / "rbr")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        broker = Broker(folder / "kafka").start()
        grader = subprocess.Popen([build / "fake_grader"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            settings = judge_once(broker, folder, n, f"http://127.0.0.1:{grader.stdout.readline().strip()}")
            for i in range(runs):
                replay(broker, folder, settings, n, f"file-{i}", "--no-restore")
            replay(broker, folder, settings, n, "restored-0", "cache.path=", "cache.size=4GiB")
        finally:
            grader.stdin.close()
            grader.wait()
            broker.stop()


if __name__ == "__main__":
    main()
