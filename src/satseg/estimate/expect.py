"""What to expect of studies before they start: jobs, downloads, disk and hours on this device.

Nothing is guessed: what cannot be known yet is called unknown, together with how to find out, and
what rests on another machine's figures says so.
"""

import sys
from functools import cache
from pathlib import Path

import numpy as np

from satseg.config.datasets import Expected, OfficialTiles
from satseg.config.root import Config
from satseg.config.sources import DemoSource, HttpSource
from satseg.data.splits import draw_split
from satseg.data.store import read_table
from satseg.errors import UserError
from satseg.estimate.facts import TileFacts, Times
from satseg.estimate.local import size_here
from satseg.estimate.measured import PROFILE, RUN, is_same_model, is_this_device
from satseg.estimate.published import PublishedTimes
from satseg.estimate.trials import epochs_of, expected_trials, tuning_files
from satseg.jobs.cells import Cell, cells, member_cells, start_cell, teacher_cell
from satseg.jobs.tuned import trial_cell
from satseg.paths import Paths
from satseg.readers import read_array, read_csv, read_json

FORWARD = 1 / 3  # share of a training step's time that the forward pass, all of validation, takes
MEASURED = 512**2  # pixels of the image that profiles are measured on
UNPROFILED = "Not yet profiled on this device"
WEIGHTS = 2 * 4  # bytes per parameter: those of the best and the last epoch, 32-bit


