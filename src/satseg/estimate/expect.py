"""What to expect of studies before they start: jobs, downloads, disk and hours on this device.

Nothing is guessed: what cannot be known yet is called unknown, with the way to get it.
"""

import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from satseg.config.datasets import DemoSource, Expected, HttpSource, OfficialTiles
from satseg.config.models import ModelSpec
from satseg.config.root import Config
from satseg.data.splits import draw_split
from satseg.data.store import read_table
from satseg.jobs import slices
from satseg.jobs.slices import Cell
from satseg.paths import Paths
from satseg.readers import read_csv, read_json

FORWARD = (
    1 / 3
)  # of a training step's time goes into the forward pass, which is all that validation does


MEASURED = 512**2  # pixels of the image that profiles are measured on


WEIGHTS = 2 * 4  # bytes a parameter: the best and the last epoch's, 32-bit


class Tiles(NamedTuple):
    """The tiles of a dataset."""

    count: int
    bands: int
    here: bool
    """Whether they are on disk; otherwise `count` is what the publishers' figures come to."""


class Times(NamedTuple):
    """How long a training takes."""

    cell: Cell
    tiles: int | None
    """Training tiles of an epoch; None where the dataset's size is not known."""
    epochs: int
    """At most."""
    epoch_seconds: float | None
    """None where nothing has been measured."""
    source: str
    """Where that comes from; where nothing has been measured, why not."""
    target: Path | None = None
    """The file whose making tells; None where nothing is missing."""


