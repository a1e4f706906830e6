"""`rbr fit --optimizer exact`, bounds and centring: the loss against a linear program's, the direction, what is refused."""

import re

import numpy
import pytest
import scipy.optimize
import scipy.sparse
import yaml

import ranked
from reference import Policy
from reference_fit import differences, features
from worker import ROOT, rbr

SAFETY = ROOT / "config" / "policies" / "safety.yaml"
POLICY = Policy(SAFETY)


@pytest.fixture(scope="module")
def rows():
    return ranked.make(SAFETY, prompts=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("fit")
    (path / "ranked.jsonl").write_text(ranked.to_jsonl(rows))
    (path / "orderings.yaml").write_text(ranked.orderings_yaml())
    return path


def run(folder, *more, data="ranked.jsonl", out="out.yaml"):
    return rbr("fit", "--policy", SAFETY, "--orderings", folder / "orderings.yaml", "--out", folder / out, "--held-out", "0", *more, folder / data)


def fit(folder, *more, **files):
    """(weights by type, report)"""
    result = run(folder, *more, **files)
    assert result.returncode == 0, result.stderr
    return yaml.safe_load((folder / files.get("out", "out.yaml")).read_text())["weights"], result.stdout.decode()


def last_losses(report):
    return [float(loss) for loss in re.findall(r"evaluations (\S+)", report)]


def least_loss(pairs, bounds=(None, None)):
    """Of a linear program: a slack for each pair, at least its hinge and 0; the mean of the slacks as small as can be."""
    d, offsets = numpy.array([p[0] for p in pairs]), numpy.array([p[1] for p in pairs])
    n, k = d.shape
    found = scipy.optimize.linprog(
        numpy.r_[numpy.zeros(k), numpy.full(n, 1 / n)], A_ub=scipy.sparse.hstack([scipy.sparse.csr_matrix(d), -scipy.sparse.eye(n)]),
        b_ub=-offsets, bounds=[bounds] * k + [(0, None)] * n, method="highs")
    assert found.success, found.message
    return found.fun


@pytest.mark.parametrize(("options", "bounds"), [([], (None, None)), (["--bounds", "*=-2:2"], (-2, 2)), (["--bounds", "*=:0"], (None, 0))])
def test_the_loss_is_the_least_that_there_is(folder, rows, options, bounds):
    weights, report = fit(folder, "--optimizer", "exact", *options)
    for response_type, loss in zip(ranked.ORDERINGS, last_losses(report), strict=True):
        least = least_loss(list(differences(POLICY, rows, response_type)), bounds)
        assert least - 1e-6 <= loss <= least + 1e-4
    low, high = ((-1e6 if bounds[0] is None else bounds[0]), (1e6 if bounds[1] is None else bounds[1]))
    assert all(low <= w <= high for of_type in weights.values() for w in of_type.values())


def test_no_more_loss_than_20000_steps(folder):
    _, exact = fit(folder, "--optimizer", "exact")
    for decay in ("0.05", "0"):
        _, steps = fit(folder, "--steps", "20000", "--decay", decay)
        for least, loss in zip(last_losses(exact), re.findall(r"step  20000  training loss (\S+)", steps), strict=True):
            assert least <= float(loss)


def test_the_true_direction_at_low_noise(folder):
    """Of rewards: the features of this policy depend on each other, so other weights may mean nearly the same."""
    made = ranked.make(SAFETY, prompts=100, noise=0.02)
    (folder / "low.jsonl").write_text(ranked.to_jsonl(made))
    weights, _ = fit(folder, "--optimizer", "exact", data="low.jsonl")
    for response_type in ranked.ORDERINGS:
        names = POLICY.features(response_type)
        d = numpy.array([d for d, _ in differences(POLICY, made, response_type)])
        a, b = (d @ [of.get(n, 0) for n in names] for of in (weights[response_type], POLICY.weights[response_type]))
        assert a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b) >= 0.99


def test_decay_makes_weights_small(folder):
    largest = [max(abs(w) for w in fit(folder, "--optimizer", "exact", "--decay", decay)[0]["hard_refuse"].values()) for decay in ("0", "1e-5", "1e-2")]
    assert largest[0] > 10 * largest[1] > 10 * largest[2]


