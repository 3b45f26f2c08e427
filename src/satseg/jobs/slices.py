"""What each stage gets to see of the configuration: the part that can change its result, and
nothing else."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from satseg.config.datasets import LandClass, Layout, Official, Pixels, Source
from satseg.config.models import ModelSpec
from satseg.config.papers import Paper
from satseg.config.recipes import Augmentation, Evaluation, Recipe, Training, counted_classes
from satseg.config.root import Config
from satseg.config.splits import Split
from satseg.config.studies import Study
from satseg.config.types import Strict
from satseg.config.yaml_files import read_yaml
from satseg.errors import UserError


class Cell(Strict):
    """One training: dataset × model × recipe × seed."""

    dataset: str
    model: str
    recipe: str
    seed: int

    @property
    def path(self) -> Path:
        """Folder of the cell below `results/runs`."""
        return Path(self.dataset, self.model, self.recipe, f"seed{self.seed}")


class DownloadSlice(Strict):
    """For `download`."""

    dataset: str
    path: str | None
    source: Source | None


class TileSlice(Strict):
    """For `tile`; `colors` only where the masks are colours, `values` where they are not the class
    indices."""

    dataset: str
    layout: Layout
    classes: list[str]
    colors: list[str] | None
    values: list[int] | None = None
    aliases: dict[str, list[str] | list[int]] = {}
    """Further mask colours or values of a class, by its name."""
    pixels: Pixels = Pixels()
    gaps: list[str] | list[int]
    tile_size: int
    groups: list[list[str]]
    official: Official | None = None


class SplitSlice(Strict):
    """For `split`."""

    split: Split


class TrainSlice(Strict):
    """For `train`; `counted` are the class indices that count in loss and metrics."""

    cell: Cell
    model: ModelSpec
    training: Training
    classes: list[str]
    counted: list[int]


class EvaluateSlice(Strict):
    """For `evaluate`; `augmentation` where the recipe changes the judged tiles too."""

    evaluate: Evaluation
    augmentation: Augmentation | None = None


class PredictSlice(Strict):
    """For `predict`: how its maps look."""

    colors: dict[str, str]
    """Colour of each class, by name."""


class ProfileSlice(Strict):
    """For `profile`."""

    dataset: str
    model_name: str
    model: ModelSpec
    classes: int
    printed_classes: list[int]
    """Other numbers of classes that papers printed this model's size with."""


class StudyDataset(Strict):
    """What a study shows of a dataset."""

    title: str
    licence: str
    url: str | None
    classes: list[LandClass]


class StudySlice(Strict):
    """For `tables`, `figures` and `report`."""

    name: str
    study: Study
    datasets: dict[str, StudyDataset]
    models: dict[str, ModelSpec]
    recipes: dict[str, Recipe]
    paper: Paper | None = None
    """What to compare with; of its claims, those the study tests."""

    @property
    def cells(self) -> list[Cell]:
        """Every cell, in the order tables and figures show them."""
        return cells(self.study)

    def counted(self, cell: Cell) -> list[int]:
        """Class indices that count in a cell."""
        return counted_classes(self.datasets[cell.dataset], self.recipes[cell.recipe])


def cells(study: Study) -> list[Cell]:
    """The study's grid, datasets first, seeds last."""
    return [
        Cell(dataset=d, model=m, recipe=r, seed=s)
        for d in study.datasets
        for m in study.models
        for r in study.recipes
        for s in study.seeds
    ]


def download_slice(config: Config, dataset: str) -> DownloadSlice:
    """What `download` needs; a path the user gave goes before the source."""
    entry = config.datasets[dataset]
    return DownloadSlice(
        dataset=dataset, path=entry.path, source=None if entry.path else entry.source
    )


def tile_slice(config: Config, dataset: str) -> TileSlice:
    """What decides the content of a tile store."""
    entry = config.datasets[dataset]
    by_color = entry.layout.mask_values == "color"
    return TileSlice(
        dataset=dataset,
        layout=entry.layout,
        classes=[c.name for c in entry.classes],
        colors=[c.color for c in entry.classes] if by_color else None,
        values=None
        if by_color or entry.mask_values == list(range(len(entry.classes)))
        else entry.mask_values,
        aliases={c.name: c.aliases for c in entry.classes if c.aliases},
        pixels=entry.pixels,
        gaps=entry.gaps,
        tile_size=entry.tile_size,
        groups=entry.groups,
        official=entry.official_here,
    )


