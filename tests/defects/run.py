"""The checkers are checked: each defect of defects.py is put into a copy of the sources, and the checker that it names must find it.
Without a defect the same rounds must find nothing.

    python tests/defects/run.py [--sim | --kafka] [NAME...]       # or: ./dev defects [--sim | --kafka] [NAME...]

A line for each as it is done, a table, a score. Exit code 0: all were found, each for its reason.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/process", "tests/support"):
    sys.path.insert(0, str(ROOT / folder))

from defects import DEFECTS  # noqa: E402
from kafka_broker import Broker  # noqa: E402
from kafka_proxy import Proxy  # noqa: E402
from rounds import Round  # noqa: E402
from scene import Scene  # noqa: E402
from scripted_grader import Grader  # noqa: E402

BUILD = ROOT / "build-defects"
TREE, OBJECTS, PROGRAMS = BUILD / "tree", BUILD / "objects", BUILD / "programs"
AT_A_TIME = 4  # rounds on Kafka: they wait more than they work
SEEDS = "300"  # of the simulation: what it does not find in these, it does not find soon
SOUND = "none"


@dataclasses.dataclass
class Result:
    defect: str
    checker: str
    found: bool  # for a sound program: that nothing was found
    sentence: str
    seconds: float


# ---- programs with one defect each -----------------------------------------------------------------


def copy_tree():
    """Files that are the same stay as they are, so that only what changed is compiled."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = {n for n in listed.stdout.decode().split("\0") if n and (ROOT / n).is_file()}
    for name in sorted(names):
        source, copy = ROOT / name, TREE / name
        if copy.exists() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    for old in [p for p in TREE.rglob("*") if p.is_file() and p.relative_to(TREE).as_posix() not in names]:
        old.unlink()


