"""Fine-tuning: weights that a run starts from."""

import torch
from torch import nn

from satseg.errors import UserError
from satseg.files import sha256
from satseg.jobs.slices import TrainSlice
from satseg.models import build_model
from satseg.models.segmenter import load_weights
from satseg.progress import log


def start_from(net: nn.Module, job: TrainSlice, bands: int) -> dict | None:
    """Give a new model the weights that its recipe's `init_from` names.

    The head is taken over if the classes are the same, and stays as it is if they are others.

    Args:
        net: the model, changed in place.
        job: the cell.
        bands: bands of its images.

    Returns:
        What `run.json` records of it: file, sha256, and the head (`kept` or `new`); None if the
        recipe names none.

    Raises:
        UserError: there are no such weights, or they are of another architecture.
    """
    path = job.training.init_from
    if path is None:
        return None
    with torch.random.fork_rng(devices=[]):  # models that are built here draw nothing of the run's
        source = load_weights(path, python_file=getattr(job.model, "file", None))
        head = _head(net, job, bands)
    keeps_head = source.classes == job.classes
    wanted = {
        name: values for name, values in net.state_dict().items() if keeps_head or name not in head
    }
    given = source.model.state_dict()
    for name, values in wanted.items():
        if name not in given or given[name].shape != values.shape:
            raise UserError(
                f"{path}: its model is another than {job.cell.dataset}/{job.cell.model}, or "
                f"had other bands ({name} does not fit); use that model, or other weights"
            )

    net.load_state_dict({name: given[name] for name in wanted}, strict=False)
    if source.scaling != job.training.scaling:
        log.warning(
            "%s: was trained with scaling: %s, this recipe has %s",
            path, source.scaling, job.training.scaling,
        )  # fmt: skip
    log.info("starting from %s, with %s head", path, "its" if keeps_head else "a new")
    return {"file": path, "sha256": sha256(path), "head": "kept" if keeps_head else "new"}


def _head(net: nn.Module, job: TrainSlice, bands: int) -> set[str]:
    """Names of the weights whose shape depends on the number of classes."""
    wider = build_model(job.model, len(job.classes) + 1, bands).state_dict()
    own = net.state_dict()
    return {name for name, values in own.items() if values.shape != wider[name].shape}
