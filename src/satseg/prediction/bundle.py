"""A trained model to take along: weights, ONNX, classes, origin, scores and a model card in one
archive or folder."""

import json
import shutil
from collections.abc import Hashable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from satseg.config.reading import load
from satseg.config.root import Config
from satseg.data.ground import independent_groups
from satseg.data.store import read_table
from satseg.errors import UserError
from satseg.files import atomic, scratch_folder, together
from satseg.metrics.scores import scores
from satseg.models.bundle import ABOUT, FORMAT, WEIGHTS, fitted_temperature, is_bundle
from satseg.models.segmenter import Segmenter, load_weights
from satseg.prediction.card import model_card
from satseg.prediction.colors import class_colors
from satseg.prediction.onnx import NEEDED, export
from satseg.prediction.style import write_style
from satseg.progress import log
from satseg.readers import read_counts, read_json

CARD = "README.md"
ONNX = "model.onnx"
STYLE = "style.qml"
DATE = (1980, 1, 1, 0, 0, 0)  # of files in an archive: the same content is the same archive


def write_bundle(
    run: str | Path, out: str | Path, epoch: str = "best", tiles: str | Path | None = None
) -> list[str]:
    """Write a bundle of a trained cell.

    Args:
        run: folder of the cell; its scores are those of its `counts.csv`, if it was evaluated.
        out: the archive (`.zip`), or a folder that does not exist yet or is a bundle.
        epoch: `best` or `final`.
        tiles: folder of the tile store, whose groups of tiles are what intervals are over; without
            it there are none, because scenes may show the same ground.

    Returns:
        Names of the bundle's files.

    Raises:
        UserError: there are no such weights, a file is damaged, or `out` is something else.
    """
    run = Path(run)
    out = Path(out)
    archive = out.suffix.lower() == ".zip"
    if not archive and out.exists() and not is_bundle(out):
        raise UserError(f"{out}: exists and is not a bundle; choose another name")

    weights = run / f"{epoch}.pt"
    segmenter = load_weights(weights)
    about = describe(segmenter, run, epoch, tiles)
    with scratch_folder(f"{out}.files") as folder:
        shutil.copyfile(weights, folder / WEIGHTS)
        _write_onnx(segmenter, folder / ONNX, str(weights))
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        (folder / ABOUT).write_text(text, encoding="utf-8")
        (folder / CARD).write_text(model_card(about), encoding="utf-8")
        colors = [land["color"] for land in about["classes"]]
        write_style(folder / STYLE, segmenter.classes, colors)

        files = sorted(folder.iterdir())
        if archive:
            _pack(files, out)
        else:
            _place(files, out)
        return [file.name for file in files]


def _write_onnx(segmenter: Segmenter, path: Path, name: str) -> None:
    """The ONNX file, if the libraries for it are there and the model allows it."""
    if not all(map(find_spec, NEEDED)):
        log.info("%s: no ONNX file, because %s are not installed", name, ", ".join(NEEDED))
        return
    try:
        export(segmenter, path, name)
    except UserError as error:
        log.warning("no ONNX file: %s", error)


def _place(files: list[Path], out: Path) -> None:
    """Make these the bundle in a folder, all or none; what else lies there stays."""
    with together(*(out / file.name for file in files)) as temporaries:
        for file, temporary in zip(files, temporaries, strict=True):
            shutil.copyfile(file, temporary)
        if not any(file.name == ONNX for file in files):
            (out / ONNX).unlink(missing_ok=True)  # that of other weights


def _pack(files: list[Path], out: Path) -> None:
    with atomic(out) as temporary, ZipFile(temporary, "w") as archive:
        for file in files:
            entry = ZipInfo(file.name, DATE)
            archive.writestr(entry, file.read_bytes(), ZIP_DEFLATED, compresslevel=9)


def describe(
    segmenter: Segmenter, run: Path, epoch: str, tiles: str | Path | None = None
) -> dict[str, Any]:
    """The content of `bundle.json`; arguments as of `write_bundle`."""
    record = read_json(run / "run.json", {}) if (run / "run.json").is_file() else {}
    config = _configuration()
    dataset = config.datasets.get(segmenter.dataset) if config else None
    classes = [
        {"index": index, "name": name, "color": color, "counted": index in segmenter.counted}
        for index, (name, color) in enumerate(
            zip(segmenter.classes, class_colors(segmenter), strict=True)
        )
    ]
    recipe = config.recipes.get(record.get("cell", {}).get("recipe")) if config else None
    evaluated = recipe.evaluate.weights if recipe else epoch
    subset = recipe.evaluate.subset if recipe else "evaluated"
    alone = not recipe or (recipe.evaluate.tta == "none" and not recipe.evaluate.ensemble)
    rows = []
    tested = None
    if alone and evaluated == epoch and (run / "counts.csv").is_file():
        rows, tested = _scores(run / "counts.csv", segmenter.counted_classes, tiles)
    return {
        "format": FORMAT,
        "name": _name(record, run),
        "weights": epoch,
        "dataset": {
            "name": segmenter.dataset,
            "title": dataset.title if dataset else segmenter.dataset,
            "licence": dataset.licence if dataset else None,
            "url": dataset.url if dataset else None,
        },
        "classes": classes,
        "images": segmenter.origin.model_dump(),
        "bands": segmenter.bands,
        "tile_size": segmenter.tile_size,
        "stride": segmenter.stride,
        "parameters": sum(values.numel() for values in segmenter.model.parameters()),
        "temperature": fitted_temperature(run, epoch),
        "subset": subset,
        "tested": tested,
        "scores": rows,
        "run": record,
    }


def _configuration() -> Config | None:
    try:
        return load()
    except UserError as error:
        reason = str(error).splitlines()[0]
        log.warning("the bundle has no licence and no title of the data: %s", reason)
        return None


def _name(record: dict, run: Path) -> str:
    """What the model is called: dataset, model, recipe and seed of its cell."""
    cell = record.get("cell")
    if not cell:
        return run.name
    fold = "" if cell.get("fold") is None else f", fold {cell['fold']}"
    return "{dataset} · {model} · {recipe} · seed {seed}".format(**cell) + fold


def _scores(
    counts_file: Path, classes: list[str], tiles: str | Path | None
) -> tuple[list[dict], dict]:
    """Scores with intervals, and over how many tiles and groups; None groups without a tile store,
    and then no interval."""
    frame = read_counts(counts_file, classes)
    numbers = frame["tile"].unique().tolist()
    groups = _groups(tiles, numbers)
    known = groups or dict.fromkeys(numbers, "")
    table = scores([frame], known).drop(columns="deviation")
    rows = []
    for row in table.to_dict("records"):
        rows.append({key: _plain(value) for key, value in row.items()})
    return rows, {"tiles": len(numbers), "units": len(set(known.values())) if groups else None}


def _groups(tiles: str | Path | None, numbers: list[int]) -> Mapping[int, Hashable]:
    """The group of each of these tiles; empty without a tile store."""
    if not tiles or not Path(tiles, "tiles.csv").is_file():
        return {}
    table = read_table(tiles, ["tile", "group"])
    return independent_groups(table[table["tile"].isin(numbers)])


def _plain(value: Any) -> Any:
    """A value as JSON has it: no NaN."""
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if np.isfinite(value) else None
    return value