def build(name, targets):
    """The programs with this defect in it, put aside."""
    built = subprocess.run(["cmake", "--build", str(OBJECTS), "--target", *targets], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(f"{name} does not compile:\n{built.stdout[-3000:]}")
    (PROGRAMS / name).mkdir(parents=True, exist_ok=True)
    for target in targets:
        shutil.copy2(OBJECTS / target, PROGRAMS / name / target)


def edited(defect):
    """file -> its text with the defect in it."""
    texts = {}
    for file, old, new in defect.edits:
        text = texts.get(file) or (ROOT / file).read_text()
        if text.count(old) != 1:
            raise RuntimeError(f"{defect.name}: its snippet is {text.count(old)} times in {file}, not once; "
                               f"write it anew in tests/defects/defects.py:\n{old}")
        texts[file] = text.replace(old, new)
    return texts


def build_with(defect, targets):
    texts = edited(defect)
    try:
        for file, text in texts.items():
            (TREE / file).write_text(text)
        build(defect.name, targets)
    finally:
        for file in texts:
            shutil.copy(ROOT / file, TREE / file)


def targets_of(defect, options):
    targets = []
    if defect.kafka and not options.sim:
        targets.append("rbr")
    if defect.sim and not options.kafka:
        targets.append(defect.sim.program)
    return targets


def build_all(defects, options):
    copy_tree()
    shutil.rmtree(PROGRAMS, ignore_errors=True)
    subprocess.run(["cmake", "-S", str(TREE), "-B", str(OBJECTS), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                    "-DRBR_FAILPOINTS=ON", "-DCMAKE_C_FLAGS=-w"], check=True, stdout=subprocess.DEVNULL)
    for defect in defects:
        edited(defect)  # say early what has no place any more
    build(SOUND, sorted({t for d in defects for t in targets_of(d, options)}))
    for defect in defects:
        build_with(defect, targets_of(defect, options))


# ---- checks ----------------------------------------------------------------------------------------


def simulate(name, sim):
    """What the test program says against it; None when it passes."""
    began = time.monotonic()
    run = subprocess.run([PROGRAMS / name / sim.program], capture_output=True, text=True, errors="replace", timeout=300, check=False,
                         env={**os.environ, "RBR_SIM_SEEDS": SEEDS})
    return None if run.returncode == 0 else sentence_of(run.stdout + run.stderr, run.returncode), time.monotonic() - began


def sentence_of(said, code):
    """The seed and what was wrong; of a program without seeds, the tests that failed."""
    lines = said.splitlines()
    for line in lines:
        if line.startswith("ERROR: RBR_SEED="):
            return line
    failed = dict.fromkeys(line.split("] ")[1] for line in lines if line.startswith("[  FAILED  ] ") and "test(s)" not in line)
    return " and ".join(failed) or f"it ended with {code}"


def play(parts, name, kafka):
    """The checker's sentences."""
    broker, folder = parts
    began = time.monotonic()
    grader = Grader()
    scene = Scene(broker, grader, tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    try:
        r = Round(scene, str(PROGRAMS / name / "rbr"), **kafka.how)
        for w in scene.workers:
            w.env = {"DEFECT_GROUP": scene.group}
        kafka.fault(r)
        return r.verdict(**kafka.checker), time.monotonic() - began
    except Exception as fault:
        for w in scene.workers:
            fault.add_note(f"---- {w.log_path}\n{w.log()[-3000:]}")
        fault.add_note(f"in {kafka.fault.__name__} with {name}")
        raise
    finally:
        for w in scene.workers:
            w.end()
        grader.stop()


def starts_with(sentence, words):
    return any(sentence.startswith(word + ":") for word in words)


def judge_kafka(parts, defect):
    found, seconds = play(parts, defect.name, defect.kafka)
    right = [f for f in found if starts_with(f, defect.kafka.words)]
    return Result(defect.name, "kafka", bool(right), (right or found or ["nothing"])[0], seconds)


def judge_sound(parts, kafka):
    found, seconds = play(parts, SOUND, kafka)
    return Result(f"{SOUND}, {kafka.fault.__name__}", "kafka", not found, (found or ["nothing"])[0], seconds)


def judge_sim(defect):
    sentence, seconds = simulate(defect.name, defect.sim)
    return Result(defect.name, "sim", sentence is not None and any(w in sentence for w in defect.sim.words), sentence or "nothing", seconds)


def judge_sound_sim(program, sim):
    sentence, seconds = simulate(SOUND, sim)
    return Result(f"{SOUND}, {program}", "sim", sentence is None, sentence or "nothing", seconds)


def check_sims(defects, told):
    for program, sim in {d.sim.program: d.sim for d in defects if d.sim}.items():
        told(judge_sound_sim(program, sim))
    for defect in defects:
        if defect.sim:
            told(judge_sim(defect))


def check_on_kafka(defects, folder, told):
    broker = Broker(folder / "kafka", proxy=Proxy())
    try:
        broker.start()
        parts = (broker, folder)
        sound = {(d.kafka.fault, str(d.kafka.how)): d.kafka for d in defects if d.kafka}
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            rounds = [pool.submit(judge_sound, parts, kafka) for kafka in sound.values()]
            slow_first = sorted((d for d in defects if d.kafka), key=lambda d: "lost" not in d.kafka.words)
            rounds += [pool.submit(judge_kafka, parts, d) for d in slow_first]
            for done in concurrent.futures.as_completed(rounds):
                told(done.result())
    finally:
        broker.stop()
        broker.proxy.stop()


# ---- the whole -------------------------------------------------------------------------------------


def table(results):
    order = {d.name: i for i, d in enumerate(DEFECTS)}
    for r in sorted(results, key=lambda r: (order.get(r.defect, -1), r.checker)):
        print(f"{'' if r.found else 'WRONG  '}{r.defect:32} {r.checker:6} {r.seconds:5.1f} s  {r.sentence[:110]}")


def options_of(arguments):
    p = argparse.ArgumentParser(prog="./dev defects", description=__doc__.split("\n\n")[0])
    p.add_argument("names", nargs="*", metavar="NAME", help="of defects.py; all when none is given")
    only = p.add_mutually_exclusive_group()
    only.add_argument("--sim", action="store_true", help="only what the simulation must find")
    only.add_argument("--kafka", action="store_true", help="only what must be found from Kafka alone")
    o = p.parse_args(arguments)
    unknown = set(o.names) - {d.name for d in DEFECTS}
    if unknown:
        p.error(f"no defect {', '.join(sorted(unknown))}; there are: {', '.join(d.name for d in DEFECTS)}")
    return o


def main():
    o = options_of(sys.argv[1:])
    defects = [d for d in DEFECTS if (not o.names or d.name in o.names) and (d.sim if o.sim else d.kafka if o.kafka else True)]
    began = time.monotonic()
    build_all(defects, o)
    print(f"{len(defects)} defects built in {time.monotonic() - began:.0f} s", flush=True)
    results = []

    def told(result):
        results.append(result)
        print(f"{'found' if result.found else 'WRONG'}  {result.defect}, {result.checker}: {result.sentence[:160]}", flush=True)

    folder = pathlib.Path(tempfile.mkdtemp(prefix="rbr-defects-"))
    if not o.kafka:
        check_sims(defects, told)
    if not o.sim:
        check_on_kafka(defects, folder, told)
    print()
    table(results)
    missed = [r for r in results if not r.found]
    planted = [r for r in results if not r.defect.startswith(SOUND)]
    print(f"\n{sum(r.found for r in planted)} of {len(planted)} found ({len(defects)} defects), "
          f"{sum(not r.found for r in results if r.defect.startswith(SOUND))} false alarms, {time.monotonic() - began:.0f} s")
    if missed:
        print(f"logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