def test_same_bytes_and_where_they_come_from(folder):
    options = ("--optimizer", "exact", "--bounds", "*=-9:9", "--bounds", "hard_refuse.apology=0:", "--bounds", "judgement=:0", "--ignore", "comply.ideal", "--decay", "0.001")
    for out in ("a", "b"):
        fit(folder, *options, out=out)
    text = (folder / "a").read_text()
    assert text == (folder / "b").read_text()
    assert re.search(r"^# Weights fitted by rbr \S+: NLopt \d+\.\d+\.\d+ SLSQP on the hinge loss over pairs\.$", text, re.MULTILINE)
    assert "# weight decay: 0.001\n" in text and "steps" not in text
    assert text.count("# between 0 and 9") == 1 and text.count("# between -9 and 0") == 3 and text.count("# between -9 and 9") > 40 and text.count("# ignored") == 1
    weights = yaml.safe_load(text)["weights"]
    assert weights["comply"]["ideal"] == 0 != weights["hard_refuse"]["ideal"]
    assert weights["hard_refuse"]["apology"] >= 0 and all(of_type["judgement"] <= 0 for of_type in weights.values())


# ---- centring ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "exact"])
def test_centred_the_best_completions_have_0_in_the_mean(folder, rows, optimizer):
    plain, _ = fit(folder, "--optimizer", optimizer)
    centred, report = fit(folder, "--optimizer", optimizer, "--center")
    shown = re.findall(r"centred: (\S+) taken off the class weights; the (\d+) best", report)
    assert len(shown) == len(ranked.ORDERINGS)
    for response_type, (constant, n) in zip(ranked.ORDERINGS, shown, strict=True):
        names, best = POLICY.features(response_type), next(iter(ranked.ORDERINGS[response_type]))
        phi = [features(POLICY, r) for r in rows if r["response_type"] == response_type and r["labels"]["rank"] == best]
        assert len(phi) == int(n)
        means = [numpy.mean(numpy.array(phi) @ [w[response_type][name] for name in names]) for w in (plain, centred)]
        assert means[0] == pytest.approx(float(constant), abs=1e-4) and means[1] == pytest.approx(0, abs=1e-6)
        moved = {name for name in names if plain[response_type][name] != centred[response_type][name]}
        assert moved == {"ideal", "minimum_acceptable_style", "unacceptable_completion", "illogical_completion", "disallowed_completion"}


# ---- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "sentence"), [
    (["--bounds", "apology=0:1"], b"--bounds needs --optimizer exact"),
    (["--optimizer", "exact", "--bounds", "apology"], b"--bounds is FEATURE=LOWER:UPPER, not 'apology'"),
    (["--optimizer", "exact", "--bounds", "apology=1:0"], b"--bounds apology: the lower bound 1 of apology is above its upper 0"),
    (["--optimizer", "exact", "--bounds", "*=:-1", "--bounds", "apology=0:"], b"--bounds apology: the lower bound 0 of apology is above its upper -1"),
    (["--optimizer", "exact", "--bounds", "apology=x:"], b"--bounds: 'x' is no number from -1e6 to 1e6"),
    (["--optimizer", "exact", "--bounds", "apologie=0:"], b"--bounds apologie: no such feature in the fitted types"),
    (["--optimizer", "exact", "--bounds", "sing.apology=0:"], b"--bounds sing.apology: no such feature"),
    (["--optimizer", "exact", "--steps", "9"], b"--steps and --learning-rate are AdamW's"),
    (["--optimizer", "newton"], b"--optimizer is adamw or exact, not 'newton'"),
    (["--center", "--ignore", "ideal"], b"--center moves the weights of all classes, and ideal is no feature, or is ignored or bounded"),
    (["--center", "--optimizer", "exact", "--bounds", "*=-5:5"], b"--center moves the weights of all classes, and ideal is no feature"),
])
def test_wrong_options_are_refused_and_nothing_is_written(folder, options, sentence):
    result = run(folder, *options, out="none.yaml")
    assert result.returncode == 2 and sentence in result.stderr and result.stdout == b""
    assert not (folder / "none.yaml").exists()
