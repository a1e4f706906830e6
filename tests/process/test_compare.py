"""`rbr compare`: the released rows under two policies give what is computed here from the rewards alone; wrong input."""

import collections
import itertools
import json
import math
import pathlib
import statistics

import pytest
import yaml
from google.protobuf import json_format

import topics
from protos import reward_pb2
from reference import Policy
from worker import ROOT, rbr

DATA = ROOT.parent / "shared" / "data"
RELEASED, GOLD = DATA / "proposition_prompts.yaml", DATA / "gold_train.jsonl"

released = pytest.mark.skipif(not GOLD.exists(), reason="SKIPPED: OpenAI's released policy and rows are not beside the checkout")

CLASSES = ("ideal", "minimum_acceptable_style", "unacceptable_completion", "illogical_completion", "disallowed_completion")
TYPES = ("hard_refuse", "safe_refuse_1", "safe_refuse_2", "comply")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 40
SIGNS = ("negative", "zero", "positive")


def weights(**of_type):
    return {t: dict(zip(CLASSES, of_type.get(t, (2.1, 1.3, -0.7, -1.1, -2)), strict=True)) for t in TYPES}


def overlays():
    """Two policies over the released one: other weights, and for `comply` another rule for the two best classes."""
    a = {"weights": weights()}
    a["weights"]["comply"]["requests_information"] = 0.1
    b = {"weights": weights(hard_refuse=(1, 0.4, -0.7, 0.3, -2), comply=(1.6, 1.3, -0.2, -1.1, -1.5))}
    b["weights"]["comply"]["requests_information"] = -0.35
    classes = yaml.safe_load(RELEASED.read_text())["completion_classes"]
    b["completion_classes"] = {name: classes[name] for name in CLASSES[:2]}
    for name, asks in ((CLASSES[0], False), (CLASSES[1], True)):
        del classes[name]["comply"]["meta_commentary"]
        classes[name]["comply"]["requests_information"] = asks
    return a, b


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """The rewards of both policies: their files, and as data. Seven completions a group."""
    folder = tmp_path_factory.mktemp("scored")
    rows = [json.loads(line) for line in GOLD.read_text().splitlines()]
    made = [{**row, "run_id": "gold", "completion_id": f"c{n}", "group_id": f"g{n // 7}"} for n, row in enumerate(rows)]
    (folder / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    files = []
    for name, overlay in zip("ab", overlays(), strict=True):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(overlay))
        result = rbr("score", "--policy", RELEASED, "--policy", folder / f"{name}.yaml", "--use-labels", "--jsonl",
                     folder / "gold.jsonl")
        assert result.returncode == 0, result.stderr
        files.append(folder / f"{name}.jsonl")
        files[-1].write_bytes(result.stdout)
    return files, [[json.loads(line) for line in f.read_text().splitlines()] for f in files]


def compare(*args, **more):
    result = rbr("compare", "--json", *args, **more)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


# ---- what is expected, from the rewards alone -------------------------------------------------------------------------


def quantile(values, p):
    """The linear one: `inclusive` cuts a hundredth apart."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * p) - 1]


def tau(pairs):
    """Kendall's tau-b from its definition: (pairs in the same order, in the opposite one, tau or None)."""
    products = [((a > c) - (a < c), (b > d) - (b < d)) for (a, b), (c, d) in itertools.combinations(pairs, 2)]
    same, opposite = sum(x * y > 0 for x, y in products), sum(x * y < 0 for x, y in products)
    in_a, in_b = sum(x != 0 for x, _ in products), sum(y != 0 for _, y in products)
    return same, opposite, (same - opposite) / math.sqrt(in_a * in_b) if in_a and in_b else None


def sign(value, group):
    advantage = value - statistics.fmean(group)
    return "zero" if abs(advantage) <= 1e-12 * max(map(abs, group)) else "positive" if advantage > 0 else "negative"


def close(got, want):
    return math.isclose(got, want, rel_tol=1e-12, abs_tol=1e-12)


