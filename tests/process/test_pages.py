"""The HTML reports in a real browser: plots are drawn, nothing is loaded, the tables hold what --json prints. Screenshots stay in build/pages."""

import base64
import hashlib
import html.parser
import json
import re

import pytest

import test_compare
from browser import Browser
from test_compare import released, reward, scored  # noqa: F401
from worker import ROOT, rbr

SHOTS = ROOT / "build" / "pages"


# ---- reading a page ---------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Its tables as {caption, or the heading of the section: rows of cells}; a number that is cut on the page is exact here."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tables, self.elements = path, {}, []
        self.heading = self.caption = self.text = ""
        self.rows = self.exact = None
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("h2", "h3", "figcaption", "th", "td", "dt", "dd"):
            self.text, self.exact = "", dict(attrs).get("title")
        elif tag == "table":
            self.rows = self.tables.setdefault(self.caption or self.heading, [])
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
    head, *rows = page.tables["Counts"]
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
    rows = iter(page.tables["Mean and quantiles"][1:])
    for name, shift in zip(names, shifts, strict=True):
        a, b, change = next(rows), next(rows), next(rows)
        assert (a[0], int(a[1]), a[2], b[:3], change[:3]) == (name, shift["n"], "A", ["", "", "B"], ["", "", "B\u2212A"])
        for row, side in ((a, shift["a"]), (b, shift["b"])):
            assert row[3:] == [side["mean"], *side["quantiles"]]
        assert change[3:] == [shift["mean_shift"], *(y - x for x, y in zip(a[4:], b[4:], strict=True))]
        bins = page.tables[name][1:]
        assert [numbers(row[2:]) for row in bins] == [list(pair) for pair in zip(shift["histogram"]["a"], shift["histogram"]["b"], strict=True)]
        assert (bins[0][0], bins[-1][1]) == (shift["histogram"]["low"], shift["histogram"]["high"])
        assert [row[1] for row in bins[:-1]] == [row[0] for row in bins[1:]]
    head, *rows = page.tables["Shift of the quantiles"]
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
    shown = next(rows for caption, rows in page.tables.items() if caption.startswith("Rewards, and below each"))
    assert shown[1:] == want


@released
def test_the_tables_are_what_json_says(released_page):
    page, report = released_page
    check_counts(page, report)
    by_class = next(rows for caption, rows in page.tables.items() if caption.startswith("Completions by class"))
    check_matrix(by_class, report["classes"], report["transitions"])
    by_sign = next(rows for caption, rows in page.tables.items() if caption.startswith("Completions by the sign"))
    signs, advantages = test_compare.SIGNS, report["advantages"]
    check_matrix(by_sign, signs, [[advantages[a][b] for b in signs] for a in signs])
    check_shifts(page, report)
    assert len(report["movers"]) == 12
    check_movers(page, report)


@released
def test_the_same_rewards_give_the_same_page(released_page, scored, tmp_path):  # noqa: F811
    assert compared(tmp_path, "--movers", 12, *scored[0])[0].path.read_bytes() == released_page[0].path.read_bytes()


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
    legend = browser.run("return [...document.querySelector('figure').querySelectorAll('.u-label')].map(e => e.textContent)")
    assert legend == ["quantile", "all", *(s["response_type"] for s in report["response_types"])]


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
