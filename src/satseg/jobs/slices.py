"""What each stage sees of the configuration: what can change its result, and nothing else."""

from satseg.config.datasets import LandClass, Layout, Official, Pixels
from satseg.config.evaluation import Evaluation
from satseg.config.models import ModelSpec
from satseg.config.papers import Paper
from satseg.config.recipes import Augmentation, Recipe, Training, counted_classes
from satseg.config.root import Config
from satseg.config.sources import Source
from satseg.config.splits import Split
from satseg.config.studies import Study
from satseg.config.tunings import Tuning
from satseg.config.types import Strict
from satseg.jobs.arguments import Slice
from satseg.jobs.cells import Cell, cells


class DownloadSlice(Slice):
    """For `download`."""

    dataset: str
    path: str | None
    source: Source | None


class TileSlice(Slice):
    """For `tile`; `colors` only if the masks hold colours, `values` only if they hold other numbers
    than the class indices."""

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


class SplitSlice(Slice):
    """For `split`."""

    split: Split
    fold: int | None = None
    """The fold to divide for, if the split has folds."""
    test_split: Split | None = None
    """The split whose test tiles are also those of this one."""


class TrainSlice(Slice):
    """For `train`; `counted` are the class indices that count in loss and metrics."""

    cell: Cell
    model: ModelSpec
    training: Training
    classes: list[str]
    counted: list[int]


class EvaluateSlice(Slice):
    """For `evaluate`; `augmentation` only if the recipe changes the evaluated tiles too."""

    evaluate: Evaluation
    augmentation: Augmentation | None = None
    python_file: str | None = None
    """The Python file of a model of the user's own."""


class PredictSlice(Slice):
    """For `predict`: how its maps look."""

    colors: dict[str, str]
    """Colour of each class, by name."""
    python_file: str | None = None
    """The Python file of a model of the user's own."""


class CostSlice(Slice):
    """For stages that measure models on a dataset."""

    dataset: str
    classes: int
    bands: int | None
    """Bands of the dataset; None if only its tiles tell."""
    tile_size: int


class ProfileSlice(CostSlice):
    """For `profile`."""

    model_name: str
    model: ModelSpec
    printed_classes: list[int]
    """Other numbers of classes that papers printed this model's size for."""


class SpeedSlice(CostSlice):
    """For `speed`."""

    models: dict[str, ModelSpec]


class StudyDataset(Strict):
    """What a study shows of a dataset."""

    title: str
    licence: str
    url: str | None
    scenes_of: str | None = None
    classes: list[LandClass]


class StudySlice(Slice):
    """For `tables`, `figures` and `report`."""

    name: str
    study: Study
    datasets: dict[str, StudyDataset]
    models: dict[str, ModelSpec]
    recipes: dict[str, Recipe]
    places: dict[str, int] = {}
    """Place of each model among all that are configured, which decides its colour."""
    folds: dict[str, int] = {}
    """Number of folds of each recipe that has folds."""
    tunings: dict[str, Tuning] = {}
    """The tuning of each recipe that comes from one."""
    paper: Paper | None = None
    """What to compare with; of its claims, those the study tests."""

    @property
    def cells(self) -> list[Cell]:
        """Every cell, in the order tables and figures show them."""
        return cells(self.study, self.folds)

    @property
    def figures(self) -> list[str]:
        """The figures to show: those that the study names, and the calibration exactly if a recipe
        asks for it."""
        named = [name for name in self.study.figures if name != "calibration"]
        asked = any(recipe.evaluate.calibrate for recipe in self.recipes.values())
        return [*named, "calibration"] if asked else named

    @property
    def compares(self) -> bool:
        """Whether the study compares itself with published figures."""
        return self.paper is not None or bool(self.study.published)

    def counted(self, cell: Cell) -> list[int]:
        """Class indices that count in a cell."""
        return counted_classes(self.datasets[cell.dataset], self.recipes[cell.recipe])


def download_slice(config: Config, dataset_name: str) -> DownloadSlice:
    """What `download` needs; a path the user gave takes precedence over the source."""
    dataset = config.datasets[dataset_name]
    return DownloadSlice(
        dataset=dataset_name,
        path=dataset.path,
        source=None if dataset.path else dataset.source,
    )


