"""The tables of docs/benchmarks.md: each from the records of the published rows."""

LONGEST = 6  # operations of each side
NOT_MEASURED = "Not measured."


def comparisons(records: dict[str, dict]) -> str:
    """Every row that has a peer or a bound."""
    lines = [
        _row(
            "task", "compared with", "satseg", "other", "ratio", "ratio of CPU time", "target",
            "memory, satseg",
        ),
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for record in records.values():
        if "not_run" in record:
            not_run = f"not run: {record['not_run']}"
            lines.append(_row(record["what"], record["against"], "", "", not_run, "", "", ""))
        elif record.get("below_seconds"):
            lines += _below_seconds(record)
        elif record.get("memory_times"):
            lines.append(_memory_times(record))
        elif record.get("at_least"):
            lines.append(_at_least(record))
    return "\n".join(lines)


def _below_seconds(record: dict) -> list[str]:
    """A line for each side that has to stay below the bound: all but the last, or the only one."""
    bound = f"under {record['below_seconds']} s"
    sides = list(record["sides"].items())
    bounded = sides[:-1] or sides
    return [
        _row(record["what"], name, _seconds(side), "", "", "", bound, "") for name, side in bounded
    ]


def _memory_times(record: dict) -> str:
    """The same work on more data: the peak memory of both."""
    first, second, *_ = record["sides"].values()
    ours = first["peak_memory_mb"]
    theirs = second["peak_memory_mb"]
    times = f"**{theirs / ours:.2f}×** the memory"
    target = f"≤ {record['memory_times']:g}×"
    return _row(
        record["what"], record["against"], f"{ours:,} MB", f"{theirs:,} MB", times, "", target, ""
    )


def _at_least(record: dict) -> str:
    """Both times, and how many times as fast the first side is."""
    (_, first), (name, second), *_ = record["sides"].items()
    memory = f"{first['peak_memory_mb']:,} MB" if "peak_memory_mb" in first else ""
    if record.get("memory_below_mb"):
        memory += f" (target: under {record['memory_below_mb']:,} MB)"

    ratio = record["ratios"][name]
    times = f"**{ratio['median']:.2f}×** ({ratio['low']:.2f}–{ratio['high']:.2f})"
    cpu = f"{ratio['cpu']['median']:.2f}×"
    target = f"≥ {record['at_least']:g}×"
    return _row(
        record["what"], record["against"], _seconds(first), _seconds(second), times, cpu, target,
        memory,
    )  # fmt: skip


def parts(records: dict[str, dict]) -> str:
    """Parts that satseg implements itself."""
    lines = [
        _row("part", "compared with", "satseg", "other", "ratio"),
        "|---|---|--:|--:|--:|",
    ]
    for name, record in records.items():
        if name.startswith("part_") or name == "compiled":
            (_, ours), (other, theirs) = record["sides"].items()
            ratio = f"{record['ratios'][other]['median']:.2f}×"
            cells = (record["what"], record["against"], _seconds(ours), _seconds(theirs), ratio)
            lines.append(_row(*cells))
    return "\n".join(lines)


def steps(records: dict[str, dict]) -> str:
    """The variants of a training step."""
    variants = {name: record for name, record in records.items() if name.startswith("step_")}
    if not variants:
        return NOT_MEASURED

    models = [name.removeprefix("step_") for name in variants]
    lines = [_row("variant", *models), "|---|" + "--:|" * len(models)]
    first, *_ = variants.values()
    for side in first["sides"]:
        seconds = [_seconds(record["sides"][side]) for record in variants.values()]
        lines.append(_row(side, *seconds))
    return "\n".join(lines)


def breakdown(records: dict[str, dict]) -> str:
    """PyTorch's operations that take longest, in plain code and in satseg."""
    if "breakdown" not in records:
        return NOT_MEASURED
    cases = records["breakdown"]["cases"]
    return "\n\n".join(_breakdown(name, sides) for name, sides in cases.items())


def _breakdown(name: str, sides: dict[str, dict]) -> str:
    longest = {}  # a set that keeps its order
    for side in sides.values():
        longest |= dict.fromkeys(list(side["operations"])[:LONGEST])

    lines = [_row(name, *sides), "|---|--:|--:|"]
    for operation in longest:
        seconds = [side["operations"].get(operation, 0) for side in sides.values()]
        lines.append(_row(f"`{operation}`", *map(_milliseconds, seconds)))

    others = []
    for side in sides.values():
        shorter = [s for key, s in side["operations"].items() if key not in longest]
        others.append(_milliseconds(sum(shorter)))
    elsewhere = [_milliseconds(side["elsewhere"]) for side in sides.values()]
    total = [_milliseconds(side["seconds"]) for side in sides.values()]
    lines.append(_row("other operations", *others))
    lines.append(_row("outside PyTorch", *elsewhere))
    lines.append(_row("**total**", *total))
    return "\n".join(lines)


def growth(records: dict[str, dict]) -> str:
    """Exponents and memory of each stage."""
    if "growth" not in records:
        return NOT_MEASURED
    lines = [
        _row(
            "stage", "grows with", "counts", "seconds", "exponent", "fixed + per item",
            "peak memory, MB",
        ),
        "|---|---|---|---|--:|--:|---|",
    ]  # fmt: skip
    for name, series in records["growth"]["series"].items():
        counts = _listed(series["counts"])
        seconds = _listed(series["seconds"])
        memory = _listed(series.get("peak_memory_mb", []))
        exponent = series.get("exponent", "")
        straight = ""
        if "exponent" in series:
            straight = f"{series['fixed_seconds']:.3g} s + {series['each_seconds']:.3g} s"
        lines.append(_row(name, series["of"], counts, seconds, exponent, straight, memory))
    return "\n".join(lines)


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def operations(records: dict[str, dict]) -> str:
    """How many operations each part of a training step takes, by path and batch."""
    if "operations" not in records:
        return NOT_MEASURED
    record = records["operations"]
    columns = {}
    for path, title in (("CPU", "CPU"), ("queue", "GPU")):
        for batch, parts in record["facts"][path].items():
            columns[f"{title}, batch of {batch}"] = parts

    lines = [_row("part", *columns), "|---|" + "--:|" * len(columns)]
    everything = next(iter(columns.values()))
    for part in everything:
        lines.append(_row(part, *(sum(parts[part].values()) for parts in columns.values())))
    totals = []
    for parts in columns.values():
        totals.append(sum(sum(counts.values()) for counts in parts.values()))
    lines.append(_row("together", *totals))

    last_title, last = list(columns.items())[-1]
    lines += ["", f"Which they are, {last_title}:", ""]
    for part, counts in last.items():
        names = (f"{name} {number}" for name, number in counts.items())
        lines.append(f"- {part}: {', '.join(names)}")
    return "\n".join(lines)


def precision(records: dict[str, dict]) -> str:
    """bf16 compared with 32 bits."""
    if "precision" not in records:
        return NOT_MEASURED
    record = records["precision"]
    facts = record["facts"]
    miou = facts["miou_d"]
    lines = [_row("seed", "bf16", "32 bits"), "|--:|--:|--:|"]
    for seed, ours, theirs in zip(record["seeds"], miou["bf16"], miou["32"], strict=True):
        lines.append(_row(seed, f"{ours:.4f}", f"{theirs:.4f}"))

    interval = "no interval: too few groups of tiles"
    if facts["low"] is not None:
        interval = f"95 % interval {facts['low']:+.4f} to {facts['high']:+.4f}"
    return "\n".join(
        [*lines, "", f"Difference in the means: {facts['difference']:+.4f} ({interval})."]
    )


def speed(records: dict[str, dict]) -> str:
    """The models' speed on each machine, next to the published epoch times."""
    machines = [record for name, record in records.items() if name.startswith("speed")]
    return "\n\n".join(map(_speed, machines)) or NOT_MEASURED


def _speed(record: dict) -> str:
    sizes = record["sizes"]
    tables = record["published"]
    head = [
        f"{record['machine']['name']}, {record['precision']}",
        f"epoch of {sizes['tiles']} tiles",
        f"step, batch of {sizes['batch']}",
        "its memory",
        "latency",
    ]
    head += [f"tiles/s, batch of {batch}" for batch in sizes["batches"]]
    head += [f"{title}, {table['device']}" for title, table in tables.items()]
    lines = [_row(*head), "|---|" + "--:|" * (len(head) - 1)]

    smallest = str(sizes["batches"][0])
    for model, numbers in record["models"].items():
        cells = [
            _seconds({"median": numbers["epoch_seconds"]}),
            _seconds({"median": numbers["train_step_ms"] / 1000}),
            f"{numbers['train_memory_mb']:,} MB",
            _seconds({"median": numbers["forward_ms"][smallest] / 1000}),
        ]
        cells += [f"{numbers['tiles_per_second'][str(batch)]:.3g}" for batch in sizes["batches"]]
        cells += [f"{table['epoch_seconds'][model]:.3g} s" for table in tables.values()]
        lines.append(_row(model, *cells))

    blank = [""] * (len(head) - 1 - len(tables))
    correlations = [table["rho"] for table in tables.values()]
    lines.append(_row("rank correlation with our epoch times", *blank, *correlations))
    return "\n".join(lines)


def machines(records: dict[str, dict]) -> str:
    """Where and how the rows were measured."""
    lines = [
        _row("row", "measured", "machine", "threads", "load before", "notes"),
        "|---|---|---|--:|--:|---|",
    ]
    for name, record in records.items():
        if "machine" not in record:
            continue
        machine = record["machine"]
        measured = record["measured"][:16].replace("T", " ")
        place = f"{machine['name']}, {machine['cores']} cores"
        threads = record.get("threads", "")
        notes = record.get("notes", "")
        lines.append(_row(name, measured, place, threads, machine["load_before"], notes))
    return "\n".join(lines)


def _row(*cells: object) -> str:
    """A row of a table; no cell breaks it, whatever a record holds."""
    texts = (" ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |"


def _seconds(side: dict) -> str:
    median = side["median"]
    return f"{median:.3g} s" if median >= 0.1 else f"{median * 1000:.3g} ms"


def _milliseconds(seconds: float) -> str:
    """Empty if there were none."""
    if not seconds:
        return ""
    digits = 0 if seconds >= 0.01 else 1
    return f"{seconds * 1000:,.{digits}f} ms"


TABLES = {
    "comparisons": comparisons,
    "breakdown": breakdown,
    "steps": steps,
    "parts": parts,
    "operations": operations,
    "precision": precision,
    "speed": speed,
    "growth": growth,
    "machines": machines,
}
