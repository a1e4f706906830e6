"""Fixtures of the process tests: one real broker a session, topics of its own for each test, graders, workers."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import rounds  # noqa: E402
from kafka_broker import Broker  # noqa: E402
from kafka_proxy import Proxy  # noqa: E402
from scene import Scene  # noqa: E402
from scripted_grader import Grader  # noqa: E402


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    b = Broker(tmp_path_factory.mktemp("kafka"), proxy=Proxy())
    try:
        b.start()
        yield b
    finally:
        b.stop()
        b.proxy.stop()


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


@pytest.fixture(scope="module")
def outcomes(request, broker, session_grader, tmp_path_factory):
    """The module's play(scene, *case) for each `case` that is to be run, several at a time: case -> what went wrong."""
    session_grader.call("/_script", {"mode": None, "delay": 0.0, "recording": False})
    cases = [i.callspec.params["case"] for i in request.session.items
             if i.module is request.module and "outcomes" in i.fixturenames]
    return rounds.play_all(cases, request.module.play, lambda case: Scene(broker, session_grader, tmp_path_factory.mktemp("round")))


@pytest.fixture
def scene(broker, grader, tmp_path):
    s = Scene(broker, grader, tmp_path)
    yield s
    for w in s.workers:
        w.end()
