"""Publish what was measured: `python -m benchmarks.page` copies the JSON files and writes tables
into the page."""

import json
import re
import shutil
from pathlib import Path

from satseg.config.reading import ROOT
from satseg.files import atomic

MEASURED, PUBLISHED = ROOT / "results" / "benchmarks", ROOT / "results" / "published" / "benchmarks"
SPEEDS = ROOT / "results" / "published" / "speed"
PAGE, FIGURE = ROOT / "docs" / "benchmarks.md", "growth.svg"
LONGEST = 6  # operations of each side
BEGIN, END = "<!-- {}: written by `python -m benchmarks.page` -->", "<!-- /{} -->"


def main() -> None:
    """Copy newer results beside the published ones and write the page's tables anew."""
    PUBLISHED.mkdir(parents=True, exist_ok=True)
    SPEEDS.mkdir(exist_ok=True)
    for path in sorted(MEASURED.glob("*.json")):
        shutil.copy(path, PUBLISHED if path.stem != "speed" else SPEEDS / f"{_machine(path)}.json")
    records = published()
    if "growth" in records:
        draw(records["growth"]["series"], PUBLISHED / FIGURE)
    text = PAGE.read_text(encoding="utf-8")
    with atomic(PAGE) as temporary:
        temporary.write_text(filled(text, records), encoding="utf-8")


def _machine(path: Path) -> str:
    """The name of the machine that a record is of, as a file may be called."""
    machine = _record(path)["machine"]
    name = (
        machine["name"]
        if machine["kind"] == "cuda"
        else f"{machine['name']} {machine['cores']} cores"
    )
    return "-".join(re.findall(r"\w+", name.lower()))


def published() -> dict[str, dict]:
    """Every published record, by row; the speeds by machine: `speed/<machine>`."""
    return read(PUBLISHED) | {
        f"speed/{path.stem}": _record(path) for path in sorted(SPEEDS.glob("*.json"))
    }


def read(folder: Path) -> dict[str, dict]:
    """The records of a folder, by row."""
    return {record["row"]: record for record in map(_record, sorted(folder.glob("*.json")))}


