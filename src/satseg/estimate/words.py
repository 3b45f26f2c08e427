"""The estimate in words."""

from collections import Counter
from pathlib import Path

from satseg.config.models import SmpSpec
from satseg.estimate.expect import Estimate, this_device
from satseg.text import columns


def report(estimate: Estimate, options: str = "") -> str:
    """Everything there is to expect, to be read in a terminal; the commands it tells end with
    `options`."""
    sections = {
        f"What to expect of {', '.join(estimate.studies)}": "",
        "Jobs": _jobs_text(estimate),
        "Data": _data_text(estimate),
        f"Training on this device ({this_device()['name']})": _times_text(estimate, options),
    }
    return "\n\n".join(f"{title}\n{body}".strip() for title, body in sections.items())


def _jobs_text(estimate: Estimate) -> str:
    jobs = estimate.jobs()
    rows = [
        [rule, str(len(files)), str(sum(f.exists() for f in files))] for rule, files in jobs.items()
    ]
    total = [str(sum(int(row[i]) for row in rows)) for i in (1, 2)]
    text = columns([["rule", "jobs", "there already"], *rows, ["all", *total]])
    return text + "\n  What is there may be out of date: `snakemake --dry-run` says what will run."


def _data_text(estimate: Estimate) -> str:
    rows, config = [["dataset", "download", "tiles", "size of the tiles"]], estimate.config
    for name in estimate.datasets:
        tiles = estimate.tiles(name)
        count = "unknown" if tiles is None else f"{'' if tiles.here else 'about '}{tiles.count:,}"
        rows.append(
            [name, _size(estimate.download_bytes(name)), count, _size(estimate.tile_bytes(name))]
        )
    notes, fetched = [], {name: estimate.download_bytes(name) for name in estimate.datasets}
    if any(size != 0 for size in fetched.values()):
        unknown = [name for name, size in fetched.items() if size is None]
        rest = f", and {', '.join(unknown)}, whose size is unknown" if unknown else ""
        notes.append(f"To download: {_size(sum(filter(None, fetched.values())))}{rest}.")
        notes.append("An archive needs its size on disk twice while it is unpacked.")
    encoders = sorted({
        spec.encoder
        for spec in (config.models[cell.model] for cell in estimate.cells)
        if isinstance(spec, SmpSpec) and spec.encoder_weights and not spec.weights_file
    })  # fmt: skip
    if encoders:
        notes.append(f"Besides, pretrained weights of {', '.join(encoders)} are fetched once.")
    weights = [estimate.weight_bytes(cell) for cell in estimate.cells]
    known = [size for size in weights if size]
    if known:
        notes.append(f"Weights of {len(known)} trainings: {_size(sum(known))} in results/.")
    sizes = [*fetched.values(), *(estimate.tile_bytes(name) for name in estimate.datasets), *known]
    notes.append(f"Disk, as far as it is known: {_size(sum(filter(None, sizes)))}.")
    return "\n".join([columns(rows), *(f"  {note}" for note in notes)])


def _times_text(estimate: Estimate, options: str) -> str:
    history = estimate.jobs()["train"]
    cells = [cell for cell, file in zip(estimate.cells, history, strict=True) if not file.exists()]
    if not cells:
        return "  All trainings are there."
    times = [estimate.times(cell) for cell in cells]
    rows, seen = (
        [["dataset", "model", "recipe", "trainings", "epochs", "tiles", "hours", "by"]],
        Counter(),
    )
    for time in times:
        seen[time.cell.dataset, time.cell.model, time.cell.recipe] += 1
    for key, number in seen.items():
        time = next(t for t in times if (t.cell.dataset, t.cell.model, t.cell.recipe) == key)
        hours = (
            "unknown"
            if time.epoch_seconds is None
            else _hours(number * time.epochs * time.epoch_seconds)
        )
        tiles = "unknown" if time.tiles is None else f"{time.tiles:,}"
        rows.append(
            [*key, str(number), str(time.epochs), tiles, hours, "" if time.target else time.source]
        )
    known = [t.epochs * t.epoch_seconds for t in times if t.epoch_seconds is not None]
    lines = [columns(rows, texts=3)]
    if known:
        rest = (
            f", and {len(times) - len(known)} of unknown length" if len(known) < len(times) else ""
        )
        lines.append(
            f"  Together {_hours(sum(known))} hours for {len(known)} trainings, one after the other{rest}."
        )
        lines.append(
            "  A profile is one 512² image in 32-bit, and time is taken to grow with the pixels: expect up to twice as "
            "much on a CPU,\n  less on a GPU, where larger batches and bf16 help. Epochs are at most; early stopping "
            "ends sooner."
        )
    missing: dict[str, dict[str, Path]] = {}
    for time in times:
        if time.target:
            # One profile a model is enough: those on other datasets are near it.
            what = time.cell.dataset if time.tiles is None else time.cell.model
            missing.setdefault(time.source, {}).setdefault(what, time.target)
    for why, targets in missing.items():
        force = "--force " * any(target.exists() for target in targets.values())
        lines.append(f"  {why}: {', '.join(targets)}. This tells:")
        lines.append(f"    snakemake {force}{' '.join(map(str, targets.values()))}{options}")
    return "\n".join(lines)


def _hours(seconds: float) -> str:
    return _rounded(seconds / 3600, 3 if seconds >= 36 else 1)


def _size(size: int | None) -> str:
    if size is None:
        return "unknown"
    return (
        "none"
        if size == 0
        else f"{_rounded(size / 1e9, 2)} GB"
        if size >= 1e8
        else f"{_rounded(size / 1e6, 2)} MB"
    )


def _rounded(value: float, digits: int) -> str:
    """A number with so many significant digits; a large one is no power of ten."""
    return f"{float(f'{value:.{digits}g}'):,.15g}"