class Estimate:
    """What some studies will take, given what is on disk already."""

    def __init__(
        self,
        config: Config,
        studies: list[str],
        data: str | Path = "data",
        results: str | Path = "results",
    ):
        self.config = config
        self.studies = studies
        self.paths = Paths(data, results)
        chosen = [config.study[name] for name in studies]
        self.cells = list(
            {cell.path: cell for study in chosen for cell in slices.cells(study)}.values()
        )
        self.datasets = list(dict.fromkeys(cell.dataset for cell in self.cells))

    def jobs(self) -> dict[str, list[Path]]:
        """Rule → the file each of its jobs makes."""
        pairs = list(dict.fromkeys((cell.dataset, cell.model) for cell in self.cells))
        divided = list(
            dict.fromkeys(
                (cell.dataset, self.config.recipes[cell.recipe].split) for cell in self.cells
            )
        )
        runs = [self.paths.run(cell.path) for cell in self.cells]
        return {
            "download": [self.paths.manifest(name) for name in self.datasets],
            "tile": [self.paths.tiles_table(name) for name in self.datasets],
            "split": [self.paths.split(*pair) for pair in divided],
            "train": [run / "history.csv" for run in runs],
            "evaluate": [run / "counts.csv" for run in runs],
            "profile": [self.paths.profile(*pair) for pair in pairs],
            "tables": [self.paths.tables(name) / "scores.csv" for name in self.studies],
            "figures": [self.paths.figures(name) for name in self.studies],
            "report": [self.paths.report(name) for name in self.studies],
        }

    # --- downloads and disk -----------------------------------------------------------------------

    def download_bytes(self, dataset: str) -> int | None:
        """Bytes that come over the network; 0 where there is nothing to fetch, None where it is not
        known."""
        entry = self.config.datasets[dataset]
        here = self.paths.manifest(dataset).exists()
        if here or entry.path or isinstance(entry.source, DemoSource):
            return 0
        parts = entry.source.files if isinstance(entry.source, HttpSource) else [entry.source]
        return (
            None if any(part.bytes is None for part in parts) else sum(part.bytes for part in parts)
        )

    def tile_bytes(self, dataset: str) -> int | None:
        """Size of the tile store: every band and the mask, a byte a pixel."""
        tiles = self.tiles(dataset)
        return tiles and tiles.count * self.config.datasets[dataset].tile_size ** 2 * (
            tiles.bands + 1
        )

    def weight_bytes(self, cell: Cell) -> int | None:
        """Size of a training's weights, as far as the model's profile says."""
        profile = self.profile(cell.dataset, cell.model)
        return profile and WEIGHTS * profile["parameters"]

    # --- time -------------------------------------------------------------------------------------

    @cache  # noqa: B019 one object a call of the program
    def tiles(self, dataset: str) -> Tiles | None:
        """The dataset's tiles: those on disk, or as many as its stated size comes to."""
        entry, table = self.config.datasets[dataset], self.paths.tiles_table(dataset)
        if table.exists():
            images = np.load(table.with_name("images.npy"), mmap_mode="r")
            return Tiles(len(images), images.shape[-1], True)
        said = self._expected(dataset)
        bands = entry.pixels.bands
        return said and Tiles(
            round(said.pixels / entry.tile_size**2), len(bands) if bands else said.bands, False
        )

    def _expected(self, dataset: str) -> Expected | None:
        entry = self.config.datasets[dataset]
        if isinstance(entry.source, DemoSource) and not entry.path:
            return Expected(
                scenes=entry.source.scenes, pixels=entry.source.scenes * entry.source.size**2
            )
        return entry.expected

    def subset_tiles(self, dataset: str, recipe: str) -> dict[str, int] | None:
        """About how many tiles a recipe trains and validates on."""
        chosen, tiles = self.config.recipes[recipe], self.tiles(dataset)
        split = self.config.splits[chosen.split]
        if tiles is None:
            return None
        if tiles.here:
            table = read_table(self.paths.tiles(dataset))
            drawn = draw_split(table, split)
            used = drawn if chosen.padded_tiles else drawn[drawn["tile"].map(table["whole"]) == 1]
            return used["subset"].value_counts().to_dict()
        said, official = self._expected(dataset), self.config.datasets[dataset].official_here
        shares = {"train": split.train, "val": split.val}
        # Only publishers who divided whole scenes have their way in a split by group.
        if split.unit == "official" or (
            split.keep_official and official and not isinstance(official, OfficialTiles)
        ):
            if not {"train", "val"} <= set(said.official):
                return None
            shares = dict(said.official)
            if "test" not in shares:
                shares["val"] *= 1 - split.test_from_val
            shares.setdefault("test", said.official["val"] * split.test_from_val)
        for subset, scenes in split.scenes.items():
            if subset in shares:
                shares[subset] = min(shares[subset], scenes / said.scenes)
        return {name: round(share * tiles.count) for name, share in shares.items()}

    @cache  # noqa: B019
    def profile(self, dataset: str, model: str) -> dict | None:
        """What the model costs on a device like this one: its profile, or that on another dataset,
        which is near it."""
        own = self.paths.profile(dataset, model)
        for path in [own, *sorted(own.parents[1].glob(f"*/{own.name}"))]:
            if path.exists():
                found = read_json(path, ["device", "spec", "dataset", "train_step_ms"])
                if _same_device(found["device"]) and _same_model(
                    found["spec"], self.config.models[model]
                ):
                    return found
        return None

    def times(self, cell: Cell) -> Times:
        """How long a training takes: by its model's trainings on the same tiles and device, or by
        the profile."""
        recipe = self.config.recipes[cell.recipe]
        subsets = self.subset_tiles(cell.dataset, cell.recipe)
        if not subsets:
            return Times(
                cell,
                None,
                recipe.epochs,
                None,
                "Not yet tiled",
                self.paths.tiles_table(cell.dataset),
            )
        train = min(subsets.get("train", 0), recipe.epoch_tiles or sys.maxsize)
        steps = train + FORWARD * subsets.get("val", 0)
        before = self._measured_step(cell.dataset, cell.model)
        if before is not None:
            return Times(cell, train, recipe.epochs, steps * before, "an earlier training")
        profile = self.profile(cell.dataset, cell.model)
        if profile is None:
            path = self.paths.profile(cell.dataset, cell.model)
            return Times(cell, train, recipe.epochs, None, "Not yet profiled on this device", path)
        step = (
            profile["train_step_ms"]
            / 1e3
            * self.config.datasets[cell.dataset].tile_size ** 2
            / MEASURED
        )
        return Times(cell, train, recipe.epochs, steps * step, f"profile on {profile['dataset']}")

    @cache  # noqa: B019
    def _measured_step(self, dataset: str, model: str) -> float | None:
        """Median seconds of a training step a tile, over finished trainings of this model on
        devices like this one."""
        found = []
        for path in sorted(self.paths.run(Path(dataset, model)).glob("*/seed*/run.json")):
            run = read_json(path, ["device", "tiles", "slice"])
            history = path.with_name("history.csv")
            if history.exists() and _same_device(run["device"]):
                train, val = run["tiles"]["train"], run["tiles"]["val"]
                train = min(train, run["slice"]["training"].get("epoch_tiles") or sys.maxsize)
                seconds = read_csv(history, ["epoch_seconds"])["epoch_seconds"].median()
                found.append(seconds / (train + FORWARD * val))
        return float(np.median(found)) if found else None


@cache
def this_device() -> dict:
    """What this machine computes on."""
    from satseg.devices import describe_device

    return describe_device()


def _same_model(spec: dict, model: ModelSpec) -> bool:
    """Whether a profile's `spec`, whose keys may be fewer than today's, is this model's."""
    try:
        return type(model).model_validate(spec) == model
    except ValidationError:
        return False


def _same_device(found: dict) -> bool:
    here = this_device()
    return (found["kind"], found["name"]) == (here["kind"], here["name"])
