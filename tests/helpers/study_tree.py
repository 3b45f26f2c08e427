"""A small study on disk, as the stages before `tables` and `figures` would have left it."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from satseg.config.models import UNetSpec
from satseg.config.recipes import Training
from satseg.config.studies import Study
from satseg.data.agreement import COLUMNS as AGREEMENT
from satseg.data.leakage import COLUMNS as LEAKAGE
from satseg.jobs.slices import StudySlice
from satseg.paths import FIGURES, PANELS, Paths

matplotlib.use("agg")

SIZE = 16
SCENES = 24
PER_SCENE = 5
CLASSES = [
    ("Void", "#000000", True),
    ("Field", "#E6C86E", False),
    ("Wood", "#267300", False),
    ("Lake", "#00A0DC", False),
]
# A GIF of one grey pixel.
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAICAgAAAACwAAAAAAQABAAACAkQBADs="
UNET = {
    "family": "unet",
    "widths": [8],
    "convs": [1],
    "bottleneck": {"width": 8, "convs": 1},
    "decoder_convs": [1],
}
PAPER = {
    "title": "On toys",
    "models": ["alpha", "b*"],
    "protocol": [
        {"what": "Epochs", "printed": "50 at most", "keys": {"epochs": 50}},
        {"what": "Loss", "printed": "CE", "keys": {"loss.name": "cross_entropy", "loss.class_weights": "none"}},
        {"what": "Schedule", "printed": "plateau", "keys": {"scheduler.name": "plateau"}},
        {"what": "Logical batch", "printed": "2", "keys": {"logical_batch_size": 2}},
    ],
    "metrics": [{"what": "mIOU", "printed": "A mean.", "ours": "miou_published", "note": "Beware."}],
    "tables": [
        {
            "title": "Table 3: Toys",
            "device": "Toy GPU",
            "dataset": "toy",
            "recipe": "leaky",
            "columns": [
                {"metric": "parameters", "classes": 9},
                {"metric": "memory_mb", "classes": 9},
                {"metric": "epoch_seconds"},
                {"metric": "miou_published"},
                {"metric": "iou_published", "class_name": "Lake"},
            ],
            "rows": {
                "alpha": [1000009, 1300, 30.5, 0.5, 0.25],
                "b*": [{"value": 2000004, "classes": 4}, 1, 20, 0.4, 0.2],
            },
        },
    ],
    "draws": [
        {
            "what": "Its 5 images", "dataset": "toy", "scenes": 5,
            "pixels": {"Field": 100, "Wood": 80, "Lake": 60}, "strata": {"all of it": "*", "its start": "00*"},
        },
    ],
    "claims": {
        "beta_first": {
            "text": "Beta is the fastest", "test": "rank", "by": ["epoch_seconds", "latency_ms"], "model": "b*",
            "order": "lowest", "place": 1,
        },
        "alpha_best": {
            "text": "Alpha scores highest", "test": "rank", "by": ["miou_d"], "model": "alpha", "order": "highest",
            "place": 1,
        },
        "size": {
            "text": "Time follows memory", "test": "follows", "by": ["latency_ms"], "size": "memory_mb",
            "rather_than": ["parameters"],
        },
        "rare": {"text": "Rare classes do worst", "test": "rare_classes", "by": ["iou"]},
        "gain": {
            "text": "Nothing helps", "test": "no_gain", "by": ["miou_d"], "baseline": "leaky", "recipes": "ap*",
        },
    },
}  # fmt: skip
ERRORS = (0.2, 0.22, 0.6)  # of the first, second and third model


def study_slice(
    models: Sequence[str] = ("alpha", "beta", "gamma"),
    classes=CLASSES,
    about="?",
    paper=None,
    **study,
) -> StudySlice:
    """A slice of one dataset, and two recipes that differ in nothing but the split."""
    recipe = {
        "about": about,
        "loss": {"name": "cross_entropy"},
        "epochs": 3,
        "batch_size": 2,
        "padded_tiles": False,
    }
    names = ["leaky", "apart"]
    entry = {"title": "Toy land", "licence": "CC0", "url": "https://toy.example/land"}
    entry["classes"] = [{"name": n, "color": c, "unlabelled": u} for n, c, u in classes]
    chosen = {
        "title": "A toy study",
        "about": "Which is best?",
        "datasets": ["toy"],
        "models": list(models),
    }
    return StudySlice(
        name="mine",
        study=Study.model_validate(chosen | {"recipes": names} | study),
        datasets={"toy": entry},
        models={name: UNetSpec.model_validate(UNET) for name in models},
        recipes={name: recipe | {"split": f"by_{name}"} for name in names},
        paper=paper,
    )


def write_tree(root: Path, spec: StudySlice) -> tuple[str, str]:
    """Write data/ and results/ below `root`; the folders, as the stages take them."""
    rng = np.random.default_rng(5)
    names = [c.name for c in spec.datasets["toy"].classes]
    masks = draw_masks(rng, len(names))
    tiles = tile_table(masks, names)
    write_csv(root / "data/tiles/toy/tiles.csv", tiles)
    write_csv(root / "data/tiles/toy/agreement.csv", pd.DataFrame(columns=AGREEMENT))
    (root / "data/raw/toy").mkdir(parents=True)
    manifest = {
        "dataset": "toy",
        "origin": {},
        "root": "scenes",
        "files": [{"path": "a", "bytes": 2_500_000, "sha256": "0"}],
    }
    (root / "data/raw/toy/manifest.json").write_text(json.dumps(manifest))
    splits = {
        ("by_leaky", None): rng.permutation(
            np.resize(["train", "train", "val", "test"], len(tiles))
        ),
        ("by_apart", None): np.repeat(
            np.resize(["train", "train", "val", "val", "test", "test"], SCENES), PER_SCENE
        ),
    }
    folds = spec.folds.get("apart", 0)
    for fold in range(1, folds + 1):
        splits["by_apart", fold] = in_fold(tiles, fold, folds)
    paths = Paths(root / "data")
    for (name, fold), subset in splits.items():
        split = tiles[["tile", "scene"]].assign(subset=subset)
        write_csv(paths.split("toy", name, fold), split)
        write_csv(paths.leakage("toy", name, fold), leakage(tiles, split))
    errors = dict(zip(spec.models, ERRORS, strict=False))
    for cell in spec.cells:
        recipe = spec.recipes[cell.recipe]
        judged = (splits[recipe.split, cell.fold] == recipe.evaluate.subset) & (tiles["whole"] == 1)
        error = errors[cell.model] * (0.5 if cell.recipe == "leaky" else 1)
        wrong = np.random.default_rng([cell.seed, int(error * 1000)]).random(masks.shape) < error
        predictions = np.where(wrong, 1 + (masks % (len(names) - 1)), masks)
        folder = root / "results/runs" / cell.path
        write_csv(
            folder / "counts.csv",
            count(tiles[judged], masks, predictions, names, spec.counted(cell)),
        )
        judged_masks = masks[judged]
        judged_predictions = predictions[judged]
        confused = confuse(judged_masks, judged_predictions, names, spec.counted(cell))
        write_csv(folder / "confusion.csv", confused)
        write_csv(folder / "history.csv", history(error + cell.seed / 100))
        (folder / "run.json").write_text(json.dumps(run_record(cell, spec)))
    for i, model in enumerate(spec.models):
        path = root / f"results/profiles/toy/{model}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(profile(model, i)))
    path = root / f"results/{spec.name}/speed/toy.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(speed(spec.models)))
    write_figures(root / "results" / spec.name / "figures", spec)
    return str(root / "data"), str(root / "results")


def in_fold(tiles: pd.DataFrame, fold: int, folds: int) -> np.ndarray:
    """The subset of each tile: every so manieth group is tested, the one after it validates."""
    place = tiles["group"].astype(int) % folds
    subset = np.where(place == fold % folds, "val", "train").astype(object)
    subset[place == fold - 1] = "test"
    return subset


def draw_masks(rng: np.random.Generator, classes: int) -> np.ndarray:
    """Masks uint8 [N, H, W]: vertical stripes of classes, some tiles without a label at all."""
    edges = np.sort(rng.integers(0, SIZE + 1, (SCENES * PER_SCENE, classes - 1)), axis=1)
    columns = (np.arange(SIZE) >= edges[:, :, None]).sum(1)
    masks = np.repeat(columns[:, None], SIZE, axis=1).astype(np.uint8)
    masks[7] = 0
    masks[::9, :2] = 255
    return masks


def tile_table(masks: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """tiles.csv; scene names look like numbers, as they do in some datasets."""
    number = np.arange(len(masks))
    table = pd.DataFrame({"tile": number, "scene": [f"{i:03d}" for i in number // PER_SCENE]})
    table["group"] = (number // PER_SCENE // 2).astype(str)
    table["row"] = 0
    table["col"] = number % PER_SCENE
    table["whole"] = (number % PER_SCENE != PER_SCENE - 1).astype(int)
    table["height"] = SIZE
    table["width"] = SIZE - 4 * (1 - table["whole"])
    table["official_split"] = ""
    table["footprint"] = ""
    pixels = {f"pixels_{name}": (masks == i).sum((1, 2)) for i, name in enumerate(names)}
    return table.assign(**pixels)


def leakage(tiles: pd.DataFrame, split: pd.DataFrame) -> pd.DataFrame:
    """<split>.leakage.csv, counted tile by tile: scenes are a row of tiles that do not say where
    they lie."""
    rows = []
    subset = list(split["subset"])
    for pool, judged in product(("all", "whole"), ("val", "test")):
        used = [i for i in range(len(tiles)) if pool == "all" or tiles["whole"][i]]
        mine = [i for i in used if subset[i] == judged]
        train = [j for j in used if subset[j] == "train"]
        row = dict.fromkeys(LEAKAGE, 0) | {"pool": pool, "subset": judged, "tiles": len(mine)}
        for i in mine:
            scene, group, col = tiles.loc[i, ["scene", "group", "col"]]
            here = [abs(tiles["col"][j] - col) for j in train if tiles["scene"][j] == scene]
            kin = [tiles["scene"][j] for j in train if tiles["group"][j] == group]
            row["scene_shared"] += bool(here)
            row["group_shared"] += bool(kin)
            row["touching"] += 1 in here
            row["near"] += 1 not in here and 2 in here
            row["exposed"] += 1 in here or any(name != scene for name in kin)
        rows.append(row)
    return pd.DataFrame(rows)


def count(
    tiles: pd.DataFrame,
    masks: np.ndarray,
    predictions: np.ndarray,
    names: Sequence[str],
    counted: Sequence[int],
) -> pd.DataFrame:
    """counts.csv, by comparing masks."""
    rows = []
    for tile, scene in zip(tiles["tile"], tiles["scene"], strict=True):
        keep = np.isin(masks[tile], counted)
        truth = masks[tile][keep]
        guess = predictions[tile][keep]
        for i in counted:
            a = truth == i
            b = guess == i
            rows.append(
                [
                    tile,
                    scene,
                    names[i],
                    (a & b).sum(),
                    (~a & b).sum(),
                    (a & ~b).sum(),
                    (~a & ~b).sum(),
                ]
            )
    return pd.DataFrame(rows, columns=["tile", "scene", "class", "tp", "fp", "fn", "tn"])


def confuse(
    masks: np.ndarray, predictions: np.ndarray, names: Sequence[str], counted: Sequence[int]
) -> pd.DataFrame:
    """confusion.csv, by comparing masks; the left half of each tile is dark, the right half
    bright."""
    right = np.broadcast_to(np.arange(SIZE) >= SIZE // 2, masks.shape)
    rows = []
    for level, truth, guess in product(range(0, 256, 32), counted, counted):
        here = right if level == 224 else ~right
        alike = here & (masks == truth) & (predictions == guess)
        pixels = alike.sum() if level in (0, 224) else 0
        rows.append([level, names[truth], names[guess], pixels])
    return pd.DataFrame(rows, columns=["brightness", "truth", "prediction", "pixels"])


def history(level: float) -> pd.DataFrame:
    """history.csv of three epochs."""
    columns = ["loss", "jaccard", "dice", "pixel_accuracy", "precision", "recall"]
    frame = pd.DataFrame({"epoch": [1, 2, 3], "lr": 0.001, "epoch_seconds": [3.0, 2.0, 2.5]})
    for side, name in product(("train", "val"), columns):
        frame[f"{side}_{name}"] = level / frame["epoch"]
    return frame


def profile(model: str, i: int) -> dict:
    """A profile; later models are faster."""
    return {
        "dataset": "toy", "model": model, "classes": 4, "parameters": 1_234_567 * (i + 1),
        "memory_mb": 1292.25, "activations_mb": 640.5, "gflops": 21.25,
        "latency_ms": 40.0 - 10 * i, "latency_p95_ms": 41.0 - 10 * i, "train_step_ms": 100.0, "peak_memory_mb": 900.0,
        "levels": {"512": 60.0, "256": 10.0 * (i + 1), "128": 30.0},
        "device": {"kind": "cpu", "name": "Toy CPU"}, "input": [3, 512, 512], "summary": "",
        "train_step_p95_ms": 101.0, "latency_low_ms": 39.5 - 10 * i, "latency_high_ms": 40.5 - 10 * i,
        "train_step_low_ms": 99.0, "train_step_high_ms": 102.0, "load": [0.5, 1.25, 0.75], "reference_ms": 2.0,
        "trained": {
            "input": [3, 256, 256], "parameters": 1_234_567 * (i + 1), "gflops": 5.5, "latency_ms": 11.0 - 2 * i,
            "train_step_ms": 30.0, "peak_memory_mb": 300.0,
        },
        "sizes": {str(n): {"parameters": 1_000_000 * (i + 1) + n, "memory_mb": 1292.25 + n} for n in (4, 9)},
    }  # fmt: skip


def speed(models: Sequence[str]) -> dict:
    """The times of its models, measured in turns."""
    times = {}
    for i, model in enumerate(models):
        own = {key: value for key, value in profile(model, i).items() if key.endswith("_ms")}
        own.pop("reference_ms")
        tile = {"latency": 11.0 - 2 * i, "train_step": 30.0}
        ends = ("ms", "p95_ms", "low_ms", "high_ms")
        times[model] = own | {
            "trained": {f"{name}_{end}": value for name, value in tile.items() for end in ends}
        }
    return {
        "dataset": "toy",
        "models": times,
        "rounds": 3,
        "load": [0.5, 1.25, 0.75],
        "others": [0.0, 0.0, 0.0],
        "reference_ms": 2.0,
        "device": {"kind": "cpu", "name": "Toy CPU"},
    }


def run_record(cell, spec: StudySlice) -> dict:
    """run.json."""
    training = spec.recipes[cell.recipe].model_dump(mode="json", include=set(Training.model_fields))
    model = spec.models[cell.model].model_dump(mode="json")
    return {
        "cell": cell.model_dump(), "slice": {"cell": cell.model_dump(), "classes": ["Void"], "training": training, "model": model},
        "code": {"commit": "0123456789abcdef0123", "dirty": cell.seed == 1},
        "data": {"manifest_sha256": "a" * 64, "split_sha256": "b" * 64}, "lock_sha256": "c" * 64,
        "device": {"name": "Toy CPU", "kind": "cpu", "threads": 2}, "precision": "bf16",
        "versions": {"python": "3.11.0", "torch": "2.11.0"}, "seeds": {"training": cell.seed},
        "started": "2025-01-02T03:04:05+00:00", "wall_seconds": 3725.4, "peak_memory_mb": 512.5, "epochs": 3,
        "best_epoch": 2, "parameters": 1234, "tiles": {"train": 20, "val": 10}, "resumed_at": [],
    }  # fmt: skip


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)


def write_figures(folder: Path, spec: StudySlice) -> None:
    """A drawing for each figure the study shows."""
    import matplotlib.pyplot as plt

    from satseg.figures.saving import save

    folder.mkdir(parents=True)
    for name in spec.study.figures:
        figure, axes = plt.subplots(figsize=(8, 3.5))
        axes.plot([1, 2, 3], [3, 1, 2])
        axes.set_title(name)
        save(figure, folder / f"{name}.{FIGURES[name]}")
        plt.close(figure)
    if "predictions" in spec.study.figures:
        models = spec.study.models
        layers = [
            {"picture": DOT, "errors": None, "accuracy": None},
            *({"picture": DOT, "errors": DOT, "accuracy": 0.5 + i / 8} for i in range(3)),
        ]
        tiles = [
            {
                "name": f"scene {n}",
                "note": ["percentile 50", "hard: odd Lake"][n],
                "hard": n == 1,
                "image": DOT,
                "layers": layers[: 1 + len(models)],
            }
            for n in range(2)
        ]
        classes = [{"name": name, "color": color} for name, color, _ in CLASSES]
        block = {"title": "Toy", "classes": classes, "layers": ["Truth", *models], "tiles": tiles}
        (folder / PANELS).write_text(json.dumps({"blocks": [block]}))
