"""Models are built before the first job, on tiles without content: what a training would refuse
once scenes are fetched and tiled."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from satseg.config.encoders import encoders
from satseg.config.models import ModelSpec, PythonSpec, UNetSpec
from satseg.config.root import Config
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs.slices import train_slice

BUILT = Path(".snakemake", "satseg", "built.json")
LIBRARIES = ("torch", "timm", "segmentation_models_pytorch")


def try_model(
    config: Config,
    dataset_name: str,
    model_name: str,
    recipe_name: str,
    place: Callable[[tuple], str],
) -> None:
    """Refuse a model that cannot be built, or does not take a training batch of tiles.

    It is built with the weights of a file that its entry names, but without those that would be
    downloaded. What was built before, with these libraries, is not built again. A model in Python
    is left to its job: nothing of the user's is run here.

    Args:
        config: the configuration.
        dataset_name: dataset of the tiles; where nothing says how many bands it has, it has three.
        model_name: the model.
        recipe_name: recipe it is trained with.
        place: how messages name the file of a path of keys.

    Raises:
        UserError: it cannot be built, or fails; the message names its entry.
    """
    model = train_slice(config, dataset_name, model_name, recipe_name, seed=0).model
    dataset = config.datasets[dataset_name]
    recipe = config.recipe(recipe_name)
    batch = min(2, recipe.batch_size // recipe.devices, recipe.epoch_tiles or 2)
    if not _may_fail(model, batch) or not encoders():
        return

    sizes = (len(dataset.classes), dataset.known_bands or 3, dataset.tile_size, batch)
    digest = _digest(model, sizes)
    known = _known()
    if digest in known:
        return
    where = place(("models", model_name))
    try:
        _build(model_name, model, *sizes)
    except UserError as error:
        text = str(error).removeprefix(f"models.{model_name}: ")
        raise UserError(f"{where}: models.{model_name}: {text}") from None
    known.add(digest)
    write_json(BUILT, sorted(known))


def _may_fail(model: ModelSpec, batch: int) -> bool:
    """Whether a model's own keys leave open that it can be built and trained."""
    if isinstance(model, PythonSpec):
        return False
    own = isinstance(model, UNetSpec) or not isinstance(getattr(model, "encoder", ""), str)
    return not own or batch == 1  # over a single pixel, batch normalisation fails


def _digest(model: ModelSpec, sizes: tuple[int, ...]) -> str:
    """Of all that decides whether it can be built."""
    parts: list[Any] = [model.model_dump(), sizes, [_version(name) for name in LIBRARIES]]
    file = getattr(model, "weights_file", None)
    if file:
        state = file.stat()
        parts += [os.path.realpath(file), state.st_size, state.st_mtime_ns, state.st_ctime_ns]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _known() -> set[str]:
    """Digests of what was built before in this folder."""
    try:
        return set(json.loads(BUILT.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return set()


def _build(name: str, model: ModelSpec, classes: int, bands: int, size: int, batch: int) -> None:
    # Imported here because it takes seconds, and is rarely needed.
    from satseg.models import build_model, check_tiles

    with warnings.catch_warnings(action="ignore"):
        if getattr(model, "weights_file", None):
            build_model(model, classes, bands, pretrained=True)
        check_tiles(name, model, classes, bands, size, batch)
