"""Building models from their entries in `config/models.yaml`."""

from importlib import import_module

from torch import nn

from satseg.config import ModelSpec, load
from satseg.errors import UserError


def build_model(model: str | ModelSpec, num_classes: int, in_channels: int = 3, pretrained: bool = False) -> nn.Module:
    """Build a segmentation model.

    Args:
        model: a name from `config/models.yaml`, or a specification.
        num_classes: channels of the output.
        in_channels: bands of the image.
        pretrained: load the encoder weights the specification names; else all weights are random.

    Returns:
        Module that maps float images [B, in_channels, H, W] to logits [B, num_classes, H, W];
        H and W must be multiples of the specification's `stride`.

    Raises:
        UserError: no such model, or its weights cannot be had.
    """
    if isinstance(model, str):
        known = load().models
        if model not in known:
            raise UserError(f"config/models.yaml: no model {model!r}; there are {', '.join(known)}")
        model = known[model]
    return import_module(f"satseg.models.{model.family}").build(model, num_classes, in_channels, pretrained)