def split_slice(config: Config, split: str) -> SplitSlice:
    """What decides a split, besides the tiles."""
    return SplitSlice(split=config.splits[split])


def train_slice(
    config: Config, dataset: str, model: str, recipe: str, seed: int | str
) -> TrainSlice:
    """What decides the result of a training, besides tiles and split."""
    entry, chosen, spec = config.datasets[dataset], config.recipes[recipe], config.models[model]
    if chosen.head_dropout is not None:
        spec = spec.model_copy(update={"head_dropout": chosen.head_dropout})
    return TrainSlice(
        cell=Cell(dataset=dataset, model=model, recipe=recipe, seed=int(seed)),
        model=spec,
        training=Training.model_validate(chosen.model_dump(include=set(Training.model_fields))),
        classes=[c.name for c in entry.classes],
        counted=counted_classes(entry, chosen),
    )


def evaluate_slice(config: Config, recipe: str) -> EvaluateSlice:
    """What is judged of a trained cell."""
    chosen = config.recipes[recipe]
    judged = chosen.augmentation if chosen.augmentation.everywhere else None
    return EvaluateSlice(evaluate=chosen.evaluate, augmentation=judged)


def predict_slice(config: Config, prediction: str) -> PredictSlice:
    """How the maps of a prediction look."""
    classes = config.datasets[config.predictions[prediction].dataset].classes
    return PredictSlice(colors={c.name: c.color for c in classes})


def prediction_scenes(config: Config, prediction: str) -> dict[str, Path]:
    """Scene → file, of every scene that a prediction's pattern matches.

    Raises:
        UserError: there is none, or two would have the same map.
    """
    pattern = config.predictions[prediction].scenes
    found: dict[str, Path] = {}
    wanted = Path(pattern).expanduser()
    for path in sorted(Path(wanted.anchor).glob(str(wanted.relative_to(wanted.anchor)))):
        other = found.setdefault(path.stem, path)
        if other != path:
            raise UserError(
                f"predictions.{prediction}.scenes: {other} and {path} would have the same map; give each folder or "
                f"ending a prediction of its own"
            )
    if not found:
        raise UserError(
            f"predictions.{prediction}.scenes: {pattern}: no such file; correct the pattern"
        )
    return found


def prediction_weights(config: Config, prediction: str) -> Path:
    """The weights file a prediction is made with."""
    chosen = config.predictions[prediction]
    cell = Cell(**chosen.model_dump(include=set(Cell.model_fields)))
    return Path("results/runs", cell.path, f"{chosen.weights}.pt")


def profile_slice(config: Config, dataset: str, model: str) -> ProfileSlice:
    """What decides the cost of a model on a dataset."""
    classes = len(config.datasets[dataset].classes)
    tables = [table for paper in config.papers.values() for table in paper.tables]
    printed = {figure.classes for table in tables for figure in table.row(model)} - {None, classes}
    return ProfileSlice(
        dataset=dataset,
        model_name=model,
        model=config.models[model],
        classes=classes,
        printed_classes=sorted(printed),
    )


def study_slice(config: Config, study: str) -> StudySlice:
    """What a study shows."""
    chosen = config.study[study]
    datasets = {name: config.datasets[name] for name in chosen.datasets}
    paper = config.papers[chosen.paper] if chosen.paper else None
    if paper and chosen.claims is not None:
        paper = paper.model_copy(
            update={"claims": {name: paper.claims[name] for name in chosen.claims}}
        )
    return StudySlice(
        name=study,
        study=chosen,
        datasets={
            n: d.model_dump(include=set(StudyDataset.model_fields)) for n, d in datasets.items()
        },
        models={name: config.models[name] for name in chosen.models},
        recipes={name: config.recipes[name] for name in chosen.recipes},
        paper=paper,
    )


def parse(kind: type[Strict], text: str) -> Any:
    """A slice from JSON, or from a JSON or YAML file.

    Raises:
        UserError: the text is neither, or does not fit `kind`.
    """
    try:
        if text.lstrip().startswith("{"):
            return kind.model_validate_json(text)
        value = read_yaml(text)
        return kind.model_validate(value.get("slice", value) if isinstance(value, dict) else value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise UserError(f"--slice: {key}: {first['msg']} (a {kind.__name__} is expected)") from None
