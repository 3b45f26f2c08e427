"""The whole configuration."""

from typing import Literal

from satseg.config.datasets import Dataset
from satseg.config.models import ModelSpec
from satseg.config.papers import Paper
from satseg.config.recipes import Recipe
from satseg.config.splits import Split
from satseg.config.studies import Prediction, Study
from satseg.config.tunings import Tuning, trial_of
from satseg.config.types import Name, Strict


class Config(Strict):
    """Everything under `config/`, combined."""

    studies: list[str] = []
    """Studies that `satseg run` builds if none is named."""
    logger: Literal["csv", "tensorboard", "mlflow", "wandb"] = "csv"
    """Where the rows of every run's history.csv go besides: nowhere (`csv`), or to TensorBoard,
    MLflow or Weights & Biases, each an extra to install. It changes no result and reruns
    nothing."""
    predictions: dict[Name, Prediction] = {}
    """Maps that `snakemake predict` makes, by name: `results/predictions/<name>/<scene>.tif`."""
    datasets: dict[Name, Dataset]
    """Datasets by name."""
    splits: dict[Name, Split]
    """Splits by name."""
    models: dict[Name, ModelSpec]
    """Models by name."""
    recipes: dict[Name, Recipe]
    """Recipes by name."""
    tunings: dict[Name, Tuning] = {}
    """Tunings by name; each makes a recipe of its name."""
    papers: dict[Name, Paper] = {}
    """Papers by name."""
    study: dict[Name, Study] = {}
    """Studies by name, one file each in `studies/`."""

    @property
    def folds(self) -> dict[str, int]:
        """How many folds each recipe has whose split has folds."""
        counts = {name: split.folds for name, split in self.splits.items() if split.folds}
        return {
            name: counts[recipe.split]
            for name, recipe in self.recipes.items()
            if recipe.split in counts
        }

    def recipe(self, name: str) -> Recipe:
        """A recipe by its name, or that of a tuning's trial at a rung: the tuned recipe, without
        the values drawn, stopped at the rung."""
        trial = trial_of(name)
        if trial is None:
            return self.recipes[name]
        rungs = self.tunings[trial.tuning].rungs
        stop = None if trial.rung == len(rungs) else rungs[trial.rung - 1]
        return self.recipes[trial.tuning].model_copy(update={"stop_after": stop})

    def files_of(self, dataset_name: str) -> str:
        """The dataset whose files a dataset consists of: itself, or the one its `scenes_of`
        names."""
        return self.datasets[dataset_name].scenes_of or dataset_name

    def test_split(self, split_name: str) -> Split | None:
        """The split whose test tiles are also those of this one, if its `test_of` names one."""
        other = self.splits[split_name].test_of
        return self.splits[other] if other else None