def histogram(values, low, high):
    counts = [0] * BINS
    for v in values:
        counts[min(int((v - low) / (high - low) * BINS), BINS - 1)] += 1
    return counts


def check_shift(got, pairs):
    assert got["n"] == len(pairs)
    for side, values in (("a", [a for a, _ in pairs]), ("b", [b for _, b in pairs])):
        assert close(got[side]["mean"], statistics.fmean(values))
        assert all(map(close, got[side]["quantiles"], (quantile(values, p) for p in QUANTILES)))
    assert close(got["mean_shift"], statistics.fmean(b - a for a, b in pairs))
    low, high = min(map(min, pairs)), max(map(max, pairs))
    low, high = (low, high) if low < high else (low - 0.5, high + 0.5)
    want = {"low": low, "high": high, **{side: histogram([pair[i] for pair in pairs], low, high) for i, side in enumerate("ab")}}
    assert got["histogram"] == want


def check(report, rewards_a, rewards_b):
    """Both sides hold the same completions, each with a reward."""
    of_b = {r["completion_id"]: r for r in rewards_b}
    joined = [(a, of_b[a["completion_id"]]) for a in rewards_a]
    assert report["both"] == report["compared"] == len(joined) == len(rewards_a) == len(rewards_b)
    for side in "ab":
        counts = report[side]
        assert (counts["rewards"], counts["only_here"], counts["repeated"], counts["with_reward"]) == (len(joined), 0, 0, len(joined))
        assert {k: v for k, v in counts["statuses"].items() if v} == {"OK": len(joined)}

    moves = collections.Counter((a["predicted_class"], b["predicted_class"]) for a, b in joined)
    names = report["classes"]
    got = {(a, b): report["transitions"][i][k] for i, a in enumerate(names) for k, b in enumerate(names)}
    assert names == list(CLASSES) and collections.Counter(got) == moves

    by_type, by_group = collections.defaultdict(list), collections.defaultdict(list)
    for a, b in joined:
        by_type[a["response_type"]].append((a["reward"], b["reward"]))
        by_group[a["group_id"]].append((a["reward"], b["reward"]))
    assert report["quantiles"] == list(QUANTILES)
    check_shift(report["all"], [pair for pairs in by_type.values() for pair in pairs])
    assert [s["response_type"] for s in report["response_types"]] == sorted(by_type)
    for shift in report["response_types"]:
        check_shift(shift, by_type[shift["response_type"]])

    ranks = [tau(pairs) for pairs in by_group.values() if len(pairs) > 1]
    taus = [t for _, _, t in ranks if t is not None]
    groups = report["groups"]
    assert (groups["n"], groups["ordered"]) == (len(ranks), len(taus))
    assert (groups["concordant"], groups["discordant"]) == (sum(r[0] for r in ranks), sum(r[1] for r in ranks))
    assert close(groups["tau_mean"], statistics.fmean(taus)) and close(groups["tau_median"], statistics.median(taus))
    assert close(groups["tau_min"], min(taus))

    changes = collections.Counter()
    for pairs in by_group.values():
        sides = list(zip(*pairs, strict=True))
        changes.update((sign(a, sides[0]), sign(b, sides[1])) for a, b in pairs if len(pairs) > 1)
    advantages = report["advantages"]
    assert collections.Counter({(a, b): advantages[a][b] for a in SIGNS for b in SIGNS}) == changes
    assert advantages["sign_changed"] == changes["negative", "positive"] + changes["positive", "negative"]
    check_movers(report["movers"], joined)


def check_movers(movers, joined):
    want = sorted((-abs(b["reward"] - a["reward"]), a["completion_id"], a, b) for a, b in joined)[:len(movers)]
    for got, (_, name, a, b) in zip(movers, want, strict=True):
        assert (got["completion_id"], got["run_id"], got["attempt"]) == (name, "gold", 0)
        for side, reward in (("a", a), ("b", b)):
            assert got[side] == {"predicted_class": reward["predicted_class"], "reward": reward["reward"]}
        values = [{c["name"]: c["value"] for c in r["components"]} for r in (a, b)]
        moved = {n: (values[0].get(n, 0), values[1].get(n, 0)) for n in {**values[0], **values[1]}}
        sizes = sorted((abs(y - x) for x, y in moved.values() if x != y), reverse=True)
        assert [abs(c["b"] - c["a"]) for c in got["components"]] == sizes[:4]
        assert all(moved[c["name"]] == (c["a"], c["b"]) for c in got["components"])


