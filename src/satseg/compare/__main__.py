"""Compare two studies, or two states of one: what changed, and what it did to the scores."""

from pathlib import Path

from satseg.compare.changes import changes
from satseg.compare.figure import draw_differences
from satseg.compare.page import FIGURE, MAIN, answer, page_text
from satseg.compare.pairing import matched, pair_up
from satseg.compare.scores import compared, scores_frame
from satseg.compare.sides import find_sides
from satseg.errors import UserError
from satseg.figures.saving import save
from satseg.files import together
from satseg.jobs.program import Parser, guarded

FOLDER = Path("results", "comparisons")


def main(arguments: list[str] | None = None, prog: str = "satseg compare") -> None:
    """Write the table, figure and page of a comparison, and print what it says."""
    parser = Parser(prog=prog, description=__doc__)
    option = parser.add_argument
    named = "a study, or its folder in another results/, such as ../before/results/demo"
    option("first", help=named)
    option("second", help="the other one; differences are second minus first")
    option(
        "--same",
        action="append",
        default=[],
        metavar="A=B",
        help="a dataset, model or recipe of the first that is called otherwise in the second",
    )
    option("-o", "--output", help=f"folder to write (default: {FOLDER}/FIRST-SECOND)")
    options = parser.parse_args(arguments)

    def work() -> None:
        page, told = compare(options.first, options.second, options.same, options.output)
        print(f"{told}\nThe page: {page}")

    guarded("compare", work)


def compare(
    first: str, second: str, same: list[str] | None = None, output: str | Path | None = None
) -> tuple[Path, str]:
    """Write `README.md`, `scores.csv` and `differences.svg` of a comparison.

    Args:
        first, second: studies, as of `find_sides`.
        same: names that belong together, as of `matched`.
        output: folder; by default one in `results/comparisons`.

    Returns:
        The page, and its answer.

    Raises:
        UserError: a study is not finished, a file is damaged, or nothing of the two belongs
            together.
    """
    sides = find_sides(first, second)
    partners = matched(sides[0].rows, sides[1].rows, same or [])
    if not partners:
        raise UserError(
            f"{first} and {second}: no dataset, model and recipe in common; say which belong "
            "together, such as --same recipe_a=recipe_b"
        )
    pairs = [pair_up(sides, *rows) for rows in partners]
    rows = compared(pairs)
    shown = [row for row in rows if (row.metric, row.label) == (MAIN, "all")]

    folder = Path(output) if output else FOLDER / f"{sides[0].name}-{sides[1].name}"
    text = page_text(sides, rows, changes(sides, pairs))
    names = ("README.md", "scores.csv", FIGURE)
    with together(*(folder / name for name in names)) as (page, table, figure):
        page.write_text(text, encoding="utf-8")
        scores_frame(rows).to_csv(table, index=False, float_format="%.6f")
        save(draw_differences(shown, [side.title for side in sides]), figure)
    return folder / "README.md", answer(shown)


if __name__ == "__main__":
    main()
