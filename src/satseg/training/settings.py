"""The values that a tuning found for a cell's recipe."""

from pathlib import Path

from pydantic import ValidationError

from satseg.config.recipes import Training
from satseg.errors import UserError
from satseg.jobs.slices import TrainSlice
from satseg.nested import with_keys
from satseg.readers import AGAIN
from satseg.settings import read_settings


def with_settings(job: TrainSlice, path: str | Path | None) -> TrainSlice:
    """The cell with the settings of a file in place of its recipe's.

    Args:
        job: the cell.
        path: a YAML file of dotted keys, as a tuning draws them; None changes nothing.

    Raises:
        UserError: there is no such file, or the recipe does not take its values.
    """
    if path is None:
        return job
    settings = read_settings(path)
    try:
        training = Training.model_validate(with_keys(job.training.model_dump(), settings))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise UserError(f"{path}: {key}: {first['msg']}; {AGAIN}") from None
    return job.model_copy(update={"training": training})
