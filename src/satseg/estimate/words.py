"""The estimate in words."""

from collections import Counter
from pathlib import Path

from satseg.config.models import CompactSpec, SmpSpec
from satseg.config.tunings import trial_of
from satseg.estimate.expect import Estimate
from satseg.estimate.facts import Times
from satseg.estimate.measured import this_device
from satseg.text import columns, counted

UNITS = ((3600, "h"), (60, "min"), (1, "s"))


def report(estimate: Estimate, options: str = "") -> str:
    """Everything there is to expect, to be read in a terminal; the commands it suggests end with
    `options`."""
    sections = {
        f"What to expect of {', '.join(estimate.studies)}": "",
        "Jobs": _jobs_text(estimate, options),
        "Data": _data_text(estimate),
        f"Training on this device ({this_device()['name']})": _times_text(estimate, options),
    }
    return "\n\n".join(f"{title}\n{body}".strip() for title, body in sections.items())


def _jobs_text(estimate: Estimate, options: str) -> str:
    """A table of the jobs of each rule, and how many of their files exist."""
    rows = [["rule", "jobs", "there already"]]
    total = 0
    total_existing = 0

    for rule, files in estimate.jobs().items():
        existing = sum(file.exists() for file in files)
        rows.append([rule, str(len(files)), str(existing)])
        total += len(files)
        total_existing += existing
    rows.append(["all", str(total), str(total_existing)])

    return (
        columns(rows) + "\n  Files that exist may be out of date; `satseg run "
        f"{' '.join(estimate.studies)}{options} -- --dry-run` lists what will run."
    )


def _data_text(estimate: Estimate) -> str:
    """A table of the datasets, and notes on downloads and disk space."""
    downloads = {name: estimate.download_bytes(name) for name in estimate.downloads}
    stores = {name: estimate.tile_bytes(name) for name in estimate.datasets}

    rows = [["dataset", "download", "tiles", "size of the tiles"]]
    for name in estimate.datasets:
        tiles = estimate.tiles(name)
        if tiles is None:
            count = "unknown"
        else:
            count = f"{'' if tiles.on_disk else 'about '}{tiles.count:,}"
        download = _size(downloads[name]) if name in downloads else "none of its own"
        rows.append([name, download, count, _size(stores[name])])

    notes = []
    if any(size != 0 for size in downloads.values()):
        unknown = [name for name, size in downloads.items() if size is None]
        rest = f", and {', '.join(unknown)}, whose size is unknown" if unknown else ""
        notes.append(f"To download: {_size(sum(filter(None, downloads.values())))}{rest}.")
        notes.append("While it is unpacked, an archive needs its size on disk twice.")

    encoders = _pretrained_encoders(estimate)
    if encoders:
        notes.append(
            f"In addition, pretrained weights of {', '.join(encoders)} are downloaded once."
        )

    weights = list(filter(None, (estimate.weight_bytes(cell) for cell in estimate.trained)))
    if weights:
        runs = counted(len(weights), "run")
        notes.append(f"Weights of {runs}: {_size(sum(weights))} in results/.")

    disk = sum(filter(None, [*downloads.values(), *stores.values(), *weights]))
    notes.append(f"Disk space, as far as known: {_size(disk)}.")

    return "\n".join([columns(rows), *(f"  {note}" for note in notes)])


def _pretrained_encoders(estimate: Estimate) -> list[str]:
    """Encoders whose weights have to be downloaded."""
    encoders = set()
    for cell in estimate.trained:
        model = estimate.config.models[cell.model]
        pretrained = isinstance(model, CompactSpec | SmpSpec) and model.encoder_weights
        if pretrained and not model.weights_file:
            encoders.add(model.encoder)
    return sorted(encoders)