class Estimate:
    """What some studies will take, given what is on disk already."""

    def __init__(
        self,
        config: Config,
        studies: list[str],
        data: str | Path = "data",
        results: str | Path = "results",
        published: PublishedTimes | None = None,
    ):
        self.config = config
        self.studies = studies
        self.paths = Paths(data, results)
        self.published = published
        """Where to look for times that have not been measured here; None for nowhere."""

        by_path: dict[Path, Cell] = {}
        for study in studies:
            by_path |= {cell.path: cell for cell in cells(config.study[study], config.folds)}
        self.cells = list(by_path.values())
        self.trained = self._all_trained()
        self.datasets = list(dict.fromkeys(cell.dataset for cell in self.trained))
        self.downloads = list(dict.fromkeys(map(config.files_of, self.datasets)))

    def _all_trained(self) -> list[Cell]:
        """The cells, those they learn from, start from and are evaluated with, and the trials that
        find their recipes."""
        trained: dict[Path, Cell] = {}
        waiting = list(self.cells)
        for cell in waiting:
            if cell.path in trained:
                continue
            trained[cell.path] = cell
            teacher = teacher_cell(self.config, cell.dataset, cell.recipe, cell.fold)
            start = start_cell(self.config, cell.recipe)
            waiting += [other for other in (teacher, start) if other]
            waiting += member_cells(self.config, cell)
            if cell.recipe in self.config.tunings:
                trials = expected_trials(self.config, cell.recipe, self.paths)
                waiting += [trial_cell(self.config, trial) for trial in trials]
        return list(trained.values())

    def jobs(self) -> dict[str, list[Path]]:
        """Rule → the file that each of its jobs writes."""
        profiles = dict.fromkeys((cell.dataset, cell.model) for cell in self.cells)
        splits = dict.fromkeys(
            (cell.dataset, self.config.recipe(cell.recipe).split, cell.fold)
            for cell in self.trained
        )
        runs = [self.paths.run(cell.path) for cell in self.cells]
        calibrated = [
            self.paths.run(cell.path) / "calibration.json"
            for cell in self.cells
            if self.config.recipe(cell.recipe).evaluate.calibrate
        ]
        return {
            "download": [self.paths.manifest(name) for name in self.downloads],
            "tile": [self.paths.tiles_table(name) for name in self.datasets],
            "split": [self.paths.split(*split) for split in splits],
            "train": [self.paths.run(cell.path) / "history.csv" for cell in self.trained],
            **tuning_files(self.config, self.trained, self.paths),
            "evaluate": [run / "counts.csv" for run in runs],
            "profile": [self.paths.profile(dataset, model) for dataset, model in profiles],
            "speed": [
                self.paths.speed(study, dataset)
                for study in self.studies
                for dataset in self.config.study[study].datasets
            ],
            "tables": [self.paths.tables(study) / "scores.csv" for study in self.studies],
            "figures": [self.paths.figures(study) for study in self.studies],
            "report": [self.paths.report(study) for study in self.studies],
        } | ({"calibrate": calibrated} if calibrated else {})

    # --- downloads and disk -----------------------------------------------------------------------

    def download_bytes(self, dataset_name: str) -> int | None:
        """Bytes to download; 0 if there is nothing to fetch, None if unknown."""
        dataset = self.config.datasets[dataset_name]
        is_here = self.paths.manifest(dataset_name).exists()
        if is_here or dataset.path or isinstance(dataset.source, DemoSource):
            return 0

        source = dataset.source
        parts = source.files if isinstance(source, HttpSource) else [source]
        sizes = [part.bytes for part in parts]
        return None if None in sizes else sum(sizes)

    def tile_bytes(self, dataset_name: str) -> int | None:
        """Size of the tile store: every band and the mask, one byte per pixel."""
        tiles = self.tiles(dataset_name)
        if tiles is None:
            return None
        tile_pixels = self.config.datasets[dataset_name].tile_size ** 2
        return tiles.count * tile_pixels * (tiles.bands + 1)

    def weight_bytes(self, cell: Cell) -> int | None:
        """Size of a run's weights; None without a profile of the model."""
        profile = self.profile(cell.dataset, cell.model)
        return None if profile is None else WEIGHTS * profile["parameters"]

    # --- time -------------------------------------------------------------------------------------

    @cache  # noqa: B019 one object per call of the program
    def tiles(self, dataset_name: str) -> TileFacts | None:
        """The dataset's tiles: those on disk, or as many as follow from its size."""
        dataset = self.config.datasets[dataset_name]
        table = self.paths.tiles_table(dataset_name)
        if table.exists():
            images = read_array(table.with_name("images.npy"))
            if images.ndim != 4:
                raise UserError(
                    f"{table.with_name('images.npy')}: {list(images.shape)}, not tiles; tile again"
                )
            return TileFacts(len(images), images.shape[-1], True)

        expected = self._expected(dataset_name)
        if expected is None:
            return None
        count = round(expected.pixels / dataset.tile_size**2)
        bands = len(dataset.pixels.bands) if dataset.pixels.bands else expected.bands
        return TileFacts(count, bands, False)

    @cache  # noqa: B019
    def _expected(self, dataset_name: str) -> Expected | None:
        """The size of a dataset: as its files say if they are here, else as it is stated or, of the
        demo, set."""
        dataset = self.config.datasets[dataset_name]
        owner = self.config.files_of(dataset_name)
        source = dataset.source
        if isinstance(source, DemoSource) and not dataset.path:
            return Expected(scenes=source.scenes, pixels=source.scenes * source.size**2)
        path = self.config.datasets[owner].path
        here = size_here(dataset, Path(path).expanduser()) if path else None
        return here or dataset.expected

    def subset_tiles(
        self, dataset_name: str, recipe_name: str, fold: int | None = None
    ) -> dict[str, int] | None:
        """About how many tiles a recipe trains and validates on, in a fold if its split has any."""
        recipe = self.config.recipe(recipe_name)
        split = self.config.splits[recipe.split]
        tiles = self.tiles(dataset_name)
        if tiles is None:
            return None

        if tiles.on_disk:
            table = read_table(self.paths.tiles(dataset_name))
            test_split = self.config.test_split(recipe.split)
            assigned = draw_split(table, split, test_split, fold)
            if not recipe.padded_tiles:
                assigned = assigned[assigned["tile"].map(table["whole"]) == 1]
            return assigned["subset"].value_counts().to_dict()

        expected = self._expected(dataset_name)
        official = self.config.datasets[dataset_name].official_here
        shares = {"train": split.train, "val": split.val}
        if split.folds:
            shares = {name: share * (1 - 1 / split.folds) for name, share in shares.items()}

        # A split by group keeps the official one only if the publishers divided whole scenes.
        whole_scenes = official and not isinstance(official, OfficialTiles)
        if split.unit == "official" or (split.keep_official and whole_scenes):
            if not {"train", "val"} <= set(expected.official):
                return None
            shares = dict(expected.official)
            if "test" not in shares:
                shares["val"] *= 1 - split.test_from_val
            shares.setdefault("test", expected.official["val"] * split.test_from_val)

        for subset, scenes in split.scenes.items():
            if subset in shares:
                shares[subset] = min(shares[subset], scenes / expected.scenes)

        counts = {subset: round(share * tiles.count) for subset, share in shares.items()}
        for subset, most in split.tiles.items():
            if subset in counts:
                counts[subset] = min(counts[subset], most)
        return counts

    @cache  # noqa: B019
    def profile(self, dataset_name: str, model_name: str) -> dict | None:
        """The model's profile on a device like this one; that on another dataset, which is close to
        it, if there is no other."""
        own = self.paths.profile(dataset_name, model_name)
        others = sorted(own.parents[1].glob(f"*/{own.name}"))
        model = self.config.models[model_name]

        for path in [own, *others]:
            if path.exists():
                profile = read_json(path, PROFILE)
                if is_this_device(profile["device"]) and is_same_model(profile["spec"], model):
                    return profile

        return None

    def times(self, cell: Cell) -> Times:
        """How long a run takes: from earlier runs of its model on the same tiles and device, or
        from the profile."""
        epochs = epochs_of(self.config, cell.recipe)
        subsets = self.subset_tiles(cell.dataset, cell.recipe, cell.fold)
        if not subsets:
            return Times(
                cell, None, epochs, None, "Not yet tiled", self.paths.tiles_table(cell.dataset)
            )

        epoch_tiles = self.config.recipe(cell.recipe).epoch_tiles or sys.maxsize
        train = min(subsets.get("train", 0), epoch_tiles)
        steps = train + FORWARD * subsets.get("val", 0)

        measured_step = self._measured_step(cell.dataset, cell.model)
        if measured_step is not None:
            return Times(cell, train, epochs, steps * measured_step, "an earlier run")

        tile_pixels = self.config.datasets[cell.dataset].tile_size ** 2
        each_ms = steps * tile_pixels / MEASURED / 1e3
        profile = self.profile(cell.dataset, cell.model)
        if profile is not None:
            seconds = each_ms * profile["train_step_ms"]
            return Times(cell, train, epochs, seconds, f"profile on {profile['dataset']}")

        path = self.paths.profile(cell.dataset, cell.model)
        step_ms = self._published_step(cell.model)
        seconds = None if step_ms is None else each_ms * step_ms
        return Times(cell, train, epochs, seconds, UNPROFILED, path)

    @cache  # noqa: B019
    def _published_step(self, model_name: str) -> float | None:
        """Milliseconds of a training step, from what is published; None if nothing is."""
        if self.published is None:
            return None
        return self.published.step_ms(self.config.models[model_name])

    @cache  # noqa: B019
    def _measured_step(self, dataset_name: str, model_name: str) -> float | None:
        """Median seconds per tile of a training step, over finished runs of this model on devices
        like this one."""
        seconds = []

        runs = self.paths.run(Path(dataset_name, model_name))
        for path in sorted(runs.glob("*/seed*/**/run.json")):
            run = read_json(path, RUN)
            history = path.with_name("history.csv")
            if not history.exists() or not is_this_device(run["device"]):
                continue

            epoch_tiles = run["slice"]["training"].get("epoch_tiles") or sys.maxsize
            train = min(run["tiles"]["train"], epoch_tiles)
            steps = train + FORWARD * run["tiles"]["val"]
            epochs = read_csv(history, ["epoch_seconds"])["epoch_seconds"]
            if len(epochs):  # a trial that diverged at once has none
                seconds.append(epochs.median() / steps)

        return float(np.median(seconds)) if seconds else None
