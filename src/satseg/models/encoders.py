"""Encoder weights from a file."""

import re
from pathlib import Path
from pickle import UnpicklingError

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from segmentation_models_pytorch.encoders.timm_universal import TimmUniversalEncoder
from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder
from timm.models import adapt_input_conv
from torch import nn

# What torch and safetensors raise for a file that holds something else.
FOREIGN = (
    UnpicklingError,
    SafetensorError,
    RuntimeError,
    EOFError,
    AttributeError,
    TypeError,
    KeyError,
    ValueError,
    NotImplementedError,
)


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a state dict on disk, read as data.

    Raises:
        FOREIGN: the file holds something else.
        OSError: it cannot be read.
    """
    if path.suffix == ".safetensors":
        # It calls every file that the system does not open a missing one.
        with path.open("rb"):
            pass
        return load_file(path, device="cpu")
    return torch.load(path, map_location="cpu", weights_only=True)


def load_encoder(encoder: nn.Module, state: dict[str, torch.Tensor], bands: int) -> None:
    """Load an encoder's weights, those of three-band images fitted to other bands.

    Args:
        encoder: any of the library's, built for `bands` bands.
        state: tensors named as in the encoder, or as in timm's whole classifier; the classifier's
            head is left out.
        bands: bands of the images.

    Raises:
        FOREIGN: the tensors are not this encoder's.

    Source:
        Bands are fitted as timm does it: one band sums the three, others repeat them and keep the
        sum over bands.
    """
    if isinstance(encoder, TimmUniversalEncoder | TimmViTEncoder):
        state = _of_timm(encoder, state)

    wanted = encoder.state_dict()
    fitted = {}
    for name, weights in state.items():
        if name in wanted and wanted[name].shape != weights.shape:
            weights = adapt_input_conv(bands, weights)
        fitted[name] = weights

    encoder.load_state_dict(fitted)


def _of_timm(encoder: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder's part of timm's state dict, by the encoder's names."""
    with torch.device("meta"):
        whole = timm.create_model(encoder.name)
    known = {_plain(name) for name in whole.state_dict()}
    names = {_plain(name): name for name in encoder.state_dict()}

    # A larger sibling has all tensors of a smaller one, and more.
    strangers = {_plain(name) for name in state} - known - set(names)
    if strangers:
        raise KeyError(strangers.pop())
    return {names[_plain(name)]: state[name] for name in state if _plain(name) in names}


def _plain(name: str) -> str:
    """A tensor's name without what the library puts before and timm between: `model.stages_0.x` →
    `stages.0.x`."""
    return re.sub(r"_(?=\d+\.)", ".", name.removeprefix("model."))
