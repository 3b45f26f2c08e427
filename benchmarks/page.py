"""Publish what was measured: `python -m benchmarks.page` copies the JSON files and writes tables
into the page."""

import json
import re
import shutil
from pathlib import Path

from benchmarks.tables import TABLES
from satseg.config.reading import ROOT
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
        draw(records["growth"]["series"], PUBLISHED / FIGURE)

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


def draw(series: dict[str, dict], path: Path) -> None:
    """Seconds against counts on logarithmic axes; below, memory where it is meaningful."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    fitted = {name: record for name, record in series.items() if "exponent" in record}
    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 7), layout="constrained")
    for name, record in fitted.items():
        counts = record["counts"]
        label = f"{name} ({record['of']})"
        power = f"{label}: n^{record['exponent']:g}"
        above.loglog(counts, record["seconds"], marker="o", label=power)
        if "peak_memory_mb" in record:
            below.loglog(counts, record["peak_memory_mb"], marker="o", label=label)

    above.set(ylabel="seconds", xlabel="number")
    below.set(ylabel="peak memory, MB", xlabel="number", ylim=(100, 10_000))
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    with plt.rc_context({"svg.hashsalt": "satseg"}), atomic(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
