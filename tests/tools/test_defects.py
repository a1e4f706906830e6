"""Each seeded defect can still be put into the sources: `./dev defects` on a real Kafka is too long for every change."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests/defects", "tests/process", "tests/support")]

from defects import DEFECTS  # noqa: E402


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_it_stands_in_one_place(defect):
    for file, sound, wrong in defect.edits:
        assert (ROOT / file).read_text().count(sound) == 1 and sound != wrong, file
