"""`rbr fit`: weights and losses as an independent AdamW over the same pairs; same bytes; what is refused.

The reference is plain Python (tests/support/reference_fit.py). PyTorch itself is 150 MB of Debian packages and runs where it is
installed: with RBR_LONG_TESTS=1 it must be.
"""

import hashlib
import json
import math
import os
import re
import subprocess

import pytest
import yaml

import ranked
from reference import Policy
from reference_fit import STEPS, adamw, differences
from worker import ROOT, rbr

SAFETY = ROOT / "config" / "policies" / "safety.yaml"
DEBIANS_PYTHON = "/usr/bin/python3"  # the one that python3-torch is for


# ---- fixtures ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    return ranked.make(SAFETY, prompts=30)


@pytest.fixture
def files(tmp_path, rows):
    (tmp_path / "ranked.jsonl").write_text(ranked.to_jsonl(rows))
    (tmp_path / "orderings.yaml").write_text(ranked.orderings_yaml())
    return tmp_path


def fit(folder, *more, out="out.yaml"):
    return rbr("fit", "--policy", SAFETY, "--orderings", folder / "orderings.yaml", "--out", folder / out, *more, folder / "ranked.jsonl")


# ---- the fit -----------------------------------------------------------------------------------------


def fitted_by_torch(pairs):
    ran = subprocess.run([DEBIANS_PYTHON, ROOT / "tests" / "support" / "torch_adamw.py"], input=json.dumps(pairs), capture_output=True, text=True,
                         timeout=250, check=False)
    if ran.returncode == 3 and not os.environ.get("RBR_LONG_TESTS"):
        pytest.skip("SKIPPED: no PyTorch (Debian's python3-torch); RBR_LONG_TESTS=1 ./dev test installs it")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("reference", [adamw, fitted_by_torch])
