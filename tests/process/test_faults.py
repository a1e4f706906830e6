"""Faults on a real Kafka: a bounded share of what `./dev soak` does for longer. Nothing lost, nothing doubled, and on within 30 s."""

import pytest

import soak

pytestmark = pytest.mark.alone


NO_OTHER_FAULTS = ("--records", "0", "--zombies", "0", "--twins", "0", "--terms", "0", "--broker-kills", "0", "--points", "0", "--rounds", "0",
                   "--calm", "2")


def run(tmp_path, *arguments):
    result = soak.Soak(soak.options(arguments), tmp_path).run()
    assert result["violations"] == []
    return result


@pytest.mark.timeout(400)
def test_faults_of_every_kind(tmp_path):
    result = run(tmp_path, "--seed", "20", "--kills", "25", "--zombies", "1", "--twins", "1", "--terms", "1", "--broker-kills", "1", "--points", "2",
                 "--rounds", "4", "--calm", "4", "--records", "50000")
    assert result["records"] >= 50_000 and result["kills"] == 25
    assert result["rewards_per_s"]["storm_of_joins"] >= 0.3 * result["rewards_per_s"]["calm"]


@pytest.mark.timeout(200)
def test_a_worker_without_an_identity_ends_what_a_kill_left_open(tmp_path):
    """It starts again under the same name and fences its predecessor: nobody waits for the transaction's timeout of 60 s."""
    result = run(tmp_path, "--seed", "21", "--identity", "default", "--workers", "2", "--kills", "3", "--kill-weights", "0,1,0,0",
                 *NO_OTHER_FAULTS)
    assert result["faults"]["kill_open"] == 3
    assert result["recovery_s"]["kill_open"]["max"] < 10


@pytest.mark.timeout(200)
def test_at_least_once_loses_nothing(tmp_path):
    """Rewards may be repeated, by as many as were published and not committed."""
    result = run(tmp_path, "--seed", "22", "--delivery", "at_least_once", "--identity", "static", "--workers", "2",
                 "--kills", "6", "--kill-weights", "1,0,0,0", *NO_OTHER_FAULTS)
    assert result["kills"] == 6
