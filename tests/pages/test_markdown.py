"""Pages as Markdown, read back by another library, and as HTML."""

import re

import pytest
from markdown_it import MarkdownIt

from satseg.errors import UserError
from satseg.pages.blocks import (
    Bullets,
    Heading,
    Page,
    Paragraph,
    Table,
    TableCell,
    columns,
    pages_json,
    read_pages,
    strong,
)
from satseg.pages.cells import interval_cell, number_cell, text_cell
from satseg.pages.markdown import escape, markdown
from satseg.pages.report import inline_html
from satseg.statistics.intervals import ScoreInterval

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b",
    "a\\",
    "\\|",
    "a\\|b|",
    "**bold**",
    "_x_",
    "a_b",
    "`x`",
    "x^Dy",
    "[a](b)",
    "[0.1, 0.2](b)",
    "[0.1, 0.2]: b",
    "[0.100, 0.200]",
    "![a](b)",
    "&amp;",
    "# h",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "===",
    "> quote",
    "~~gone~~",
    "$x$",
    "$$",
]


def tokens(text: str):
    """What CommonMark with tables makes of a text: every token, the inline ones in order."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def inlines(text: str) -> list[list[tuple[str, str]]]:
    """Type and content of the parts of each inline token."""
    blocks = [token for token in tokens(text) if token.type == "inline"]
    return [[(part.type, part.content) for part in block.children] for block in blocks]


def words(text: str) -> list[str]:
    """The text a reader sees, by inline token; nothing but text may be there."""
    for parts in inlines(text):
        assert {kind for kind, _ in parts} <= {"text", "text_special"}, parts
    return ["".join(content for _, content in parts) for parts in inlines(text)]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_reads_as_itself_wherever_it_stands(text):
    page = Page("p", text, [Heading(text), Paragraph(text), Bullets([text, text])])
    assert words(markdown(page)) == [text] * 5
    kinds = [token.type for token in tokens(markdown(page)) if token.type.endswith("_open")]
    assert kinds == [
        "heading_open",
        "heading_open",
        "paragraph_open",
        "bullet_list_open",
        *["list_item_open", "paragraph_open"] * 2,
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_stays_in_its_cell(text):
    rows = [[text_cell(text), number_cell(1.0)]] * 2
    page = Page("p", "Title", [Table(columns([text], ["Score"]), rows)])
    assert words(markdown(page))[1:] == [text, "Score", text, "1.000", text, "1.000"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_can_stand_out(text):
    expected = [("text", "The "), ("strong_open", ""), ("text", text), ("strong_close", "")]
    page = Page("p", "Title", [Paragraph(f"The {strong(text)}.")])
    (_, parts) = inlines(markdown(page))
    merged = []
    for kind, content in parts:
        kind = kind.removesuffix("_special")
        if kind == "text" and merged and merged[-1][0] == "text":
            merged[-1] = ("text", merged[-1][1] + content)
        elif kind != "text" or content:
            merged.append((kind, content))
    assert merged == [*expected, ("text", ".")]
    assert inline_html(f"The {strong(text)}.").unescape() == f"The <strong>{text}</strong>."


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\x0b", "\t"])
def test_a_name_stays_on_one_line(end):
    page = Page("p", "Title", [Table(columns(["Model"]), [[text_cell(f"two{end}lines")]])])
    assert words(markdown(page))[-1] == "two lines"
    assert len(markdown(page).splitlines()) == 5


def test_dollars_start_no_formula():
    assert escape("$x$ and $y$") == "\\$x\\$ and \\$y\\$"


def test_names_and_intervals_stay_readable():
    assert escape("unet_base") == "unet_base"
    assert escape("[0.100, 0.250]") == "[0.100, 0.250]"


@pytest.mark.parametrize("text", ["\x02", "\x03", "\x03x\x02", "\x02\x02x\x03\x03", strong("")])
def test_stray_marks_break_no_html(text):
    html = inline_html(text)
    assert html.count("<strong>") == html.count("</strong>")
    assert not re.search(r"</strong>[^<]*</strong>", html)


def test_pages_are_read_back_as_they_were(tmp_path):
    interval = interval_cell(ScoreInterval(0.2, 0.1, 0.25, float("nan"), 9, 1))
    cells = [text_cell("Zed", strong=True), number_cell(float("nan")), interval]
    blocks = [
        Heading("One", level=3),
        Paragraph(f"Some {strong('text')}"),
        Bullets(["a"]),
        Table(columns(["Model"], ["IoU", "Interval"]), [cells]),
    ]
    page = Page("p", "Title", blocks, [("IoU", "What it is.")], ["The answer."])
    path = tmp_path / "pages.json"
    path.write_bytes(pages_json([page]))
    assert read_pages(path, ["p"]) == {"p": page}
    with pytest.raises(UserError, match=r"pages\.json: page 'q' is missing; delete the file"):
        read_pages(path, ["p", "q"])
    uneven = path.read_bytes().replace(b'"rows": [\n', b'"rows": [[],\n')
    assert uneven != path.read_bytes()
    path.write_bytes(uneven)
    with pytest.raises(UserError, match=r"pages\.json: not the pages of a study"):
        read_pages(path)
    assert interval == TableCell("[0.100, 0.250]", 0.1, interval=(0.1, 0.25))
    assert [cell.value for cell in cells] == ["zed", None, 0.1]


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"name": "p"}]', b"\xff"])
def test_broken_pages_are_named(tmp_path, content):
    path = tmp_path / "pages.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"pages\.json: not the pages of a study; delete the file"):
        read_pages(path)
