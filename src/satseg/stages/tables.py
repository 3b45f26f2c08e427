"""Lay out a study's numbers: CSV files for programs, Markdown for people."""

from pathlib import Path

import numpy as np
import pandas as pd

from satseg.errors import UserError
from satseg.files import together
from satseg.jobs.program import stage
from satseg.jobs.slices import StudySlice
from satseg.metrics.baseline import MAJORITY
from satseg.pages.claims import claims_page
from satseg.pages.models import models_page
from satseg.pages.published import published_page
from satseg.pages.scores import per_class_page, scores_page
from satseg.pages.splits import splits_page
from satseg.paths import TABLES
from satseg.progress import log
from satseg.readers import read_csv, read_json
from satseg.study.claims.examine import claims_frame, examined
from satseg.study.comparison import gaps
from satseg.study.speed import speed_frame
from satseg.study.tables import (
    COSTS,
    PROFILE,
    compare,
    gather,
    judged_counts,
    models_table,
    published_table,
    scores_table,
    splits_table,
)


def run(spec: StudySlice, data: str, results: str) -> None:
    """Write the study's tables from counts, histories, profiles and splits.

    Raises:
        UserError: a file is missing, or does not hold what it should.
    """
    if MAJORITY in spec.models:
        raise UserError(
            f"models.{MAJORITY}: this is the name of the baseline; call the model something else"
        )
    runs = Path(results, "runs")
    histories = {
        c: read_csv(runs / c.path / "history.csv", ["epoch", "epoch_seconds"]) for c in spec.cells
    }
    profiles = {
        (dataset, model): read_json(
            Path(results, "profiles", dataset, f"{model}.json"), [*COSTS, *PROFILE]
        )
        for dataset in spec.datasets
        for model in spec.models
    }
    tiles = {
        d: read_csv(Path(data, "tiles", d, "tiles.csv"), ["tile", "scene", "group", "whole"])
        for d in spec.datasets
    }
    models = models_table(histories, profiles)
    splits = splits_table(spec, Path(data, "splits"))
    judged = {
        (dataset, recipe): judged_counts(
            spec, dataset, recipe, tiles[dataset], Path(data, "splits"), runs
        )
        for dataset in spec.datasets
        for recipe in spec.recipes
    }
    rows = scores_table(spec, {key: counts for key, (counts, _) in judged.items()})
    published = published_table(spec, histories, profiles, rows)
    comparisons = [
        compare(spec, dataset, recipe, counts, said, histories, profiles, splits)
        for (dataset, recipe), (counts, said) in judged.items()
    ]
    findings = []
    if spec.paper:
        evidence = [
            gather(spec, c, histories, profiles, tiles[c.dataset], Path(data, "splits"), runs)
            for c in comparisons
        ]
        findings = examined(spec.paper, evidence)
    speed = speed_frame(spec.paper, profiles)
    leaks = gaps(comparisons, {name: recipe.model_dump() for name, recipe in spec.recipes.items()})
    texts = {
        "scores": scores_page(spec, comparisons, leaks),
        "per_class": per_class_page(comparisons),
        "models": models_page(spec, models, profiles, speed),
        "splits": splits_page(spec, splits, tiles, leaks),
        "published": published_page(spec, published),
        "claims": claims_page(spec, findings),
    }
    frames = {"scores": rows, "models": models, "splits": splits, "published": published}
    frames |= {"claims": claims_frame(findings), "speed": speed}
    out = Path(results, spec.name, "tables")
    write(out, frames, texts)
    log.info("%s: %d cells, %d scores in %s", spec.name, len(spec.cells), len(rows), out)


def write(out: Path, frames: dict[str, pd.DataFrame], texts: dict[str, str]) -> None:
    """Write every table: what programs read, what people read."""
    with together(
        *(out / f"{name}.csv" for name in frames), *(out / f"{name}.md" for name in TABLES)
    ) as files:
        for frame, file in zip(frames.values(), files, strict=False):
            frame.to_csv(file, index=False, float_format=plain)
        for name, file in zip(TABLES, files[len(frames) :], strict=True):
            file.write_text(texts[name] + "\n", encoding="utf-8")


def plain(value: float) -> str:
    """Six decimals at most, never an exponent."""
    return np.format_float_positional(value, precision=6, trim="-")


if __name__ == "__main__":
    paths = {
        "data": "folder of tiles and splits",
        "results": "folder of runs and profiles; the study's go there too",
    }
    stage("tables", __doc__, StudySlice, run, paths)
