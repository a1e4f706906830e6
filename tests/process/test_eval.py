"""`rbr eval`: every figure as scikit-learn's on the same numbers; perfect judgments; a grader asked, killed and asked again;
calibration that the policy takes."""

import contextlib
import json
import math
import os
import pty
import random
import re
import subprocess
import time

import numpy
import pytest
import sklearn.calibration
import sklearn.metrics
import yaml

import ranked
from reference import Policy
from worker import ROOT, binary, rbr

SAFETY = ROOT / "config" / "policies" / "safety.yaml"
DATA = ROOT.parent / "shared" / "data"
RELEASED, GOLD = DATA / "proposition_prompts.yaml", DATA / "gold_train.jsonl"
POLICY = Policy(SAFETY)

released = pytest.mark.skipif(not GOLD.exists(), reason="SKIPPED: OpenAI's released policy and rows are not beside the checkout")

NUMBERS = ("accuracy", "precision", "recall", "f1", "auc", "brier", "calibration_error", "best_f1")


def evaluate(*args, code=0):
    result = rbr("eval", "--json", *args)
    assert result.returncode == code, result.stderr.decode()[-2000:]
    return json.loads(result.stdout)


# ---- data: labels, and judgments by a grader that is often wrong -----------------------------------------


def make_gold(prompts=12):
    """Rows with a label for each proposition; some lack one."""
    rng = random.Random(4)
    rows = ranked.make(SAFETY, prompts=prompts)
    for row in rows:
        row["propositions"] = {name: p >= 0.5 for name, p in row["propositions"].items() if rng.random() > 0.01}
    return rows


def make_judgments(gold):
    """completion id -> [a reward's propositions]: noisy, overconfident, some of low mass or failed."""
    rng = random.Random(5)
    for row in gold:
        judged = []
        for name in POLICY.asked(row["response_type"]):
            truth = row["propositions"].get(name, False)
            logit = 3 * (1 if truth else -1) + rng.gauss(0, 4) + 1
            p = round(1 / (1 + math.exp(-logit)), 2)  # so that there are ties, and answers at the edges of bins
            kind = rng.random()
            if kind < 0.02:
                judged.append({"id": name, "status": "STATUS_FAILED", "reason": "REASON_LOW_PROBABILITY_MASS"})
            elif kind < 0.03:
                judged.append({"id": name, "status": "STATUS_FAILED", "reason": "REASON_GRADER_TIMEOUT"})
            else:
                judged.append({"id": name, "probability": p, "status": "STATUS_OK", "mass": 0.99})
        yield {"completion_id": row["id"], "propositions": judged}


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eval")
    gold = make_gold()
    judgments = list(make_judgments(gold))
    (folder / "gold.jsonl").write_text(ranked.to_jsonl(gold))
    (folder / "judgments.jsonl").write_text(ranked.to_jsonl(judgments))
    return folder, gold, {j["completion_id"]: {p["id"]: p for p in j["propositions"]} for j in judgments}


def arguments(folder, *more):
    return ("--policy", SAFETY, "--gold", folder / "gold.jsonl", "--judgments", folder / "judgments.jsonl", *more)


def answers(gold, judged, name, types):
    """(labels, probabilities, not graded, of low mass) where the proposition is a feature of one of these types."""
    y, p, ungraded, low = [], [], 0, 0
    for row in gold:
        if row["response_type"] not in types or name not in POLICY.features(row["response_type"]) or name not in row["propositions"]:
            continue
        answer = judged[row["id"]][name]
        if "probability" in answer:
            y.append(row["propositions"][name])
            p.append(answer["probability"])
        else:
            ungraded += 1
            low += answer["reason"] == "REASON_LOW_PROBABILITY_MASS"
    return numpy.array(y, dtype=bool), numpy.array(p), ungraded, low


