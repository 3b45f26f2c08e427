"""The whole configuration."""

from satseg.config.datasets import Dataset
from satseg.config.models import ModelSpec
from satseg.config.papers import Paper
from satseg.config.recipes import Recipe
from satseg.config.splits import Split
from satseg.config.studies import Prediction, Study
from satseg.config.types import Name, Strict


class Config(Strict):
    """Everything under `config/`, combined."""

    studies: list[str] = []
    """Studies that plain `snakemake` builds."""
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
    papers: dict[Name, Paper] = {}
    """Papers by name."""
    study: dict[Name, Study] = {}
    """Studies by name, one file each in `studies/`."""

    def files_of(self, dataset_name: str) -> str:
        """The dataset whose files a dataset consists of: itself, or the one its `scenes_of`
        names."""
        return self.datasets[dataset_name].scenes_of or dataset_name

    def test_split(self, split_name: str) -> Split | None:
        """The split whose test tiles are also those of this one, if its `test_of` names one."""
        other = self.splits[split_name].test_of
        return self.splits[other] if other else None