def tile_slice(config: Config, dataset_name: str) -> TileSlice:
    """What decides the content of a tile store."""
    dataset = config.datasets[dataset_name]
    by_color = dataset.layout.mask_values == "color"
    by_index = dataset.mask_values == list(range(len(dataset.classes)))
    return TileSlice(
        dataset=dataset_name,
        layout=dataset.layout,
        classes=[land.name for land in dataset.classes],
        colors=[land.color for land in dataset.classes] if by_color else None,
        values=None if by_color or by_index else dataset.mask_values,
        aliases={land.name: land.aliases for land in dataset.classes if land.aliases},
        pixels=dataset.pixels,
        gaps=dataset.gaps,
        tile_size=dataset.tile_size,
        groups=dataset.groups,
        official=dataset.official_here,
    )


def split_slice(config: Config, split: str, fold: int | None = None) -> SplitSlice:
    """What decides a split, or one of its folds, apart from the tiles."""
    return SplitSlice(split=config.splits[split], fold=fold, test_split=config.test_split(split))


def train_slice(
    config: Config,
    dataset_name: str,
    model_name: str,
    recipe_name: str,
    seed: int | str,
    fold: int | None = None,
) -> TrainSlice:
    """What decides the result of a run, apart from tiles and split."""
    dataset = config.datasets[dataset_name]
    recipe = config.recipe(recipe_name)
    model = config.models[model_name]
    if recipe.head_dropout is not None:
        dropout = {
            "head_dropout": recipe.head_dropout,
            "head_dropout_channels": recipe.head_dropout_channels,
        }
        model = model.model_copy(update=dropout)

    training = recipe.model_dump(include=set(Training.model_fields))
    names = {"dataset": dataset_name, "model": model_name, "recipe": recipe_name}
    return TrainSlice(
        cell=Cell(**names, seed=int(seed), fold=fold),
        model=model,
        training=Training.model_validate(training),
        classes=[land.name for land in dataset.classes],
        counted=counted_classes(dataset, recipe),
    )


def evaluate_slice(config: Config, recipe_name: str, model_name: str = "") -> EvaluateSlice:
    """What is evaluated of a trained cell, and how."""
    recipe = config.recipe(recipe_name)
    everywhere = recipe.augmentation.everywhere
    return EvaluateSlice(
        # Calibration is a job of its own.
        evaluate=recipe.evaluate.model_copy(update={"calibrate": False}),
        augmentation=recipe.augmentation if everywhere else None,
        python_file=_python_file(config, model_name),
    )


def predict_slice(config: Config, prediction: str) -> PredictSlice:
    """How the maps of a prediction look."""
    classes = config.datasets[config.predictions[prediction].dataset].classes
    return PredictSlice(
        colors={land.name: land.shown_color for land in classes},
        python_file=_python_file(config, config.predictions[prediction].model),
    )


def _python_file(config: Config, model_name: str) -> str | None:
    """The Python file that the configuration names for a model, if it is the user's own."""
    return getattr(config.models.get(model_name), "file", None)


def profile_slice(config: Config, dataset_name: str, model_name: str) -> ProfileSlice:
    """What decides the cost of a model on a dataset."""
    dataset = config.datasets[dataset_name]
    classes = len(dataset.classes)
    tables = [table for paper in config.papers.values() for table in paper.tables]
    printed = {figure.classes for table in tables for figure in table.row(model_name)}
    return ProfileSlice(
        dataset=dataset_name,
        model_name=model_name,
        model=config.models[model_name],
        classes=classes,
        bands=dataset.known_bands,
        tile_size=dataset.tile_size,
        printed_classes=sorted(printed - {None, classes}),
    )


def speed_slice(config: Config, study_name: str, dataset_name: str) -> SpeedSlice:
    """What decides how fast the models of a study are on a dataset."""
    dataset = config.datasets[dataset_name]
    return SpeedSlice(
        dataset=dataset_name,
        models={name: config.models[name] for name in config.study[study_name].models},
        classes=len(dataset.classes),
        bands=dataset.known_bands,
        tile_size=dataset.tile_size,
    )


def study_slice(config: Config, study_name: str) -> StudySlice:
    """What a study shows."""
    study = config.study[study_name]
    shown = set(StudyDataset.model_fields)
    datasets = {name: config.datasets[name].model_dump(include=shown) for name in study.datasets}

    paper = config.papers[study.paper] if study.paper else None
    if paper and study.claims is not None:
        tested = {name: paper.claims[name] for name in study.claims}
        paper = paper.model_copy(update={"claims": tested})

    return StudySlice(
        name=study_name,
        study=study,
        datasets=datasets,
        models={name: config.models[name] for name in study.models},
        recipes={name: config.recipes[name] for name in study.recipes},
        places={name: place for place, name in enumerate(config.models) if name in study.models},
        folds={name: count for name, count in config.folds.items() if name in study.recipes},
        tunings={name: config.tunings[name] for name in study.recipes if name in config.tunings},
        paper=paper,
    )