def scikit(y, p, threshold):
    """The same figures; None where there is none."""
    yes = p >= threshold
    both = y.any() and not y.all()
    share, mean = sklearn.calibration.calibration_curve(y, p, n_bins=10)
    counts = [c for c in numpy.bincount(numpy.searchsorted(numpy.linspace(0, 1, 11)[1:-1], p), minlength=10) if c]
    precision, recall, _ = sklearn.metrics.precision_recall_curve(y, p) if y.any() else (None, None, None)
    return {
        "accuracy": sklearn.metrics.accuracy_score(y, yes),
        "precision": sklearn.metrics.precision_score(y, yes) if yes.any() else None,
        "recall": sklearn.metrics.recall_score(y, yes) if y.any() else None,
        "f1": sklearn.metrics.f1_score(y, yes) if y.any() else None,
        "auc": sklearn.metrics.roc_auc_score(y, p) if both else None,
        "brier": sklearn.metrics.brier_score_loss(y, p),
        "calibration_error": float(numpy.abs(share - mean) @ counts / len(y)),
        "best_f1": float(numpy.nanmax(2 * precision * recall / numpy.maximum(precision + recall, 1e-300))) if y.any() else None,
    }


# ---- the figures -------------------------------------------------------------------------------------


def assert_same(found, y, p, threshold, where):
    wanted = scikit(y, p, threshold)
    for name in NUMBERS:
        if wanted[name] is None:
            assert found[name] is None, (where, name)
        else:
            assert found[name] == pytest.approx(wanted[name], abs=1e-9), (where, name)
    if y.any():
        assert sklearn.metrics.f1_score(y, p >= found["best_threshold"]) == pytest.approx(found["best_f1"], abs=1e-9)
    assert sum(b["n"] for b in found["reliability"]) == len(y) == found["answers"]
    assert sum(b["yes"] for b in found["reliability"]) == y.sum() == found["yes"]
    assert [found[k] for k in ("true_yes", "false_yes", "true_no", "false_no")] == [
        ((p >= threshold) & y).sum(), ((p >= threshold) & ~y).sum(), ((p < threshold) & ~y).sum(), ((p < threshold) & y).sum()]


@pytest.mark.parametrize("threshold", [0.5, 0.83])
def test_each_figure_is_scikit_learns(noisy, threshold):
    folder, gold, judged = noisy
    found = evaluate(*arguments(folder, "--threshold", threshold))
    assert found["rows"] == len(gold) and found["unjudged"] == 0
    names = [p["name"] for p in found["propositions"]]
    assert names == [n for n in POLICY.questions if any(n in POLICY.features(t) for t in ranked.ORDERINGS)] and len(names) >= 20
    for proposition in found["propositions"]:
        name = proposition["name"]
        y, p, ungraded, low = answers(gold, judged, name, ranked.ORDERINGS)
        assert_same(proposition, y, p, threshold, name)
        assert (proposition["ungraded"], proposition["low_mass"]) == (ungraded, low)
        for part in proposition["response_types"]:
            y, p, ungraded, low = answers(gold, judged, name, [part["response_type"]])
            assert_same(part, y, p, threshold, (name, part["response_type"]))
            assert (part["ungraded"], part["low_mass"]) == (ungraded, low)
    assert found["answers"] == sum(p["answers"] for p in found["propositions"])
    assert found["low_mass"] == sum(p["low_mass"] for p in found["propositions"]) > 0


def class_of(response_type, p):
    """None when a proposition that the rules use has no value."""
    try:
        classes = POLICY.product_classes(response_type, p)
    except (KeyError, TypeError):
        return None
    return max(classes, key=lambda name: (classes[name], -POLICY.classes.index(name)))


