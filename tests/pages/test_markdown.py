"""What is written as Markdown is read back as it was meant."""

import pytest

from satseg.pages.markdown import blocks, bullets, escape, inline, table

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b",
    "a\\",
    "\\|",
    "**bold**",
    "_x_",
    "a_b",
    "`x`",
    "x^Dy",
    "[a](b)",
    "&amp;",
    "# h",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_reads_as_itself(text):
    assert inline(escape(text)).unescape() == text


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_survives_a_table_cell_and_bold(text):
    (found,) = blocks(table(["Model", "Score"], [[f"**{escape(text)}**", "1"]]))
    assert found.rows[0][0].html.unescape() == f"<strong>{text}</strong>"
    assert found.rows[0][1].html == "1"


def test_names_stay_readable():
    assert escape("unet_base") == "unet_base"
    assert escape("two\nlines") == "two lines"


def test_markup_becomes_html():
    assert inline("**mIoU^D** < 1") == "<strong>mIoU<sup>D</sup></strong> &lt; 1"


def test_blocks_come_in_order():
    text = "\n\n".join(
        ["# One", "Some\ntext", bullets(["a", "**b**"]), "### Two", table(["M"], [["x"]])]
    )
    found = blocks(text)
    assert [b.kind for b in found] == ["heading", "paragraph", "list", "heading", "table"]
    assert [b.level for b in found] == [1, 0, 0, 3, 0]
    assert found[1].html == "Some text"
    assert found[2].items == ["a", "<strong>b</strong>"]


def test_cells_carry_what_they_are_sorted_by():
    cells = ["**0.5** ± 0.1", "−1.25", "1,292.25", "–", "[0.100, 0.250]", "12 (50 %)"]
    (found,) = blocks(table(["Model", *"abcdef"], [["Zed", *cells]]))
    assert [c.key for c in found.rows[0]] == ["zed", 0.5, -1.25, 1292.25, None, 0.1, 12]
    assert [c.span for c in found.rows[0]] == [None] * 5 + [(0.1, 0.25), None]
    assert [number for _, number in found.columns] == [False] + [True] * 6


def test_text_columns_are_sorted_as_text():
    (found,) = blocks(table(["Class", "Model", "IoU"], [["Wood", "9b", "0.5"]], texts=2))
    assert [c.key for c in found.rows[0]] == ["wood", "9b", 0.5]
