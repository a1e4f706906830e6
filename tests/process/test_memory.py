"""P7: what a worker holds is bounded by `limits.memory`, however much waits in Kafka and however long no verdict comes.

RBR_LONG_TESTS=1: 2 GB of backlog and 2 minutes without a verdict, instead of 400 MB and 30 s.
"""

import json
import os
import pathlib
import random
import subprocess
import time

import pytest

import worker

pytestmark = pytest.mark.alone

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
LONG = bool(os.environ.get("RBR_LONG_TESTS"))
BACKLOG_BYTES = (2000 if LONG else 200) << 20
SECONDS_WITHOUT_VERDICT = 120 if LONG else 30
TEXT_BYTES = 50_000
PARTITIONS = 4


def bound_mib(limit, in_flight):
    """As docs/operating.md says."""
    return 1.1 * limit + 100 + 0.1 * in_flight


def texts(n):
    """Of TEXT_BYTES each; they compress as prose does."""
    rng = random.Random(70)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(4000)]
    return [" ".join(rng.choices(words, k=TEXT_BYTES // 6))[:TEXT_BYTES] for _ in range(n)]


def write(scene, count):
    """As `rbr produce` does: by far the quickest here."""
    config = worker.Worker(scene.folder, scene.settings([TINY]), "produce").config_path
    mark = "987654321"
    models = [json.dumps({"completion_id": f"c-{mark}", "group_id": f"g-{mark}", "response_type": "comply",
                          "prompt": [{"role": "user", "content": "Tell me."}],
                          "completion": [{"role": "assistant", "content": text}]}).encode() + b"\n" for text in texts(100)]
    process = subprocess.Popen([worker.binary(), "produce", "-c", config, "-"], stdin=subprocess.PIPE)
    for i in range(count):
        process.stdin.write(models[i % len(models)].replace(mark.encode(), b"%d" % i))
    process.stdin.close()
    assert process.wait() == 0


def peak_mib(pid):
    [line] = [line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


@pytest.mark.timeout(900 if LONG else 150)
@pytest.mark.parametrize("limit, in_flight", [(64, 256)] + [(512, 2000)] * LONG)
def test_no_verdict_for_long_leaves_memory_flat(scene, limit, in_flight):
    """All requests hang. Then the grader answers, and nothing is lost."""
    count = BACKLOG_BYTES // TEXT_BYTES
    scene.create(partitions=PARTITIONS)
    scene.grader.mode("hang")
    w = scene.worker([TINY], limits={"memory": f"{limit}MiB"}, grader={"max_in_flight": in_flight, "flow": "fixed"})
    w.wait_for_log("source.assigned")
    began = time.monotonic()
    write(scene, count)
    time.sleep(max(0, SECONDS_WITHOUT_VERDICT - (time.monotonic() - began)))
    assert "memory is at" in w.log()
    hanging = peak_mib(w.process.pid)
    scene.grader.mode(None)
    scene.wait_for(count, 600 if LONG else 90, w)
    peak = peak_mib(w.process.pid)
    print(f"limit {limit} MiB: peak {hanging:.0f} MiB while all hung, {peak:.0f} MiB at the end")
    assert w.stop() == 0
    scene.assert_conserved()
    assert peak <= bound_mib(limit, in_flight)
