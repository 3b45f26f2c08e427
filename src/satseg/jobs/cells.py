"""The cells of a study: one training run each."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path

from satseg.config.root import Config
from satseg.config.splits import fold_numbers
from satseg.config.studies import Study
from satseg.config.types import Strict
from satseg.errors import UserError
from satseg.paths import cell_of, with_fold


class Cell(Strict):
    """One run: dataset × model × recipe × seed, × fold if the recipe's split has folds."""

    dataset: str
    model: str
    recipe: str
    seed: int
    fold: int | None = None

    @property
    def path(self) -> Path:
        """Folder of the cell below `results/runs`."""
        seed = with_fold(f"seed{self.seed}", self.fold)
        return Path(self.dataset, self.model, self.recipe, seed)


def refuse_folder_of_cells(folder: str | Path) -> None:
    """Refuse a folder that only has cells somewhere below it.

    Raises:
        UserError: it is one; the message names a cell.
    """
    weights = "best.pt"
    if Path(folder).is_dir() and not Path(folder, weights).exists():
        below = next(Path(folder).rglob(weights), None)
        if below:
            raise UserError(f"{folder}: holds cells, but is none; name one, such as {below.parent}")


def cells(study: Study, folds: Mapping[str, int]) -> list[Cell]:
    """The study's grid, datasets first, seeds and folds last; `folds`: how many each recipe has
    that has some."""
    names = product(study.datasets, study.models, study.recipes, study.seeds)
    return [
        Cell(dataset=dataset, model=model, recipe=recipe, seed=seed, fold=fold)
        for dataset, model, recipe, seed in names
        for fold in fold_numbers(folds.get(recipe))
    ]


def teacher_cell(config: Config, dataset: str, recipe: str, fold: int | None = None) -> Cell | None:
    """The cell that cells of a recipe learn from on a dataset, in the same fold, so that it has not
    seen their test tiles; None if the recipe has no teacher."""
    teacher = config.recipe(recipe).teacher
    if teacher is None:
        return None
    names = {"model": teacher.model, "recipe": teacher.recipe, "seed": teacher.seed}
    return Cell(dataset=dataset, **names, fold=fold)


def start_cell(config: Config, recipe: str) -> Cell | None:
    """The cell whose weights cells of a recipe start from; None if they start from none of this
    project's."""
    found = cell_of(config.recipe(recipe).init_from or "")
    return Cell.model_validate(found) if found else None


def member_cells(config: Config, cell: Cell) -> list[Cell]:
    """The cells that vote with one when it is evaluated, in the same fold."""
    members = config.recipe(cell.recipe).evaluate.ensemble
    given = [member.model_dump(exclude_none=True) for member in members]
    return [cell.model_copy(update=names) for names in given]
