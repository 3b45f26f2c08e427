"""What a run that cannot continue reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from satseg.config.recipes import Training
from satseg.errors import UserError, out_of_memory
from satseg.jobs.slices import TrainSlice


class Diverged(UserError):
    """A loss or a weight is not finite."""


@contextmanager
def explained_failures(job: TrainSlice, checkpoint: Path) -> Iterator[None]:
    """A block whose numeric failures and lack of memory end in one line that says what to change in
    the recipe.

    Args:
        job: the cell.
        checkpoint: the run's checkpoint, if it has written one.

    Raises:
        Diverged: a loss or a weight is not finite.
        UserError: a batch does not fit into memory.
    """
    recipe = f"recipes.{job.cell.recipe}"
    try:
        yield
    except FloatingPointError as error:
        kept = f" ({checkpoint} keeps the state before)" if checkpoint.exists() else ""
        advice = "lower optimizer.lr, or choose another loss or precision: 32"
        raise Diverged(f"{recipe}: {error}{kept}; {advice}") from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise UserError(f"{recipe}.batch_size: {_smaller_batch(job.training)}") from None


def _smaller_batch(settings: Training) -> str:
    """What to set if a batch does not fit into memory."""
    size = settings.batch_size
    if size == 1:
        return (
            "one tile does not fit into memory; choose a smaller tile_size of the dataset, "
            "or a smaller model"
        )

    divisor = next(number for number in range(2, size + 1) if size % number == 0)
    return (
        f"{size} tiles do not fit into memory; "
        f"batch_size: {size // divisor} with accumulate: {settings.accumulate * divisor} "
        f"takes steps of {size * settings.accumulate} tiles too, though batch normalisation and "
        f"jdt see {size // divisor} at a time"
    )
