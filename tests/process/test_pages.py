"""The HTML reports in a real browser: plots are drawn, nothing is loaded, the tables hold what --json prints. Screenshots stay in build/pages."""

import base64
import hashlib
import html.parser
import itertools
import json
import re
import statistics

import pytest
import yaml

import ranked
import test_compare
from browser import Browser
from reference import Policy
from reference_fit import differences, dot, features
from test_compare import released, reward, scored  # noqa: F401
from worker import ROOT, rbr

SHOTS = ROOT / "build" / "pages"


# ---- reading a page ---------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Its tables as (heading of the section, caption, rows of cells); a number that is cut on the page is exact here."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tables, self.elements = path, [], []
        self.heading = self.caption = self.text = ""
        self.rows = self.exact = None
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("h2", "h3", "figcaption", "th", "td", "dt", "dd"):
            self.text, self.exact = "", dict(attrs).get("title")
        elif tag == "table":
            self.rows = []
            self.tables.append((self.heading, self.caption, self.rows))
            self.caption = ""
        elif tag == "tr":
            self.rows.append([])
        elif tag == "small":
            self.text += " "

    def handle_endtag(self, tag):
        if tag == "h2":
            self.heading, self.caption = self.text, ""
        elif tag in ("h3", "figcaption"):
            self.caption = self.text
        elif tag in ("th", "td"):
            self.rows[-1].append(self.text if self.exact is None else float(self.exact))

    def handle_data(self, data):
        self.text += data

    def table(self, caption, heading=None):
        """The one whose caption begins so; its first row is the head."""
        (rows,) = (rows for of, text, rows in self.tables if text.startswith(caption) and heading in (None, of))
        return rows

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def numbers(cells):
    """Counts, exact numbers, and None where there is none."""
    return [c if isinstance(c, float) else None if c == "-" else int(c) for c in cells]


def compared(folder, *args):
    """The page and what --json says of the same."""
    path = folder / "page.html"
    result = rbr("compare", "--json", "--html", path, *args)
    assert result.returncode == 0, result.stderr
    return Page(path), json.loads(result.stdout)


@pytest.fixture(scope="module")
def released_page(scored, tmp_path_factory):  # noqa: F811
    return compared(tmp_path_factory.mktemp("page"), "--movers", 12, *scored[0])


# ---- the tables of rbr compare ----------------------------------------------------------------------------------------


def check_counts(page, report):
    head, *rows = page.table("", "Counts")
    assert head[:5] == ["", "rewards", "only here", "again", "with a number"]
    for side, row in zip("ab", rows, strict=True):
        want = report[side]
        assert row[0] == side.upper()
        assert numbers(row[1:5]) == [want[k] for k in ("rewards", "only_here", "repeated", "with_reward")]
        shown = dict(zip(head[5:], numbers(row[5:]), strict=True))
        assert {k: v for k, v in want["statuses"].items() if v} == {k: v for k, v in shown.items() if v}


def check_matrix(rows, names, want):
    assert rows[0] == ["A \\ B", *names]
    for name, cells, counts in zip(names, rows[1:], want, strict=True):
        shown = [f"{n} {100 * n / sum(counts):.1f} %".split() if n else ["0"] for n in counts]
        assert cells[0] == name and [c.split() for c in cells[1:]] == shown


def check_shifts(page, report):
    shifts = [report["all"], *report["response_types"]]
    names = ["all"] + [s["response_type"] or "-" for s in report["response_types"]]
    rows = iter(page.table("Mean and quantiles")[1:])
    for name, shift in zip(names, shifts, strict=True):
        a, b, change = next(rows), next(rows), next(rows)
        assert (a[0], int(a[1]), a[2], b[:3], change[:3]) == (name, shift["n"], "A", ["", "", "B"], ["", "", "B\u2212A"])
        for row, side in ((a, shift["a"]), (b, shift["b"])):
            assert row[3:] == [side["mean"], *side["quantiles"]]
        assert change[3:] == [shift["mean_shift"], *(y - x for x, y in zip(a[4:], b[4:], strict=True))]
        bins = page.table(name, "Rewards by response type")[1:]
        assert [numbers(row[2:]) for row in bins] == [list(pair) for pair in zip(shift["histogram"]["a"], shift["histogram"]["b"], strict=True)]
        assert (bins[0][0], bins[-1][1]) == (shift["histogram"]["low"], shift["histogram"]["high"])
        assert [row[1] for row in bins[:-1]] == [row[0] for row in bins[1:]]
    head, *rows = page.table("Shift of the quantiles")
    assert head == ["quantile", *names]
    for i, row in enumerate(rows):
        assert row[0] == report["quantiles"][i]
        assert row[1:] == [s["b"]["quantiles"][i] - s["a"]["quantiles"][i] for s in shifts]


