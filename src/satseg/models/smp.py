"""Any architecture × encoder of segmentation_models_pytorch."""

from pathlib import Path

import segmentation_models_pytorch as smp
from torch import nn

from satseg.config.models import SmpSpec
from satseg.errors import UserError
from satseg.models.encoders import FOREIGN, load_encoder, read_state

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
            in_channels=in_channels,
            classes=num_classes,
        )
    except KeyError as error:
        raise UserError(f"config/models.yaml: {error.args[0]}") from None
    except ValueError as error:  # the library says what does not fit together
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(
            f"config/models.yaml: {model.architecture} with encoder {model.encoder} "
            f"cannot be built for {in_channels} bands ({reason}); choose another encoder"
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
        _load_file(net.encoder, model, file, in_channels)
    return net


def _load_file(encoder: nn.Module, model: SmpSpec, path: Path, bands: int) -> None:
    """Load the encoder's weights from a file."""
    try:
        load_encoder(encoder, read_state(path), bands)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of encoder weights; {WAYS_OUT}") from None
    except FOREIGN:
        raise UserError(
            f"{path}: does not hold weights of the encoder {model.encoder}; {WAYS_OUT}"
        ) from None
