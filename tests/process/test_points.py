"""kill -9 at every named point of a record's way, and a long pause at those where a batch is published."""

import concurrent.futures
import subprocess

import pytest

import rounds
from rounds import Round
from scene import Scene
from worker import binary

PER_RECORD = ("read", "before_decode", "decoded", "asked", "verdict", "ready")
PER_BATCH = ("batch", "before_begin", "after_begin", "after_produce", "delivered", "before_commit", "after_commit", "before_done",
             "done")
# The first batch has another past than the second, and a record of the middle another than the first.
KILLS = [(p, "kill", n) for p in rounds.POINTS for n in ((5,) if p in PER_RECORD else (1, 2) if p in PER_BATCH else (1,))]
PAUSES = [(p, "stop", 1) for p in PER_BATCH]
AT_A_TIME = 4  # a round waits more than it works


def play(scene, point, act, passing):
    """What went wrong; None when all is well."""
    try:
        round_ = Round(scene)
        (round_.kill_at if act == "kill" else round_.stop_at)(point, passing)
        facts = round_.finish()
        assert sum(map(len, facts.offsets.values())) == round_.written
    except Exception as fault:
        for w in scene.workers:
            fault.add_note(f"---- {w.log_path.name}\n{w.log()[-4000:]}")
        return fault
    finally:
        for w in scene.workers:
            w.end()
    return None


@pytest.fixture(scope="module")
def outcomes(request, broker, session_grader, tmp_path_factory):
    session_grader.call("/_script", {"mode": None, "delay": 0.0, "recording": False})
    wanted = [item.callspec.params["fate"] for item in request.session.items if "outcomes" in item.fixturenames]
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        scenes = [Scene(broker, session_grader, tmp_path_factory.mktemp("round")) for _ in wanted]
        return dict(zip(wanted, pool.map(lambda scene, fate: play(scene, *fate), scenes, wanted)))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fate", KILLS + PAUSES, ids=lambda f: f"{f[1]}-{f[0]}-{f[2]}")
def test_nothing_lost_nothing_doubled(fate, outcomes):
    if outcomes[fate] is not None:
        raise outcomes[fate]


def test_an_ordinary_build_has_no_points():
    """Not the code, and not the name of the variable that would make it act."""
    def names_in(program):
        return [subprocess.run(["grep", "-q", word, program], check=False).returncode == 0
                for word in ("RBR_FAILPOINTS", "failpoint_pass")]

    assert names_in(rounds.program()) == [True, True]
    assert names_in(binary()) == [False, False]