def check_movers(page, report):
    want = []
    for m in report["movers"]:
        names = [m["completion_id"], m["response_type"], m["a"]["predicted_class"], m["b"]["predicted_class"]]
        pairs = [("reward", m["a"]["reward"], m["b"]["reward"]), *((c["name"], c["a"], c["b"]) for c in m["components"])]
        want += [[*(names if n == 0 else [""] * 4), name, a, b, b - a, ""] for n, (name, a, b) in enumerate(pairs)]
    assert page.table("Rewards, and below each")[1:] == want


@released
def test_the_tables_are_what_json_says(released_page):
    page, report = released_page
    check_counts(page, report)
    check_matrix(page.table("Completions by class"), report["classes"], report["transitions"])
    signs, advantages = test_compare.SIGNS, report["advantages"]
    check_matrix(page.table("Completions by the sign"), signs, [[advantages[a][b] for b in signs] for a in signs])
    check_shifts(page, report)
    assert len(report["movers"]) == 12
    check_movers(page, report)


@released
def test_the_same_rewards_give_the_same_page(released_page, scored, tmp_path):  # noqa: F811
    assert compared(tmp_path, "--movers", 12, *scored[0])[0].path.read_bytes() == released_page[0].path.read_bytes()


# ---- the tables of rbr fit --------------------------------------------------------------------------------------------

SAFETY = ROOT / "config" / "policies" / "safety.yaml"
REWARDS = {"RM": "RM: ", "before": "Before: ", "RBR": "RBR: ", "after": "After: "}  # and their captions
BINS = 40


def fitted(folder, rows, *args):
    """The page, what is printed and the overlay."""
    (folder / "ranked.jsonl").write_text(ranked.to_jsonl(rows))
    (folder / "orderings.yaml").write_text(ranked.orderings_yaml())
    result = rbr("fit", "--policy", SAFETY, "--orderings", folder / "orderings.yaml", "--out", folder / "weights.yaml",
                 "--html", folder / "page.html", *args, folder / "ranked.jsonl")
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode()
    assert text.endswith(f"wrote {folder / 'weights.yaml'}\nwrote {folder / 'page.html'}\n")
    return Page(folder / "page.html"), text, yaml.safe_load((folder / "weights.yaml").read_text())["weights"]


@pytest.fixture(scope="module")
def ranked_rows():
    return ranked.make(SAFETY, prompts=10)


@pytest.fixture(scope="module")
def fitted_page(ranked_rows, tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("fit"), ranked_rows, "--held-out", "0.2")


def weights_on(page, response_type):
    """feature -> (before, after), exactly."""
    return {name: (before, after) for name, before, after, _ in page.table("Weights", response_type)[1:]}


def scored_rows(page, rows, response_type):
    """(label, prompt, rewards by name) of each row, from its judgments and the weights on the page."""
    policy, weights = Policy(SAFETY), weights_on(page, response_type)
    for row in rows:
        if row["response_type"] == response_type:
            phi, rm = features(policy, row), row["reward_model_score"]
            before, after = (sum(w[side] * f for w, f in zip(weights.values(), phi, strict=True)) for side in (0, 1))
            yield row["labels"]["rank"], row["prompt_id"], {"RM": rm, "before": rm + before, "RBR": after, "after": rm + after}


def check_rewards(page, response_type, rows):
    by_label = {}
    for label, _, rewards in rows:
        by_label.setdefault(label, []).append(rewards)
    head, *means = page.table("Mean reward", response_type)
    assert head == ["label", "completions", *REWARDS] and {m[0] for m in means} == {*by_label}
    for label, n, *of_label in means:
        assert int(n) == len(by_label[label])
        assert of_label == pytest.approx([statistics.fmean(r[name] for r in by_label[label]) for name in REWARDS], abs=1e-9)
    for name, caption in REWARDS.items():
        head, *bins = page.table(caption, response_type)
        assert head[:2] == ["from", "to"] and {*head[2:]} == {*by_label} and len(bins) == BINS
        low, high = bins[0][0], bins[-1][1]
        every = [r[name] for _, _, r in rows]
        assert (low, high) == pytest.approx((min(every), max(every)), abs=1e-9)
        for label, *shares in zip(head[2:], *[row[2:] for row in bins], strict=True):
            counts = [0] * BINS
            for r in by_label[label]:
                counts[max(0, min(int((r[name] - low) / (high - low) * BINS), BINS - 1))] += 1
            assert shares == [n / len(by_label[label]) for n in counts], (name, label)


