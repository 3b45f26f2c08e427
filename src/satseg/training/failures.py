"""What a training that cannot go on says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from satseg.config.recipes import Training
from satseg.errors import UserError
from satseg.jobs.slices import TrainSlice


@contextmanager
def explained_failures(spec: TrainSlice, checkpoint: Path) -> Iterator[None]:
    """A block whose numeric failures and lack of memory end in one line that says what to change in
    the recipe."""
    recipe = f"recipes.{spec.cell.recipe}"
    try:
        yield
    except FloatingPointError as error:
        kept = f" ({checkpoint} keeps the state before)" if checkpoint.exists() else ""
        advice = "lower optimizer.lr, or choose another loss or precision: 32"
        raise UserError(f"{recipe}: {error}{kept}; {advice}") from None
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise UserError(f"{recipe}.batch_size: {_smaller(spec.training)}") from None


def _is_out_of_memory(error: Exception) -> bool:
    # On a CPU torch has no class for it.
    told = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in told)


def _smaller(settings: Training) -> str:
    """What to set where a batch does not fit into memory."""
    size = settings.batch_size
    if size == 1:
        return "one tile is too much for the memory; choose a smaller tile_size of the dataset, or a smaller model"
    part = next(n for n in range(2, size + 1) if size % n == 0)
    return (
        f"{size} tiles are too much for the memory; batch_size: {size // part} with accumulate: "
        f"{settings.accumulate * part} makes the same steps of {size * settings.accumulate} tiles"
    )