def test_the_confusion_of_classes(noisy):
    folder, gold, judged = noisy
    found = evaluate(*arguments(folder))
    assert [t["response_type"] for t in found["response_types"]] == [t for t in POLICY.types if t in ranked.ORDERINGS]
    for of_type in found["response_types"]:
        rows = [r for r in gold if r["response_type"] == of_type["response_type"]]
        pairs = []
        for row in rows:
            graded = {n: a["probability"] for n, a in judged[row["id"]].items() if "probability" in a}
            pair = class_of(row["response_type"], {n: float(v) for n, v in row["propositions"].items()}), class_of(row["response_type"], graded)
            if None not in pair:
                pairs.append(pair)
        labelled, predicted = zip(*pairs, strict=True)
        assert of_type["rows"] == len(rows) and of_type["classified"] == len(pairs) < len(rows)
        assert of_type["confusion"] == sklearn.metrics.confusion_matrix(labelled, predicted, labels=POLICY.classes).tolist()
        assert of_type["right"] / len(pairs) == pytest.approx(sklearn.metrics.accuracy_score(labelled, predicted))
        report = sklearn.metrics.classification_report(labelled, predicted, labels=POLICY.classes, output_dict=True, zero_division=numpy.nan)
        for c in of_type["classes"]:
            for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
                wanted = report[c["name"]][theirs]
                if c["labelled"] == 0 and ours == "f1":
                    wanted = math.nan
                assert c[ours] is None if math.isnan(wanted) else c[ours] == pytest.approx(wanted, abs=1e-9), (c, ours)


@released
def test_perfect_judgments_of_the_released_rows():
    """All figures are 1, and the classes those that the design counted."""
    found = evaluate("--policy", RELEASED, "--gold", GOLD, "--use-labels")
    assert found["rows"] == 351
    for p in found["propositions"]:
        assert p["accuracy"] == 1 and p["brier"] == p["calibration_error"] == 0 and p["ungraded"] == 0
        assert {p[k] for k in ("precision", "recall", "f1", "auc", "best_f1")} == ({1} if p["yes"] > 0 else {None})
    histogram = {t["response_type"]: tuple(t["confusion"][k][k] for k in range(5)) for t in found["response_types"]}
    assert histogram == {"hard_refuse": (0, 6, 72, 4, 6), "safe_refuse_1": (0, 0, 9, 0, 0), "safe_refuse_2": (0, 2, 43, 2, 11), "comply": (149, 2, 27, 18, 0)}
    assert all(t["right"] == t["classified"] == t["rows"] for t in found["response_types"])


def test_the_text_says_the_same(noisy):
    folder, *_ = noisy
    found = evaluate(*arguments(folder))
    text = rbr("eval", *arguments(folder)).stdout.decode()
    for p in found["propositions"]:
        line = re.search(rf"^{p['name']} .*$", text, re.MULTILINE)[0].split()
        assert [int(line[1]), int(line[2])] == [p["answers"], p["yes"]]
        assert line[3:10] == [f"{p[k]:.4f}" for k in ("accuracy", "precision", "recall", "f1", "auc", "brier", "calibration_error")]
    for t in found["response_types"]:
        assert f"{t['response_type']}: {t['rows']} rows, {t['right']} of {t['classified']} in their class" in text


def tables_of_propositions(text):
    """The rows' cells by proposition: first the table of all types, then one for each."""
    tables = [part.splitlines()[1:] for part in text.split("\n\n") if part.startswith("PROPOSITION ")]
    return [{cells[0]: cells[1:] for cells in map(str.split, table)} for table in tables]


def test_the_text_has_a_table_of_propositions_for_each_response_type(noisy):
    folder, *_ = noisy
    found = evaluate(*arguments(folder))
    _, *of_types = tables_of_propositions(rbr("eval", *arguments(folder)).stdout.decode())
    for t, table in zip(found["response_types"], of_types, strict=True):
        parts = {p["name"]: part for p in found["propositions"] for part in p["response_types"] if part["response_type"] == t["response_type"]}
        assert list(table) == list(parts)
        for name, part in parts.items():
            numbers = [f"{part[k]:.4f}" if part[k] is not None else "-" for k in ("accuracy", "precision", "recall", "f1", "auc", "brier", "calibration_error")]
            assert table[name] == [str(part["answers"]), str(part["yes"]), *numbers], name


def test_one_response_type_needs_no_second_table(noisy, tmp_path):
    folder, gold, _ = noisy
    (tmp_path / "gold.jsonl").write_text(ranked.to_jsonl([r for r in gold if r["response_type"] == "comply"]))
    result = rbr("eval", "--policy", SAFETY, "--gold", tmp_path / "gold.jsonl", "--judgments", folder / "judgments.jsonl")
    assert result.returncode == 0 and len(tables_of_propositions(result.stdout.decode())) == 1