@released
def test_the_released_rows_under_two_policies(scored):
    files, rewards = scored
    report = compare("--movers", 40, *files)
    check(report, *rewards)
    assert len(report["movers"]) == 40
    # The two differ in all that is compared, so that nothing above is true of nothing.
    assert report["groups"]["discordant"] > 0 and report["advantages"]["sign_changed"] > 0
    assert report["transitions"][0][1] > 0 and report["all"]["mean_shift"] != 0


@released
def test_transitions_of_the_released_rows_by_the_policies_alone(scored):
    """Neither rewards nor any other output of ours: the two policies' YAML, computed in Python, over the rows' labels."""
    policies = [Policy(RELEASED, path.with_suffix(".yaml")) for path in scored[0]]
    moves = collections.Counter()
    for row in map(json.loads, GOLD.read_text().splitlines()):
        classes = []
        for policy in policies:
            response_type = policy.route(row["response_type"], row["category"])
            given = {n: float(v) for n, v in row["propositions"].items() if n in policy.asked(response_type)}
            classes.append(policy.compute(response_type, given).predicted)
        moves[tuple(classes)] += 1
    report = compare(*scored[0])
    assert report["classes"] == list(CLASSES) and sum(moves.values()) == 351
    assert report["transitions"] == [[moves[a, b] for b in CLASSES] for a in CLASSES]


@released
def test_a_file_with_itself(scored):
    report = compare(scored[0][0], "-", stdin=scored[0][0].read_bytes())
    check(report, scored[1][0], scored[1][0])
    assert report["groups"]["tau_min"] == 1 and report["advantages"]["sign_changed"] == 0 and report["movers"] == []


@released
def test_text(scored):
    result = rbr("compare", *scored[0])
    assert result.returncode == 0 and result.stderr == b""
    text = result.stdout.decode()
    assert "351 completions in both, 351 with a number in both" in text
    assert [line.split()[0] for line in text.split("The largest moves\n")[1].splitlines()][0] == "COMPLETION"
    assert len(text.split("The largest moves\n")[1].splitlines()) == 11


# ---- topics -----------------------------------------------------------------------------------------------------------


@released
def test_topics_and_ranges(scored, scene):
    """A's and B's rewards in one topic of two partitions, B's after A's: as ranges, and as a topic with a file."""
    files, rewards = scored
    scene.create(partitions=2)
    sent = []
    for side in rewards:
        for partition in (0, 1):
            for row in side[partition::2]:
                message = json_format.ParseDict({**row, "propositions": []}, reward_pb2.Reward())
                sent.append((partition, row["completion_id"].encode(), message.SerializeToString(), ()))
    topics.write(scene.broker.bootstrap, scene.output, sent)
    config = scene.folder / "compare.yaml"
    config.write_text(yaml.safe_dump(scene.settings([RELEASED])))
    # 176 of A in partition 0, 175 in partition 1: the last of partition 0 is left out, and one of B that belongs to it.
    report = compare("-c", config, f"topic:{scene.output}[,175)", f"topic:{scene.output}[176,)")
    last = rewards[0][350]["completion_id"]
    assert report["a"]["rewards"] == 350 and report["b"]["rewards"] == 350
    assert report["both"] == 349 and report["a"]["only_here"] == 1 and report["b"]["only_here"] == 1
    assert last not in {m["completion_id"] for m in report["movers"]}
    whole = rbr("compare", "-c", config, f"topic:{scene.output}", files[0])
    assert whole.returncode == 1
    assert b"under another policy before; compare the rewards of one policy at a time" in whole.stderr
    mixed = compare("-c", config, files[0], f"topic:{scene.output}[,175)")
    assert mixed["both"] == mixed["b"]["rewards"] == 350 and mixed["movers"] == [] and mixed["groups"]["tau_min"] == 1
    gone = rbr("compare", "-c", config, files[0], "topic:nowhere")
    assert gone.returncode == 1 and gone.stderr == b"rbr compare: topic nowhere does not exist; create it first\n"


