"""Where a study's numbers come from."""

import json
from pathlib import Path
from typing import Any

from satseg.config.datasets import Dataset
from satseg.config.recipes import Recipe
from satseg.jobs.cells import Cell
from satseg.jobs.slices import StudySlice
from satseg.provenance import read_run
from satseg.readers import read_json
from satseg.text import duration

RUN = {
    "code": {"commit": (str, None), "dirty": (bool, None)},
    "data": dict,
    "device": {"kind": str, "name": (str, None)},
    "precision": str,
    "versions": dict,
    "seeds": dict,
    "slice": {"training": dict, "model": dict},
    "started": str,
    "wall_seconds": float,
}
FILES = {"files": [{"path": str, "bytes": int}]}


def provenance(job: StudySlice, runs: Path) -> dict[str, Any]:
    """Where the study's numbers come from.

    `recipes`: what each recipe sets. `runs`: the row of each run, the entries that are its own, and
    where it departs from its recipe. `common`: the entries that all runs share.
    """
    rows = []
    for cell in job.cells:
        recorded = read_run(runs / cell.path, cell, RUN)
        left = departures(job, cell, recorded["slice"])
        rows.append(run_row(cell, recorded) | {"departures": left})
    recipes = [
        {"name": name, "about": recipe.about, "settings": settings(recipe)}
        for name, recipe in job.recipes.items()
    ]
    return {"recipes": recipes} | overview(rows)


def overview(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows of runs, with the entries that are a run's own, and the entries that all share."""
    shared = set.intersection(*(set(row["entries"]) for row in rows))
    common = [entry for entry in rows[0]["entries"] if entry in shared]
    for row in rows:
        row["own"] = [entry for entry in row["entries"] if entry not in common]
    return {"runs": rows, "common": common}


def settings(recipe: Recipe) -> str:
    """What a recipe sets to other values than the defaults, on a line."""
    chosen = recipe.model_dump(mode="json", exclude={"about"}, exclude_defaults=True)
    return "; ".join(f"{name} {value}" for name, value in flat_entries(chosen))


def run_row(cell: Cell, recorded: dict[str, Any]) -> dict[str, Any]:
    """What a run recorded in run.json: the row of the overview, and every entry.

    Args:
        cell: the run.
        recorded: the content of the file.
    """
    entries = {key: value for key, value in recorded.items() if key not in ("cell", "slice")}
    code = recorded["code"]
    device = recorded["device"]
    return {
        "cell": cell,
        "device": device.get("name") or device.get("kind"),
        "precision": recorded["precision"],
        "commit": (code["commit"] or "none")[:10],
        "dirty": bool(code["dirty"]),
        "started": recorded["started"],
        "wall_seconds": recorded["wall_seconds"],
        "wall": duration(recorded["wall_seconds"]),
        "entries": list(flat_entries(entries)),
        "departures": [],
    }


def departures(job: StudySlice, cell: Cell, used: dict[str, Any]) -> list[str]:
    """Where a run was trained otherwise than its recipe and model say, such as `epochs 2 in place
    of 3`.

    Args:
        job: the study.
        cell: the run.
        used: the slice that the run recorded.
    """
    recipe = job.recipes[cell.recipe]
    model = job.models[cell.model].model_dump(mode="json")
    if recipe.head_dropout is not None:
        model |= recipe.model_dump(include={"head_dropout", "head_dropout_channels"})
    said = {"training": recipe.model_dump(mode="json"), "model": model}

    found = []
    for part, values in said.items():
        known = dict(flat_entries(values))
        for name, value in flat_entries(used[part]):
            if known.get(name, value) != value:
                found.append(f"{name} {value} in place of {known[name]}")
    return found


def flat_entries(value: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested entries as (`outer · inner`, text), in their order."""
    rows = []
    for key, entry in value.items():
        name = above + key.replace("_", " ")
        if isinstance(entry, dict):
            rows += flat_entries(entry, f"{name} · ")
        elif isinstance(entry, str):
            rows.append((name, entry))
        else:
            rows.append((name, json.dumps(entry, ensure_ascii=False)))
    return rows


def credit(job: StudySlice, dataset_name: str, raw: Path) -> dict[str, Any]:
    """Whose data a dataset is, and which of its files were used."""
    dataset = job.datasets[dataset_name]
    manifest = raw / (dataset.scenes_of or dataset_name) / "manifest.json"
    return credit_of(dataset, read_json(manifest, FILES)["files"])


def credit_of(dataset: Dataset, files: list[dict[str, Any]]) -> dict[str, Any]:
    """Whose data a dataset is; `files`: path and bytes of those that were used, if it is known."""
    # Only a web address may become a link: the URL comes from a file a user may have been given.
    is_web = bool(dataset.url) and dataset.url.startswith(("https://", "http://"))
    return {
        "title": dataset.title,
        "url": dataset.url if is_web else None,
        "licence": dataset.licence,
        "files": len(files),
        "megabytes": sum(file["bytes"] for file in files) / 1e6,
        "classes": dataset.classes,
    }