def _times_text(estimate: Estimate, options: str) -> str:
    """A table of the runs still to be trained, their hours, and how to find out unknown ones."""
    histories = estimate.jobs()["train"]
    times = [
        estimate.times(cell)
        for cell, history in zip(estimate.trained, histories, strict=True)
        if not history.exists()
    ]
    if not times:
        return "  All runs are finished."

    lines = [columns(_times_rows(times), texts=3)]
    known = [time.epochs * time.epoch_seconds for time in times if time.epoch_seconds is not None]
    is_scaled = any(time.target and time.epoch_seconds is not None for time in times)
    if known:
        unknown = len(times) - len(known)
        rest = f", and {unknown} of unknown length" if unknown else ""
        total = _length(sum(known), is_scaled)
        lines.append(
            f"  Together {total} for {counted(len(known), 'run')}, one after the other{rest}."
        )
        lines.append(
            "  Profiles are measured on one 512² image in 32-bit, and time is assumed to grow with "
            "the pixels: expect up to\n  twice as much on a CPU, and less on a GPU, where larger "
            "batches and bf16 help. Epochs are an upper limit;\n  early stopping ends sooner."
        )

    if is_scaled:
        lines.append(
            f"  Times by published profiles are those of another machine, scaled:\n  "
            f"{estimate.published.said()}.\n  Expect a factor of two either way."
        )

    for reason, targets in _missing(times).items():
        force = "--force " if any(target.exists() for target in targets.values()) else ""
        files = " ".join(map(str, targets.values()))
        lines.append(f"  {reason}: {', '.join(targets)}. To measure, run:")
        lines.append(f"    snakemake {force}{files}{options}")

    return "\n".join(lines)


def _times_rows(times: list[Times]) -> list[list[str]]:
    """The table of the runs: a row for each dataset, model and recipe, which seeds share."""
    rows = [["dataset", "model", "recipe", "runs", "epochs", "tiles", "time", "based on"]]
    first: dict[tuple[str, str, str], Times] = {}
    counts: Counter[tuple[str, str, str]] = Counter()

    for time in times:
        key = (time.cell.dataset, time.cell.model, _recipe_label(time.cell.recipe))
        first.setdefault(key, time)
        counts[key] += 1

    for key, time in first.items():
        length = "unknown"
        if time.epoch_seconds is not None:
            seconds = counts[key] * time.epochs * time.epoch_seconds
            length = _length(seconds, bool(time.target))
        tiles = "unknown" if time.tiles is None else f"{time.tiles:,}"
        source = "" if time.target else time.source
        if time.target and time.epoch_seconds is not None:
            source = "published profiles"
        rows.append([*key, str(counts[key]), str(time.epochs), tiles, length, source])

    return rows


def _recipe_label(recipe: str) -> str:
    """A recipe's name; one for all trials of a tuning at a rung."""
    trial = trial_of(recipe)
    return f"{trial.tuning}, rung {trial.rung}" if trial else recipe


def _missing(times: list[Times]) -> dict[str, dict[str, Path]]:
    """Why times are unknown → dataset or model → the file to build."""
    missing: dict[str, dict[str, Path]] = {}
    for time in times:
        if time.target:
            # One profile per model is enough: those on other datasets are close to it.
            name = time.cell.dataset if time.tiles is None else time.cell.model
            missing.setdefault(time.source, {}).setdefault(name, time.target)
    return missing


def _length(seconds: float, roughly: bool) -> str:
    """A length of time: to three digits, or about, to one."""
    unit, name = next((unit, name) for unit, name in UNITS if seconds >= unit or unit == 1)
    number = _rounded(seconds / unit, 1 if roughly else 3)
    return f"about {number} {name}" if roughly else f"{number} {name}"


def _size(size: int | None) -> str:
    if size is None:
        return "unknown"
    if size == 0:
        return "none"
    if size >= 1e8:
        return f"{_rounded(size / 1e9, 2)} GB"
    return f"{_rounded(size / 1e6, 2)} MB"


def _rounded(value: float, digits: int) -> str:
    """A number to so many significant digits, without an exponent."""
    return f"{float(f'{value:.{digits}g}'):,.15g}"
