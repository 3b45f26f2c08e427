"""Building models from their entries in `config/models.yaml`."""

from importlib import import_module

import torch
from torch import nn

from satseg.config.models import ModelSpec
from satseg.config.reading import load
from satseg.errors import UserError, is_innocent, one_line


def build_model(
    model: str | ModelSpec, num_classes: int, in_channels: int = 3, pretrained: bool = False
) -> nn.Module:
    """Build a segmentation model.

    Args:
        model: a name from `config/models.yaml`, or an entry of it.
        num_classes: channels of the output.
        in_channels: bands of the image.
        pretrained: load the encoder weights the entry names; otherwise all weights are random.

    Returns:
        Module that maps float images [B, in_channels, H, W] to logits [B, num_classes, H, W];
        H and W must be multiples of the entry's `stride`.

    Raises:
        UserError: there is no such model, or its weights cannot be obtained.

    Source:
        U-Net: arXiv 1505.04597, section 2. The other architectures are those of
        segmentation_models.pytorch, whose pages name their papers.

    Example:
        model = build_model("unet_tiny", num_classes=5)
        logits = model(torch.rand(1, 3, 64, 64))  # float32 [1, 5, 64, 64]
    """
    if isinstance(model, str):
        known = load().models
        if model not in known:
            raise UserError(f"config/models.yaml: no model {model!r}; there are {', '.join(known)}")
        model = known[model]
    family = import_module(f"satseg.models.{model.family}")
    return family.build(model, num_classes, in_channels, pretrained)


def check_tiles(
    name: str, model: ModelSpec, num_classes: int, bands: int, size: int, batch: int
) -> None:
    """Refuse a model that does not map a training batch of tiles to logits of their size.

    No arithmetic is done. A batch of one matters: models that batch-normalise over one pixel per
    image cannot train on it.

    Args:
        name: the model's name, for the message.
        model: its entry.
        num_classes: channels of the output.
        bands: bands of the tiles.
        size: height and width of the tiles.
        batch: tiles per batch.

    Raises:
        UserError: the model fails, or returns something else.
    """
    net = build_model(model, num_classes, bands).to("meta").train()
    tiles = f"{batch} tile{'s' * (batch > 1)} of {bands} bands and {size}² pixels"
    try:
        with torch.no_grad():
            logits = net(torch.empty(batch, bands, size, size, device="meta"))
    except Exception as error:  # libraries raise errors of every kind
        if is_innocent(error):
            raise
        reason = one_line(error)
        raise UserError(
            f"models.{name}: does not take {tiles} ({reason}); "
            f"{'correct its `arguments`, ' * bool(getattr(model, 'arguments', None))}"
            "choose a larger tile_size of the dataset, or a multiple of 64, "
            f"{'a batch_size above 1, ' * (batch == 1)}or another model"
        ) from None

    expected = (batch, num_classes, size, size)
    output = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if output != expected:
        raise UserError(
            f"models.{name}: turns {tiles} into {output}, not into logits {expected}; "
            "correct its code or settings"
        )
