"""Any architecture × encoder of segmentation_models_pytorch."""

import segmentation_models_pytorch as smp
from torch import nn

from satseg.config import SmpSpec
from satseg.errors import UserError


def build(spec: SmpSpec, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    """The library's model, with the encoder weights the specification names where `pretrained`.

    Raises:
        UserError: no such architecture or encoder, or the weights cannot be had.
    """
    weights = spec.encoder_weights if pretrained else None
    try:
        return smp.create_model(
            spec.architecture,
            spec.encoder,
            encoder_weights=weights,
            in_channels=in_channels,
            classes=num_classes,
        )
    except KeyError as error:
        raise UserError(f"config/models.yaml: {error.args[0]}") from None
    except (OSError, RuntimeError) as error:
        if weights is None:
            raise
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{weights} weights of {spec.encoder} cannot be loaded ({reason}); "
            f"start from random weights with `encoder_weights: null` in config/models.yaml"
        ) from None