def check_ranking(page, response_type, rows, n_pairs):
    ordering = ranked.ORDERINGS[response_type]
    found = {}
    for (better, prompt, high), (worse, other, low) in itertools.product(rows, rows):
        if prompt == other and worse in ordering.get(better, []):
            found.setdefault((better, worse), []).append([low[name] >= high[name] for name in REWARDS])
    head, *shown, trained, held_out = page.table("Ranking error", response_type)
    assert head == ["better", "worse", "pairs", *REWARDS]
    assert {(row[0], row[1]): row[2:] for row in shown} == {
        labels: [str(len(wrong)), *(sum(w) / len(wrong) for w in zip(*wrong, strict=True))] for labels, wrong in found.items()}
    assert (trained[:2], held_out[:2]) == (["all", "trained on"], ["all", "held out"])
    every = [wrong for of_labels in found.values() for wrong in of_labels]
    assert n_pairs == (int(trained[2]), int(held_out[2])) and sum(n_pairs) == len(every)
    for i, wrong in enumerate(zip(*every, strict=True)):
        assert trained[3 + i] * n_pairs[0] + held_out[3 + i] * n_pairs[1] == pytest.approx(sum(wrong))


def check_curve(page, response_type, block, n_pairs, pairs):
    """What is printed of it; and both ends, as both kinds of pairs together, from the pairs themselves."""
    head, *curve = page.table("Loss", response_type)
    assert head == ["step", "trained on", "held out"]
    at = {int(step): (trained, held_out) for step, trained, held_out in curve}
    shown = {int(step): float(loss) for step, loss in re.findall(r"step +(\d+)  training loss (\S+)", block)}
    assert len(at) == 251 and len(shown) == 11 and {*shown} <= {*at}
    assert all(at[step][0] == pytest.approx(loss, abs=1e-6) for step, loss in shown.items())
    assert at[1000][1] == pytest.approx(float(re.search(r"held-out loss (\S+)", block)[1]), abs=1e-6)
    fitted_weights = [after for _, after in weights_on(page, response_type).values()]
    for step, weights in ((0, [0] * len(fitted_weights)), (1000, fitted_weights)):
        mean = statistics.fmean(max(0, offset + dot(weights, d)) for d, offset in pairs)
        assert (at[step][0] * n_pairs[0] + at[step][1] * n_pairs[1]) / sum(n_pairs) == pytest.approx(mean, abs=1e-9)


def test_the_page_of_a_fit_is_what_is_printed_and_what_the_rows_give(fitted_page, ranked_rows):
    page, text, overlay = fitted_page
    policy = Policy(SAFETY)
    blocks = re.split(r"^(?=\w+: \d+ rows)", text, flags=re.MULTILINE)[1:]
    assert [heading for heading, caption, _ in page.tables if caption == "Weights"] == list(overlay) == list(ranked.ORDERINGS)
    for response_type, block in zip(overlay, blocks, strict=True):
        weights = weights_on(page, response_type)
        assert {name: after for name, (_, after) in weights.items()} == pytest.approx(overlay[response_type], abs=1e-9)
        assert {name: before for name, (before, _) in weights.items()} == policy.weights[response_type]
        rows = list(scored_rows(page, ranked_rows, response_type))
        total, trained = map(int, re.search(r"(\d+) pairs \((\d+) trained on\)", block).groups())
        n_pairs = trained, total - trained
        assert min(n_pairs) > 50
        check_rewards(page, response_type, rows)
        check_ranking(page, response_type, rows, n_pairs)
        check_curve(page, response_type, block, n_pairs, list(differences(policy, ranked_rows, response_type)))


def test_mean_rewards_and_ranking_errors_are_printed_too(fitted_page):
    """The text's tables, by label and by pair of labels, are the page's."""
    page, text, overlay = fitted_page
    for response_type, block in zip(overlay, re.split(r"^(?=\w+: \d+ rows)", text, flags=re.MULTILINE)[1:], strict=True):
        printed = [line.rsplit(maxsplit=5) for line in block.splitlines() if len(line) > 80]
        means = page.table("Mean reward", response_type)[1:]
        errors = [[", ".join(r[:2]) if r[0] == "all" else " > ".join(r[:2]), *r[2:]] for r in page.table("Ranking error", response_type)[1:]]
        heads = [["ranking error", "pairs", *REWARDS], *errors, ["mean reward", "completions", *REWARDS], *means]
        assert [[p[0].strip(), *p[1:]] for p in printed] == [[c if isinstance(c, str) else f"{c:.4f}" for c in row] for row in heads]