# ---- a grader ----------------------------------------------------------------------------------------


def without(found, *keys):
    return {k: v for k, v in found.items() if k not in keys}


def ask(folder, grader, *more):
    return ("--policy", SAFETY, "--gold", folder / "gold.jsonl", "--grader", grader.url, "--model", "m", *more)


def test_a_grader_is_asked_and_its_judgments_may_be_given_again(noisy, grader, tmp_path):
    folder, *_ = noisy
    asked = evaluate(*ask(folder, grader))
    scored = rbr("score", "--policy", SAFETY, "--grader", grader.url, "--model", "m", "--jsonl", folder / "gold.jsonl")
    (tmp_path / "scored.jsonl").write_bytes(scored.stdout)
    given = evaluate("--policy", SAFETY, "--gold", folder / "gold.jsonl", "--judgments", tmp_path / "scored.jsonl")
    assert without(asked, "judges") == without(given, "judges") and asked["answers"] > 5000
    assert asked["judges"] == "default (m)" or "m" in asked["judges"]


def test_what_was_asked_before_a_kill_is_not_asked_again(noisy, grader, tmp_path):
    folder, *_ = noisy
    grader.count_repeats()
    grader.delay(0.05)
    command = [binary(), "eval", "--json", *map(str, ask(folder, grader, "--cache", tmp_path / "judgments"))]
    before = grader.stats()["requests"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    grader.wait_for_requests(before + 1500)
    process.kill()
    process.wait()
    grader.delay(0)
    time.sleep(0.2)
    killed_at = grader.stats()["requests"]
    found = evaluate(*command[3:])
    repeated, total = grader.stats()["repeated"], grader.stats()["requests"] - before
    print(f"killed after {killed_at - before} of {total - repeated} requests; asked again: {repeated}")
    assert killed_at - before < 0.9 * (total - repeated) and repeated <= 400
    again = evaluate(*command[3:])
    assert grader.stats()["requests"] == before + total and again == found


def test_a_bar_on_a_terminal(noisy, grader):
    folder, *_ = noisy
    grader.delay(0.02)
    master, terminal = pty.openpty()
    with subprocess.Popen([binary(), "eval", *map(str, ask(folder, grader))], stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        seen = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while block := os.read(master, 4096):
                seen += block
        assert process.wait() == 0
    os.close(master)
    bars = re.findall(rb"\r\[(=*) *\] +(\d+) %  (\d+) judged, \d+/s ", seen)
    assert len(bars) >= 3, seen
    shares = [int(share) for _, share, _ in bars]
    assert shares == sorted(shares) and shares[-1] > shares[0] and all(abs(len(bar) - 24 * share / 100) < 1.2 for (bar, *_), share in zip(bars, shares, strict=True))
    assert b"questions asked" in seen.rpartition(b"\033[K")[2]


# ---- calibration -------------------------------------------------------------------------------------


def logits(p):
    inside = numpy.clip(p, 1e-6, 1 - 1e-6)
    return numpy.log(inside / (1 - inside))


def test_calibration_is_platts_and_the_policy_takes_it(noisy, tmp_path):
    folder, gold, judged = noisy
    before = evaluate(*arguments(folder, "--write-calibration", tmp_path / "calibration.yaml"))
    text = (tmp_path / "calibration.yaml").read_text()
    written = yaml.safe_load(text)["calibration"]
    assert len(written) > 10 and "# rows: " in text and "sha256 " in text
    for p in before["propositions"]:
        name, c = p["name"], p["calibration"]
        assert (name in written) == (c["verdict"] == "helps"), name
        if name not in written:
            continue
        y, raw, *_ = answers(gold, judged, name, ranked.ORDERINGS)
        theirs = sklearn.calibration._SigmoidCalibration().fit(logits(raw), y)
        assert (written[name]["a"], written[name]["b"]) == pytest.approx((-theirs.a_, -theirs.b_), abs=2e-3), name
        assert c["brier_before"] == pytest.approx(p["brier"], abs=1e-9)
        assert c["log_loss_before"] == pytest.approx(sklearn.metrics.log_loss(y, numpy.clip(raw, 1e-6, 1 - 1e-6)), abs=1e-9)
        assert c["log_loss_after"] < c["log_loss_before"]
    after = evaluate("--policy", SAFETY, "--policy", tmp_path / "calibration.yaml", *arguments(folder)[2:])
    for p, q in zip(before["propositions"], after["propositions"], strict=True):
        if p["name"] in written:
            assert q["brier"] < p["brier"] and q["calibration_error"] < p["calibration_error"] and q["auc"] == pytest.approx(p["auc"], abs=1e-9)
        else:
            assert q == {k: v for k, v in p.items() if k != "calibration"}
    again = evaluate("--policy", SAFETY, "--policy", tmp_path / "calibration.yaml", *arguments(folder)[2:], "--write-calibration", tmp_path / "again.yaml")
    assert again["rows"] == before["rows"]
    assert yaml.safe_load((tmp_path / "again.yaml").read_text())["calibration"] == written  # of what the grader said, not of what was made of it


def test_the_same_answers_give_the_same_bytes(noisy, tmp_path):
    folder, *_ = noisy
    for name in "ab":
        evaluate(*arguments(folder, "--write-calibration", tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# ---- what is refused ---------------------------------------------------------------------------------


def change(rows, n, **values):
    rows[n] = {**rows[n], **values}


@pytest.mark.parametrize(("spoil", "sentence"), [
    (lambda r: change(r, 3, propositions={"apology": 0.3}), r"gold.jsonl:4: the label of 'apology' is 0.3; a label is true or false"),
    (lambda r: change(r, 3, propositions={}), r"gold.jsonl:4: no labels; give them as propositions"),
    (lambda r: change(r, 3, id="stranger"), r"gold.jsonl:4: \S+judgments.jsonl has no judgments of completion 'stranger'"),
    (lambda r: change(r, 3, completion=None), r"gold.jsonl:4: MISSING_COMPLETION"),
])
def test_a_row_that_is_refused_is_named_and_the_others_count(noisy, tmp_path, spoil, sentence):
    folder, gold, _ = noisy
    rows = list(gold)
    spoil(rows)
    (tmp_path / "gold.jsonl").write_text(ranked.to_jsonl(rows))
    result = rbr("eval", "--json", "--policy", SAFETY, "--gold", tmp_path / "gold.jsonl", "--judgments", folder / "judgments.jsonl")
    assert result.returncode == 3 and re.search(sentence, result.stderr.decode()), result.stderr
    assert json.loads(result.stdout)["rows"] == len(gold) - 1


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--gold", "x"], b"config/worker.yaml"),
    (["--policy", SAFETY], b"which labels? --gold FILE"),
    (["--policy", SAFETY, "--gold", "x", "--use-labels", "--judgments", "y"], b"one of --grader, --judgments and --use-labels, please"),
    (["--policy", SAFETY, "--gold", "x", "--use-labels", "--threshold", "0"], b"--threshold must be a number above 0, at most 1, not '0'"),
    (["--policy", SAFETY, "x"], b"unexpected argument 'x'; the labels are --gold FILE"),
    (["--policy", SAFETY, "--gold", "/dev/null", "--use-labels"], b"/dev/null: no rows with labels"),
    (["--policy", SAFETY, "--gold", "nowhere", "--use-labels"], b"nowhere: No such file or directory"),
    (["--policy", SAFETY, "--gold", "x", "--judgments", "nowhere"], b"nowhere: No such file or directory"),
])
def test_wrong_options_are_refused(arguments, sentence, tmp_path):
    result = rbr("eval", *arguments, "--write-calibration", tmp_path / "c", cwd=tmp_path)
    assert result.returncode in (1, 2) and sentence in result.stderr and not (tmp_path / "c").exists(), result.stderr
