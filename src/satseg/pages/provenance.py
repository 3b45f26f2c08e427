"""Where a study's numbers come from."""

import json
from pathlib import Path
from typing import Any

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
    "started": str,
    "wall_seconds": float,
}
FILES = {"files": [{"path": str, "bytes": int}]}


def provenance(cell: Cell, runs: Path) -> dict[str, Any]:
    """What a run recorded in run.json: the row of the overview, every entry, and the resolved
    configuration."""
    recorded = read_run(runs / cell.path, cell, RUN)
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
        "slice": json.dumps(recorded.get("slice", {}), indent=2, ensure_ascii=False),
    }


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
    files = read_json(manifest, FILES)["files"]
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
