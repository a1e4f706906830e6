"""`rbr eval --html` in a real browser: the tables hold what --json prints, a reliability diagram of each proposition is drawn."""

import json

import pytest

from test_eval import SAFETY, arguments, noisy  # noqa: F401
from test_pages import Page, browser, look_at, numbers  # noqa: F401
from worker import rbr


@pytest.fixture(scope="module")
def page_and_json(noisy):  # noqa: F811
    folder, *_ = noisy
    path = folder / "page.html"
    result = rbr("eval", "--json", "--html", path, "--write-calibration", folder / "calibration.yaml", *arguments(folder))
    assert result.returncode == 0, result.stderr
    return Page(path), json.loads(result.stdout)


def test_the_tables_are_what_json_says(page_and_json):
    page, report = page_and_json
    tables = {(heading, caption): rows for heading, caption, rows in page.tables}
    keys = ("answers", "yes", "accuracy", "precision", "recall", "f1", "auc", "brier", "calibration_error", "best_threshold", "best_f1", "ungraded")
    for row, p in zip(tables["Propositions", ""][1:], report["propositions"], strict=True):
        assert row[0] == p["name"] and numbers(row[1:-1]) == [p[k] for k in keys]
        assert row[-1] == p["low_mass"] / (p["answers"] + p["ungraded"])
        points = [(b["mean"], b["yes"] / b["n"]) for b in p["reliability"] if b["n"]]
        assert [tuple(cells) for cells in tables["Reliability", p["name"]][1:]] == points
    for t in report["response_types"]:
        head, *rows = tables["Classes", t["response_type"]]
        assert head == ["labelled \\ judged", *(c["name"] for c in t["classes"]), "precision", "recall", "F1"]
        for row, c, counts in zip(rows, t["classes"], t["confusion"], strict=True):
            assert row[0] == c["name"] and [int(cell.split()[0]) for cell in row[1:-3]] == counts
            assert numbers(row[-3:]) == [c["precision"], c["recall"], c["f1"]]
    fitted = {p["name"]: p["calibration"] for p in report["propositions"]}
    for row in tables["Calibration", ""][1:]:
        c = fitted[row[0]]
        assert row[-1] == c["verdict"]
        assert numbers(row[1:-1]) == [c.get(k) for k in ("a", "b", "brier_before", "brier_after", "log_loss_before", "log_loss_after")]


def test_it_is_drawn(page_and_json, browser):  # noqa: F811
    page, report = page_and_json
    figures = look_at(browser, page, "eval")
    assert [f["caption"] for f in figures[1280, "light"]] == [p["name"] for p in report["propositions"]]
    for figure in figures[1280, "light"]:
        assert figure["colors"].get("#1f6fc1", 0) > 100, figure


def test_a_page_that_cannot_be_written(noisy, tmp_path):  # noqa: F811
    folder, *_ = noisy
    result = rbr("eval", *arguments(folder), "--html", tmp_path / "no" / "page.html")
    assert result.returncode == 1 and b"no/page.html: No such file or directory" in result.stderr and result.stdout == b""
