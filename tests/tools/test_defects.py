"""The seeded defects have a place in the sources as they are; `./dev defects` sees each of them found."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/defects", "tests/process", "tests/support"):
    sys.path.insert(0, str(ROOT / folder))

from defects import DEFECTS  # noqa: E402


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_its_snippets_are_there_once(defect):
    for file, old, new in defect.edits:
        assert old != new and (ROOT / file).read_text().count(old) == 1, f"{file}: write the snippet anew:\n{old}"


def test_there_are_enough_and_each_has_a_checker():
    assert len({d.name for d in DEFECTS}) == len(DEFECTS) >= 25
    assert all(d.kafka or d.sim for d in DEFECTS)
    assert sum(d.kafka is not None for d in DEFECTS) >= 20