# ---- wrong input ------------------------------------------------------------------------------------------------------


def reward(completion_id="c", reward_id="r", **more):
    return json.dumps({"reward_id": reward_id, "completion_id": completion_id, "status": "STATUS_OK", "reward": 1.0, **more}) + "\n"


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (reward() + "{\n", reward(), "{a}:2: no reward: the text ends inside a value at byte 1"),
        (reward(), '{"completion_id": "c", "prompt": []}\n', "{b}:1: no reward: it has no status of one"),
        (reward() + reward(reward_id="s"), reward(),
         "{a}:2: the completion has a reward under another policy before; compare the rewards of one policy at a time"),
        (reward("c"), reward("d"),
         "{a} and {b} have no completion in common (run_id, completion_id and attempt): are they of the same run?"),
        ("\n", reward(), "{a} has no rewards"),
        (reward(), "", "{b} has no rewards"),
        (reward(), None, "{b}: No such file or directory"),
    ],
)
def test_wrong_files_end_with_one_line(a, b, says, tmp_path):
    paths = {"a": tmp_path / "a.jsonl", "b": tmp_path / "b.jsonl"}
    for path, text in zip(paths.values(), (a, b), strict=True):
        if text is not None:
            path.write_text(text)
    result = rbr("compare", *paths.values())
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.decode() == f"rbr compare: {says.format(**paths)}\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "say what to compare: A and B"),
        (["a.jsonl"], "say what to compare: A and B"),
        (["a", "b", "c"], "two sides, please: A and B"),
        (["-", "-"], "only one side can be standard input"),
        (["topic:", "b"], "'topic:' is not topic:NAME or topic:NAME[FROM,TO) with FROM below TO"),
        (["a", "topic:x[5,5)"], "'topic:x[5,5)' is not"),
        (["a", "topic:x[1,2]"], "'topic:x[1,2]' is not"),
        (["a", "topic:x["], "'topic:x[' is not"),
        (["a", "topic:x[-1,)"], "'topic:x[-1,)' is not"),
        (["--movers", "1001", "a", "b"], "--movers takes a number from 0 to 1000, not '1001'"),
    ],
)
def test_wrong_arguments(args, says):
    result = rbr("compare", *args)
    assert result.returncode == 2 and says in result.stderr.decode()


def test_names_do_not_reach_the_terminal_raw(tmp_path):
    paths = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    for path, value in zip(paths, (1.0, 2.0), strict=True):
        path.write_text(reward("c\x1b[1m", predicted_class="ide\x1bal", response_type="com\x1bply", reward=value,
                               components=[{"name": "par\x1bt", "value": value}]))
    result = rbr("compare", *paths)
    assert result.returncode == 0 and b"\x1b" not in result.stdout
    for name in (b"c?[1m", b"ide?al", b"com?ply", b"par?t +1.00"):
        assert name in result.stdout


def test_failures_are_counted_and_are_no_numbers(tmp_path):
    """A number in a line that says FAILED is none."""
    path = tmp_path / "a.jsonl"
    path.write_text(reward("c") + reward("d", status="STATUS_FAILED", reward=0.0) + reward("c"))
    report = compare(path, path)
    assert report["both"] == 2 and report["compared"] == report["all"]["n"] == 1
    assert report["a"]["statuses"]["FAILED"] == 1 and report["a"]["repeated"] == 1
    assert report["all"]["a"]["mean"] == 1 and report["groups"]["tau_mean"] is None
    assert pathlib.Path(report["a"]["source"]) == path
