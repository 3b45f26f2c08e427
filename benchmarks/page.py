"""Publish what was measured: `python -m benchmarks.page` copies the JSON files and writes tables
into the page."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.tables import TABLES
from satseg.config.reading import ROOT
from satseg.figures.saving import save
from satseg.figures.scales import draw_costs
from satseg.figures.style import PALETTE, WIDTH, styled
from satseg.files import atomic

MEASURED = ROOT / "results" / "benchmarks"
PUBLISHED = ROOT / "results" / "published" / "benchmarks"
SPEEDS = ROOT / "results" / "published" / "speed"
PAGE = ROOT / "docs" / "benchmarks.md"
FIGURE = "growth.svg"
BEGIN = "<!-- {}: written by `python -m benchmarks.page` -->"
END = "<!-- /{} -->"


def main() -> None:
    """Publish newly measured rows and rewrite the tables of the page."""
    PUBLISHED.mkdir(parents=True, exist_ok=True)
    SPEEDS.mkdir(exist_ok=True)
    for path in sorted(MEASURED.glob("*.json")):
        if path.stem == "speed":
            shutil.copy(path, SPEEDS / f"{_machine(path)}.json")
        else:
            shutil.copy(path, PUBLISHED)

    records = published()
    if "growth" in records:
        with atomic(PUBLISHED / FIGURE) as temporary:
            save(growth_figure(records["growth"]["series"]), temporary)

    text = PAGE.read_text(encoding="utf-8")
    with atomic(PAGE) as temporary:
        temporary.write_text(filled(text, records), encoding="utf-8")


def _machine(path: Path) -> str:
    """The name of the machine that a record was measured on, as part of a file name."""
    machine = _record(path)["machine"]
    name = machine["name"]
    if machine["kind"] != "cuda":
        name += f" {machine['cores']} cores"
    return "-".join(re.findall(r"\w+", name.lower()))


def published() -> dict[str, dict]:
    """Every published record, by row; the speeds by machine: `speed/<machine>`."""
    speeds = {f"speed/{path.stem}": _record(path) for path in sorted(SPEEDS.glob("*.json"))}
    return read(PUBLISHED) | speeds


def read(folder: Path) -> dict[str, dict]:
    """The records of a folder, by row."""
    return {record["row"]: record for record in map(_record, sorted(folder.glob("*.json")))}


def _record(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def filled(text: str, records: dict[str, dict]) -> str:
    """The page with the tables of the records."""
    for name, table in TABLES.items():
        begin = BEGIN.format(name)
        end = END.format(name)
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n\n{table(records)}\n\n{end}{after}"
    return text


@styled
def growth_figure(series: dict[str, dict]) -> Figure:
    """Seconds against counts on logarithmic axes; below, memory where it is meaningful."""
    fitted = {name: record for name, record in series.items() if "exponent" in record}
    colors = dict(zip(fitted, PALETTE, strict=False))
    figure = Figure((WIDTH, 7), layout="constrained")
    figure.suptitle("How the stages grow", x=0.008, ha="left")
    above, below = figure.subplots(2, 1)
    for name, record in fitted.items():
        label = f"{name} ({record['of']})"
        style = {"marker": "o", "ms": 4, "color": colors[name]}
        power = f"{label}: n^{record['exponent']:g}"
        above.plot(record["counts"], record["seconds"], label=power, **style)
        if "peak_memory_mb" in record:
            below.plot(record["counts"], record["peak_memory_mb"], label=label, **style)

    for axes, measure, label in (
        (above, "seconds", "Seconds"),
        (below, "peak_memory_mb", "Peak memory (MB)"),
    ):
        shown = [record for record in fitted.values() if measure in record]
        draw_costs(axes, _all(shown, "counts"), "Number", "x")
        draw_costs(axes, _all(shown, measure), label, "y")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _all(records: list[dict], key: str) -> np.ndarray:
    """The values of all records, one after the other."""
    return np.array([value for record in records for value in record[key]], float)


if __name__ == "__main__":
    main()
