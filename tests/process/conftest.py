"""Fixtures of the process tests: one real broker a session, topics of its own for each test, graders, workers."""

import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import checker  # noqa: E402
import topics  # noqa: E402
from kafka_broker import Broker  # noqa: E402
from scripted_grader import Grader  # noqa: E402
from worker import Worker, settings  # noqa: E402

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    b = Broker(tmp_path_factory.mktemp("kafka"))
    try:
        b.start()
        yield b
    finally:
        b.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    for name in ("broker", "scene"):
        used = item.funcargs.get(name)
        if isinstance(used, Broker):
            report.sections.append(("Kafka's log, its end", used.tail()))
        elif isinstance(used, Scene):
            for w in used.workers:
                report.sections.append((f"log of {w.log_path.name}, its end", w.log()[-6000:]))


@pytest.fixture(scope="session")
def session_grader():
    g = Grader()
    yield g
    g.stop()


@pytest.fixture
def grader(session_grader):
    """The scripted grader, well-behaved at the start."""
    session_grader.call("/_script", {"mode": None, "delay": 0.0, "recording": False})
    return session_grader


class Scene:
    """The topics of one test, and the workers on them."""

    def __init__(self, broker, grader, folder):
        self.broker = broker
        self.grader = grader
        self.folder = folder
        n = next(numbers)
        self.input, self.output, self.dead, self.group = (f"{what}-{n}" for what in ("completions", "rewards", "dead", "group"))
        self.workers = []

    def create(self, partitions=2, output=None, dead=None, **configs):
        """configs: input_config, output_config, dead_config: the topics' own settings."""
        self.broker.create_topics({
            self.input: (partitions, {"max.message.bytes": "8388608", **configs.get("input_config", {})}),
            self.output: (output or partitions, configs.get("output_config", {})),
            self.dead: (dead or 1, {"max.message.bytes": "8388608", **configs.get("dead_config", {})}),
        })
        return self

    def settings(self, policy_files, **changes):
        kafka = {"input": self.input, "output": self.output, "dead_letters": self.dead, "group": self.group}
        changes["kafka"] = {**kafka, **changes.get("kafka", {})}
        return settings(self.broker.bootstrap, self.grader.url, policy_files, **changes)

    def worker(self, policy_files, **changes):
        """A started worker."""
        w = Worker(self.folder, self.settings(policy_files, **changes), f"worker{len(self.workers) + 1}")
        self.workers.append(w)
        return w.start()

    def write(self, records):
        return topics.write(self.broker.bootstrap, self.input, records)

    def wait_for(self, count, seconds, worker=None):
        """The first `count` committed messages of both output topics."""
        return topics.wait_for(self.broker.bootstrap, [self.output, self.dead], count, seconds,
                               worker.alive if worker is not None else lambda: True)

    def rewards(self):
        return topics.read(self.broker.bootstrap, self.output)

    def dead_letters(self):
        return topics.read(self.broker.bootstrap, self.dead)

    def assert_conserved(self, allow_repeats=False):
        return checker.assert_conserved(self.broker, self.input, self.output, self.dead, self.group, allow_repeats)


@pytest.fixture
def scene(broker, grader, tmp_path):
    s = Scene(broker, grader, tmp_path)
    yield s
    for w in s.workers:
        w.end()
