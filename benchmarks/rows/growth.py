"""How the cost of each stage grows with the number of scenes, tiles, models or loader processes."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import Row, Run, alternate, circumstances, once
from benchmarks.rows import growing


@dataclass(frozen=True)
class Series:
    """A stage, measured at growing counts."""

    name: str
    of: str
    """What is counted."""
    side: Callable[..., Run]
    make: Callable[..., None]
    counts: list[int]
    few: list[int]
    """Counts when the series is only tried."""
    memory: bool = False
    sizes: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)


IMAGES = {"sizes": {"size": 256, "drawn": 1024}, "quick": {"size": 32, "drawn": 128}}
MODELS = {"of": "models", "make": growing.make_study, "counts": [1, 2, 4, 8, 16], "few": [1, 2]}
SERIES = [
    Series(
        name="tile",
        of="scenes",
        side=growing.tile_scenes,
        make=growing.make_scenes,
        counts=[1, 2, 4, 8],
        few=[1, 2],
        memory=True,
        sizes={"side": 3000, "drawn": 1024},
        quick={"side": 100, "drawn": 128},
    ),
    Series(
        name="read and augment",
        of="tiles",
        side=growing.read_tiles,
        make=growing.make_tiles,
        counts=[64, 128, 256, 512],
        few=[8, 16],
        memory=True,
        **IMAGES,
    ),
    Series(
        name="read and augment, processes",
        of="loader processes",
        side=growing.read_with_workers,
        make=growing.make_tiles,
        counts=[0, 1, 2],
        few=[0],
        sizes={"size": 256, "drawn": 1024, "tiles": 256, "counts": [256]},
        quick={"size": 32, "drawn": 128, "tiles": 8, "counts": [8]},
    ),
    Series(
        name="train, an epoch",
        of="tiles",
        side=growing.train_tiles,
        make=growing.make_tiles,
        counts=[32, 64, 128, 256],
        few=[16, 24],
        memory=True,
        **IMAGES,
    ),
    Series(
        name="evaluate",
        of="tiles",
        side=growing.evaluate_stored,
        make=growing.make_tiles,
        counts=[32, 64, 128, 256],
        few=[8, 16],
        memory=True,
        **IMAGES,
    ),
    Series(name="tables", side=partial(growing.stage_of_models, stage="tables"), **MODELS),
    Series(name="figures", side=partial(growing.stage_of_models, stage="figures"), **MODELS),
    Series(
        name="plan",
        of="models",
        side=growing.plan,
        make=growing.make_plans,
        counts=[1, 4, 16, 64],
        few=[1, 2],
    ),
]


def measure(folder: Path, quick: bool, series: Sequence[Series] = SERIES) -> dict:
    """Seconds and peak memory of each stage for growing counts, and the exponents."""
    records = {}
    for one in series:
        place = folder / one.name.replace(" ", "_").replace(",", "")
        place.mkdir(parents=True)
        records[one.name] = _grown(one, place, quick)
        shutil.rmtree(place)
        print(one.name, records[one.name], flush=True)

    return {
        "row": "growth",
        "what": "how cost grows",
        "against": "",
        "series": records,
        "facts": {},
    } | circumstances()


def _grown(series: Series, folder: Path, quick: bool) -> dict:
    """Seconds and peak memory of a stage for each count, and the fitted exponent."""
    counts = series.few if quick else series.counts
    sizes = {"counts": counts} | series.sizes | (series.quick if quick else {})
    series.make(folder, **sizes)
    row = Row(
        name=series.name,
        what="",
        against="",
        make=series.make,
        sizes=sizes,
        quick={},
        repeats=3,
        threads=2,
        sides={str(count): partial(series.side, count=count) for count in counts},
    )
    measured = once(row, folder, sizes) if quick else alternate(row, folder, sizes)

    seconds = []
    for turns in measured.turns.values():
        walls = [turn.wall for turn in turns]
        seconds.append(float(np.median(walls)))
    record = {
        "of": series.of,
        "counts": counts,
        "seconds": [float(f"{s:.4g}") for s in seconds],
    }
    if series.memory:
        record["peak_memory_mb"] = [round(peak) for peak in measured.peaks.values()]
    if min(counts) > 0:
        record |= fit(counts, seconds)
    return record


def fit(counts: list[int], seconds: list[float]) -> dict:
    """Exponent of a power law (the slope on logarithmic axes); fixed seconds and seconds per item
    of a straight line."""
    exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
    each, fixed = np.polyfit(counts, seconds, 1).tolist()
    return {
        "exponent": round(float(exponent), 2),
        "fixed_seconds": round(fixed, 3),
        "each_seconds": round(each, 5),
    }
