"""kill -9 at every named point of a record's way, and a long pause at those where a batch is published."""

import subprocess

import pytest

import rounds
from rounds import Round
from worker import binary

pytestmark = pytest.mark.alone

# The first batch has another past than the second, and a record of the middle another than the first.
KILLS = [("kill", p, n) for p in rounds.POINTS for n in ((5,) if p in rounds.PER_RECORD else (1, 2) if p in rounds.PER_BATCH else (1,))]
PAUSES = [("stop", p, 1) for p in rounds.PER_BATCH]


def play(scene, act, point, passing):
    round_ = Round(scene)
    (round_.kill_at if act == "kill" else round_.stop_at)(point, passing)
    facts = round_.finish()
    assert sum(map(len, facts.offsets.values())) == round_.written


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", KILLS + PAUSES, ids=lambda c: "{}-{}-{}".format(*c))
def test_nothing_lost_nothing_doubled(case, outcomes):
    if outcomes[case] is not None:
        raise outcomes[case]


def test_an_ordinary_build_has_no_points():
    """Not the code, and not the name of the variable that would make it act."""
    def names_in(program):
        return [subprocess.run(["grep", "-q", word, program], check=False).returncode == 0
                for word in ("RBR_FAILPOINTS", "failpoint_pass")]

    assert names_in(rounds.program()) == [True, True]
    assert names_in(binary()) == [False, False]
