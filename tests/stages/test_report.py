"""The report of a small study, read back as HTML."""

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from satseg.errors import UserError
from satseg.measures import MEASURES, PRINTED
from satseg.pages.captions import CAPTIONS, caption
from satseg.pages.provenance import flat_entries
from satseg.pages.report import MIME
from satseg.paths import FIGURES, TABLES, USUAL_FIGURES
from satseg.stages import tables
from satseg.stages.report import run
from study_tree import CLASSES, PAPER, study_slice, write_tree

CHROMIUM = (
    shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Tags with attributes, ids, and text by the id of the innermost section."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.sections: dict[str, str] = {}
        self.inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.inside.append(attributes["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
        if tag == "section":
            self.inside.pop()

    def handle_data(self, data):
        if self.inside and self.open[-1] not in ("script", "style"):
            self.sections[self.inside[-1]] = self.sections.get(self.inside[-1], "") + data

    def every(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def build(root, spec) -> str:
    folders = write_tree(root, spec)
    tables.run(spec, *folders)
    run(spec, *folders)
    return (root / "results/mine/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    spec = study_slice(seeds=[0, 1], about="A toy protocol.")
    return root, spec, build(root, spec)


@pytest.fixture(scope="module")
def page(tree):
    return Page(tree[2])


def test_the_page_is_well_formed(page):
    assert page.open == []
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_page_requests_nothing(page):
    assert all(a.get("src", "data:").startswith("data:") for _, a in page.tags)
    assert page.every("link") == page.every("iframe") == []
    assert all("src" not in a for a in page.every("script"))
    policy = next(
        a["content"] for a in page.every("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_style_requests_nothing(tree):
    style = re.search(r"<style>(.*?)</style>", tree[2], re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_every_figure_is_there_in_order_with_its_own_bytes(tree, page):
    root, spec, _ = tree
    images = [image for image in page.every("img") if not image["alt"].startswith("scene ")]
    assert len(images) == len(spec.study.figures) == len(USUAL_FIGURES)
    order = [
        "cost",
        "losses",
        "metrics",
        "predictions",
        "per_class",
        "confusion",
        "leakage",
        "samples",
        "classes",
        "architecture",
    ]
    for name, image in zip(order, images, strict=True):
        kind, content = image["src"].removeprefix("data:").split(";base64,")
        file = root / f"results/mine/figures/{name}.{FIGURES[name]}"
        assert kind == MIME[FIGURES[name]]
        assert base64.b64decode(content) == file.read_bytes()
        assert image["alt"].startswith(CAPTIONS[name].title)


def test_a_caption_says_that_one_fold_is_shown():
    for name in CAPTIONS:
        assert caption(name, folds=False) == CAPTIONS[name]
        told = "first fold" in caption(name, folds=True).text
        assert told == (name == "predictions")


def test_every_figure_a_study_may_show_has_a_caption():
    assert set(CAPTIONS) == set(FIGURES)


def test_every_table_is_there(page):
    missing = {f"table-{name}" for name in TABLES} - set(page.sections)
    # It compares itself with no paper, and no recipe is tuned.
    assert missing == {"table-claims", "table-published", "table-trials"}
    assert "1,234,567" in page.sections["table-models"]
    assert "always Wood (majority)" in page.sections["table-scores"]
    assert "none of the 32 test tiles" in page.sections["table-splits"]
    assert "Definitions" in page.sections["table-scores"]


def test_the_contents_lead_to_every_section(page):
    targets = {a["href"] for a in page.every("a") if a["href"].startswith("#")}
    assert targets == {f"#{a['id']}" for a in page.every("section")} - {"#answer"}


def test_the_answer_is_that_of_the_scores(tree, page):
    opening = (
        (tree[0] / "results/mine/tables/scores.md").read_text().split("## ")[0].split("\n\n")[1:-1]
    )
    plain = [sentence.replace("**", "") for sentence in opening]
    assert len(plain) == 6
    assert sum(sentence.startswith("Which model to take on ") for sentence in plain) == 2
    assert all(sentence in page.sections["answer"] for sentence in plain)
    assert "alpha scores highest, with a mean IoU (mIoUᴰ) of" in page.sections["answer"]


def test_every_column_can_be_sorted_from_the_keyboard(tree):
    headings = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", tree[2], re.S)
    assert len(headings) > 30
    assert all(re.fullmatch(r'<button type="button">.+</button>', h, re.S) for h in headings)


def test_cells_carry_their_sort_keys(tree):
    row = re.search(r"<tr>\s*<th scope=\"row\" data-key=\"alpha\">.*?</tr>", tree[2], re.S)[0]
    shown = re.findall(r'class="number" data-key="([^"]+)">(?:<strong>)?\[?([\d.,]+)', row)
    assert len(shown) == 8
    for key, value in shown:
        text = value.rstrip(",")
        decimals = len(text.partition(".")[2])
        assert f"{float(key):,.{decimals}f}" == text


def test_the_provenance_of_every_run_is_there(tree, page):
    text = page.sections["provenance"]
    spec = tree[1]
    for cell in spec.cells:
        assert f"toy, {cell.model}, {cell.recipe}, seed {cell.seed}" in text
    assert "followed their recipe and model to the letter" in text
    assert text.count("a" * 64) == 1  # what all runs share is said once
    for part in ("leaky: A toy protocol.", "loss · name cross_entropy; epochs 3"):
        assert part in text
    for part in (
        "0123456789",
        "with uncommitted changes",
        "Toy CPU",
        "bf16",
        "2.11.0",
        "1 h 02 min",
        "a" * 64,
        "b" * 64,
    ):
        assert part in text
    assert text.count("with uncommitted changes") == 6  # the runs of seed 1


def test_licences_are_there(page):
    text = page.sections["data"]
    for part in ("Toy land", "CC0", "1 file, 2.5 MB", "Lake"):
        assert part in text
    assert "https://toy.example/land" in {a["href"] for a in page.every("a")}


def test_hostile_names_stay_text(tmp_path):
    evil = '<script>alert("x")</script>'
    classes = [(evil if name == "Wood" else name, color, void) for name, color, void in CLASSES]
    html = build(
        tmp_path, study_slice(classes=classes, about=evil, title=evil, figures=["classes"])
    )
    page = Page(html)
    assert len(page.every("script")) == 1
    assert evil not in html
    for section in ("table-scores", "table-per_class", "data"):
        assert evil in page.sections[section]
    assert page.open == []


def test_only_web_addresses_become_links(tmp_path):
    spec = study_slice(figures=[])
    spec.datasets["toy"] = spec.datasets["toy"].model_copy(update={"url": "javascript:alert(1)"})
    assert "javascript:" not in build(tmp_path, spec)


def test_claims_have_a_section_of_their_own(tmp_path):
    page = Page(build(tmp_path, study_slice(figures=[], paper=PAPER)))
    for part in ("Beta is the fastest", "1 of 1", "evaluated on different tiles", "Definitions"):
        assert part in page.sections["table-claims"]
    for part in ("Table 3: Toys", "50 at most", "30.5² → 2.5"):
        assert part in page.sections["table-published"]
    assert "#table-claims" in {a["href"] for a in page.every("a")}


def test_what_papers_measure_stands_only_beside_published_figures(page, tmp_path):
    labels = {MEASURES[name].label for name in PRINTED}
    assert labels == {"Memory (MB)", "Published rule"}
    own = [page.sections[f"table-{name}"] for name in ("scores", "per_class", "models")]
    assert not [label for label in labels if label in "".join(own)]
    compared = Page(build(tmp_path, study_slice(figures=[], paper=PAPER)))
    assert labels == {label for label in labels if label in compared.sections["table-scores"]}
    assert "Memory (MB)" in compared.sections["table-models"]
    assert "Published rule" in compared.sections["table-per_class"]


def test_words_of_the_trade_are_explained_where_they_first_stand(page):
    answer = page.sections["answer"]
    for word in ("data set (D)", "Brackets hold 95 % intervals", "A group holds the tiles"):
        assert word in answer
    scores = page.sections["table-scores"]
    for explained, mark in (("image by image (I)", "mIoUᴵ"), ("class by class (C)", "mIoUᶜ")):
        assert scores.index(explained) < scores.index(f"{mark}\n")
    assert "one cell of the study: one model on one dataset" in page.sections["provenance"]


def test_a_run_that_departs_from_its_recipe_says_where(tmp_path):
    spec = study_slice(figures=[])
    folders = write_tree(tmp_path, spec)
    path = tmp_path / "results/runs/toy/beta/apart/seed0/run.json"
    record = json.loads(path.read_text())
    record["slice"]["training"]["epochs"] = 2
    record["slice"]["model"]["widths"] = [4]
    path.write_text(json.dumps(record))
    tables.run(spec, *folders)
    run(spec, *folders)
    text = Page((tmp_path / "results/mine/report.html").read_text()).sections["provenance"]
    told = "epochs 2 in place of 3; widths [4] in place of [8]"
    assert f"toy, beta, apart, seed 0: {told}" in text
    assert text.count("in place of") == 2


def test_a_study_without_figures_has_no_such_section(tmp_path):
    page = Page(build(tmp_path, study_slice(figures=[])))
    assert "figures" not in page.sections
    assert "#figures" not in {a["href"] for a in page.every("a")}


@pytest.mark.parametrize(
    "path",
    [
        "results/mine/tables/pages.json",
        "results/mine/figures/classes.svg",
        "results/runs/toy/beta/apart/seed0/run.json",
        "data/raw/toy/manifest.json",
    ],
)
def test_a_missing_file_is_named_and_nothing_is_written(tmp_path, path):
    spec = study_slice(figures=["classes"])
    folders = write_tree(tmp_path, spec)
    tables.run(spec, *folders)
    (tmp_path / path).unlink()
    with pytest.raises(UserError, match="no such file") as error:
        run(spec, *folders)
    assert str(tmp_path / path) in str(error.value)
    assert not (tmp_path / "results/mine/report.html").exists()


def test_it_runs_by_hand_without_torch_and_gives_the_same_bytes(tree):
    root, spec, html = tree
    (root / "slice.json").write_text(spec.model_dump_json())
    probe = (
        "import sys, runpy; runpy.run_module('satseg.stages.report', run_name='__main__'); "
        "assert 'torch' not in sys.modules"
    )
    arguments = [
        "--slice",
        root / "slice.json",
        "--data",
        root / "data",
        "--results",
        root / "results",
    ]
    subprocess.run([sys.executable, "-c", probe, *arguments], check=True)
    assert (root / "results/mine/report.html").read_text(encoding="utf-8") == html


def test_nested_entries_are_listed_in_order():
    nested = {"code": {"commit": "ab", "dirty": None}, "wall_seconds": 1.5, "resumed_at": []}
    assert flat_entries(nested) == [
        ("code · commit", "ab"),
        ("code · dirty", "null"),
        ("wall seconds", "1.5"),
        ("resumed at", "[]"),
    ]


# Acts as a reader does, and leaves what came of it in the page.
READER = """<script>
addEventListener("error", event => { window.failed = event.message; });
addEventListener("securitypolicyviolation", event => { window.failed = event.blockedURI; });
addEventListener("load", () => {
  const seen = {}, form = document.querySelector(".limit"), table = form.nextElementSibling.querySelector("table");
  const rows = () => [...table.tBodies[0].rows].filter(row => getComputedStyle(row).display !== "none");
  const name = row => row.cells[0].textContent.replace("≈", "").trim(), names = () => rows().map(name);
  const button = table.tHead.rows[0].cells[1].firstElementChild;
  const color = (one, key) => getComputedStyle(one)[key];
  button.focus();
  seen.focused = document.activeElement === button;
  const sorted = () => { button.click(); return [names(), button.parentElement.getAttribute("aria-sort")]; };
  seen.sorted = [sorted(), sorted()];
  const choice = [...form.elements[0].options].find(one => one.text === "Latency (ms)");
  form.elements[0].value = choice.value;
  const limit = value => {
    form.elements[1].value = value;
    form.elements[1].dispatchEvent(new Event("input", {bubbles: true}));
    return [names(), form.querySelector("output").textContent, [...table.querySelectorAll(".best")].map(name)];
  };
  seen.offered = [...form.elements[0].options].map(one => one.text);
  seen.limits = ["35", "1", ""].map(limit);
  const viewer = document.querySelector(".viewer"), radios = [...viewer.querySelectorAll("[type=radio]")];
  const visible = one => getComputedStyle(one).display !== "none";
  const shown = () => [...viewer.querySelectorAll(".tile")].map(tile => [
    [...tile.querySelectorAll("img")].filter(visible).map(one => one.alt),
    tile.querySelector(".under").firstElementChild.innerText]);
  const cut = () => [...viewer.querySelectorAll(".over")].map(one => getComputedStyle(one).clipPath);
  const all = document.querySelector("#figure-predictions > .frame");
  const [first, second] = viewer.querySelectorAll(".pair"), stack = first.firstElementChild;
  seen.viewer = {figure: visible(all), first: shown(), cuts: [cut()]};
  radios[1].click();
  seen.viewer.second = shown();
  radios[4].click();
  seen.viewer.errors = shown();
  const slider = viewer.querySelector("[type=range]");
  slider.value = 20;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
  seen.viewer.cuts.push(cut());
  const buttons = [...first.parentElement.querySelectorAll("button")];
  seen.viewer.reached = [...radios, slider, first, ...buttons].map(one => {
    one.focus();
    return document.activeElement === one;
  });
  const views = () => [...viewer.querySelectorAll(".stack img")].map(one => getComputedStyle(one).transform);
  const size = stack.getBoundingClientRect().width;
  const box = stack.getBoundingClientRect();
  const point = (type, across, down) => first.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, bubbles: true, clientX: box.left + across * size, clientY: box.top + down * size}));
  first.setPointerCapture = () => {};
  const drag = (across, down) => {
    point("pointerdown", 0.5, 0.5);
    point("pointermove", 0.5 + across, 0.5 + down);
    point("pointerup", 0.5 + across, 0.5 + down);
    const {a, e, f} = new DOMMatrix(getComputedStyle(stack.querySelector("img")).transform);
    return [a, e / size, f / size];
  };
  const alike = () => new Set([...first.querySelectorAll("img")].filter(visible).map(
    one => getComputedStyle(one).transform)).size;
  seen.viewer.before = drag(0.2, 0.2);
  buttons[1].click();
  seen.viewer.dragged = [drag(0, 0), drag(0.1, -0.2), drag(5, -5), alike()];
  seen.viewer.other = getComputedStyle(second.querySelector("img")).transform;
  buttons[2].click();
  const tiles = [...viewer.querySelectorAll(".tile")];
  const whole = () => [getComputedStyle(viewer).position, ...tiles.map(visible)];
  seen.viewer.filled = [whole(), stack.getBoundingClientRect().width > size];
  buttons[2].dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}));
  seen.viewer.filled.push(whole());
  seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  seen.paper = color(document.body, "backgroundColor");
  seen.colors = [".answer p", ".eyebrow", ".limit output", "figcaption", "a", "tbody td", "thead th button"].map(
    one => color(document.querySelector(one), "color"));
  seen.failed = window.failed || null;
  document.body.innerHTML = "<pre id=seen></pre>";
  document.body.firstChild.textContent = JSON.stringify(seen);
});
</script>"""


def browse(html: str, folder, width: int, dark: bool = False) -> dict:
    """What READER saw in a frame `width` pixels wide; a window of Chromium is never narrower than
    500."""
    (folder / "page.html").write_text(html.replace("<head>", f"<head>{READER}"), encoding="utf-8")
    outer = (
        f'<iframe src="page.html" style="width:{width}px;height:800px"></iframe><script>onload = () => {{'
        "const inner = document.querySelector('iframe').contentDocument;"
        "document.body.textContent = inner.getElementById('seen').textContent; }</script>"
    )
    (folder / "frame.html").write_text(outer)
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}", "--window-size=1280,900",
        "--virtual-time-budget=5000", "--dump-dom",
        *(["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]),
        (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(re.search(r"<body>(.*?)</body>", done.stdout, re.S)[1])


def luminance(color: str) -> float:
    """The relative luminance of WCAG 2.1 of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
class TestInChromium:
    """The page as a reader meets it."""

    def test_columns_sort_both_ways_and_say_so(self, tree, tmp_path):
        seen = browse(tree[2], tmp_path, 1200)
        assert seen["focused"]
        (down, falling), (up, rising) = seen["sorted"]
        assert (falling, rising) == ("descending", "ascending")
        assert down == up[::-1]
        assert down[:3] == ["alpha", "beta", "gamma"]  # the later, the more errors
        assert seen["failed"] is None

    def test_the_best_model_under_a_limit_is_named(self, tree, tmp_path):
        tight, none, free = browse(tree[2], tmp_path, 1200)["limits"]
        assert set(tight[0]) == {
            "beta",
            "gamma",
            "always Wood (majority)",
        }  # 30 and 20 ms; alpha takes 40
        assert tight[1].startswith("beta: mIoUᴰ ")
        assert tight[1].endswith("Latency (ms) 30.0")
        assert tight[2] == ["beta"]
        assert none[1:] == ["No model in this table is within the limit.", []]
        assert {"alpha", "beta", "gamma"} < set(free[0])
        assert free[1].startswith("alpha: ")

    def test_measured_memory_is_the_first_limit_offered(self, tree, tmp_path):
        seen = browse(tree[2], tmp_path, 1200)
        assert seen["offered"] == ["Peak memory (MB)", "Latency (ms)", "Epoch (s)"]

    def test_truth_stands_beside_the_prediction_or_its_errors(self, tree, tmp_path):
        seen = browse(tree[2], tmp_path, 1200)["viewer"]
        assert not seen["figure"]  # all of them side by side is for paper
        notes = ["percentile 50", "hard: odd Lake"]
        for key, shown, share in (
            ("first", "alpha", "0.50"),
            ("second", "beta", "0.62"),
            ("errors", "errors of beta", "0.62"),
        ):
            for n, tile in enumerate(seen[key]):
                alts = [f"scene {n}: {what}" for what in ("image", "truth", "image", shown)]
                assert tile == [alts, f"scene {n}, {notes[n]}; {share} of the pixels correct"]
        assert seen["cuts"] == [["inset(0px 0px 0px 0%)"] * 4, ["inset(0px 0px 0px 20%)"] * 4]
        assert all(seen["reached"]) and len(seen["reached"]) == 3 + 2 + 1 + 1 + 3

    def test_a_pair_is_enlarged_and_dragged_together(self, tree, tmp_path):
        seen = browse(tree[2], tmp_path, 1200)["viewer"]
        assert seen["before"] == [1, 0, 0]  # as large as its place, it stays there
        middle, moved, corner, different = seen["dragged"]
        assert middle == pytest.approx([2, -0.5, -0.5], abs=1e-4)
        assert moved == pytest.approx([2, -0.4, -0.7], abs=1e-4)
        assert corner == pytest.approx([2, 0, -1], abs=1e-4)  # never beyond its edges
        assert different == 1
        assert seen["other"] in ("none", "matrix(1, 0, 0, 1, 0, 0)")

    def test_a_pair_fills_the_window_until_escape(self, tree, tmp_path):
        filled, larger, back = browse(tree[2], tmp_path, 1200)["viewer"]["filled"]
        assert (filled, larger, back) == (["fixed", True, False], True, ["static", True, True])

    @pytest.mark.parametrize("width", [390, 1200])
    def test_the_page_never_scrolls_sideways(self, tree, tmp_path, width):
        assert browse(tree[2], tmp_path, width)["wide"] == 0

    @pytest.mark.parametrize("dark", [False, True])
    def test_text_stands_out_from_the_paper(self, tree, tmp_path, dark):
        seen = browse(tree[2], tmp_path, 1200, dark)
        assert seen["dark"] == dark
        paper = luminance(seen["paper"])
        for color in seen["colors"]:
            low, high = sorted([paper, luminance(color)])
            assert (high + 0.05) / (low + 0.05) >= 4.5, color  # WCAG 2.1, level AA
