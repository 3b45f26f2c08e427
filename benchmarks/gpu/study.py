"""The runs of a study, seed by seed and small models first; stopped runs go on in the next call."""

from functools import partial
from pathlib import Path

from benchmarks.gpu.steps import Step, Unfinished
from satseg.config.reading import load
from satseg.config.root import Config
from satseg.jobs import slices
from satseg.models import build_model
from satseg.paths import Paths
from satseg.readers import read_json
from satseg.stages import download, evaluate, split, tile, train
from satseg.training.limits import Stopped

STUDY = "faster_unet_dubai"
# Its models and a compact one, without pretrained weights, which need a network.
MODELS_OF = "faster_unet_found"
QUICK = {
    "datasets": {
        "demo": {"source": {"kind": "demo", "scenes": 6, "size": 128, "seed": 0}, "tile_size": 64}
    },
    "recipes": {"demo": {"epochs": 1, "scheduler": None}},
}


def steps(out: Path, scenes: Path | None, quick: bool) -> list[Step]:
    """A step per run; without the scenes, there are none.

    Args:
        out: folder of the results; below it lie `data` and `results` as in a project.
        scenes: folder of the dataset's scenes.
        quick: one epoch of a small model on a few drawn scenes.
    """
    if quick:
        config = load(overrides=QUICK)
        cells = [slices.Cell(dataset="demo", model="unet_tiny", recipe="demo", seed=0)]
    elif scenes is None:
        return []
    else:
        (dataset,) = load().study[STUDY].datasets
        config = load(overrides={"datasets": {dataset: {"path": str(scenes.resolve())}}})
        study = config.study[STUDY]
        models = sorted(config.study[MODELS_OF].models, key=lambda name: _size(config, name))
        cells = slices.cells(study.model_copy(update={"models": models}), config.folds)
        cells.sort(key=lambda cell: (cell.seed, models.index(cell.model)))

    paths = Paths(out / "data", out / "results")
    return [
        Step(f"run_{cell.model}_seed{cell.seed}", partial(run, config, paths, cell), 1, True)
        for cell in cells
    ]


def _size(config: Config, model: str) -> int:
    """Number of a model's weights."""
    return sum(weights.numel() for weights in build_model(config.models[model], 6).parameters())


def run(config: Config, paths: Paths, cell: slices.Cell, seconds: float) -> dict:
    """Train and evaluate a cell, its tiles and split made first; what its run.json says."""
    dataset = cell.dataset
    name = config.recipes[cell.recipe].split
    raw = paths.manifest(dataset).parent
    tiles = paths.tiles(dataset)
    split_file = paths.split(dataset, name, cell.fold)
    if not paths.manifest(dataset).exists():
        download.run(slices.download_slice(config, dataset), str(raw))
    if not paths.tiles_table(dataset).exists():
        tile.run(slices.tile_slice(config, dataset), str(raw), str(tiles))
    if not split_file.exists():
        split_file.parent.mkdir(parents=True, exist_ok=True)
        split.run(slices.split_slice(config, name, cell.fold), str(tiles), str(split_file))

    job = slices.train_slice(config, dataset, cell.model, cell.recipe, cell.seed, cell.fold)
    out = paths.run(cell.path)
    inputs = (str(tiles), str(split_file), str(out))
    if not (out / "run.json").exists():
        try:
            train.run(job, str(raw), *inputs, time_budget=seconds / 60)
        except Stopped:
            raise Unfinished from None
    evaluate.run(slices.evaluate_slice(config, cell.recipe, cell.model), *inputs)
    return {"cell": cell.model_dump(), "run": read_json(out / "run.json", ["epochs"])}
