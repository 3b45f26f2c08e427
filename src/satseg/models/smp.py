"""Any architecture × encoder of segmentation_models_pytorch."""

from pathlib import Path
from pickle import UnpicklingError

import segmentation_models_pytorch as smp
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from satseg.config.models import SmpSpec
from satseg.errors import UserError

WAYS_OUT = (
    "in config/models.yaml, `encoder_weights: null` starts from random weights, "
    "and a path there takes them from a file"
)


def build(model: SmpSpec, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    """The library's model, with the encoder weights the entry names if `pretrained`.

    Raises:
        UserError: there is no such architecture or encoder, or the weights cannot be obtained.
    """
    weights = model.encoder_weights if pretrained else None
    file = model.weights_file if pretrained else None
    try:
        net = smp.create_model(
            model.architecture,
            model.encoder,
            encoder_weights=None if file else weights,
            # Weights from a file have three bands; the library adapts them to others afterwards.
            in_channels=3 if file else in_channels,
            classes=num_classes,
            **model.arguments,
        )
    except KeyError as error:
        raise UserError(f"config/models.yaml: {error.args[0]}") from None
    except ValueError as error:  # the library says what does not fit together
        reason = str(error).strip().splitlines()[0].rstrip(".")
        advice = "correct its `arguments`, or choose" if model.arguments else "choose"
        raise UserError(
            f"config/models.yaml: {model.architecture} with encoder {model.encoder} "
            f"cannot be built for {in_channels} bands ({reason}); {advice} another encoder"
        ) from None
    except (OSError, RuntimeError) as error:
        if weights is None:
            raise
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(
            f"{weights} weights of {model.encoder} cannot be loaded ({reason}); {WAYS_OUT}"
        ) from None
    if model.head_dropout:
        dropout = nn.Dropout2d if model.head_dropout_channels else nn.Dropout
        net.segmentation_head.insert(0, dropout(model.head_dropout))
    if file:
        _load_encoder(net.encoder, model, file)
        net.encoder.set_in_channels(in_channels, pretrained=True)
    return net


def _load_encoder(encoder: nn.Module, model: SmpSpec, path: Path) -> None:
    """Load a state dict from a file, read as data, into the encoder; a classifier's head in it is
    left out."""
    try:
        if path.suffix == ".safetensors":
            state = load_file(path, device="cpu")
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        encoder.load_state_dict(state)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of encoder weights; {WAYS_OUT}") from None
    except (
        UnpicklingError,
        SafetensorError,
        RuntimeError,
        EOFError,
        OSError,
        AttributeError,
        TypeError,
        KeyError,
    ):
        raise UserError(
            f"{path}: does not hold weights of the encoder {model.encoder}; {WAYS_OUT}"
        ) from None
