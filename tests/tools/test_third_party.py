"""What is kept of others is as they made it, has its licence beside it, and says where it comes from."""

import hashlib
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "third_party"


@pytest.mark.parametrize("package", sorted(p.name for p in FOLDER.iterdir()))
def test_files_are_unchanged(package):
    folder = FOLDER / package
    sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert {p.name for p in folder.iterdir()} == {*sums, "SHA256SUMS", "README.md"} and "LICENSE" in sums
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
