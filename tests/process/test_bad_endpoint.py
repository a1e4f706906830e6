"""One of four endpoints goes bad: whatever it does, every completion gets the reward that it gets without it.

What that costs is measured on virtual time: tests/sim/test_bad_endpoint.c."""

import json
import pathlib

import pytest
import yaml

import records
import worker
from worker import rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
RECORDS = 60
BAD = {  # behaviour: why it is left alone
    "hang": None,  # all is scored before its probe has hung too
    "500": "HTTP 500: look at its log",
    "no-logprobs": "its replies have no logprobs: switch them on there",
    "other-model": "its model is 'another', the others' is 'scripted-1'",
    "low-mass": None,  # it gives too few answers to say so
    None: "does it run, and is the address right?",
}


def score(folder, endpoints):
    config = folder / "rbr.yaml"
    config.write_text(yaml.safe_dump(worker.settings("127.0.0.1:1", None, [TINY], grader={"endpoints": endpoints})))
    made = b"".join(records.to_json(records.make(n, 5)) + b"\n" for n in range(RECORDS))
    result = rbr("score", "-c", config, "--jsonl", "-", stdin=made)
    return {row["completion_id"]: row for row in map(json.loads, result.stdout.splitlines())}, result


@pytest.mark.parametrize("behaviour", BAD)
def test_one_of_four_endpoints_is_bad(behaviour, grader, tmp_path):
    good = [f"{grader.url}/{name}" for name in "abc"]
    expected, _ = score(tmp_path, good)
    grader.modes({"bad": behaviour})
    rows, result = score(tmp_path, [*good, f"{grader.url}/bad" if behaviour else "http://127.0.0.1:1"])
    assert result.returncode == 0, result.stderr
    assert {i: row["reward"] for i, row in rows.items()} == {i: row["reward"] for i, row in expected.items()}
    if BAD[behaviour]:
        [line] = [line for line in result.stderr.decode().splitlines() if "grader.endpoint_ejected" in line]
        assert BAD[behaviour] in line
