"""The reports on the documentation site hold what is published of a study, and say what is not."""

import re
import sys

import pytest

from conftest import ROOT
from satseg.pages.blocks import (
    Bullets,
    Heading,
    Page,
    Paragraph,
    Table,
    TableCell,
    columns,
    strong,
)
from satseg.pages.markdown import markdown

sys.path.append(str(ROOT / "docs" / "site"))
from reports import dark_too, published_report, read_page

PUBLISHED = ROOT / "results/published"
STUDIES = sorted(path.parent.name for path in PUBLISHED.glob("*/tables"))


def test_a_page_is_read_as_it_was_written(tmp_path):
    table = Table(
        columns(["Model"], ["mIoUᴰ", "95 % interval"]),
        [
            [
                TableCell("a|b_c*", "a|b_c*", strong=True),
                TableCell("−1,024.5", -1024.5),
                TableCell("[0.100, 0.250]", 0.1, (0.1, 0.25)),
            ],
            [TableCell("always Land", "always land"), TableCell("–", None), TableCell("–", None)],
        ],
    )
    blocks = [
        Heading("Here, there"),
        Paragraph(f"On {strong('this')} ground [−0.2, +0.3]: no result."),
        table,
        Heading("More", 3),
        Bullets([f"{strong('one')}: 1 of 2", "two"]),
    ]
    page = Page("scores", "Scores", blocks, [("mIoUᴰ", "a mean")], [f"It is {strong('a_b')}."])
    path = tmp_path / "scores.md"
    path.write_text(markdown(page), encoding="utf-8")
    assert read_page(path) == page


@pytest.mark.parametrize("study", STUDIES)
def test_every_published_study_has_a_report(study):
    folder = PUBLISHED / study
    html = published_report(folder, f"About **{study}**.\n\nMore.")
    assert f"About {study}." in html and "More." not in html
    figures = [path for path in (folder / "figures").iterdir() if path.suffix in (".svg", ".png")]
    assert html.count('<figure id="figure-') == len(figures)
    there = {path.stem for path in figures}
    assert ("Of the figures, it lacks:" in html) == (not {"confusion", "samples"} <= there)
    assert "lacks the viewer of single tiles" in html
    assert '<div class="viewers"' not in html  # it would stand in place of the predictions' figure
    assert not re.search(r'(src|href)="(?!data:|#|https?:)', html)
    commits = {
        re.search(r'"commit": "(\w{10})', path.read_text())[1]
        for path in folder.glob("runs/**/run.json")
    }
    assert commits and all(commit in html for commit in commits)


def test_older_drawings_are_dark_in_the_dark():
    drawing = '<defs></defs><path style="fill: #ffffff"/><path style="stroke: #000000"/>'
    dark = dark_too(drawing)
    assert '[style*="fill: #fefefe"] {fill: #1b2023 !important}' in dark
    assert '[style*="stroke: #222222"]' in dark and "#ffffff" not in dark
    assert dark_too(dark) == dark
