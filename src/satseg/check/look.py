"""A look at a dataset before its first job: what a job would refuse after minutes."""

from collections.abc import Callable
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
from rasterio.windows import Window

from satseg.config.datasets import Dataset
from satseg.config.root import Config
from satseg.data.groups import unmatched
from satseg.data.images import scene_shape
from satseg.data.labels import NO_LABEL
from satseg.data.layout import Scene, find_scenes
from satseg.data.masks import MaskReader, doubts, named_values
from satseg.data.opening import open_mask, pixels_of
from satseg.errors import UserError
from satseg.jobs.arguments import Slice
from satseg.jobs.program import trouble
from satseg.jobs.slices import TileSlice, download_slice, tile_slice
from satseg.paths import Paths
from satseg.readers import read_json
from satseg.records import current, digest_of, load_record

ROWS = 256  # of a mask, in its middle


def look(config: Config, dataset_name: str, place: Callable[[tuple], str], paths: Paths) -> None:
    """Refuse a dataset whose files are not what its entry says, from their names and three of them.

    Nothing is looked at if the dataset has been tiled from these files as it is configured now, or
    as long as it has to be fetched or unpacked.

    Args:
        config: the configuration.
        dataset_name: the dataset.
        place: how messages name the file of a path of keys.
        paths: where the project's files lie.

    Raises:
        UserError: there is no such folder, the system does not let it be read, its files do not
            pair, a pattern of `groups` matches nothing, or a mask holds what is no class.
    """
    owner = config.files_of(dataset_name)
    manifest = paths.manifest(owner)
    job = tile_slice(config, dataset_name)
    fetched = _stands(manifest, download_slice(config, owner))
    if fetched and _stands(paths.tiles_table(dataset_name), job, manifest):
        return

    try:
        root = _root(config.datasets[owner].path, manifest if fetched else None)
        if root is not None:
            _look_at(root, job, config.datasets[dataset_name])
    except (UserError, OSError) as error:
        where = place(("datasets", dataset_name))
        problem = error if isinstance(error, UserError) else trouble(error, "path")
        raise UserError(f"{where}: datasets.{dataset_name}: {problem}") from None


def _stands(output: Path, job: Slice, *inputs: Path) -> bool:
    """Whether the first output of a job is there and, as far as it has a record, is of this slice
    and of these inputs."""
    if not output.exists():
        return False
    record = load_record(output)
    if record is None:
        return True
    if not record or record["slice"] != digest_of(job.model_dump_json()):
        return False
    return all(record["inputs"].get(str(path)) == current(path) for path in inputs)


def _root(path: str | None, manifest: Path | None) -> Path | None:
    """The folder of the scenes; None if it is not there yet."""
    if path is not None:
        given = Path(path).expanduser()
        if not given.exists():
            raise UserError(
                f"path: {path}: no such folder or zip (relative paths start at {Path.cwd()})"
            )
        if given.is_dir():
            return given
        with given.open("rb") as file:
            if not is_zipfile(file):
                raise UserError(f"path: {path}: neither a folder nor a zip; correct it")
        return None
    if manifest is not None:
        return Path(manifest.parent, read_json(manifest, {"root": str})["root"])
    return None


def idle_groups(scenes: list[Scene], dataset: Dataset) -> list[str]:
    """What is wrong with each pattern of `groups` that matches none of the scenes.

    Nothing is if some of the scenes that the dataset should have are missing, or if it has only
    some of those of another dataset, and with them its groups.
    """
    missing = dataset.expected is not None and len(scenes) < dataset.expected.scenes
    return [] if missing or dataset.scenes_of else unmatched(scenes, dataset.groups)


def _look_at(root: Path, job: TileSlice, dataset: Dataset) -> None:
    scenes = find_scenes(root, job.layout, named_values(job))
    for mistake in idle_groups(scenes, dataset):
        raise UserError(mistake)
    reader = MaskReader(job)
    found: set[int] = set()
    for number in sorted({0, len(scenes) // 2, len(scenes) - 1}):
        found |= _look_at_scene(scenes[number], job, reader)
    if NO_LABEL in found and reader.doubt(_held(found, job)):
        _look_at_masks(scenes, job, reader)


def _look_at_scene(scene: Scene, job: TileSlice, reader: MaskReader) -> set[int]:
    """Class indices in the middle of a scene's mask."""
    height, width, _ = scene_shape(scene, job.pixels)
    rows = min(ROWS, height)
    middle = Window(0, (height - rows) // 2, width, rows)
    with pixels_of(scene.mask), open_mask(scene) as mask:
        return set(np.unique(reader.labels(mask.read(window=middle), mask, scene.mask)))


def _look_at_masks(scenes: list[Scene], job: TileSlice, reader: MaskReader) -> None:
    """Refuse masks that hold only one class and 255; read until there is a second class."""
    found: set[int] = set()
    for scene in scenes:
        with pixels_of(scene.mask), open_mask(scene) as mask:
            for _, window in mask.block_windows(1):
                values = mask.read(window=window)
                found |= set(np.unique(reader.labels(values, mask, scene.mask)))
        if not reader.doubt(_held(found, job)):
            return
    doubt = doubts(scenes, _held(found, job), reader)
    if doubt:
        raise UserError(f"{scenes[0].mask.parent}: {doubt}")


def _held(found: set[int], job: TileSlice) -> list[str]:
    return [name for index, name in enumerate(job.classes) if index in found]