@pytest.mark.parametrize("args", [["--optimizer", "exact", "--center"], ["--no-reward-model", "--held-out", "0", "--steps", "7"]])
def test_a_page_shows_only_what_there_is(ranked_rows, tmp_path, args):
    page, _, overlay = fitted(tmp_path, ranked_rows, *args)
    captions = [caption for _, caption, _ in page.tables]
    text = page.path.read_text()
    if "exact" in args:
        assert "Loss" not in captions and text.count("<p>There is no curve of the loss: ") == text.count("<p>Centred: ") == len(overlay)
    else:
        assert not any(c.startswith("RM:") for c in captions)
        for response_type in overlay:
            assert [row[0] for row in page.table("Loss", response_type)] == ["step", *map(str, range(8))]
            assert page.table("Loss", response_type)[0] == ["step", "trained on"]
            assert page.table("Ranking error", response_type)[-1] == ["all", "held out", "0", "-", "-", "-", "-"]


def test_a_fit_whose_page_cannot_be_written_says_so(ranked_rows, tmp_path):
    """The weights are there all the same."""
    (tmp_path / "page.html").mkdir()
    with pytest.raises(AssertionError, match="page.html: Is a directory"):
        fitted(tmp_path, ranked_rows)
    assert (tmp_path / "weights.yaml").exists()


# ---- the page as such -------------------------------------------------------------------------------------------------


def check_policy(page):
    """Only the page's own style and script are allowed, by their hashes, and there is nothing else that could run or load."""
    text = page.path.read_text()
    policy = dict(p.strip().split(" ", 1) for p in page.all("meta")[1]["content"].split(";"))
    assert policy.pop("default-src") == "'none'" and policy.pop("img-src") == "data:"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(inside) == len(page.all(tag)) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert policy.pop(directive) == f"'sha256-{digest}'"
    assert policy == {"base-uri": "'none'", "form-action": "'none'"}
    for _, attributes in page.elements:
        assert not {a for a in attributes if a.startswith("on") or a in ("style", "src")}
        assert attributes.get("href", "data:,") == "data:,"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as b:
        yield b


# Of each plot: how many pixels are of another colour than the paper's, which is transparent, and which colours the series have.
INK = """
return [...document.querySelectorAll("figure")].map(figure => {
    const canvas = figure.querySelector("canvas");
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const colors = new Map();
    for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] === 255) {
            const color = "#" + [0, 1, 2].map(k => data[i + k].toString(16).padStart(2, "0")).join("");
            colors.set(color, (colors.get(color) || 0) + 1);
        }
    return {caption: figure.querySelector("figcaption").textContent, width: canvas.clientWidth, colors: Object.fromEntries(colors)};
})"""
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


def look_at(browser, page, name):
    """Opens it light and dark, wide and narrow: plots have ink of their series, nothing is loaded or complained of, nothing sticks out."""
    check_policy(page)
    browser.requests(), browser.console()
    figures = {}
    for width in (1280, 390):
        for theme in ("light", "dark"):
            browser.show(width, 900, dark=theme == "dark")
            browser.open(page.path)
            assert browser.requests() == [page.path.as_uri()]
            figures[width, theme] = browser.run(INK)
            assert len(figures[width, theme]) == len(page.all("figure"))
            scroll, client = browser.run(WIDTHS)
            assert scroll == client == width
            browser.screenshot(SHOTS / f"{name}-{width}-{theme}.png")
    assert browser.console() == []
    for (width, _), of_page in figures.items():
        assert all(200 <= figure["width"] <= width for figure in of_page)
    return figures


def check_ink(figures, *series):
    """Each plot has a good deal of its last series' colour: those before it may lie below it."""
    for (_, theme), of_page in figures.items():
        color = {"light": ("#1f6fc1", "#d9730d"), "dark": ("#5aa5f2", "#f2a04e")}[theme]
        for figure in of_page:
            if figure["caption"] in series:
                assert figure["colors"].get(color[1], 0) > 100, figure


