"""Any architecture × encoder of segmentation_models_pytorch."""

from pathlib import Path

import segmentation_models_pytorch as smp
from torch import nn

from satseg.config.models import SmpSpec
from satseg.errors import UserError, is_innocent, one_line
from satseg.models.encoders import FOREIGN, load_encoder, read_state

WAYS_OUT = (
    "`encoder_weights: null` starts from random weights, "
    "and a path in its place takes them from a file"
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
            **model.arguments,
        )
    except KeyError as error:
        raise UserError(
            f"{model.architecture} with encoder {model.encoder}: {error.args[0]}"
        ) from None
    except Exception as error:  # of every kind, about arguments that the library did not expect
        if is_innocent(error):
            raise
        if isinstance(error, OSError | RuntimeError) and weights and not file:
            raise UserError(
                f"{weights} weights of {model.encoder} cannot be loaded ({one_line(error)}); "
                f"{WAYS_OUT}"
            ) from None
        advice = "correct its `arguments`, or choose" if model.arguments else "choose"
        raise UserError(
            f"{model.architecture} with encoder {model.encoder} "
            f"cannot be built for {in_channels} bands ({one_line(error)}); {advice} another encoder"
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
    except FOREIGN as error:
        if is_innocent(error):
            raise
        raise UserError(
            f"{path}: does not hold weights of the encoder {model.encoder}; {WAYS_OUT}"
        ) from None