def _record(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def filled(text: str, records: dict[str, dict]) -> str:
    """The page with its tables as the records have them."""
    for name, table in TABLES.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{table(records)}\n\n{end}{rest.split(end)[1]}"
    return text


def comparisons(records: dict[str, dict]) -> str:
    """Every row that has a peer or a bound."""
    lines = [
        _row(
            "what", "against", "satseg", "peer", "ratio", "of CPU time", "wanted", "memory, satseg"
        )
    ]
    lines.append("|---|---|--:|--:|--:|--:|--:|--:|")
    for record in records.values():
        if "not_run" in record:
            lines.append(
                _row(
                    record["what"],
                    record["against"],
                    "",
                    "",
                    f"not run: {record['not_run']}",
                    "",
                    "",
                    "",
                )
            )
        elif any(record.get(bound) for bound in ("at_least", "below_seconds", "memory_times")):
            lines += [_row(*cells) for cells in _cells(record)]
    return "\n".join(lines)


def parts(records: dict[str, dict]) -> str:
    """Parts that satseg does in its own way."""
    lines = [_row("part", "beside", "satseg", "the other", "ratio"), "|---|---|--:|--:|--:|"]
    for name, record in records.items():
        if name.startswith("part_") or name == "compiled":
            (_, ours), (other, theirs) = record["sides"].items()
            shown = f"{record['ratios'][other]['median']:.2f}×"
            lines.append(
                _row(record["what"], record["against"], _seconds(ours), _seconds(theirs), shown)
            )
    return "\n".join(lines)


def _cells(record: dict) -> list[tuple]:
    (_, first), *others = record["sides"].items()
    memory = f"{first['peak_memory_mb']:,} MB" if "peak_memory_mb" in first else ""
    if record.get("memory_below_mb"):
        memory += f" (wanted: under {record['memory_below_mb']:,} MB)"
    if record["below_seconds"]:
        bound = f"under {record['below_seconds']} s"
        judged = list(record["sides"].items())[: len(others) or 1]
        return [
            (record["what"], name, _seconds(side), "", "", "", bound, "") for name, side in judged
        ]
    (name, other), *_ = others
    if record.get("memory_times"):
        ours, theirs = first["peak_memory_mb"], other["peak_memory_mb"]
        times, wanted = f"**{theirs / ours:.2f}×** the memory", f"≤ {record['memory_times']:g}×"
        return [
            (
                record["what"],
                record["against"],
                f"{ours:,} MB",
                f"{theirs:,} MB",
                times,
                "",
                wanted,
                "",
            )
        ]
    ratio = record["ratios"][name]
    wanted = f"≥ {record['at_least']:g}×"
    cpu = f"{ratio['cpu']['median']:.2f}×"
    shown = f"**{ratio['median']:.2f}×** ({ratio['low']:.2f}–{ratio['high']:.2f})"
    return [
        (
            record["what"],
            record["against"],
            _seconds(first),
            _seconds(other),
            shown,
            cpu,
            wanted,
            memory,
        )
    ]


def steps(records: dict[str, dict]) -> str:
    """The variants of a training step."""
    found = {name: record for name, record in records.items() if name.startswith("step_")}
    if not found:
        return "Not measured."
    lines = [
        _row("variant", *(name.removeprefix("step_") for name in found)),
        "|---|" + "--:|" * len(found),
    ]
    for side in next(iter(found.values()))["sides"]:
        lines.append(_row(side, *(_seconds(record["sides"][side]) for record in found.values())))
    return "\n".join(lines)


def breakdown(records: dict[str, dict]) -> str:
    """PyTorch's operations that take longest, plain and as satseg does it."""
    if "breakdown" not in records:
        return "Not measured."
    lines = []
    for name, sides in records["breakdown"]["cases"].items():
        plain, ours = sides.values()
        lines += [_row(name, *sides), "|---|--:|--:|"]
        longest = dict.fromkeys(
            [*list(plain["operations"])[:LONGEST], *list(ours["operations"])[:LONGEST]]
        )
        others = [
            sum(s for name, s in side["operations"].items() if name not in longest)
            for side in (plain, ours)
        ]
        for operation in longest:
            lines.append(
                _row(
                    f"`{operation}`",
                    *(_spent(side["operations"].get(operation, 0)) for side in (plain, ours)),
                )
            )
        lines.append(_row("other operations", *map(_spent, others)))
        lines.append(_row("outside PyTorch", _spent(plain["elsewhere"]), _spent(ours["elsewhere"])))
        lines.append(_row("**together**", _spent(plain["seconds"]), _spent(ours["seconds"])))
        lines.append("")
    return "\n".join(lines).rstrip()


def _spent(seconds: float) -> str:
    return f"{seconds * 1000:,.{0 if seconds >= 0.01 else 1}f} ms" if seconds else ""


def growth(records: dict[str, dict]) -> str:
    """Exponents and memory of each stage."""
    if "growth" not in records:
        return "Not measured."
    lines = [
        _row("stage", "against", "counts", "seconds", "exponent", "fixed + each", "peak memory, MB")
    ]
    lines.append("|---|---|---|---|--:|--:|---|")
    for name, one in records["growth"]["series"].items():
        line = (
            f"{one['fixed_seconds']:.3g} s + {one['each_seconds']:.3g} s"
            if "exponent" in one
            else ""
        )
        lists = [
            ", ".join(f"{v:g}" for v in one.get(key, []))
            for key in ("counts", "seconds", "peak_memory_mb")
        ]
        lines.append(_row(name, one["of"], *lists[:2], one.get("exponent", ""), line, lists[2]))
    return "\n".join(lines)


def precision(records: dict[str, dict]) -> str:
    """bf16 beside 32 bits."""
    if "precision" not in records:
        return "Not measured."
    record = records["precision"]
    facts = record["facts"]
    lines = [_row("seed", "bf16", "32 bits"), "|--:|--:|--:|"]
    both = zip(record["seeds"], facts["miou_d"]["bf16"], facts["miou_d"]["32"], strict=True)
    lines += [_row(seed, f"{ours:.4f}", f"{theirs:.4f}") for seed, ours, theirs in both]
    difference = (
        f"{facts['difference']:+.4f} (95 % interval {facts['low']:+.4f} to {facts['high']:+.4f})"
    )
    return "\n".join([*lines, "", f"Difference of the means: {difference}."])


def speed(records: dict[str, dict]) -> str:
    """The models' speed on each machine, beside the published epoch times."""
    found = {name: record for name, record in records.items() if name.startswith("speed")}
    return "\n\n".join(map(_speed, found.values())) or "Not measured."


def _speed(record: dict) -> str:
    sizes, tables, machine = record["sizes"], record["published"], record["machine"]
    head = [f"{machine['name']}, {record['precision']}", f"epoch of {sizes['tiles']} tiles"]
    head += [f"step of {sizes['batch']}", "memory of it", "latency"]
    head += [f"tiles/s, {batch} at a time" for batch in sizes["batches"]]
    head += [f"{title}, {table['device']}" for title, table in tables.items()]
    lines = [_row(*head), "|---|" + "--:|" * (len(head) - 1)]
    for model, one in record["models"].items():
        latency = one["forward_ms"][str(sizes["batches"][0])]
        epoch, step, latency = (
            _seconds({"median": value})
            for value in (one["epoch_seconds"], one["train_step_ms"] / 1000, latency / 1000)
        )
        cells = [epoch, step, f"{one['train_memory_mb']:,} MB", latency]
        cells += [f"{one['tiles_per_second'][str(batch)]:.3g}" for batch in sizes["batches"]]
        cells += [f"{table['epoch_seconds'][model]:.3g} s" for table in tables.values()]
        lines.append(_row(model, *cells))
    blank = [""] * (len(head) - 1 - len(tables))
    lines.append(
        _row(
            "rank correlation with our epochs", *blank, *(table["rho"] for table in tables.values())
        )
    )
    return "\n".join(lines)


def machines(records: dict[str, dict]) -> str:
    """Where and with what the rows were measured."""
    lines = [
        _row("row", "measured", "machine", "threads", "load before", "notes"),
        "|---|---|---|--:|--:|---|",
    ]
    for name, record in records.items():
        if "machine" in record:
            machine = record["machine"]
            place = f"{machine['name']}, {machine['cores']} cores"
            cells = record.get("threads", ""), machine["load_before"], record.get("notes", "")
            lines.append(_row(name, record["measured"][:16].replace("T", " "), place, *cells))
    return "\n".join(lines)


TABLES = {
    "comparisons": comparisons,
    "breakdown": breakdown,
    "steps": steps,
    "parts": parts,
    "precision": precision,
    "speed": speed,
    "growth": growth,
    "machines": machines,
}


def _row(*cells: object) -> str:
    """A row of a table; no cell breaks it, whatever a record holds."""
    texts = (" ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |"


def _seconds(side: dict) -> str:
    value = side["median"]
    return f"{value:.3g} s" if value >= 0.1 else f"{value * 1000:.3g} ms"


def draw(series: dict[str, dict], path: Path) -> None:
    """Seconds against counts, both logarithmic; memory below, where it says something."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    grown = {name: one for name, one in series.items() if "exponent" in one}
    held = {name: one for name, one in grown.items() if "peak_memory_mb" in one}
    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 7), layout="constrained")
    for name, one in grown.items():
        above.loglog(
            one["counts"],
            one["seconds"],
            marker="o",
            label=f"{name} ({one['of']}): n^{one['exponent']:g}",
        )
        if name in held:
            below.loglog(
                one["counts"], one["peak_memory_mb"], marker="o", label=f"{name} ({one['of']})"
            )
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