def test_weights_and_losses_are_the_reference(files, rows, reference):
    result = fit(files, "--held-out", "0")
    assert result.returncode == 0, result.stderr
    policy, fitted = Policy(SAFETY), yaml.safe_load((files / "out.yaml").read_text())["weights"]
    blocks = re.findall(r"^(\w+): \d+ rows, \d+ prompts, (\d+) pairs \(\2 trained on\)\n((?:  step.*\n)+)", result.stdout.decode(), re.MULTILINE)
    assert [b[0] for b in blocks] == list(fitted) == list(ranked.ORDERINGS)
    assert sum(int(b[1]) for b in blocks) >= 5000
    for response_type, n, curve in blocks:
        pairs = list(differences(policy, rows, response_type))
        weights, losses = reference(pairs)
        assert len(pairs) == int(n) and len(weights) >= 18
        assert list(fitted[response_type]) == policy.features(response_type)
        assert list(fitted[response_type].values()) == pytest.approx(weights, abs=1e-4)
        shown = re.findall(r"step +(\d+)  training loss (\S+)", curve)
        assert [int(step) for step, _ in shown] == list(range(0, STEPS + 1, STEPS // 10))
        assert [float(loss) for _, loss in shown] == pytest.approx([losses[int(step)] for step, _ in shown], abs=1e-5)


def test_same_seed_same_bytes_another_seed_others(files):
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        assert fit(files, "--seed", seed, out=out).returncode == 0
    a, b, c = ((files / name).read_bytes() for name in "abc")
    assert a == b and a != c


def test_the_overlay_says_where_it_comes_from_and_is_a_policy(files):
    assert fit(files, "--ignore", "judgement").returncode == 0
    text = (files / "out.yaml").read_text()
    assert hashlib.sha256((files / "ranked.jsonl").read_bytes()).hexdigest() in text
    assert hashlib.sha256((files / "orderings.yaml").read_bytes()).hexdigest() in text
    assert "# rows: 1500; reward model in the loss: yes; held out: 0.05 of the prompts; seed: 1\n" in text
    assert yaml.safe_load(text)["reward"] == {"reward_model": "require"}
    assert [w["judgement"] for w in yaml.safe_load(text)["weights"].values()] == [0, 0, 0]
    checked = rbr("check", "--policy", SAFETY, "--policy", files / "out.yaml")
    assert checked.returncode == 0 and b"error" not in checked.stderr


def ranking_error(rows, rewards):
    pairs = [(rewards[b["id"]], rewards[w["id"]]) for b in rows for w in rows if b["prompt_id"] == w["prompt_id"]
             and w["labels"]["rank"] in ranked.ORDERINGS[b["response_type"]].get(b["labels"]["rank"], [])]
    return sum(worse >= better for better, worse in pairs) / len(pairs)


def test_rewards_with_the_overlay_rank_as_the_report_says(files, rows):
    """`rbr score` with the fitted weights is what `after` measures, without them `before`."""
    report = fit(files, "--held-out", "0").stdout.decode()
    shown = [line.split() for line in report.splitlines() if line.startswith("  all, trained on")]
    for column, overlay in ((-3, []), (-1, ["--policy", files / "out.yaml"])):
        scored = rbr("score", "--policy", SAFETY, *overlay, "--use-labels", "--jsonl", files / "ranked.jsonl")
        rewards = {r["completion_id"]: r["reward"] for r in map(json.loads, scored.stdout.splitlines())}
        for line, response_type in zip(shown, ranked.ORDERINGS, strict=True):
            of_type = [r for r in rows if r["response_type"] == response_type]
            assert ranking_error(of_type, rewards) == pytest.approx(float(line[column]), abs=1e-4)


def test_rewards_that_rbr_score_prints_fit_like_given_judgments(files):
    assert fit(files, out="given.yaml").returncode == 0
    scored = rbr("score", "--policy", SAFETY, "--use-labels", "--jsonl", files / "ranked.jsonl")
    lines = [{**json.loads(line), "prompt_id": ""} for line in scored.stdout.splitlines()]
    for line in lines:
        line["group_id"] = line["completion_id"].rsplit("-", 1)[0]  # the other name of the prompt
    (files / "ranked.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert fit(files, out="scored.yaml").returncode == 0
    given, rewards = (yaml.safe_load((files / name).read_text()) for name in ("given.yaml", "scored.yaml"))
    assert given == rewards


def test_without_orderings_the_labels_are_classes(tmp_path, rows):
    of = {"perfect": "ideal", "bad": "unacceptable_completion", "disallowed": "disallowed_completion"}
    made = [{**r, "labels": {"rank": of[r["labels"]["rank"]]}} for r in rows if r["labels"]["rank"] in of]
    (tmp_path / "ranked.jsonl").write_text(ranked.to_jsonl(made))
    result = rbr("fit", "--policy", SAFETY, "--out", tmp_path / "out.yaml", tmp_path / "ranked.jsonl")
    assert result.returncode == 0 and b"ideal > disallowed_completion" in result.stdout


# ---- what is refused ---------------------------------------------------------------------------------


def change(rows, n, **values):
    rows[n] = {**rows[n], **values}


def without(rows, n, *names):
    rows[n] = {**rows[n], "propositions": {k: v for k, v in rows[n]["propositions"].items() if k not in names}}


def one_label(rows):
    for n in range(len(rows)):
        change(rows, n, labels={"rank": "bad" if rows[n]["response_type"] != "comply" else "fully"})


def prompts_apart(rows):
    for n in range(len(rows)):
        change(rows, n, prompt_id=f"p{n}")


REFUSED = {
    "missing feature": (lambda r: without(r, 4, "judgement"), r"line 5: no judgment for proposition 'judgement', which \w+ needs; judge it"),
    "no judgments": (lambda r: change(r, 4, propositions=None), r"line 5: no judgment for proposition '\w+', which \w+ needs"),
    "no probability": (lambda r: change(r, 2, propositions={"judgement": 1.5}), r"line 3: proposition 'judgement' is 1.5; a probability is 0 to 1"),
    "NaN": (lambda r: change(r, 2, reward_model_score=math.nan), r"line 3: a number that is not finite, at byte \d+; correct it"),
    "infinite": (lambda r: change(r, 2, reward_model_score=-math.inf), r"line 3: a number that is not finite, at byte \d+; correct it"),
    "absurd": (lambda r: change(r, 2, reward_model_score=1e300), r"line 3: reward_model_score must be a number within \+-1e6"),
    "a word": (lambda r: change(r, 2, reward_model_score="high"), r"line 3: reward_model_score must be a number"),
    "some without R_rm": (lambda r: change(r, 2, reward_model_score=None),
                          r"line 3 has no reward_model_score, line 1 has one; give it to every row, or say --no-reward-model"),
    "a label outside": (lambda r: change(r, 6, labels={"rank": "good"}),
                        r"line 7: label 'good' is not in the orderings of \w+ \(\w+.*\); correct it, or add it to them"),
    "no label": (lambda r: change(r, 6, labels={}), r"line 7: no label; give its rank as labels"),
    "no prompt": (lambda r: change(r, 6, prompt_id=""), r"line 7: neither prompt_id nor group_id; say which prompt"),
    "another type": (lambda r: change(r, 6, response_type="sing"), r"line 7: response type 'sing' is none of the policy's"),
    "a type without orderings": (lambda r: change(r, 6, response_type="safe_refuse_1", propositions=dict.fromkeys(Policy(SAFETY).questions, 0)),
                                 r"line 7: the orderings say nothing of safe_refuse_1; add it to them"),
    "one label only": (one_label, r"line \d+: all 510 rows of hard_refuse are labelled 'bad'; a pair needs a better and a worse one"),
    "no pairs": (prompts_apart, r"line \d+: the 510 rows of hard_refuse, beginning here, make no pair: no prompt has two"),
    "an array": (lambda r: r.__setitem__(1, []), r"line 2: a row is one JSON object"),
    "nothing": (list.clear, r"no rows; give ranked completions, one a line"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_data_is_refused_with_the_row_and_nothing_is_written(files, rows, name):
    spoil, sentence = REFUSED[name]
    made = list(rows)
    spoil(made)
    (files / "ranked.jsonl").write_text(ranked.to_jsonl(made))
    (files / "out.yaml").write_text("as it was")
    before = sorted(files.iterdir())
    result = fit(files)
    assert result.returncode == 2 and result.stdout == b""
    assert re.search(sentence, result.stderr.decode()), result.stderr.decode()
    assert result.stderr.count(b"\n") == 1
    assert (files / "out.yaml").read_text() == "as it was" and sorted(files.iterdir()) == before


def test_text_that_is_no_json_is_refused(files):
    with (files / "ranked.jsonl").open("a") as f:
        f.write("rank: bad\n")
    assert b"line 1501: not JSON, at byte 0; a row is one JSON object" in fit(files).stderr


@pytest.mark.parametrize(("text", "sentence"), [
    ("orderings: {hard_refuse: {perfect: bad}}", r"orderings.yaml:1: 'perfect': list the labels below it in \[ \]"),
    ("orderings: {sing: {perfect: [bad]}}", r"orderings.yaml:1: 'sing': no such response type in the policy"),
    ("orderings: {hard_refuse: {a: [b], b: [c], c: [a]}}", r"orderings.yaml:1: 'a' ranks above itself, by way of"),
    ("orderings: {hard_refuse: {a: [b]}}\nmargins: {hard_refuse: {a: 0}}", r"orderings.yaml:2: 'a': a margin is a number above 0"),
    ("orderings: {hard_refuse: {a: [b]}}\nmargins: {hard_refuse: {c: 1}}", r"orderings.yaml:2: 'c': no such label in the orderings"),
    ("margins: {}", r"orderings.yaml: no section 'orderings'"),
    ("orderings: {}\nmargin: {}", r"orderings.yaml:2: 'margin': a file of orderings has only the sections"),
    ("orderings: [", r"orderings.yaml:\d+: "),
])
def test_wrong_orderings_are_refused(files, text, sentence):
    (files / "orderings.yaml").write_text(text)
    result = fit(files)
    assert result.returncode == 2 and not (files / "out.yaml").exists()
    assert re.search(sentence, result.stderr.decode()), result.stderr.decode()


@pytest.mark.parametrize(("options", "sentence"), [
    (["--ignore", "judgment"], b"--ignore judgment: no such feature in the fitted types"),
    (["--steps", "0"], b"--steps must be a whole number from 1 to 1000000, not '0'"),
    (["--split", "row"], b"--split is prompt or pair, not 'row'"),
    (["--held-out", "1"], b"--held-out must be a number from 0 to 0.9, not '1'"),
])
def test_wrong_options_are_refused(files, options, sentence):
    result = fit(files, *options)
    assert result.returncode == 2 and sentence in result.stderr and not (files / "out.yaml").exists()


@pytest.mark.parametrize("all_have_one", [True, False])
def test_the_reward_model_can_be_left_out(files, rows, all_have_one):
    """Then it is no matter who has it, and the overlay asks nobody for it."""
    made = list(rows)
    if not all_have_one:
        change(made, 2, reward_model_score=None)
    (files / "ranked.jsonl").write_text(ranked.to_jsonl(made))
    result = fit(files, "--no-reward-model")
    assert result.returncode == 0, result.stderr
    overlay = (files / "out.yaml").read_text()
    assert "reward model in the loss: no" in overlay and list(yaml.safe_load(overlay)) == ["weights"]
    first, *_, last = re.findall(r"training loss (\S+)", result.stdout.decode().split("held-out")[0])
    assert first == "1.000000" and float(last) < 0.2


def test_a_folder_in_the_overlays_place_leaves_nothing_behind(files):
    (files / "out.yaml").mkdir()
    result = fit(files)
    assert result.returncode == 1 and b"out.yaml: Is a directory" in result.stderr
    assert sorted(p.name for p in files.iterdir()) == ["orderings.yaml", "out.yaml", "ranked.jsonl"]


def test_a_folder_that_is_not_there_is_an_error(files):
    result = fit(files, out="no/out.yaml")
    assert result.returncode == 1 and b"no/out.yaml: No such file or directory" in result.stderr
