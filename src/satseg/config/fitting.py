"""Whether models, batches and published values can be had at all."""

import difflib
from collections.abc import Callable

from satseg.config import encoders, own_code
from satseg.config.datasets import Dataset
from satseg.config.messages import mistake_line
from satseg.config.models import CompactSpec, PythonSpec, SmpSpec, weights_path
from satseg.config.recipes import counted_classes
from satseg.config.root import Config
from satseg.errors import UserError
from satseg.measures import CLASS_METRICS, HISTORY, METRICS
from satseg.text import counted

Place = Callable[[tuple], str]
LARGEST_BATCH = 2**37  # bytes of its images alone


def check_model(
    config: Config, user: str, dataset_name: str, model_name: str, place: Place
) -> None:
    """A model can be had, and gets tiles it can halve often enough; `user` says who trains it, such
    as `study 'demo'`.

    Raises:
        UserError: it does not, or the dataset's tiles do not fit it.
    """
    model = config.models[model_name]
    size = config.datasets[dataset_name].tile_size

    if isinstance(model, SmpSpec) or isinstance(getattr(model, "encoder", None), str):
        _check_library_model(model, ("models", model_name), place)

    if isinstance(model, PythonSpec):
        problem = own_code.problem(model)
        if problem:
            key = ("models", model_name, "file")
            raise UserError(mistake_line(place(key), key, model.file, problem))

    if size % model.stride:
        key = ("datasets", dataset_name, "tile_size")
        nearest = max(model.stride, round(size / model.stride) * model.stride)
        problem = f"{user} trains {model_name!r} on it"
        line = mistake_line(place(key), key, size, problem)
        raise UserError(f"{line}; allowed: multiples of {model.stride}; nearest: {nearest}")


def _check_library_model(model: SmpSpec | CompactSpec, here: tuple, place: Place) -> None:
    """The library has the encoder and its weights."""
    key = (*here, "encoder")
    if not encoders.is_encoder(model.encoder):
        line = mistake_line(place(key), key, model.encoder, "no such encoder in the library")
        names = [*encoders.encoders(), *(f"tu-{name}" for name in encoders.timm_models())]
        nearest = difflib.get_close_matches(model.encoder, names, n=3)
        raise UserError(line + (f"; did you mean {' or '.join(nearest)}?" if nearest else ""))
    if isinstance(model, SmpSpec) and not encoders.fits(model.architecture, model.encoder):
        problem = f"{model.architecture} does not take it; choose another encoder or architecture"
        raise UserError(mistake_line(place(key), key, model.encoder, problem))

    key = (*here, "encoder_weights")
    weights = model.encoder_weights
    file = weights_path(weights)
    if file and not file.is_file():
        problem = "no such file; correct the path, or write null for random weights"
        raise UserError(mistake_line(place(key), key, weights, problem))
    if file and set(str(file)) & set("{}"):
        problem = "Snakemake takes braces for wildcards; rename the file"
        raise UserError(mistake_line(place(key), key, weights, problem))
    if weights and not file and not encoders.names_weights(weights):
        problem = (
            "neither weights of the library, such as imagenet, nor a .pt, .pth or .safetensors file"
        )
        raise UserError(mistake_line(place(key), key, weights, problem))


def check_batch(
    batch_size: int, dataset_name: str, dataset: Dataset, key: tuple, place: Place
) -> None:
    """A batch of tiles that some machine can hold; `key` is where its size stands.

    Raises:
        UserError: none can.
    """
    size = batch_size * dataset.tile_size**2 * (dataset.known_bands or 1) * 4
    if size > LARGEST_BATCH:
        problem = (
            f"a batch of {dataset.tile_size}² tiles of {dataset_name!r} would take "
            f"{size / 1e9:,.0f} GB; choose a smaller one"
        )
        raise UserError(mistake_line(place(key), key, batch_size, problem))


def check_published(config: Config, study_name: str, number: int, place: Place) -> None:
    """A study's published value is of a metric that there will be.

    Raises:
        UserError: there will be none.
    """
    figure = config.study[study_name].published[number]
    recipe = config.recipes[figure.recipe]
    dataset = config.datasets[figure.dataset]
    here = ("study", study_name, "published", number)

    if figure.epoch is not None:
        _check_one(place, (*here, "metric"), figure.metric, HISTORY, "column of history.csv")
        if figure.epoch > recipe.epochs:
            key = (*here, "epoch")
            problem = f"recipe {figure.recipe!r} trains {counted(recipe.epochs, 'epoch')}"
            raise UserError(mistake_line(place(key), key, figure.epoch, problem))
        return

    classes = [dataset.classes[index].name for index in counted_classes(dataset, recipe)]
    key = (*here, "class_name")
    _check_one(place, key, figure.class_name, ["all", *classes], f"class of {figure.dataset!r}")
    metrics = METRICS if figure.class_name == "all" else CLASS_METRICS
    _check_one(place, (*here, "metric"), figure.metric, metrics, "metric of scores.csv")


def _check_one(place: Place, key: tuple, value: str, allowed: list[str], kind: str) -> None:
    if value not in allowed:
        raise UserError(mistake_line(place(key), key, value, f"unknown {kind}", list(allowed)))