@released
def test_a_comparison_in_a_browser(released_page, browser):
    figures = look_at(browser, released_page[0], "compare")
    types = [s["response_type"] for s in released_page[1]["response_types"]]
    assert [f["caption"] for f in figures[1280, "light"]] == ["Shift of the quantiles", "all", *types]
    check_ink(figures, "all", *types)


def test_a_fit_in_a_browser(fitted_page, browser):
    figures = look_at(browser, fitted_page[0], "fit")
    assert len(figures[1280, "light"]) == len(fitted_page[2]) * (1 + len(REWARDS))
    check_ink(figures, "Loss")


@released
def test_plots_follow_theme_width_and_paper(released_page, browser):
    """Without being opened anew."""
    browser.show(1280, 900)
    browser.open(released_page[0].path)
    assert all("#1f6fc1" in f["colors"] or "#d9730d" in f["colors"] for f in browser.run(INK))
    browser.show(390, 900, dark=True)
    browser.run("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    figures = browser.run(INK)
    assert all(f["width"] <= 390 for f in figures)
    assert all("#5aa5f2" in f["colors"] or "#f2a04e" in f["colors"] for f in figures)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert not any("#f2a04e" in f["colors"] for f in browser.run(INK))
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert any("#f2a04e" in f["colors"] for f in browser.run(INK))
    assert browser.console() == []


LEGEND = "return [...document.querySelector('figure').querySelectorAll('.u-label')].map(e => e.textContent)"


def test_a_plot_with_a_diagonal(fitted_page, browser, tmp_path):
    """As a reliability diagram has it: one more line, y = x. No report has one yet, so another plot is given it."""
    path = tmp_path / "page.html"
    path.write_text(fitted_page[0].path.read_text().replace('data-y="mean loss of the pairs"', 'data-y="mean loss of the pairs" data-diagonal=""', 1))
    browser.show(1280, 900)
    browser.open(path)
    assert browser.run(LEGEND) == ["step", "trained on", "held out", "y = x"]
    assert browser.run("return document.querySelector('figure').plot.data.map(column => [column[0], column[column.length - 1]])")[3] == [0, 1000]
    assert browser.console() == []


HOSTILE = ("</script><script>document.title = 'no'</script>", "<img src=x onerror=\"document.title = 'no'\">", "\u2028\u202e'\"&amp;",
           "</figcaption></figure></table>")


def test_names_stay_text(tmp_path, browser):
    """Whatever a completion or a policy is called."""
    paths = tmp_path / "a<b>&'\".jsonl", tmp_path / "b.jsonl"
    for path, value in zip(paths, (1.0, 2.0), strict=True):
        path.write_text("".join(
            reward(f"{n}{name}", reward_id=f"{n}", predicted_class=f"c{name}", response_type=f"t{name}", reward=value + n, group_id="g", run_id="r",
                   components=[{"name": f"p{name}", "value": value + n}]) for n, name in enumerate(HOSTILE)))
    page, report = compared(tmp_path, *paths)
    check_shifts(page, report)
    check_movers(page, report)
    look_at(browser, page, "hostile")
    assert browser.run("return document.title") == "Two sets of rewards"
    assert browser.run("return document.querySelectorAll('script, img, section, figure').length") == 1 + 6 + 1 + 1 + len(HOSTILE)
    shown = browser.run("return [...document.querySelectorAll('section:last-of-type tbody th')].map(cell => cell.textContent)")
    assert [s for s in shown if s] == [m["completion_id"] for m in report["movers"]]
    assert browser.run(LEGEND) == ["quantile", "all", *(s["response_type"] for s in report["response_types"])]


def test_nothing_to_compare_is_said_and_not_drawn(tmp_path, browser):
    path = tmp_path / "a.jsonl"
    path.write_text(reward(status="STATUS_FAILED"))
    page, _ = compared(tmp_path, path, path)
    text = page.path.read_text()
    for sentence in ("No completion has a number in both.", "No group has two completions with a number in both.", "<p>None.</p>"):
        assert sentence in text
    look_at(browser, page, "nothing")


@pytest.mark.parametrize(("file", "says"), [("no/page.html", "No such file or directory"), (".", "Is a directory")])
def test_a_page_that_cannot_be_written(tmp_path, file, says):
    (tmp_path / "a").write_text(reward())
    result = rbr("compare", tmp_path / "a", tmp_path / "a", "--html", tmp_path / file)
    assert result.returncode == 1 and result.stderr.decode() == f"rbr compare: {tmp_path / file}: {says}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
