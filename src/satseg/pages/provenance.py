"""Where a study's numbers come from."""

import json
from pathlib import Path
from typing import Any

from satseg.jobs.slices import Cell, StudySlice
from satseg.readers import read_json
from satseg.text import duration

RUN = ["code", "data", "device", "precision", "versions", "seeds", "started", "wall_seconds"]


def provenance(cell: Cell, runs: Path) -> dict[str, Any]:
    """What a run's run.json says: the row of the overview, every entry, and the resolved
    configuration."""
    recorded = read_json(runs / cell.path / "run.json", RUN)
    entries = {k: v for k, v in recorded.items() if k not in ("cell", "slice")}
    code, device = recorded["code"], recorded["device"]
    return {
        "cell": cell,
        "device": device.get("name") or device.get("kind"),
        "precision": recorded["precision"],
        "commit": (code["commit"] or "none")[:10],
        "dirty": bool(code["dirty"]),
        "started": recorded["started"],
        "wall_seconds": recorded["wall_seconds"],
        "wall": duration(recorded["wall_seconds"]),
        "entries": list(flat(entries)),
        "slice": json.dumps(recorded.get("slice", {}), indent=2, ensure_ascii=False),
    }


def flat(value: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested entries as (`outer · inner`, text), in their order."""
    rows = []
    for key, entry in value.items():
        name = above + key.replace("_", " ")
        if isinstance(entry, dict):
            rows += flat(entry, f"{name} · ")
        else:
            rows.append(
                (name, entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False))
            )
    return rows


def credit(spec: StudySlice, name: str, raw: Path) -> dict[str, Any]:
    """Whose data a dataset is, and which files of it were used."""
    dataset, files = (
        spec.datasets[name],
        read_json(raw / name / "manifest.json", ["files"])["files"],
    )
    # Only a web address may become a link: the URL comes from a file a user may have been given.
    web = dataset.url if dataset.url and dataset.url.startswith(("https://", "http://")) else None
    return {
        "title": dataset.title,
        "url": web,
        "licence": dataset.licence,
        "files": len(files),
        "megabytes": sum(file["bytes"] for file in files) / 1e6,
        "classes": dataset.classes,
    }
